//! Frames on their way to a client: counted, kept until acknowledged, bounded in bytes.

use crate::wire::SharedFrame;
use std::collections::VecDeque;

/// The counted frames that are not acknowledged, oldest first.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    frames: VecDeque<SharedFrame>,
    /// Frames acknowledged (and dropped) so far; the first kept one has this number plus one.
    acked: u64,
    /// How many of `frames` the current link has taken.
    sent: usize,
    /// The highest number that any link has taken.
    sent_max: u64,
    bytes: usize,
}

/// Capacity that an empty outbox may keep.
const IDLE_CAPACITY: usize = 16;

impl Outbox {
    pub(super) fn push(&mut self, frame: SharedFrame) {
        self.bytes += frame.cost();
        self.frames.push_back(frame);
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn acked(&self) -> u64 {
        self.acked
    }

    /// The number of the newest frame.
    pub(super) fn last(&self) -> u64 {
        self.acked + self.frames.len() as u64
    }

    pub(super) fn unsent(&self) -> impl ExactSizeIterator<Item = &SharedFrame> {
        self.frames.range(self.sent..)
    }

    /// The number of the newest frame that the current link has taken.
    pub(super) fn sent(&self) -> u64 {
        self.acked + self.sent as u64
    }

    pub(super) fn has_unsent(&self) -> bool {
        self.sent < self.frames.len()
    }

    pub(super) fn mark_sent(&mut self, n: usize) {
        self.sent = (self.sent + n).min(self.frames.len());
        self.sent_max = self.sent_max.max(self.sent());
    }

    /// The client has received `received` frames. `false`: it can't have, they were never sent. What the current link has
    /// not taken stays even if it came by an older link: the current link's count includes it.
    pub(super) fn ack(&mut self, received: u64) -> bool {
        if received > self.sent_max {
            return false;
        }
        let received = received.min(self.sent());
        while self.acked < received {
            let Some(frame) = self.frames.pop_front() else { break };
            self.bytes -= frame.cost();
            self.acked += 1;
            self.sent -= 1;
        }
        if self.frames.is_empty() && self.frames.capacity() > IDLE_CAPACITY {
            self.frames = VecDeque::new();
        }
        true
    }

    /// Forgets what was sent: for sessions that can't resume.
    pub(super) fn forget_sent(&mut self) {
        self.ack(self.sent());
    }

    /// A new link begins behind frame `received`, or behind a later one that was acknowledged meanwhile: a hello can be
    /// overtaken by an ack on the link before. `false`: so many were never sent.
    pub(super) fn rewind(&mut self, received: u64) -> bool {
        if received > self.sent_max {
            return false;
        }
        self.sent = self.frames.len();
        self.ack(received);
        self.sent = 0;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::OutFrame;

    #[test]
    fn acks_rewinds_and_refusals() {
        let mut o = Outbox::default();
        (0..5).for_each(|n| o.push(OutFrame::with("m", &n)));
        o.mark_sent(3);
        assert!(!o.ack(4), "frame 4 was never sent");
        assert!(o.ack(2) && o.ack(1), "an old ack is harmless");
        assert_eq!((o.acked(), o.last(), o.unsent().count()), (2, 5, 2));
        assert!(!o.rewind(4), "frame 4 was never sent");
        o.mark_sent(1);
        assert!(o.rewind(3));
        assert_eq!((o.acked(), o.unsent().count()), (3, 2));
        assert!(o.ack(4), "by the older link");
        assert_eq!((o.acked(), o.unsent().count()), (3, 2), "the new link counts from 4 all the same");
        o.mark_sent(2);
        assert!(o.ack(5));
        assert_eq!(o.bytes(), 0);
        o.push(OutFrame::with("m", &6));
        assert!(o.rewind(3), "the ack of 5 overtook a hello that says 3");
        assert_eq!((o.acked(), o.unsent().count()), (5, 1));
    }
}
