//! Rooms that a session reads from history instead of live: just joined, or too slow for live events.

use super::ReadId;
use std::collections::BTreeMap;
use std::ops::Bound::{Excluded, Unbounded};
use std::sync::Arc;

/// How long after a failed reading the next one begins, in ms.
const RETRY_MS: u64 = 1_000;

/// A room that isn't live.
#[derive(Debug, Default)]
pub(super) struct Lagging {
    /// The last offset that is in the outbox or was acknowledged; `None` in a room without history, and until a join knows it.
    pub(super) after: Option<u64>,
    /// The highest offset that was published meanwhile and not delivered.
    pub(super) seen: u64,
    /// What the next event costs, if it is known to have found no room.
    pub(super) needs: usize,
    /// The reading under way.
    pub(super) reading: Option<ReadId>,
    /// Not to be read before.
    pub(super) retry_at: u64,
}

#[derive(Debug, Default)]
pub(super) struct Lag {
    rooms: BTreeMap<Arc<str>, Lagging>,
    /// Counts readings, so that a late result of an earlier one is known as such.
    reads: ReadId,
    /// The room whose catch-up is under way: one at a time, or a slow session would read all its rooms for a few events each.
    catching_up: Option<Arc<str>>,
    /// The room that was caught up last; the next one's turn comes after it.
    last: Option<Arc<str>>,
}

impl Lag {
    pub(super) fn is_empty(&self) -> bool {
        self.rooms.is_empty()
    }

    pub(super) fn get_mut(&mut self, room: &str) -> Option<&mut Lagging> {
        self.rooms.get_mut(room)
    }

    pub(super) fn insert(&mut self, room: Arc<str>, lagging: Lagging) {
        self.remove(&room);
        self.rooms.insert(room, lagging);
    }

    pub(super) fn remove(&mut self, room: &str) -> Option<Arc<str>> {
        self.catching_up.take_if(|r| **r == *room);
        self.rooms.remove_entry(room).map(|(name, _)| name)
    }

    /// A reading of this room begins; one under way is forgotten.
    pub(super) fn begin(&mut self, room: Arc<str>) -> ReadId {
        self.reads += 1;
        self.insert(room, Lagging { reading: Some(self.reads), ..Lagging::default() });
        self.reads
    }

    /// The room that this reading was for, if it is still wanted. The reading is over.
    pub(super) fn finish(&mut self, room: &str, read: ReadId) -> Option<&mut Lagging> {
        let l = self.rooms.get_mut(room).filter(|l| l.reading == Some(read))?;
        l.reading = None;
        self.catching_up.take_if(|r| **r == *room);
        Some(l)
    }

    pub(super) fn failed(&mut self, now: u64, room: &str, read: ReadId) {
        if let Some(l) = self.finish(room, read) {
            l.retry_at = now + RETRY_MS;
        }
    }

    /// A room to read now, where the outbox has `bytes` of at most `bytes_max`; it counts as being read from now on.
    pub(super) fn next_to_read(
        &mut self,
        now: u64,
        bytes: usize,
        bytes_max: usize,
    ) -> Option<(Arc<str>, Option<u64>, ReadId)> {
        if self.catching_up.is_some() {
            return None;
        }
        let due = |l: &Lagging| {
            l.reading.is_none() && l.retry_at <= now && (bytes == 0 || bytes + l.needs <= bytes_max)
        };
        let from = self.last.as_ref().map_or(Unbounded, Excluded);
        let behind = self.rooms.range::<Arc<str>, _>((from, Unbounded));
        let room = behind.chain(&self.rooms).find(|(_, l)| due(l))?.0.clone();
        let l = self.rooms.get_mut(&room)?;
        self.reads += 1;
        l.reading = Some(self.reads);
        (self.last, self.catching_up) = (Some(room.clone()), Some(room.clone()));
        Some((room, l.after, self.reads))
    }

    /// Time passed: failed readings whose wait is over may begin again.
    pub(super) fn tick(&mut self, now: u64) {
        self.rooms.values_mut().filter(|l| l.retry_at <= now).for_each(|l| l.retry_at = 0);
    }

    /// When a failed reading may begin again; `u64::MAX` if none waits.
    pub(super) fn retry_at(&self) -> u64 {
        self.rooms.values().map(|l| l.retry_at).filter(|at| *at > 0).min().unwrap_or(u64::MAX)
    }

    pub(super) fn waiting(&self) -> bool {
        self.rooms.values().any(|l| l.reading.is_none())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn overflowed(rooms: &[&str]) -> Lag {
        let mut lag = Lag::default();
        rooms.iter().for_each(|r| lag.insert((*r).into(), Lagging { after: Some(1), ..Lagging::default() }));
        lag
    }

    #[test]
    fn rooms_take_turns_and_are_read_one_at_a_time() {
        let mut lag = overflowed(&["a", "b", "c"]);
        for expected in ["a", "b", "c", "a"] {
            let (room, after, read) = lag.next_to_read(0, 0, 10).unwrap();
            assert_eq!((&*room, after), (expected, Some(1)));
            assert!(lag.next_to_read(0, 0, 10).is_none(), "one at a time");
            assert!(lag.finish(&room, read).is_some());
        }
        let (room, ..) = lag.next_to_read(0, 0, 10).unwrap();
        lag.remove(&room);
        assert!(lag.next_to_read(0, 0, 10).is_some(), "a room that was left holds nobody up");
    }

    #[test]
    fn a_late_result_of_an_earlier_reading_is_known_as_such() {
        let mut lag = overflowed(&["a"]);
        let (room, _, early) = lag.next_to_read(0, 0, 10).unwrap();
        let join = lag.begin(room);
        assert!(lag.finish("a", early).is_none());
        assert!(lag.finish("a", join).is_some());
        assert!(lag.finish("a", join).is_none(), "a reading ends once");
    }

    #[test]
    fn a_failed_reading_waits_and_a_big_event_waits_for_room() {
        let mut lag = overflowed(&["a"]);
        let (_, _, read) = lag.next_to_read(0, 0, 10).unwrap();
        lag.failed(5, "a", read);
        assert_eq!(lag.retry_at(), 5 + RETRY_MS);
        assert!(lag.next_to_read(6, 0, 10).is_none());
        lag.tick(5 + RETRY_MS);
        assert_eq!(lag.retry_at(), u64::MAX);
        lag.get_mut("a").unwrap().needs = 8;
        assert!(lag.next_to_read(9_999, 3, 10).is_none());
        assert!(lag.next_to_read(9_999, 2, 10).is_some());
    }
}
