//! The write half of a connection, as the send path wants it: attempts that never wait and belong to no task.

use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use tokio::io::{AsyncRead, AsyncWrite, WriteHalf};
use tokio::net::tcp::OwnedWriteHalf;

/// A write half. The attempts register no waker: after one that is pending, the link's task polls the half itself.
pub(crate) trait Outlet: AsyncWrite + Unpin + Send + 'static {
    /// Only a write that is under way tells when there is room, so a frame refused as a whole has to be kept for it.
    const KEEPS_REFUSED: bool;

    /// Writes what there is room for.
    fn try_write(&mut self, bytes: &[u8]) -> Poll<io::Result<usize>>;

    /// Passes on what layers in between hold back.
    fn try_flush(&mut self) -> Poll<io::Result<()>>;

    /// Ready when a write is worth an attempt.
    fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;
}

impl Outlet for OwnedWriteHalf {
    const KEEPS_REFUSED: bool = false;

    fn try_write(&mut self, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match OwnedWriteHalf::try_write(self, bytes) {
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => Poll::Pending,
            done => Poll::Ready(done),
        }
    }

    fn try_flush(&mut self) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.as_ref().poll_write_ready(cx)
    }
}

/// One poll outside of any task. `unconstrained`, lest a fan-out use up the budget of the task it happens to run in.
fn attempt<R>(mut poll: impl FnMut(&mut Context<'_>) -> Poll<R>) -> Poll<R> {
    let attempt = pin!(tokio::task::unconstrained(poll_fn(|cx| poll(cx))));
    attempt.poll(&mut Context::from_waker(Waker::noop()))
}

impl<T: AsyncRead + AsyncWrite + Send + 'static> Outlet for WriteHalf<T> {
    const KEEPS_REFUSED: bool = true;

    fn try_write(&mut self, bytes: &[u8]) -> Poll<io::Result<usize>> {
        attempt(|cx| Pin::new(&mut *self).poll_write(cx, bytes))
    }

    fn try_flush(&mut self) -> Poll<io::Result<()>> {
        attempt(|cx| Pin::new(&mut *self).poll_flush(cx))
    }

    fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(self).poll_flush(cx)
    }
}
