//! One connection, from its first byte to its last.

use super::body::Body;
use super::limits::Arrivals;
use super::proxy;
use super::reply::Reply;
use super::serve::Peer;
use super::stack::Front;
use crate::config::{Config, Net};
use crate::tls::PROOF_ALPN;
use crosspoint_hub::{Connection, Hub};
use crosspoint_sse::{Handover, Http1};
use http::Request;
use hyper::body::Incoming;
use hyper::rt::{Read, Write};
use hyper::server::conn::{http1, http2};
use hyper::service::Service;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use std::convert::Infallible;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

/// What an HTTP/2 client sends first (RFC 9113 §3.4).
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// The wait for the rest of what may be a preface; it comes in one segment from all that is known.
const PREFACE_PAUSE: Duration = Duration::from_millis(5);

/// Requests at once on a connection of HTTP/2.
const STREAMS_MAX: u32 = 256;
/// Requests that were taken back before they were looked at, and requests that broke rules, after which such a connection ends
/// (CVE-2023-44487, CVE-2025-8671).
const RESETS_MAX: usize = 20;
const STREAM_ERRORS_MAX: usize = 256;

/// What connections are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    /// Serve.
    Open,
    /// Finish what is under way.
    Closing,
    /// Stop.
    Closed,
}

/// What all connections share.
pub(crate) struct Server {
    front: Front,
    http1: http1::Builder,
    http2: http2::Builder<TokioExecutor>,
    tls: Option<TlsAcceptor>,
    /// Whose connections begin with a header of the PROXY protocol.
    proxies: Vec<Net>,
    arrivals: Arrivals,
    patience: Duration,
}

impl Server {
    pub(crate) fn new(front: Front, hub: Arc<Hub>, tls: Option<TlsAcceptor>, settings: &Config) -> Server {
        let config = &settings.http;
        let proxies = if settings.listen.proxy_protocol { settings.trusted_proxies.clone() } else { vec![] };
        let patience = Duration::from_millis(config.header_ms);
        let mut http1 = http1::Builder::new();
        http1
            .timer(TokioTimer::new())
            .header_read_timeout(patience)
            .max_buf_size(config.header_bytes_max)
            .half_close(false);
        let mut http2 = http2::Builder::new(TokioExecutor::new());
        http2
            .timer(TokioTimer::new())
            .keep_alive_interval(Duration::from_secs(20))
            .keep_alive_timeout(Duration::from_secs(20))
            .max_concurrent_streams(STREAMS_MAX)
            .max_pending_accept_reset_streams(RESETS_MAX)
            .max_local_error_reset_streams(STREAM_ERRORS_MAX)
            .max_header_list_size(u32::try_from(config.header_bytes_max).unwrap_or(u32::MAX))
            .max_send_buf_size(64 << 10);
        let arrivals = Arrivals { hub, trusted: settings.trusted_proxies.clone() };
        Server { front, http1, http2, tls, proxies, arrivals, patience }
    }

    /// Serves a connection until it ends, is told to, or has sent no request in time. Idle event streams spend their lives in here:
    /// what only other connections need is boxed.
    pub(crate) async fn serve(
        self: Arc<Server>,
        mut stream: TcpStream,
        mut peer: Peer,
        mut phase: watch::Receiver<Phase>,
    ) {
        if self.proxies.iter().any(|net| net.contains(peer.0)) {
            match Box::pin(self.begin(proxy::source(&mut stream), &mut phase)).await {
                Some(source) => peer = source.map_or(peer, Peer),
                None => return,
            }
        }
        let Ok(held) = self.arrivals.open(&stream, peer.0, self.tls.is_some()) else { return };
        if let Some(tls) = self.tls.clone() {
            return Box::pin(self.secure(tls, stream, (peer, held), phase)).await;
        }
        match Box::pin(self.begin(is_http2(&stream), &mut phase)).await {
            Some(true) => Box::pin(self.run_http2(stream, (peer, held), phase)).await,
            Some(false) => self.run_http1(stream, (peer, held), phase).await,
            None => {}
        }
    }

    async fn secure(
        &self,
        tls: TlsAcceptor,
        stream: TcpStream,
        peer: (Peer, Option<Connection>),
        mut phase: watch::Receiver<Phase>,
    ) {
        let Some(stream) = self.begin(tls.accept(stream), &mut phase).await else { return };
        match stream.get_ref().1.alpn_protocol() {
            Some(b"h2") => return self.run_http2(stream, peer, phase).await,
            // Who asked for a proof has seen it.
            Some(PROOF_ALPN) => return,
            _ => {}
        }
        let entry = Entry::new(self, peer, None);
        let conn = self.http1.serve_connection(TokioIo::new(stream), entry).with_upgrades();
        drive(conn, |c| c.graceful_shutdown(), phase).await;
    }

    /// What a connection begins with, if it comes in time and before the end.
    async fn begin<T>(
        &self,
        beginning: impl Future<Output = io::Result<T>>,
        phase: &mut watch::Receiver<Phase>,
    ) -> Option<T> {
        tokio::select! {
            begun = tokio::time::timeout(self.patience, beginning) => match begun {
                Ok(Ok(begun)) => return Some(begun),
                Ok(Err(e)) => tracing::debug!(error = %e, "connection did not begin"),
                Err(_) => tracing::debug!("connection did not begin in time"),
            },
            _ = phase.wait_for(|p| *p > Phase::Open) => {}
        }
        None
    }

    async fn run_http1(
        &self,
        stream: TcpStream,
        peer: (Peer, Option<Connection>),
        phase: watch::Receiver<Phase>,
    ) {
        let handover = Handover::default();
        let entry = Entry::new(self, peer, Some(handover.clone()));
        let conn = Http1::new(&self.http1, stream, handover, entry);
        drive(conn, |mut c| c.graceful_shutdown(), phase).await;
    }

    async fn run_http2<I>(&self, io: I, peer: (Peer, Option<Connection>), phase: watch::Receiver<Phase>)
    where
        TokioIo<I>: Read + Write + Unpin + Send + 'static,
    {
        let entry = Entry::new(self, peer, None);
        let asked = entry.asked.clone();
        let conn = self.http2.serve_connection(TokioIo::new(io), entry);
        // hyper bounds the time of HTTP/1 heads, but not of HTTP/2's beginning.
        let impatience = async {
            tokio::time::sleep(self.patience).await;
            if asked.load(Ordering::Relaxed) {
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            () = drive(conn, |c| c.graceful_shutdown(), phase) => {}
            () = impatience => {}
        }
    }
}

/// Runs a connection through the phases.
async fn drive<C, E>(conn: C, finish: impl Fn(Pin<&mut C>), mut phase: watch::Receiver<Phase>)
where
    C: Future<Output = Result<(), E>>,
    E: std::error::Error,
{
    let mut conn = pin!(conn);
    loop {
        tokio::select! {
            ended = conn.as_mut() => {
                if let Err(e) = ended {
                    tracing::debug!(error = %e, "connection broke");
                }
                return;
            }
            changed = phase.changed() => {
                let now = if changed.is_ok() { *phase.borrow() } else { Phase::Closed };
                match now {
                    Phase::Open => {}
                    Phase::Closing => finish(conn.as_mut()),
                    Phase::Closed => return,
                }
            }
        }
    }
}

/// Whether the client begins as HTTP/2 clients do. Nothing is taken from the stream.
async fn is_http2(stream: &TcpStream) -> io::Result<bool> {
    let mut seen = [0; PREFACE.len()];
    loop {
        let n = stream.peek(&mut seen).await?;
        if n == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if !PREFACE.starts_with(&seen[..n]) {
            return Ok(false);
        }
        if n == PREFACE.len() {
            return Ok(true);
        }
        tokio::time::sleep(PREFACE_PAUSE).await;
    }
}

/// The front, as one connection sees it.
struct Entry {
    front: Front,
    peer: Peer,
    /// Where event streams leave hyper, on plain connections of HTTP/1.
    handover: Option<Handover>,
    asked: Arc<AtomicBool>,
    /// Its place among its address's connections, where those are counted.
    held: Option<Connection>,
}

impl Entry {
    fn new(server: &Server, peer: (Peer, Option<Connection>), handover: Option<Handover>) -> Entry {
        let (peer, held) = peer;
        Entry { front: server.front.clone(), peer, handover, asked: Arc::default(), held }
    }
}

impl Service<Request<Incoming>> for Entry {
    type Response = Reply;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Reply, Infallible>> + Send>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        self.asked.store(true, Ordering::Relaxed);
        self.held.iter().for_each(Connection::asked);
        let (version, handover) = (request.version(), self.handover.clone());
        let answer = self.front.call(self.peer, request);
        Box::pin(async move {
            let (mut head, mut body) = answer.await?.into_parts();
            if let (Body::Sse(stream), Some(handover)) = (&mut body, handover) {
                handover.offer(version, &mut head.headers, stream);
            }
            Ok(Reply::from_parts(head, body))
        })
    }
}
