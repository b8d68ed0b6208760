//! Rooms that a session reads from history instead of live: just joined, or too slow for live events.

use std::collections::BTreeMap;
use std::sync::Arc;

/// A room that isn't live.
#[derive(Debug)]
pub(super) struct Lagging {
    /// The last offset that is in the outbox or was acknowledged; `None` until a join knows it.
    pub(super) after: Option<u64>,
    /// The highest offset that was published meanwhile and not delivered.
    pub(super) seen: u64,
    /// Whether events without a history were skipped: a gap is due.
    pub(super) skipped: bool,
    /// Whether somebody reads the history now.
    pub(super) reading: bool,
}

#[derive(Debug, Default)]
pub(super) struct Lag {
    rooms: BTreeMap<Arc<str>, Lagging>,
}

impl Lag {
    pub(super) fn is_empty(&self) -> bool {
        self.rooms.is_empty()
    }

    pub(super) fn get_mut(&mut self, room: &str) -> Option<&mut Lagging> {
        self.rooms.get_mut(room)
    }

    pub(super) fn insert(&mut self, room: Arc<str>, lagging: Lagging) {
        self.rooms.insert(room, lagging);
    }

    pub(super) fn remove(&mut self, room: &str) {
        self.rooms.remove(room);
    }

    /// A room that waits for somebody to read its history; it counts as being read from now on.
    pub(super) fn next_to_read(&mut self) -> Option<(Arc<str>, Option<u64>)> {
        let (room, l) = self.rooms.iter_mut().find(|(_, l)| !l.reading)?;
        l.reading = true;
        Some((room.clone(), l.after))
    }

    pub(super) fn waiting(&self) -> bool {
        self.rooms.values().any(|l| !l.reading)
    }
}
