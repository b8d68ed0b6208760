use super::got::Got;
use super::ws::Came;
use bytes::Bytes;
use crosspoint::Running;
use crosspoint_core::Code;
use serde_json::Value;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use wtransport::endpoint::ConnectOptions;
use wtransport::endpoint::endpoint_side::Client;
use wtransport::error::{ConnectingError, ConnectionError};
use wtransport::tls::Sha256Digest;
use wtransport::{ClientConfig, Connection, Endpoint, RecvStream, SendStream, VarInt};

const BINARY: u32 = 1 << 31;

/// The send half of a WebTransport session.
pub(crate) struct Wt {
    pub(crate) connection: Connection,
    stream: SendStream,
    datagrams: Arc<AtomicU64>,
    /// The session's; a further stream has none.
    _endpoint: Option<Endpoint<Client>>,
}

/// The other half.
pub(crate) struct WtReader {
    connection: Connection,
    stream: RecvStream,
    held: Vec<u8>,
    datagrams: Arc<AtomicU64>,
    said: Option<Code>,
    /// It is not the session's first stream.
    beside: bool,
}

/// A client that trusts the hub's certificates.
pub(crate) fn client(hub: &Running) -> Endpoint<Client> {
    client_that_trusts(hub.webtransport().expect("it is enabled").1)
}

pub(crate) fn client_that_trusts(hashes: impl IntoIterator<Item = [u8; 32]>) -> Endpoint<Client> {
    let config = ClientConfig::builder()
        .with_bind_address((Ipv4Addr::LOCALHOST, 0).into())
        .with_server_certificate_hashes(hashes.into_iter().map(Sha256Digest::new))
        .build();
    Endpoint::client(config).expect("a socket")
}

impl Wt {
    /// Opens a session and its first stream; 0 if that is refused, for nobody says why.
    pub(crate) async fn open(
        hub: &Running,
        query: &str,
        headers: &[(&str, &str)],
    ) -> Result<(Wt, WtReader), u16> {
        let (addr, _) = hub.webtransport().expect("it is enabled");
        let mut options = ConnectOptions::builder(format!("https://{addr}/webtransport{query}"));
        for (name, value) in headers {
            options = options.add_header(name, value);
        }
        let endpoint = client(hub);
        let connection = match endpoint.connect(options.build()).await {
            Ok(connection) => connection,
            Err(ConnectingError::SessionRejected) => return Err(0),
            Err(e) => panic!("{e}"),
        };
        Ok(Wt::stream(connection, Some(endpoint)).await)
    }

    /// Opens a further stream of the session.
    pub(crate) async fn beside(&self) -> (Wt, WtReader) {
        Wt::stream(self.connection.clone(), None).await
    }

    async fn stream(connection: Connection, endpoint: Option<Endpoint<Client>>) -> (Wt, WtReader) {
        let (stream, read) = connection.open_bi().await.unwrap().await.unwrap();
        let datagrams = Arc::<AtomicU64>::default();
        let reader = WtReader {
            connection: connection.clone(),
            stream: read,
            held: vec![],
            datagrams: datagrams.clone(),
            said: None,
            beside: endpoint.is_none(),
        };
        (Wt { connection, stream, datagrams, _endpoint: endpoint }, reader)
    }

    /// Sends a text; a session that is gone shows in the reader.
    pub(crate) async fn text(&mut self, text: &[u8]) {
        self.message(text.len() as u32, text).await;
    }

    pub(crate) async fn binary(&mut self, bytes: &[u8]) {
        self.message(BINARY | bytes.len() as u32, bytes).await;
    }

    /// Sends a datagram; one that doesn't fit or has nowhere to go is lost.
    pub(crate) fn datagram(&self, frame: &Value) {
        let _ = self.connection.send_datagram(frame.to_string());
    }

    /// Bytes of the link's stream, whatever they are.
    pub(crate) async fn raw(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes).await;
    }

    /// Ends the stream.
    pub(crate) async fn finish(&mut self) {
        let _ = self.stream.finish().await;
    }

    /// Breaks the stream off.
    pub(crate) fn reset(&mut self, code: u32) {
        let _ = self.stream.reset(VarInt::from_u32(code));
    }

    /// Datagrams that came.
    pub(crate) fn datagrams(&self) -> u64 {
        self.datagrams.load(Ordering::Relaxed)
    }

    async fn message(&mut self, head: u32, body: &[u8]) {
        let _ = self.stream.write_all(&[&head.to_be_bytes()[..], body].concat()).await;
    }
}

impl WtReader {
    /// The next frame of the stream, or of a datagram.
    pub(crate) async fn next(&mut self) -> Came {
        let mut piece = vec![0; 16 << 10];
        loop {
            if let Some(got) = self.held_frame() {
                if got.kind() == "hub:close" {
                    self.said = Code::from_name(got["data"]["code"].as_str().unwrap());
                }
                return Came::Frame(got);
            }
            tokio::select! {
                biased;
                read = self.stream.read(&mut piece) => match read {
                    Ok(Some(n)) => self.held.extend_from_slice(&piece[..n]),
                    Ok(None) => return self.close(),
                    Err(_) => return self.lost().await,
                },
                datagram = self.connection.receive_datagram(), if !self.beside => match datagram {
                    Ok(datagram) => {
                        self.datagrams.fetch_add(1, Ordering::Relaxed);
                        return Came::Frame(Got::text(&datagram.payload()));
                    }
                    Err(_) => return self.lost().await,
                },
            }
        }
    }

    fn held_frame(&mut self) -> Option<Got> {
        let head = u32::from_be_bytes(*self.held.first_chunk()?);
        let end = 4 + (head & !BINARY) as usize;
        if self.held.len() < end {
            return None;
        }
        let body = Bytes::copy_from_slice(&self.held[4..end]);
        self.held.drain(..end);
        Some(if head & BINARY == 0 { Got::text(&body) } else { Got::binary(&body) })
    }

    /// The hub has said all: it is answered with the code it gave.
    fn close(&self) -> Came {
        let code = self.said.expect("hub:close comes before the end").close();
        if self.beside {
            return Came::End(Some(code));
        }
        self.connection.close(VarInt::from_u32(code.into()), b"");
        Came::End(Some(code))
    }

    async fn lost(&self) -> Came {
        match self.connection.closed().await {
            ConnectionError::ApplicationClosed(close) => {
                Came::End(u16::try_from(close.code().into_inner()).ok())
            }
            _ => Came::End(None),
        }
    }
}
