//! The client's frames on their way up: numbered, kept until acknowledged; those with an `id` until they are answered.

use crate::frame::Frame;
use std::collections::VecDeque;

#[derive(Debug)]
struct Kept {
    /// The number in the current session; `None` until it is first sent there.
    seq: Option<u64>,
    frame: Frame,
    acked: bool,
    answered: bool,
    /// The machine's own; a new session has its own again.
    own: bool,
}

impl Kept {
    fn new(frame: Frame, own: bool) -> Kept {
        Kept { seq: None, frame, acked: false, answered: false, own }
    }

    /// Its answer comes soon, and takes room in the hub's outbox. A request's comes when it comes.
    fn under_way(&self) -> bool {
        let request = self.frame.to.as_ref().is_some_and(|to| !to.starts_with("user:"));
        self.seq.is_some() && self.awaits_reply() && !request
    }

    /// Its payload, in bytes.
    fn bytes(&self) -> u64 {
        let data = self.frame.data.as_ref().map_or(0, |d| d.get().len());
        self.frame.payload.as_ref().map_or(data, bytes::Bytes::len) as u64
    }

    fn awaits_reply(&self) -> bool {
        self.frame.id.is_some() && !self.answered
    }
}

#[derive(Debug, Default)]
pub(super) struct Uplink {
    /// In the order of sending. Acknowledged frames stay while their reply is due.
    kept: VecDeque<Kept>,
    /// The number of the next counted frame.
    next: u64,
    /// Frames acknowledged in this session.
    acked: u64,
    /// The payloads of what was sent and is not acknowledged.
    unacked_bytes: u64,
}

impl Uplink {
    pub(super) fn waiting(&self) -> usize {
        self.kept.len()
    }

    /// The payloads of what was sent and is not acknowledged, in bytes.
    pub(super) fn unacked_bytes(&self) -> u64 {
        self.unacked_bytes
    }

    /// Keeps a counted frame.
    pub(super) fn push(&mut self, frame: Frame) {
        self.kept.push_back(Kept::new(frame, false));
    }

    /// The next frame that the session has not been given yet, with its new number, if fewer than `window` are under way.
    pub(super) fn next_unsent(&mut self, window: usize) -> Option<(u64, Frame)> {
        // What was not sent is at the end.
        self.kept.back().filter(|k| k.seq.is_none())?;
        let busy = self.kept.iter().filter(|k| k.under_way()).count();
        let k = self.kept.iter_mut().find(|k| k.seq.is_none()).filter(|_| busy < window)?;
        self.next += 1;
        k.seq = Some(self.next);
        self.unacked_bytes += k.bytes();
        Some((self.next, k.frame.clone()))
    }

    /// The hub has received so many; the rest was lost with the link and is unsent again. `false`: it can't have.
    #[must_use]
    pub(super) fn resume(&mut self, received: u64) -> bool {
        if received < self.acked || !self.ack(received) {
            return false;
        }
        for k in self.kept.iter_mut().filter(|k| k.seq.is_some_and(|s| s > received)) {
            k.seq = None;
        }
        (self.next, self.unacked_bytes) = (received, 0);
        true
    }

    /// The hub has received so many. `false`: it can't have, they were never sent.
    #[must_use]
    pub(super) fn ack(&mut self, received: u64) -> bool {
        if received <= self.acked {
            return true;
        }
        if received > self.next {
            return false;
        }
        self.acked = received;
        for k in self.kept.iter_mut().filter(|k| !k.acked && k.seq.is_some_and(|s| s <= received)) {
            k.acked = true;
            self.unacked_bytes -= k.bytes();
        }
        self.kept.retain(|k| !k.acked || k.awaits_reply());
        true
    }

    /// The frame with this id was answered; returns it if it is `wanted`. Where it isn't acknowledged yet, its number must
    /// stay until it is.
    pub(super) fn answered(&mut self, id: &str, wanted: impl Fn(&Frame) -> bool) -> Option<Frame> {
        let asks = |k: &Kept| k.awaits_reply() && k.frame.id.as_deref() == Some(id);
        let k = self.kept.iter_mut().find(|k| asks(k))?;
        k.answered = true;
        let frame = wanted(&k.frame).then(|| k.frame.clone());
        self.kept.retain(|k| !k.acked || k.awaits_reply());
        frame
    }

    /// A new session begins with the machine's `own` frames, then what has an id goes again, in the old order. Returns how
    /// many may be lost.
    pub(super) fn new_session(&mut self, own: Vec<Frame>) -> u64 {
        let mut lost = 0;
        self.kept.retain(|k| {
            lost += u64::from(k.seq.is_some() && k.frame.id.is_none());
            (k.seq.is_none() || k.awaits_reply()) && !k.own
        });
        self.kept.iter_mut().for_each(|k| {
            k.seq = None;
            k.acked = false;
        });
        own.into_iter().rev().for_each(|frame| self.kept.push_front(Kept::new(frame, true)));
        (self.next, self.acked, self.unacked_bytes) = (0, 0, 0);
        lost
    }
}
