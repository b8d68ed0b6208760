//! HTTP/1 connections that leave hyper when they have become event streams.
//!
//! A connection costs hyper some 10 KiB for as long as it lasts: a buffer for heads in each direction, of which one page each is
//! touched, and its state. A stream needs none of it once its head has left, and its blocks can be written by whoever
//! sends them. So the body of a stream is offered to a [`Handover`]; as soon as hyper has handed all its bytes to the
//! socket and the body has no more, the socket is taken back, and hyper's part of the connection is freed.

use crate::body::SseBody;
use crate::direct;
use crate::sse::Opened;
use bytes::Bytes;
use http::Version;
use http::header::{CONNECTION, HeaderMap, HeaderValue};
use http_body::Body;
use hyper::body::Incoming;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper::server::conn::http1::{Builder, UpgradeableConnection};
use hyper::service::HttpService;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use std::error::Error;
use std::fmt;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::net::TcpStream;

/// Where a connection's service offers an event stream to the connection. One for each connection.
#[derive(Clone, Default)]
pub struct Handover(Arc<Mutex<Offer>>);

#[derive(Default)]
struct Offer {
    opened: Option<Opened>,
    /// HTTP/1.0 has no chunks (nginx speaks it unless told otherwise).
    bare: bool,
    /// The body had nothing when it was asked last.
    quiet: bool,
    /// All that it gave before, and the head, is with the socket.
    flushed: bool,
}

impl fmt::Debug for Handover {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Handover")
    }
}

impl Handover {
    /// Offers the body if it is an event stream; others stay as they are. `version` is the request's. Says in the headers that the
    /// connection ends with the stream.
    pub fn offer(&self, version: Version, headers: &mut HeaderMap, body: &mut SseBody) {
        let bare = match version {
            Version::HTTP_11 => false,
            Version::HTTP_10 => true,
            _ => return,
        };
        if let Some(opened) = body.hand_over(self) {
            *self.0.lock() = Offer { opened: Some(opened), bare, quiet: false, flushed: false };
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
    }

    /// What the body said when hyper asked it.
    pub(crate) fn asked(&self, quiet: bool) {
        let mut offer = self.0.lock();
        offer.quiet = quiet;
        offer.flushed &= quiet;
    }

    /// hyper let go of the body.
    pub(crate) fn withdraw(&self) {
        let opened = self.0.lock().opened.take();
        drop(opened);
    }

    fn flushed(&self) {
        let mut offer = self.0.lock();
        offer.flushed = offer.quiet;
    }

    fn take(&self) -> Option<(Opened, bool)> {
        let mut offer = self.0.lock();
        let opened = if offer.flushed { offer.opened.take() } else { None };
        opened.map(|opened| (opened, offer.bare))
    }
}

/// A connection of HTTP/1 on a plain socket. A future like hyper's, upgrades included, of a fraction of the size while it
/// is an event stream.
#[must_use = "futures do nothing unless polled"]
pub struct Http1<S>
where
    S: HttpService<Incoming>,
{
    state: State<S>,
    handover: Handover,
}

enum State<S>
where
    S: HttpService<Incoming>,
{
    Hyper(Box<UpgradeableConnection<Watched, S>>),
    Stream(Pin<Box<dyn Future<Output = ()> + Send>>),
    Over,
}

impl<S> fmt::Debug for Http1<S>
where
    S: HttpService<Incoming>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.state {
            State::Hyper(_) => "Http1::Hyper",
            State::Stream(_) => "Http1::Stream",
            State::Over => "Http1::Over",
        })
    }
}

impl<S> Http1<S>
where
    S: HttpService<Incoming> + Unpin,
    S::ResBody: 'static,
    <S::ResBody as Body>::Error: Into<Box<dyn Error + Send + Sync>>,
{
    /// Serves the socket with this service, which offers its streams to `handover`.
    pub fn new(builder: &Builder, socket: TcpStream, handover: Handover, service: S) -> Http1<S> {
        let io = Watched { io: TokioIo::new(socket), handover: handover.clone() };
        let connection = builder.serve_connection(io, service).with_upgrades();
        Http1 { state: State::Hyper(Box::new(connection)), handover }
    }

    /// As hyper's. A stream goes on until its link ends.
    pub fn graceful_shutdown(&mut self) {
        if let State::Hyper(connection) = &mut self.state {
            Pin::new(&mut **connection).graceful_shutdown();
        }
    }
}

impl<S> Future for Http1<S>
where
    S: HttpService<Incoming> + Unpin,
    S::ResBody: 'static,
    <S::ResBody as Body>::Error: Into<Box<dyn Error + Send + Sync>>,
{
    type Output = hyper::Result<()>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<hyper::Result<()>> {
        loop {
            match &mut self.state {
                State::Hyper(connection) => {
                    if let Poll::Ready(over) = Pin::new(&mut **connection).poll(cx) {
                        self.state = State::Over;
                        return Poll::Ready(over);
                    }
                    let Some((opened, bare)) = self.handover.take() else { return Poll::Pending };
                    let State::Hyper(connection) = std::mem::replace(&mut self.state, State::Over) else {
                        return Poll::Ready(Ok(()));
                    };
                    // `None` after an upgrade, when there is no body that could have been offered.
                    let Some(parts) = connection.into_parts() else { return Poll::Ready(Ok(())) };
                    let (socket, early) = (parts.io.io.into_inner(), parts.read_buf.len());
                    self.state = State::Stream(Box::pin(direct::run(opened, socket, early, bare)));
                }
                State::Stream(stream) => {
                    std::task::ready!(stream.as_mut().poll(cx));
                    self.state = State::Over;
                }
                State::Over => return Poll::Ready(Ok(())),
            }
        }
    }
}

/// The socket of an upgraded connection that [`Http1`] served, and what was read of it beyond the upgrade.
///
/// # Errors
/// Other connections come back as they are.
pub fn into_socket(upgraded: Upgraded) -> Result<(TcpStream, Bytes), Upgraded> {
    upgraded.downcast::<Watched>().map(|parts| (parts.io.io.into_inner(), parts.read_buf))
}

/// The socket, as hyper sees it. hyper flushes it when it has written all it had.
struct Watched {
    io: TokioIo<TcpStream>,
    handover: Handover,
}

impl Read for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl Write for Watched {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        std::task::ready!(Pin::new(&mut self.io).poll_flush(cx))?;
        self.handover.flushed();
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, bufs)
    }
}
