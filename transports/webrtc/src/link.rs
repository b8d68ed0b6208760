//! The send half that the hub holds.

use bytes::Bytes;
use crosspoint_core::{Code, Fault, LinkSender, SharedFrame};
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::sync::Arc;
use tokio::sync::Notify;

/// What waits for the channel beside what SCTP holds, bytes; one frame may be larger.
const QUEUE_BYTES: usize = 64 << 10;
/// Volatile frames that wait for their channel; of a full queue the oldest goes, bytes.
const VOLATILE_BYTES: usize = 16 << 10;
/// The largest volatile frame that goes by its own channel, bytes: what one packet holds.
const VOLATILE_MAX: usize = 1_100;

/// One link's sending half, shared by the hub and the peer's task.
pub(crate) struct Link {
    out: Mutex<Outbound>,
    /// There is something to do for the peer's task.
    changed: Arc<Notify>,
}

#[derive(Default)]
struct Outbound {
    /// The link is over: the hub may hold this half for longer.
    over: bool,
    queue: VecDeque<SharedFrame>,
    bytes: usize,
    /// There is a channel for volatile frames.
    may_lose: bool,
    volatile: VecDeque<Bytes>,
    volatile_bytes: usize,
    /// The hub was refused frames and hears of the room.
    refused: bool,
    /// The hub asked for a sign of life.
    probed: bool,
    closing: Option<Code>,
}

impl Link {
    /// `may_lose`: there is a channel for volatile frames.
    pub(crate) fn new(changed: Arc<Notify>, may_lose: bool) -> Link {
        Link { out: Mutex::new(Outbound { may_lose, ..Outbound::default() }), changed }
    }

    /// The next frame for the channel.
    pub(crate) fn take(&self) -> Option<SharedFrame> {
        let mut out = self.out.lock();
        let frame = out.queue.pop_front()?;
        out.bytes = out.bytes.saturating_sub(frame.cost());
        Some(frame)
    }

    /// The next message for the channel of volatile frames.
    pub(crate) fn take_volatile(&self) -> Option<Bytes> {
        let mut out = self.out.lock();
        let text = out.volatile.pop_front()?;
        out.volatile_bytes = out.volatile_bytes.saturating_sub(text.len());
        Some(text)
    }

    /// Whether the hub is to hear that there is room again; once.
    pub(crate) fn has_room_again(&self) -> bool {
        let mut out = self.out.lock();
        let room = out.refused && out.closing.is_none() && out.bytes <= QUEUE_BYTES / 2;
        out.refused &= !room;
        room
    }

    /// Whether the hub asked for a sign of life; once.
    pub(crate) fn probed(&self) -> bool {
        std::mem::take(&mut self.out.lock().probed)
    }

    /// From now on volatile frames have no channel.
    pub(crate) fn lose_nothing(&self) {
        self.out.lock().may_lose = false;
    }

    /// The code it is being closed with.
    pub(crate) fn closing(&self) -> Option<Code> {
        self.out.lock().closing
    }

    /// Whether nothing waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.out.lock().queue.is_empty()
    }

    /// Says the last frame, if there is one, and then closes with this code. The first to do so wins.
    pub(crate) fn say_close(&self, code: Code, last: Option<&SharedFrame>) {
        {
            let mut out = self.out.lock();
            if out.closing.is_some() || out.over {
                return;
            }
            out.closing = Some(code);
            out.queue.extend(last.cloned());
        }
        self.changed.notify_one();
    }

    /// Lets go of all that waits; nothing is taken any more.
    pub(crate) fn end(&self) {
        *self.out.lock() = Outbound { over: true, ..Outbound::default() };
    }
}

impl Outbound {
    /// Takes it for the channel that may lose it, if there is one and it fits.
    fn volatile(&mut self, frame: &SharedFrame) -> bool {
        if !self.may_lose || !frame.volatile() {
            return false;
        }
        let text = frame.text();
        if text.len() > VOLATILE_MAX {
            return false;
        }
        self.volatile_bytes += text.len();
        self.volatile.push_back(text);
        while self.volatile_bytes > VOLATILE_BYTES {
            let Some(oldest) = self.volatile.pop_front() else { break };
            self.volatile_bytes -= oldest.len();
        }
        true
    }
}

impl LinkSender for Link {
    fn try_send(&self, frames: &mut dyn Iterator<Item = &SharedFrame>) -> usize {
        let mut out = self.out.lock();
        if out.closing.is_some() || out.over {
            return 0;
        }
        let mut taken = 0;
        for frame in frames {
            if !out.volatile(frame) {
                if out.bytes > 0 && out.bytes + frame.cost() > QUEUE_BYTES {
                    out.refused = true;
                    break;
                }
                out.bytes += frame.cost();
                out.queue.push_back(frame.clone());
            }
            taken += 1;
        }
        drop(out);
        if taken > 0 {
            self.changed.notify_one();
        }
        taken
    }

    fn probe(&self) {
        self.out.lock().probed = true;
        self.changed.notify_one();
    }

    fn close(&self, fault: &Fault, last: Option<&SharedFrame>) {
        self.say_close(fault.code, last);
    }
}
