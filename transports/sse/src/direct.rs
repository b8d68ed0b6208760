//! A stream on a socket of its own: senders write, and this task waits for what they can't see.

use crate::link::Link;
use crate::sse::Opened;
use std::future::poll_fn;
use std::io::ErrorKind;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio::net::TcpStream;

/// Nothing is due from the client while the stream lasts; so much is ignored before the link is given up.
const SURPLUS_MAX: usize = 16 << 10;

/// Runs until the link is over or the client gone. `surplus` bytes came early; a `bare` body has no chunks.
pub(crate) async fn run(opened: Opened, socket: TcpStream, mut surplus: usize, bare: bool) {
    let Some(link) = opened.link() else { return };
    let socket = Arc::new(socket);
    link.queue.lock().connect(socket.clone(), bare);
    poll_fn(|cx| {
        if link.poll_flushed(cx, &socket).is_ready() {
            return Poll::Ready(());
        }
        poll_gone(cx, &socket, &mut surplus)
    })
    .await;
}

impl Link {
    /// Keeps what waits on its way. Ready when the link is over.
    fn poll_flushed(&self, cx: &mut Context<'_>, socket: &TcpStream) -> Poll<()> {
        loop {
            let room = {
                let mut queue = self.queue.lock();
                while queue.blocked && socket.poll_write_ready(cx).is_ready() {
                    queue.flush();
                }
                if !queue.blocked {
                    queue.flush();
                }
                if queue.is_over() {
                    return Poll::Ready(());
                }
                queue.waker = Some(cx.waker().clone());
                queue.regained_room()
            };
            if !room {
                return Poll::Pending;
            }
            self.writable();
        }
    }
}

/// Ready when the client is gone, or sends what it shouldn't.
fn poll_gone(cx: &mut Context<'_>, socket: &TcpStream, surplus: &mut usize) -> Poll<()> {
    loop {
        if ready!(socket.poll_read_ready(cx)).is_err() {
            return Poll::Ready(());
        }
        let mut ignored = [0; 512];
        match socket.try_read(&mut ignored) {
            Ok(n) if n > 0 && *surplus < SURPLUS_MAX => *surplus += n,
            Err(e) if e.kind() == ErrorKind::WouldBlock => {}
            _ => return Poll::Ready(()),
        }
    }
}
