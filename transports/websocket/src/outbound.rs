//! What leaves: frames straight from the sender's thread; what the kernel refuses waits here for the link's task.

use crate::encode::{ping, wire};
use crate::outlet::Outlet;
use crate::scratch::{SCRATCH, with_join};
use bytes::{Buf, Bytes};
use crosspoint_core::SharedFrame;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// Frames joined into one write at most.
const JOINED_MAX: usize = 64;

/// The sending half's state, under the link's lock.
pub(crate) struct Outbound<W> {
    /// `None`: the link is over.
    io: Option<W>,
    /// What is left of a frame that was begun.
    rest: Bytes,
    waiting: Option<Box<Waiting>>,
    /// The connection has no room; the link's task waits for it.
    blocked: bool,
    /// The peer was refused frames and hears of the room.
    refused: bool,
    /// A close frame was sent or waits; no frame is taken any more.
    closing: bool,
}

/// Control frames that wait for room, each at most once.
#[derive(Default)]
struct Waiting {
    pong: Option<Bytes>,
    ping: bool,
    close: Option<Bytes>,
}

impl Waiting {
    fn next(&mut self) -> Option<Bytes> {
        if let Some(pong) = self.pong.take() {
            return Some(pong);
        }
        if std::mem::take(&mut self.ping) {
            return Some(ping());
        }
        self.close.take()
    }
}

/// Where the sending half stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Frames are taken, or will be.
    Open,
    /// There is room again and the peer waits to hear so.
    Room,
    /// No frame is taken any more.
    Closing {
        /// Everything has left, the close frame too.
        sent: bool,
    },
    /// The connection is gone.
    Over,
}

impl<W: Outlet> Outbound<W> {
    pub(crate) fn new(io: W) -> Outbound<W> {
        let rest = Bytes::new();
        Outbound { io: Some(io), rest, waiting: None, blocked: false, refused: false, closing: false }
    }

    /// Whether the link's task has to look.
    pub(crate) fn stuck(&self) -> bool {
        self.blocked || self.io.is_none()
    }

    /// See [`crosspoint_core::LinkSender::try_send`].
    pub(crate) fn send(&mut self, frames: &mut dyn Iterator<Item = &SharedFrame>) -> usize {
        if self.closing || self.io.is_none() {
            return 0;
        }
        if self.blocked {
            self.refused = true;
            return 0;
        }
        let mut frames = frames.map(|f| wire(f));
        let mut next = frames.next();
        let mut taken = 0;
        while let Some(first) = next {
            let mut batch = [first; JOINED_MAX];
            let (mut count, mut bytes) = (1, first.len());
            next = frames.next();
            while let Some(frame) = next.filter(|f| count < JOINED_MAX && bytes + f.len() <= SCRATCH) {
                batch[count] = frame;
                count += 1;
                bytes += frame.len();
                next = frames.next();
            }
            let written = self.write(&batch[..count]);
            taken += written;
            if self.stuck() {
                self.refused = written < count || next.is_some();
                break;
            }
        }
        taken
    }

    /// Writes whole frames in one go and keeps the rest of the one that was cut; returns how many were taken.
    fn write(&mut self, batch: &[&Bytes]) -> usize {
        let Some(io) = &mut self.io else { return 0 };
        let result = match batch {
            [one] => io.try_write(one),
            many => with_join(|joined| {
                many.iter().for_each(|frame| joined.extend_from_slice(frame));
                io.try_write(joined)
            }),
        };
        let mut written = match result {
            Poll::Ready(Ok(n)) if n > 0 => n,
            Poll::Pending => 0,
            Poll::Ready(_) => {
                self.end();
                return 0;
            }
        };
        for (i, frame) in batch.iter().enumerate() {
            if written < frame.len() {
                self.blocked = true;
                if written == 0 && !(W::KEEPS_REFUSED && i == 0) {
                    return i;
                }
                self.rest = frame.slice(written..);
                return i + 1;
            }
            written -= frame.len();
        }
        match io.try_flush() {
            Poll::Ready(Ok(())) => {}
            Poll::Pending => self.blocked = true,
            Poll::Ready(Err(_)) => self.end(),
        }
        batch.len()
    }

    /// Sends a control frame now if there is room, or lets it wait.
    fn control(&mut self, frame: Bytes, wait: impl FnOnce(&mut Waiting, Bytes)) {
        if self.io.is_none() {
            return;
        }
        if self.blocked || self.write(&[&frame]) == 0 {
            wait(self.waiting.get_or_insert_default(), frame);
        }
    }

    /// Answers pings. Where the answers have to wait, the newest is enough (RFC 6455 §5.5.3): it starts at `newest`.
    pub(crate) fn pong(&mut self, pongs: Bytes, newest: usize) {
        if !self.closing {
            self.control(pongs, |w, pongs| w.pong = Some(pongs.slice(newest..)));
        }
    }

    pub(crate) fn ping(&mut self) {
        if !self.closing {
            self.control(ping(), |w, _| w.ping = true);
        }
    }

    /// Says the last words, which end with a close frame. The first to do so wins.
    pub(crate) fn close(&mut self, words: impl FnOnce() -> Bytes) {
        if !self.closing && self.io.is_some() {
            self.closing = true;
            self.control(words(), |w, words| w.close = Some(words));
        }
    }

    /// Gives the connection up.
    pub(crate) fn end(&mut self) {
        self.io = None;
        self.rest = Bytes::new();
        self.waiting = None;
    }

    /// Sends what waits; called by the link's task, which is woken when there is more to do.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Standing {
        if self.blocked {
            match self.poll_drain(cx) {
                Poll::Ready(Ok(())) => self.blocked = false,
                Poll::Ready(Err(_)) => self.end(),
                Poll::Pending => {}
            }
        }
        if self.io.is_none() {
            return Standing::Over;
        }
        if self.closing {
            return Standing::Closing { sent: !self.blocked };
        }
        if self.refused && !self.blocked {
            self.refused = false;
            return Standing::Room;
        }
        Standing::Open
    }

    fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(io) = &mut self.io else { return Poll::Ready(Ok(())) };
        loop {
            if self.rest.is_empty() {
                match self.waiting.as_mut().and_then(|w| w.next()) {
                    Some(frame) => self.rest = frame,
                    None => break,
                }
            }
            match ready!(Pin::new(&mut *io).poll_write(cx, &self.rest))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                n => self.rest.advance(n),
            }
        }
        self.rest = Bytes::new();
        self.waiting = None;
        io.poll_room(cx)
    }

    /// Closes the sending direction of the connection.
    pub(crate) fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match &mut self.io {
            // Failing to say goodbye changes nothing any more.
            Some(io) => Pin::new(io).poll_shutdown(cx).map(drop),
            None => Poll::Ready(()),
        }
    }
}
