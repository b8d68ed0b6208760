//! What leaves: frames straight from the sender's thread; what the kernel refuses waits here for the link's task.

use crate::conn::Conn;
use crate::encode::{ping, wire};
use crate::scratch::{SCRATCH, with_join};
use bytes::{Buf, Bytes};
use crosspoint_core::SharedFrame;
use std::io;
use std::task::{Context, Poll, ready};

/// Frames joined into one write at most.
const JOINED_MAX: usize = 64;

/// The sending half's state, under the link's lock.
#[derive(Default)]
pub(crate) struct Outbound {
    /// What is left of a frame that was begun.
    rest: Bytes,
    waiting: Option<Box<Waiting>>,
    /// The connection has no room; the link's task waits for it.
    blocked: bool,
    /// The peer was refused frames and hears of the room.
    refused: bool,
    /// A close frame was sent or waits; no frame is taken any more.
    closing: bool,
    /// The connection is gone.
    over: bool,
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

impl Outbound {
    /// Whether the link's task has to look.
    pub(crate) fn stuck(&self) -> bool {
        self.blocked || self.over
    }

    /// See [`crosspoint_core::LinkSender::try_send`].
    pub(crate) fn send(&mut self, conn: &impl Conn, frames: &mut dyn Iterator<Item = &SharedFrame>) -> usize {
        if self.closing || self.over {
            return 0;
        }
        if self.blocked {
            self.refused |= frames.next().is_some();
            return 0;
        }
        let mut frames = frames.map(|f| wire(f));
        let mut next = frames.next();
        let mut taken = 0;
        while let Some(first) = next {
            next = frames.next();
            let mut count = 1;
            let written = if next.is_none() {
                self.write(conn, &[first])
            } else {
                let mut batch = [first; JOINED_MAX];
                let mut bytes = first.len();
                while let Some(frame) = next.filter(|f| count < JOINED_MAX && bytes + f.len() <= SCRATCH) {
                    batch[count] = frame;
                    count += 1;
                    bytes += frame.len();
                    next = frames.next();
                }
                self.write(conn, &batch[..count])
            };
            taken += written;
            if self.stuck() {
                self.refused = written < count || next.is_some();
                break;
            }
        }
        taken
    }

    /// Writes whole frames in one go and keeps the rest of the one that was cut; returns how many were taken.
    fn write<C: Conn>(&mut self, conn: &C, batch: &[&Bytes]) -> usize {
        let result = match batch {
            [one] => conn.try_write(one),
            many => with_join(|joined| {
                many.iter().for_each(|frame| joined.extend_from_slice(frame));
                conn.try_write(joined)
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
                if written == 0 && !(C::KEEPS_REFUSED && i == 0) {
                    return i;
                }
                self.rest = frame.slice(written..);
                return i + 1;
            }
            written -= frame.len();
        }
        match conn.try_flush() {
            Poll::Ready(Ok(())) => {}
            Poll::Pending => self.blocked = true,
            Poll::Ready(Err(_)) => self.end(),
        }
        batch.len()
    }

    /// Sends a control frame now if there is room, or lets it wait.
    fn control(&mut self, conn: &impl Conn, frame: Bytes, wait: impl FnOnce(&mut Waiting, Bytes)) {
        if !self.over && (self.blocked || self.write(conn, &[&frame]) == 0) {
            wait(self.waiting.get_or_insert_default(), frame);
        }
    }

    /// Answers pings. Where the answers have to wait, the newest is enough (RFC 6455 §5.5.3): it starts at `newest`.
    pub(crate) fn pong(&mut self, conn: &impl Conn, pongs: Bytes, newest: usize) {
        if !self.closing {
            self.control(conn, pongs, |w, pongs| w.pong = Some(pongs.slice(newest..)));
        }
    }

    pub(crate) fn ping(&mut self, conn: &impl Conn) {
        if !self.closing {
            self.control(conn, ping(), |w, _| w.ping = true);
        }
    }

    /// Says the last words, which end with a close frame. The first to do so wins.
    pub(crate) fn close(&mut self, conn: &impl Conn, words: impl FnOnce() -> Bytes) {
        if !self.closing && !self.over {
            self.closing = true;
            self.control(conn, words(), |w, words| w.close = Some(words));
        }
    }

    /// Gives the connection up.
    pub(crate) fn end(&mut self) {
        self.over = true;
        self.rest = Bytes::new();
        self.waiting = None;
    }

    /// Sends what waits; called by the link's task, which is woken when there is more to do.
    pub(crate) fn poll(&mut self, conn: &impl Conn, cx: &mut Context<'_>) -> Standing {
        if self.blocked && !self.over {
            match self.poll_drain(conn, cx) {
                Poll::Ready(Ok(())) => self.blocked = false,
                Poll::Ready(Err(_)) => self.end(),
                Poll::Pending => {}
            }
        }
        if self.over {
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

    fn poll_drain(&mut self, conn: &impl Conn, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            if self.rest.is_empty() {
                match self.waiting.as_mut().and_then(|w| w.next()) {
                    Some(frame) => self.rest = frame,
                    None => break,
                }
            }
            match ready!(conn.poll_write(cx, &self.rest))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                n => self.rest.advance(n),
            }
        }
        self.rest = Bytes::new();
        self.waiting = None;
        conn.poll_room(cx)
    }
}

#[cfg(test)]
mod tests;
