//! The engine without a disk: bounded histories in memory, gone with the process.

use super::log::{Key, Log, published};
use super::present::Present;
use super::{Answer, Engine, Feed, HistoryPage, HistoryQuery, Member, Presence, Published};
use crate::clock::unix_ms;
use crate::config::Namespace;
use crosspoint_core::wire::{Draft, Event};
use crosspoint_core::{Code, Fault, SharedFrame};
use parking_lot::{Mutex, RwLock};
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

/// A full engine is swept so often at most, ms.
const SWEEP_MS_MIN: u64 = 500;

/// History and presence in memory.
pub struct MemoryEngine {
    rooms: RwLock<HashMap<Arc<str>, Arc<Room>>>,
    rooms_max: usize,
    feed: OnceLock<Arc<dyn Feed>>,
    /// The life of this process; each room's epoch adds a number.
    life: String,
    epochs: AtomicU64,
    none: Arc<str>,
    /// When a full engine was swept last, ms since 1970.
    swept_at: AtomicU64,
}

struct Room {
    log: Mutex<Log>,
    present: Mutex<Present>,
    /// Whether the hub has members here: the epoch must not change under them.
    wanted: AtomicBool,
}

impl MemoryEngine {
    /// An engine for at most so many rooms with history, remembered ids or members. `life` is random and names this life of the engine in positions; letters and digits.
    pub fn new(rooms_max: usize, life: String) -> MemoryEngine {
        MemoryEngine {
            rooms: RwLock::default(),
            rooms_max,
            feed: OnceLock::new(),
            life,
            epochs: AtomicU64::new(0),
            none: "".into(),
            swept_at: AtomicU64::new(0),
        }
    }

    fn room(&self, name: &Arc<str>) -> Result<Arc<Room>, Fault> {
        if let Some(room) = self.find(name) {
            return Ok(room);
        }
        if self.rooms.read().len() >= self.rooms_max {
            self.make_room();
        }
        let mut rooms = self.rooms.write();
        if let Some(room) = rooms.get(name) {
            return Ok(room.clone());
        }
        if rooms.len() >= self.rooms_max {
            return Err(Fault::new(Code::Unavailable, "The engine holds as many rooms as it may"));
        }
        let room = self.new_room();
        rooms.insert(name.clone(), room.clone());
        Ok(room)
    }

    fn find(&self, name: &str) -> Option<Arc<Room>> {
        self.rooms.read().get(name).cloned()
    }

    fn new_room(&self) -> Arc<Room> {
        Arc::new(Room {
            log: Mutex::new(self.new_log()),
            present: Mutex::default(),
            wanted: AtomicBool::new(false),
        })
    }

    fn new_log(&self) -> Log {
        Log::new(format!("{}{:x}", self.life, self.epochs.fetch_add(1, Ordering::Relaxed)).into())
    }

    /// Sweeps before its time, but not all the time: rooms that were left may not keep others out. If that isn't enough, the
    /// histories that nobody has added to for the longest time go.
    fn make_room(&self) {
        let now = unix_ms();
        let last = self.swept_at.load(Ordering::Relaxed);
        if now < last + SWEEP_MS_MIN
            || self.swept_at.compare_exchange(last, now, Ordering::Relaxed, Ordering::Relaxed).is_err()
        {
            return;
        }
        self.sweep();
        let excess = (self.rooms.read().len() + self.rooms_max / 16 + 1).saturating_sub(self.rooms_max);
        let all: Vec<_> = self.rooms.read().iter().map(|(n, r)| (n.clone(), r.clone())).collect();
        let unused = all.into_iter().filter(|(_, r)| r.is_unused());
        let mut unused: Vec<_> = unused.map(|(name, r)| (r.log.lock().touched(), name)).collect();
        unused.sort_unstable();
        for (_, name) in unused.into_iter().take(excess) {
            self.forget_if(&name, Room::is_unused);
        }
    }

    fn forget_if(&self, name: &str, condition: impl Fn(&Room) -> bool) {
        let mut rooms = self.rooms.write();
        // Nobody else holds it: nothing can be about to happen in it.
        if rooms.get(name).is_some_and(|r| Arc::strong_count(r) == 1 && condition(r)) {
            rooms.remove(name);
        }
    }

    fn hand(&self, event: Arc<Event>) {
        if let Some(feed) = self.feed.get() {
            feed.event(event);
        }
    }

    fn publish_now(&self, name: &Arc<str>, ns: &Namespace, draft: Draft) -> Result<Published, Fault> {
        let now = unix_ms();
        let stored = ns.history_events > 0 && draft.volatile.is_none();
        let dedup = draft.named && ns.dedup_ms > 0 && draft.volatile.is_none();
        if !stored && !dedup {
            let event = Arc::new(draft.place(name, &self.none, 0, now));
            let published = published(&event);
            self.hand(event);
            return Ok(published);
        }
        let room = self.room(name)?;
        let mut log = room.log.lock();
        let key: Option<Key> =
            dedup.then(|| (draft.from.user.as_deref().unwrap_or_default().into(), draft.id.as_str().into()));
        log.expire(now);
        if let Some(first) = key.as_ref().and_then(|k| log.first(k)) {
            return Ok(Published { duplicate: true, ..first });
        }
        let offset = if stored { log.head().0 + 1 } else { 0 };
        let event = Arc::new(draft.place(name, &log.epoch, offset, now));
        let published = published(&event);
        if stored {
            log.keep_ms = ns.history_ms;
            log.store(event.clone(), key.as_ref(), ns);
        }
        if let Some(key) = key {
            log.remember(key, published.clone(), ns.dedup_ms);
        }
        // Under the room's lock, so that feeds see the order of the offsets.
        self.hand(event);
        Ok(published)
    }
}

impl Room {
    /// Whether nobody is here.
    fn is_unused(&self) -> bool {
        !self.wanted.load(Ordering::Relaxed) && self.present.lock().is_empty()
    }

    /// Whether nothing is kept either.
    fn is_idle(&self) -> bool {
        self.is_unused() && self.log.lock().is_empty()
    }
}

impl Engine for MemoryEngine {
    fn attach(&self, feed: Arc<dyn Feed>) {
        let _ = self.feed.set(feed);
    }

    fn subscribe(&self, room: &Arc<str>) {
        // The hub bounds the rooms that it wants; one that could not be had would begin anew under its members. Under the lock, so
        // that no sweep takes it for unwanted.
        let mut rooms = self.rooms.write();
        rooms.entry(room.clone()).or_insert_with(|| self.new_room()).wanted.store(true, Ordering::Relaxed);
    }

    fn unsubscribe(&self, room: &str) {
        if let Some(r) = self.rooms.read().get(room) {
            r.wanted.store(false, Ordering::Relaxed);
        }
    }

    fn publish(&self, room: &Arc<str>, namespace: &Namespace, draft: Draft) -> Answer<Published> {
        Answer::Ready(self.publish_now(room, namespace, draft))
    }

    fn history(&self, room: &Arc<str>, _namespace: &Namespace, query: HistoryQuery) -> Answer<HistoryPage> {
        // To ask for a room doesn't make it.
        Answer::Ready(Ok(match self.find(room) {
            Some(r) => r.log.lock().read(&query),
            None => self.new_log().read(&query),
        }))
    }

    fn enter(&self, room: &Arc<str>, presence: Presence) -> Answer<()> {
        Answer::Ready(self.room(room).map(|r| {
            let mut present = r.present.lock();
            let change = present.enter(presence, unix_ms());
            if let Some(feed) = self.feed.get() {
                feed.presence(room, change);
            }
        }))
    }

    fn leave(&self, room: &Arc<str>, user: &str, session: &str, reason: &str) -> Answer<()> {
        let Some(r) = self.find(room) else { return Answer::Ready(Ok(())) };
        let mut present = r.present.lock();
        if let (Some(change), Some(feed)) = (present.leave(user, session, reason), self.feed.get()) {
            feed.presence(room, change);
        }
        Answer::Ready(Ok(()))
    }

    fn members(&self, room: &str) -> Answer<Vec<Member>> {
        Answer::Ready(Ok(self.find(room).map(|r| r.present.lock().members()).unwrap_or_default()))
    }

    fn direct(&self, to: &str, frame: &SharedFrame) -> Answer<usize> {
        Answer::Ready(Ok(self.feed.get().map_or(0, |f| f.direct(to, frame))))
    }

    fn sweep(&self) {
        let now = unix_ms();
        let all: Vec<_> = self.rooms.read().iter().map(|(n, r)| (n.clone(), r.clone())).collect();
        let mut idle = vec![];
        for (name, room) in all {
            room.log.lock().expire(now);
            if room.is_idle() {
                idle.push(name);
            }
        }
        idle.iter().for_each(|name| self.forget_if(name, Room::is_idle));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::HistoryFrom;
    use crosspoint_core::frame::From;

    fn publish(engine: &MemoryEngine, room: &str) -> Result<Published, Fault> {
        let namespace = Namespace { history_events: 10, ..Namespace::default() };
        let draft = Draft {
            kind: "m".into(),
            data: None,
            payload: None,
            from: From::default(),
            id: "x".into(),
            named: false,
            echo: true,
            volatile: None,
        };
        engine.publish_now(&room.into(), &namespace, draft)
    }

    #[test]
    fn a_full_engine_forgets_what_nobody_is_in_and_never_what_somebody_is() {
        let engine = MemoryEngine::new(16, "life".into());
        engine.subscribe(&"wanted".into());
        let first = publish(&engine, "wanted").unwrap();
        for n in 0..15 {
            publish(&engine, &format!("r{n}")).unwrap();
        }
        publish(&engine, "new").unwrap();
        assert!(engine.rooms.read().len() <= 16);
        assert!(engine.rooms.read().contains_key("new"));
        let epoch = first.position.unwrap().epoch;
        assert_eq!(
            publish(&engine, "wanted").unwrap().position.map(|p| (p.epoch, p.offset)),
            Some((epoch, 2))
        );
    }

    #[test]
    fn a_full_engine_still_holds_every_room_that_the_hub_wants() {
        let engine = MemoryEngine::new(2, "life".into());
        for n in 0..5 {
            engine.subscribe(&format!("r{n}").into());
        }
        assert!((0..5).all(|n| publish(&engine, &format!("r{n}")).is_ok()));
        assert_eq!(publish(&engine, "further").map_err(|f| f.code), Err(Code::Unavailable));
        (0..5).for_each(|n| engine.unsubscribe(&format!("r{n}")));
        engine.swept_at.store(0, Ordering::Relaxed);
        assert!(publish(&engine, "further").is_ok());
    }

    #[test]
    fn reading_makes_no_rooms() {
        let engine = MemoryEngine::new(2, "life".into());
        for n in 0..10 {
            let query = HistoryQuery { from: HistoryFrom::Last(None), limit: 10 };
            let Answer::Ready(Ok(page)) =
                engine.history(&format!("r{n}").into(), &Namespace::default(), query)
            else {
                panic!("it is there at once");
            };
            assert!(page.events.is_empty() && page.complete);
        }
        assert!(engine.rooms.read().is_empty());
    }
}
