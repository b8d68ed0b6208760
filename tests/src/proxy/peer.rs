//! A socket that several tasks share, and a stream with what was read ahead of it.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::BytesMut;
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::rules::End;

const READ_BYTES: usize = 16 * 1024;
const DRAIN_MAX: Duration = Duration::from_secs(1);

/// A TCP socket with one reader and one writer that can be reset from a third place.
#[derive(Clone)]
pub(super) struct Socket(Arc<TcpStream>);

impl Socket {
    pub(super) fn new(stream: TcpStream) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        Ok(Self(Arc::new(stream)))
    }

    /// Closes or resets the socket; for that the caller's clones must be gone. `Keep` leaves it to the caller.
    pub(super) async fn end(self, how: End) {
        match how {
            End::Reset => {
                let _ = SockRef::from(&*self.0).set_linger(Some(Duration::ZERO));
            }
            // What the peer still sends is read: closing over unread bytes would be a reset.
            End::Close => {
                self.shut();
                let mut this = self;
                let mut sink = vec![0; READ_BYTES];
                let drained = async { while matches!(this.read(&mut sink).await, Ok(1..)) {} };
                let _ = tokio::time::timeout(DRAIN_MAX, drained).await;
            }
            End::Keep => {}
        }
    }

    /// Closes the direction to the peer.
    pub(super) fn shut(&self) {
        // An error means that the peer is gone, which the reading side finds out too.
        let _ = SockRef::from(&*self.0).shutdown(std::net::Shutdown::Write);
    }

    /// Whether the peer has closed, or sent something unasked.
    pub(super) fn is_stale(&self) -> bool {
        let mut byte = [0];
        !matches!(self.0.try_read(&mut byte), Err(error) if error.kind() == io::ErrorKind::WouldBlock)
    }
}

impl AsyncRead for Socket {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        loop {
            ready!(self.0.poll_read_ready(cx))?;
            match self.0.try_read(buf.initialize_unfilled()) {
                Ok(read) => {
                    buf.advance(read);
                    return Poll::Ready(Ok(()));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.0.poll_write_ready(cx))?;
            match self.0.try_write(bytes) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                result => return Poll::Ready(result),
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(SockRef::from(&*self.0).shutdown(std::net::Shutdown::Write))
    }
}

/// A stream and the bytes read from it that nobody has taken yet.
pub(super) struct Peer<S> {
    pub(super) stream: S,
    pub(super) buffer: BytesMut,
}

impl<S: AsyncRead + Unpin> Peer<S> {
    pub(super) fn new(stream: S) -> Self {
        Self { stream, buffer: BytesMut::new() }
    }

    /// Reads more into the buffer; 0 at the end. Cancel-safe.
    pub(super) async fn fill(&mut self) -> io::Result<usize> {
        self.buffer.reserve(READ_BYTES);
        self.stream.read_buf(&mut self.buffer).await
    }
}
