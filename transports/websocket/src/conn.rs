//! Connections as a link uses them: shared by the threads that send and the task that reads and waits.

use parking_lot::Mutex;
use socket2::SockRef;
use std::future::poll_fn;
use std::io::{self, ErrorKind, Read};
use std::net::Shutdown;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker, ready};
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::TcpStream;

/// A connection. The attempts belong to no task and register no waker: after one that is pending, the link's task polls.
pub(crate) trait Conn: Send + Sync + 'static {
    /// Only a write that is under way tells when there is room, so a frame refused as a whole has to be kept for it.
    const KEEPS_REFUSED: bool;

    /// Writes what there is room for.
    fn try_write(&self, bytes: &[u8]) -> Poll<io::Result<usize>>;

    /// Passes on what layers in between hold back.
    fn try_flush(&self) -> Poll<io::Result<()>>;

    /// Reads what is there; 0 bytes at the end.
    fn poll_read(&self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>>;

    /// Writes what there is room for.
    fn poll_write(&self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>>;

    /// Ready when all that was written has left and another write is worth an attempt.
    fn poll_room(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// Ends the sending direction.
    fn poll_shutdown(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// Ends both directions at once.
    fn abandon(&self);
}

/// `MSG_NOSIGNAL`, as the standard library's own writes have it: a broken connection is an error, never a signal.
const SEND_FLAGS: i32 = if cfg!(target_os = "linux") { 0x4000 } else { 0 };

impl Conn for TcpStream {
    const KEEPS_REFUSED: bool = false;

    /// Goes past tokio's record of the socket's readiness, which lies in memory of its own: in a fan-out looking there costs a
    /// cache miss per connection. Only a refusal is repeated through tokio, so that the task is woken when there is room.
    fn try_write(&self, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let result = match SockRef::from(self).send_with_flags(bytes, SEND_FLAGS) {
            Err(e) if e.kind() == ErrorKind::WouldBlock => TcpStream::try_write(self, bytes),
            done => done,
        };
        match result {
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => Poll::Pending,
            done => Poll::Ready(done),
        }
    }

    fn try_flush(&self) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_read(&self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.poll_read_ready(cx))?;
            let mut short = 0;
            let result = self.try_io(Interest::READABLE, || {
                let n = (&*SockRef::from(self)).read(buffer)?;
                // With epoll a read that didn't fill the buffer has emptied the socket: tokio is told so (as it does in its own
                // reads), which saves the system call that would find nothing.
                if cfg!(target_os = "linux") && 0 < n && n < buffer.len() {
                    short = n;
                    return Err(ErrorKind::WouldBlock.into());
                }
                Ok(n)
            });
            return Poll::Ready(match result {
                Err(_) if short > 0 => Ok(short),
                Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => continue,
                done => done,
            });
        }
    }

    fn poll_write(&self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.poll_write_ready(cx))?;
            match TcpStream::try_write(self, bytes) {
                Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
                done => return Poll::Ready(done),
            }
        }
    }

    fn poll_room(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_write_ready(cx)
    }

    fn poll_shutdown(&self, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(SockRef::from(self).shutdown(Shutdown::Write))
    }

    fn abandon(&self) {
        // Fails on a connection that is gone.
        let _ = SockRef::from(self).shutdown(Shutdown::Both);
    }
}

/// Any byte stream, under a lock; `None` once it is abandoned.
pub(crate) struct Guarded<T>(Mutex<Option<T>>);

impl<T: AsyncRead + AsyncWrite + Unpin> Guarded<T> {
    pub(crate) fn new(io: T) -> Guarded<T> {
        Guarded(Mutex::new(Some(io)))
    }

    fn with<R>(&self, f: impl FnOnce(Pin<&mut T>) -> Poll<io::Result<R>>) -> Poll<io::Result<R>> {
        match self.0.lock().as_mut() {
            Some(io) => f(Pin::new(io)),
            None => Poll::Ready(Err(ErrorKind::NotConnected.into())),
        }
    }

    /// One poll outside of any task. `unconstrained`, lest a fan-out use up the budget of the task it happens to run in.
    fn attempt<R>(
        &self,
        mut poll: impl FnMut(Pin<&mut T>, &mut Context<'_>) -> Poll<io::Result<R>>,
    ) -> Poll<io::Result<R>> {
        self.with(|mut io| {
            let attempt = pin!(tokio::task::unconstrained(poll_fn(|cx| poll(io.as_mut(), cx))));
            attempt.poll(&mut Context::from_waker(Waker::noop()))
        })
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin + Send + 'static> Conn for Guarded<T> {
    const KEEPS_REFUSED: bool = true;

    fn try_write(&self, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.attempt(|io, cx| io.poll_write(cx, bytes))
    }

    fn try_flush(&self) -> Poll<io::Result<()>> {
        self.attempt(|io, cx| io.poll_flush(cx))
    }

    fn poll_read(&self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut buffer = ReadBuf::new(buffer);
        self.with(|io| io.poll_read(cx, &mut buffer)).map_ok(|()| buffer.filled().len())
    }

    fn poll_write(&self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.with(|io| io.poll_write(cx, bytes))
    }

    fn poll_room(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.with(|io| io.poll_flush(cx))
    }

    fn poll_shutdown(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.with(|io| io.poll_shutdown(cx))
    }

    fn abandon(&self) {
        self.0.lock().take();
    }
}
