//! Frames from a client: counted once, in order, whatever link or POST they came by.

use crate::frame::Frame;
use std::collections::BTreeMap;

/// What became of a counted frame.
#[derive(Debug, PartialEq)]
#[expect(
    clippy::large_enum_variant,
    reason = "it lives for one match; a box would cost an allocation per frame"
)]
pub(super) enum Counted {
    /// It is the next one: act on it, then ask [`Inbound::take_early`].
    Next(Frame),
    /// It was counted before.
    Duplicate,
    /// Frames before it are missing; it waits.
    Early,
    /// Too many wait already: it is not taken, and must come again.
    Refused,
}

#[derive(Debug, Default)]
pub(super) struct Inbound {
    received: u64,
    acked: u64,
    ack_due: Option<u64>,
    early: BTreeMap<u64, Frame>,
}

impl Inbound {
    pub(super) fn received(&self) -> u64 {
        self.received
    }

    pub(super) fn take(&mut self, seq: u64, frame: Frame, early_max: usize, ack_by: u64) -> Counted {
        if seq <= self.received || self.early.contains_key(&seq) {
            // Whoever repeats it doesn't know that it came.
            self.ack_due.get_or_insert(ack_by);
            return Counted::Duplicate;
        }
        if seq > self.received + 1 {
            if self.early.len() >= early_max || seq > self.received + 1 + early_max as u64 {
                return Counted::Refused;
            }
            self.early.insert(seq, frame);
            return Counted::Early;
        }
        self.count(ack_by);
        Counted::Next(frame)
    }

    /// The next frame, if it came early.
    pub(super) fn take_early(&mut self, ack_by: u64) -> Option<Frame> {
        let frame = self.early.remove(&(self.received + 1))?;
        self.count(ack_by);
        Some(frame)
    }

    fn count(&mut self, ack_by: u64) {
        self.received += 1;
        self.ack_due.get_or_insert(ack_by);
    }

    /// Whether the client should be told now what was received.
    pub(super) fn ack_wanted(&self, now: u64, every: u64) -> bool {
        self.ack_due.is_some_and(|due| due <= now || self.received - self.acked >= every)
    }

    pub(super) fn ack_due(&self) -> Option<u64> {
        self.ack_due
    }

    /// The count for a frame that tells it, which settles what is due.
    pub(super) fn tell(&mut self) -> u64 {
        self.acked = self.received;
        self.ack_due = None;
        self.received
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_number_counts_once_and_in_order() {
        let mut i = Inbound::default();
        let f = |n: u64| Frame::new(format!("m{n}"));
        assert_eq!(i.take(2, f(2), 2, 9), Counted::Early);
        assert_eq!(i.take(2, f(2), 2, 9), Counted::Duplicate);
        assert_eq!(i.take(4, f(4), 2, 9), Counted::Refused, "further ahead than may wait");
        assert_eq!(i.take(3, f(3), 2, 9), Counted::Early);
        assert_eq!(i.take(1, f(1), 2, 9), Counted::Next(f(1)));
        assert_eq!(i.take_early(9), Some(f(2)));
        assert_eq!(i.take_early(9), Some(f(3)));
        assert_eq!(i.take_early(9), None);
        assert!(i.ack_wanted(9, 32) && i.ack_wanted(0, 3) && !i.ack_wanted(8, 32));
        assert_eq!(i.tell(), 3);
        assert!(!i.ack_wanted(u64::MAX, 1));
        assert_eq!(i.take(3, f(3), 2, 9), Counted::Duplicate);
        assert!(i.ack_wanted(9, 32), "a repeat is acknowledged again");
    }
}
