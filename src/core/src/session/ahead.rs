//! Rooms whose history was read further than their live events have come: those are in the outbox already.

use std::sync::Arc;

/// Sorted by room; a room is in it from its catch-up to its first new event.
#[derive(Debug, Default)]
pub(super) struct Ahead {
    rooms: Vec<(Arc<str>, u64)>,
}

impl Ahead {
    fn find(&self, room: &str) -> Result<usize, usize> {
        self.rooms.binary_search_by(|(r, _)| (**r).cmp(room))
    }

    /// The history was read up to this offset.
    pub(super) fn put(&mut self, room: Arc<str>, upto: u64) {
        match self.find(&room) {
            Ok(at) => self.rooms[at].1 = upto,
            Err(at) => self.rooms.insert(at, (room, upto)),
        }
    }

    pub(super) fn remove(&mut self, room: &str) {
        if let Ok(at) = self.find(room) {
            self.rooms.remove(at);
        }
    }

    /// Whether the event at this offset was read from the history before it came live.
    pub(super) fn includes(&mut self, room: &str, offset: u64) -> bool {
        if self.rooms.is_empty() {
            return false;
        }
        match self.find(room) {
            Ok(at) if offset <= self.rooms[at].1 => true,
            Ok(at) => {
                self.rooms.remove(at);
                false
            }
            Err(_) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_read_does_not_come_again_and_the_first_new_event_ends_it() {
        let mut ahead = Ahead::default();
        ahead.put("b".into(), 7);
        ahead.put("a".into(), 2);
        ahead.put("b".into(), 8);
        assert!(ahead.includes("b", 7) && ahead.includes("b", 8));
        assert!(!ahead.includes("b", 9) && !ahead.includes("b", 8));
        assert!(ahead.includes("a", 1) && !ahead.includes("c", 1));
        ahead.remove("a");
        assert!(!ahead.includes("a", 1));
    }
}
