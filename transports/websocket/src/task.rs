//! The link's task: reads, and sends what the sender's thread could not.

use crate::conn::Conn;
use crate::encode;
use crate::inbound::{Event, Inbound, Violation};
use crate::link::Link;
use crate::outbound::Standing;
use crate::scratch::with_read;
use crate::serve::Config;
use bytes::Bytes;
use crosspoint_core::link::BoxFuture;
use crosspoint_core::{Code, Fault, Flow, LinkPeer, OutFrame};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::time::{Sleep, sleep};

/// Reads of one wake-up; then other links get their turn.
const READS_PER_WAKE: usize = 4;

/// Bytes of pongs that are collected before they are sent.
const PONG_BYTES: usize = 4096;

/// What the other end may still say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ear {
    /// Messages.
    Open,
    /// Its close frame; all else has no effect.
    Closing,
    /// It has said its close frame.
    Closed,
    /// It broke the protocol: what follows can't be understood.
    Failed,
}

/// Bytes that were read and wait to be looked at.
struct Stalled {
    ready: Option<BoxFuture<'static, ()>>,
    bytes: Vec<u8>,
}

/// The future of one link. Idle links are counted in tens of thousands, so everything rare is boxed.
pub(crate) struct Task<C: Conn> {
    link: Arc<Link<C>>,
    peer: Arc<dyn LinkPeer>,
    inbound: Inbound,
    stalled: Option<Box<Stalled>>,
    deadline: Option<Pin<Box<Sleep>>>,
    close_wait: Duration,
    ear: Ear,
    shut: bool,
}

impl<C: Conn> Task<C> {
    pub(crate) fn new(link: Arc<Link<C>>, peer: Arc<dyn LinkPeer>, leftover: Bytes, config: Config) -> Self {
        let stalled =
            (!leftover.is_empty()).then(|| Box::new(Stalled { ready: None, bytes: leftover.into() }));
        Task {
            link,
            peer,
            inbound: Inbound::new(config.frame_bytes_max),
            stalled,
            deadline: None,
            close_wait: config.close_wait,
            ear: Ear::Open,
            shut: false,
        }
    }

    /// Ready when the link is over.
    fn poll_out(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            match self.link.poll(cx) {
                Standing::Open => return Poll::Pending,
                Standing::Over => return Poll::Ready(()),
                Standing::Room => self.peer.writable(),
                Standing::Closing { sent } => return self.poll_close(sent, cx),
            }
        }
    }

    /// Waits, but not for long, until the close frames have gone both ways.
    fn poll_close(&mut self, sent: bool, cx: &mut Context<'_>) -> Poll<()> {
        if self.ear == Ear::Open {
            self.ear = Ear::Closing;
        }
        let deadline = self.deadline.get_or_insert_with(|| Box::pin(sleep(self.close_wait)));
        if deadline.as_mut().poll(cx).is_ready() {
            return Poll::Ready(());
        }
        if !sent || self.ear == Ear::Closing {
            return Poll::Pending;
        }
        if !self.shut {
            // Failing to say goodbye changes nothing any more.
            let _ = ready!(self.link.conn().poll_shutdown(cx));
            self.shut = true;
        }
        // After a failure the other end may be in the middle of a message: closing with unread bytes would reset the
        // connection and could take the close frame with it.
        if self.ear == Ear::Closed { Poll::Ready(()) } else { Poll::Pending }
    }

    /// Ready when the link is over.
    fn poll_in(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        for _ in 0..READS_PER_WAKE {
            if self.ear == Ear::Closed {
                return Poll::Pending;
            }
            if let Some(mut stalled) = self.stalled.take() {
                if let Some(ready) = stalled.ready.as_mut().filter(|_| self.ear == Ear::Open)
                    && ready.as_mut().poll(cx).is_pending()
                {
                    self.stalled = Some(stalled);
                    return Poll::Pending;
                }
                self.take(&mut stalled.bytes);
                continue;
            }
            let open = ready!(with_read(|buffer| {
                let open = match ready!(self.link.conn().poll_read(cx, buffer)) {
                    Ok(n) if n > 0 => {
                        self.take(&mut buffer[..n]);
                        true
                    }
                    _ => false,
                };
                Poll::Ready(open)
            }));
            if !open {
                return Poll::Ready(());
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Hands on what was read.
    fn take(&mut self, bytes: &mut [u8]) {
        if self.ear == Ear::Failed {
            return;
        }
        let mut chunk = bytes;
        let mut batch = Batch::default();
        let end = loop {
            match self.inbound.next(&mut chunk) {
                Ok(None) => break None,
                Ok(Some(Event::Message(message))) => {
                    if self.ear == Ear::Open {
                        batch.messages = true;
                        match self.peer.receive(None, message) {
                            Flow::Continue => {}
                            Flow::Wait => break Some(End::Wait),
                            Flow::Stop => self.ear = Ear::Closing,
                        }
                    }
                }
                Ok(Some(Event::Ping(payload))) => {
                    batch.alive = true;
                    batch.newest_pong = batch.pongs.len();
                    encode::pong(&payload, &mut batch.pongs);
                    if batch.pongs.len() > PONG_BYTES {
                        self.answer(&mut batch);
                    }
                }
                Ok(Some(Event::Pong)) => batch.alive = true,
                Ok(Some(Event::Close(code))) => break Some(End::Close(code)),
                Err(violation) => break Some(End::Fail(violation)),
            }
        };
        self.answer(&mut batch);
        if batch.alive {
            self.peer.alive();
        }
        if batch.messages {
            self.peer.turn();
        }
        match end {
            None => {}
            Some(End::Wait) => {
                let ready = Some(self.peer.ready());
                self.stalled = Some(Box::new(Stalled { ready, bytes: chunk.to_vec() }));
            }
            Some(End::Close(code)) => {
                self.ear = Ear::Closed;
                self.link.say_close(None, code, "");
            }
            Some(End::Fail(violation)) => self.fail(violation),
        }
    }

    fn answer(&self, batch: &mut Batch) {
        if !batch.pongs.is_empty() {
            self.link.pong(std::mem::take(&mut batch.pongs).into(), batch.newest_pong);
        }
    }

    fn fail(&mut self, violation: Violation) {
        self.ear = Ear::Failed;
        match violation {
            Violation::Protocol(reason) => self.link.say_close(None, Some(1002), reason),
            Violation::Utf8 => self.link.say_close(None, Some(1007), "invalid UTF-8"),
            Violation::TooLarge => {
                let fault = Fault::from(Code::FrameTooLarge);
                let last = OutFrame::with("hub:close", &fault);
                self.link.say_close(Some(&last), Some(fault.code.close()), fault.code.name());
            }
        }
    }
}

/// What one read leads to beside messages.
#[derive(Default)]
struct Batch {
    messages: bool,
    alive: bool,
    pongs: Vec<u8>,
    newest_pong: usize,
}

enum End {
    Wait,
    Close(Option<u16>),
    Fail(Violation),
}

impl<C: Conn> Future for Task<C> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.poll_out(cx).is_ready() {
            return Poll::Ready(());
        }
        self.poll_in(cx)
    }
}

impl<C: Conn> Drop for Task<C> {
    /// However the task ended, aborted or not.
    fn drop(&mut self) {
        self.link.end();
        self.peer.down();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpStream;

    #[test]
    fn an_idle_link_is_small() {
        let task = size_of::<Task<TcpStream>>();
        let link = size_of::<Link<TcpStream>>();
        println!("task {task} B, link {link} B");
        assert!(task <= 128 && link <= 128, "task {task} B, link {link} B");
    }
}
