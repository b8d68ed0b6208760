//! One connection, from its first byte to its last.

use super::reply::Reply;
use super::serve::Peer;
use super::stack::Front;
use crate::config::Http;
use http::Request;
use hyper::body::Incoming;
use hyper::rt::{Read, Write};
use hyper::service::Service;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use std::convert::Infallible;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

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
    pub(crate) front: Front,
    builder: Builder<TokioExecutor>,
    tls: Option<TlsAcceptor>,
    first_request: Duration,
}

impl Server {
    pub(crate) fn new(front: Front, tls: Option<TlsAcceptor>, config: &Http) -> Server {
        let header = Duration::from_millis(config.header_ms);
        let mut builder = Builder::new(TokioExecutor::new());
        builder
            .http1()
            .timer(TokioTimer::new())
            .header_read_timeout(header)
            .max_buf_size(config.header_bytes_max)
            .half_close(false);
        builder
            .http2()
            .timer(TokioTimer::new())
            .keep_alive_interval(Duration::from_secs(20))
            .keep_alive_timeout(Duration::from_secs(20))
            .max_concurrent_streams(256)
            .max_header_list_size(u32::try_from(config.header_bytes_max).unwrap_or(u32::MAX))
            .max_send_buf_size(64 << 10);
        Server { front, builder, tls, first_request: header }
    }

    /// Serves a connection until it ends, is told to, or has sent no request in time.
    pub(crate) async fn serve(
        self: Arc<Server>,
        stream: TcpStream,
        peer: Peer,
        phase: watch::Receiver<Phase>,
    ) {
        match self.tls.clone() {
            None => self.run(TokioIo::new(stream), peer, phase).await,
            Some(tls) => match tokio::time::timeout(self.first_request, tls.accept(stream)).await {
                // A TLS session is large whatever is done; boxing it keeps plain connections small.
                Ok(Ok(stream)) => Box::pin(self.run(TokioIo::new(stream), peer, phase)).await,
                Ok(Err(e)) => tracing::debug!(error = %e, "no TLS session"),
                Err(_) => tracing::debug!("no TLS session in time"),
            },
        }
    }

    async fn run<I>(&self, io: I, peer: Peer, mut phase: watch::Receiver<Phase>)
    where
        I: Read + Write + Unpin + Send + 'static,
    {
        let asked = Arc::new(AtomicBool::new(false));
        let entry = Entry { front: self.front.clone(), peer, asked: asked.clone() };
        let mut conn = pin!(self.builder.serve_connection_with_upgrades(io, entry));
        let mut patience = Some(Box::pin(tokio::time::sleep(self.first_request)));
        loop {
            tokio::select! {
                ended = conn.as_mut() => {
                    if let Err(e) = ended {
                        tracing::debug!(error = %e, "connection broke");
                    }
                    return;
                }
                () = expired(&mut patience) => {
                    // hyper bounds the time of HTTP/1 heads, but not of the bytes that tell HTTP/1 from HTTP/2.
                    if !asked.load(Ordering::Relaxed) {
                        return;
                    }
                    patience = None;
                }
                changed = phase.changed() => {
                    let now = if changed.is_ok() { *phase.borrow() } else { Phase::Closed };
                    match now {
                        Phase::Open => {}
                        Phase::Closing => conn.as_mut().graceful_shutdown(),
                        Phase::Closed => return,
                    }
                }
            }
        }
    }
}

async fn expired(patience: &mut Option<Pin<Box<tokio::time::Sleep>>>) {
    match patience {
        Some(sleep) => sleep.as_mut().await,
        None => std::future::pending().await,
    }
}

/// The front, as one connection sees it.
#[derive(Clone)]
struct Entry {
    front: Front,
    peer: Peer,
    asked: Arc<AtomicBool>,
}

impl Service<Request<Incoming>> for Entry {
    type Response = Reply;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Reply, Infallible>> + Send>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        self.asked.store(true, Ordering::Relaxed);
        self.front.call(self.peer, request)
    }
}
