//! HTTP/1.1 between the lanes and the hub: request by request, until something ends the connection.

use std::io;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncWriteExt, DuplexStream};
use tokio::net::TcpSocket;

use super::connection::Connection;
use super::head::{Parsed, RequestHead, ResponseHead};
use super::log::Event;
use super::peer::{Peer, Socket};
use super::rules::End;
use super::tunnel::{self, Passing, TunnelEnd};

const HEAD_BYTES_MAX: usize = 64 * 1024;
const BODY_BYTES_MAX: usize = 64 * 1024 * 1024;
const AHEAD_BYTES_MAX: usize = 64 * 1024;

/// How the sockets end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Outcome {
    pub(super) client: End,
    pub(super) upstream: End,
}

impl Outcome {
    pub(super) fn both(how: End) -> Self {
        Self { client: how, upstream: how }
    }
}

/// What an exchange leaves behind.
pub(super) enum Next {
    Request,
    Tunnel(Passing),
}

/// The engine of one connection. Its methods fail with the outcome that the failure leads to.
pub(super) struct Engine {
    pub(super) connection: Arc<Connection>,
    pub(super) client: Peer<DuplexStream>,
    pub(super) upstream: Option<Peer<Socket>>,
}

/// Serves requests until the connection is over.
pub(super) async fn run(client: Peer<DuplexStream>, connection: Arc<Connection>) -> Outcome {
    let mut engine = Engine { connection, client, upstream: None };
    let passing = loop {
        match engine.turn().await {
            Ok(Next::Request) => {}
            Ok(Next::Tunnel(passing)) => break passing,
            Err(outcome) => return outcome,
        }
    };
    let Engine { connection, client, upstream: Some(upstream) } = engine else {
        return Outcome::both(End::Reset);
    };
    let end = tunnel::run(client, upstream, passing, || connection.log(Event::UpstreamClosed)).await;
    if let TunnelEnd::UpstreamFailed(error) = &end {
        connection.log(Event::UpstreamFailed { message: error.to_string() });
    }
    let (client, upstream) = end.ends();
    Outcome { client, upstream }
}

impl Engine {
    async fn turn(&mut self) -> Result<Next, Outcome> {
        let Some(request) = self.request().await? else {
            self.connection.log(Event::Raw);
            self.upstream().await?;
            return Ok(Next::Tunnel(Passing::All));
        };
        let body = self.request_body(&request).await?;
        self.exchange(request, body).await
    }

    /// The next request's head; `None` when it isn't HTTP/1.1.
    async fn request(&mut self) -> Result<Option<RequestHead>, Outcome> {
        loop {
            match RequestHead::parse(&mut self.client.buffer) {
                Parsed::Head(head) => return Ok(Some(head)),
                Parsed::Malformed => return Ok(None),
                Parsed::Partial if self.client.buffer.len() > HEAD_BYTES_MAX => return Ok(None),
                Parsed::Partial => self.fill_client().await?,
            }
        }
    }

    async fn request_body(&mut self, request: &RequestHead) -> Result<Bytes, Outcome> {
        let mut left = request.body.clone();
        let mut body = BytesMut::new();
        if request.expects_continue && !left.is_done() {
            self.write_client(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
        }
        loop {
            let taken = left.take(&self.client.buffer).map_err(|_| Outcome::both(End::Reset))?;
            body.unsplit(self.client.buffer.split_to(taken));
            if left.is_done() {
                return Ok(body.freeze());
            }
            if body.len() > BODY_BYTES_MAX {
                return Err(self.answer(413).await);
            }
            self.fill_client().await?;
        }
    }

    /// Reads more from the client; its close ends the connection.
    async fn fill_client(&mut self) -> Result<(), Outcome> {
        match self.client.fill().await {
            Ok(1..) => Ok(()),
            Ok(0) | Err(_) => Err(Outcome::both(End::Close)),
        }
    }

    pub(super) async fn write_client(&mut self, bytes: &[u8]) -> Result<(), Outcome> {
        self.client.stream.write_all(bytes).await.map_err(|_| Outcome::both(End::Reset))
    }

    /// Answers in the hub's stead; the connection is over then.
    pub(super) async fn answer(&mut self, status: u16) -> Outcome {
        let text = format!("fault proxy: {status}\n");
        let head = format!(
            "HTTP/1.1 {status} Fault\r\nContent-Type: text/plain\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
            text.len()
        );
        self.connection.log(Event::Answered { status });
        match self.write_client((head + &text).as_bytes()).await {
            Ok(()) => Outcome::both(End::Close),
            Err(outcome) => outcome,
        }
    }

    /// The connection to the hub, a new one where the last has ended. Without one the client gets 502.
    pub(super) async fn upstream(&mut self) -> Result<&mut Peer<Socket>, Outcome> {
        let kept = self.upstream.take().filter(|peer| peer.buffer.is_empty() && !peer.stream.is_stale());
        let peer = match kept {
            Some(peer) => peer,
            None => match self.connect().await {
                Ok(socket) => {
                    *self.connection.upstream.lock() = Some(socket.clone());
                    Peer::new(socket)
                }
                Err(error) => {
                    self.connection.log(Event::UpstreamFailed { message: error.to_string() });
                    return Err(self.answer(502).await);
                }
            },
        };
        Ok(self.upstream.insert(peer))
    }

    async fn connect(&self) -> io::Result<Socket> {
        let address = *self.connection.shared.upstream.lock();
        let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        if let Some(bytes) = self.connection.shared.receive_buffer_bytes {
            socket.set_recv_buffer_size(bytes)?;
        }
        Socket::new(socket.connect(address).await?)
    }

    /// The head of the hub's answer; `None` if it closed instead.
    pub(super) async fn response(
        &mut self,
        request: &RequestHead,
        watch: Watch,
    ) -> Result<Option<ResponseHead>, Outcome> {
        loop {
            let Some(upstream) = &mut self.upstream else { return Ok(None) };
            match ResponseHead::parse(&mut upstream.buffer, request) {
                Parsed::Head(head) => {
                    self.connection.log(Event::Response { status: head.status });
                    return Ok(Some(head));
                }
                Parsed::Partial if upstream.buffer.len() <= HEAD_BYTES_MAX => {}
                Parsed::Partial | Parsed::Malformed => {
                    let message = "the answer is not HTTP/1.1".to_owned();
                    self.connection.log(Event::UpstreamFailed { message });
                    return Err(Outcome::both(End::Reset));
                }
            }
            if !self.fill_upstream(watch).await? {
                return Ok(None);
            }
        }
    }

    /// Reads more from the hub; `false` at its end. A client that leaves meanwhile ends the connection, if watched.
    pub(super) async fn fill_upstream(&mut self, watch: Watch) -> Result<bool, Outcome> {
        let Some(upstream) = &mut self.upstream else { return Ok(false) };
        loop {
            let watching = watch == Watch::Client && self.client.buffer.len() < AHEAD_BYTES_MAX;
            tokio::select! {
                read = upstream.fill() => return match read {
                    Ok(0) => {
                        self.connection.log(Event::UpstreamClosed);
                        Ok(false)
                    }
                    Ok(_) => Ok(true),
                    Err(error) => {
                        self.connection.log(Event::UpstreamFailed { message: error.to_string() });
                        Err(Outcome::both(End::Reset))
                    }
                },
                read = self.client.fill(), if watching => if !matches!(read, Ok(1..)) {
                    return Err(Outcome::both(End::Close));
                },
            }
        }
    }

    /// The rest of an answer, body and all, at most [`BODY_BYTES_MAX`].
    pub(super) async fn whole_body(
        &mut self,
        head: &ResponseHead,
        watch: Watch,
    ) -> Result<BytesMut, Outcome> {
        let mut left = head.body.clone();
        let mut body = BytesMut::new();
        loop {
            let Some(upstream) = &mut self.upstream else { return Ok(body) };
            let taken = left.take(&upstream.buffer).map_err(|_| Outcome::both(End::Reset))?;
            body.unsplit(upstream.buffer.split_to(taken));
            if left.is_done() {
                return Ok(body);
            }
            if body.len() > BODY_BYTES_MAX {
                return Err(Outcome::both(End::Reset));
            }
            if !self.fill_upstream(watch).await? {
                return if left.may_end_here() { Ok(body) } else { Err(Outcome::both(End::Reset)) };
            }
        }
    }
}

/// Whether a client that leaves ends an exchange, or the hub shall see it through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Watch {
    Client,
    Nobody,
}
