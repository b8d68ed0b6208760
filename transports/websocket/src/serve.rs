//! Links over upgraded connections.

use crate::conn::{Conn, Guarded};
use crate::link::Link;
use crate::task::Task;
use bytes::Bytes;
use crosspoint_core::{Acceptor, LinkInfo, Transport};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use hyper_util::server::conn::auto;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

/// The bounds of a link.
#[derive(Debug, Clone, Copy)]
pub struct Config {
    /// The largest message in bytes, whole or in fragments; a larger one closes the link with `frame_too_large`.
    pub frame_bytes_max: usize,
    /// How long a link that is being closed may take to send what was begun and to see the other end's close frame.
    pub close_wait: Duration,
}

impl Config {
    /// With this bound on messages, in bytes, and two seconds for closing.
    pub fn new(frame_bytes_max: usize) -> Config {
        Config { frame_bytes_max, close_wait: Duration::from_secs(2) }
    }
}

/// Runs a link over an upgraded connection in a task of its own; aborting that task drops the link.
///
/// A plain TCP connection that was served as `TokioIo<TcpStream>` takes the direct path ([`serve_tcp`]), anything else
/// [`serve_io`]. Must be called within a tokio runtime that has timers.
pub fn serve(
    upgraded: Upgraded,
    info: LinkInfo,
    acceptor: &Arc<dyn Acceptor>,
    config: Config,
) -> JoinHandle<()> {
    let upgraded = match auto::upgrade::downcast::<TokioIo<TcpStream>>(upgraded) {
        Ok(parts) => return serve_tcp(parts.io.into_inner(), parts.read_buf, info, acceptor, config),
        Err(upgraded) => upgraded,
    };
    match upgraded.downcast::<TokioIo<TcpStream>>() {
        Ok(parts) => serve_tcp(parts.io.into_inner(), parts.read_buf, info, acceptor, config),
        Err(upgraded) => serve_io(TokioIo::new(upgraded), Bytes::new(), info, acceptor, config),
    }
}

/// Runs a link over a TCP connection whose handshake is done. `leftover` was read beyond the handshake.
pub fn serve_tcp(
    stream: TcpStream,
    leftover: Bytes,
    info: LinkInfo,
    acceptor: &Arc<dyn Acceptor>,
    config: Config,
) -> JoinHandle<()> {
    // Fails only on a connection that is already gone, which the first read finds out.
    let _ = stream.set_nodelay(true);
    start(stream, leftover, info, acceptor, config)
}

/// Runs a link over any byte stream whose handshake is done, TLS for one. `leftover` was read beyond the handshake.
pub fn serve_io<T>(
    io: T,
    leftover: Bytes,
    info: LinkInfo,
    acceptor: &Arc<dyn Acceptor>,
    config: Config,
) -> JoinHandle<()>
where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    start(Guarded::new(io), leftover, info, acceptor, config)
}

fn start<C: Conn>(
    conn: C,
    leftover: Bytes,
    mut info: LinkInfo,
    acceptor: &Arc<dyn Acceptor>,
    config: Config,
) -> JoinHandle<()> {
    info.transport = Some(Transport::WebSocket);
    let link = Arc::new(Link::new(conn));
    let peer = acceptor.link_up(info, link.clone());
    tokio::spawn(Task::new(link, peer, leftover, config))
}
