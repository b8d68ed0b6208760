//! The engine without a disk: bounded histories in memory, gone with the process.

use super::present::Present;
use super::{Answer, Engine, Feed, HistoryFrom, HistoryPage, HistoryQuery, Member, Presence, Published};
use crate::clock::unix_ms;
use crate::config::Namespace;
use crosspoint_core::wire::{Draft, Event};
use crosspoint_core::{Code, Fault, Position, SharedFrame};
use parking_lot::{Mutex, RwLock};
use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

/// Ids that a room remembers at most, against repetition.
const DEDUP_MAX: usize = 10_000;
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

struct Log {
    epoch: Arc<str>,
    events: VecDeque<Arc<Event>>,
    bytes: usize,
    /// The last event that is not kept any more.
    trimmed: (u64, Arc<str>),
    /// How long events are kept, ms.
    keep_ms: u64,
    dedup: HashMap<(Arc<str>, Arc<str>), Published>,
    dedup_order: VecDeque<(Arc<str>, Arc<str>)>,
    dedup_ms: u64,
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
        if let Some(room) = self.rooms.read().get(name) {
            return Ok(room.clone());
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
        let epoch = format!("{}{:x}", self.life, self.epochs.fetch_add(1, Ordering::Relaxed)).into();
        let log = Log {
            epoch,
            events: VecDeque::new(),
            bytes: 0,
            trimmed: (0, self.none.clone()),
            keep_ms: 0,
            dedup: HashMap::new(),
            dedup_order: VecDeque::new(),
            dedup_ms: 0,
        };
        let room = Arc::new(Room {
            log: Mutex::new(log),
            present: Mutex::default(),
            wanted: AtomicBool::new(false),
        });
        rooms.insert(name.clone(), room.clone());
        Ok(room)
    }

    /// Sweeps before its time, but not all the time: rooms that were left may not keep others out.
    fn make_room(&self) {
        let now = unix_ms();
        let last = self.swept_at.load(Ordering::Relaxed);
        if now >= last + SWEEP_MS_MIN
            && self.swept_at.compare_exchange(last, now, Ordering::Relaxed, Ordering::Relaxed).is_ok()
        {
            self.sweep();
        }
    }

    /// Lets go of a room that holds nothing.
    fn forget_idle(&self, name: &str) {
        let mut rooms = self.rooms.write();
        // Nobody else holds it: nothing can be about to happen in it.
        if rooms.get(name).is_some_and(|r| Arc::strong_count(r) == 1 && r.is_idle()) {
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
        let key: Option<(Arc<str>, Arc<str>)> =
            dedup.then(|| (draft.from.user.as_deref().unwrap_or_default().into(), draft.id.as_str().into()));
        log.expire(now);
        if let Some(first) = key.as_ref().and_then(|k| log.dedup.get(k)) {
            return Ok(Published { duplicate: true, ..first.clone() });
        }
        let offset = if stored { log.head().0 + 1 } else { 0 };
        let event = Arc::new(draft.place(name, &log.epoch, offset, now));
        let published = published(&event);
        if let Some(key) = key {
            log.remember(key, published.clone(), ns.dedup_ms);
        }
        if stored {
            log.keep_ms = ns.history_ms;
            log.store(event.clone(), ns);
        }
        // Under the room's lock, so that feeds see the order of the offsets.
        self.hand(event);
        Ok(published)
    }
}

impl Room {
    fn is_idle(&self) -> bool {
        !self.wanted.load(Ordering::Relaxed) && self.log.lock().is_empty() && self.present.lock().is_empty()
    }
}

fn published(event: &Event) -> Published {
    Published {
        id: event.id.as_ref().into(),
        offset: (event.offset > 0).then_some(event.offset),
        position: event.position().cloned(),
        ts: event.ts,
        duplicate: false,
    }
}

impl Log {
    fn head(&self) -> (u64, Arc<str>) {
        self.events.back().map_or_else(|| self.trimmed.clone(), |e| (e.offset, e.id.as_ref().into()))
    }

    fn at(&self, (offset, id): (u64, Arc<str>)) -> Position {
        Position { epoch: self.epoch.clone(), offset, id }
    }

    fn trim_one(&mut self) {
        if let Some(e) = self.events.pop_front() {
            self.bytes -= e.frame.cost();
            self.trimmed = (e.offset, e.id.as_ref().into());
        }
    }

    fn store(&mut self, event: Arc<Event>, ns: &Namespace) {
        self.bytes += event.frame.cost();
        self.events.push_back(event);
        while self.events.len() > ns.history_events
            || (self.bytes > ns.history_bytes && self.events.len() > 1)
        {
            self.trim_one();
        }
    }

    fn remember(&mut self, key: (Arc<str>, Arc<str>), published: Published, dedup_ms: u64) {
        self.dedup_ms = dedup_ms;
        if self.dedup_order.len() >= DEDUP_MAX
            && let Some(old) = self.dedup_order.pop_front()
        {
            self.dedup.remove(&old);
        }
        self.dedup.insert(key.clone(), published);
        self.dedup_order.push_back(key);
    }

    fn expire(&mut self, now: u64) {
        while self.keep_ms > 0 && self.events.front().is_some_and(|e| e.ts + self.keep_ms <= now) {
            self.trim_one();
        }
        while let Some(key) = self.dedup_order.front() {
            if self.dedup.get(key).is_some_and(|p| p.ts + self.dedup_ms > now) {
                break;
            }
            self.dedup.remove(key);
            self.dedup_order.pop_front();
        }
    }

    fn read(&mut self, query: &HistoryQuery) -> HistoryPage {
        self.expire(unix_ms());
        let first = self.trimmed.0 + 1;
        let head = self.head();
        let index = |offset: u64| (offset.max(first) - first) as usize;
        let (from, to, complete) = match &query.from {
            HistoryFrom::Beginning => (0, self.events.len(), true),
            HistoryFrom::After(after) => {
                (index(after + 1), self.events.len(), *after + 1 >= first && *after <= head.0)
            }
            HistoryFrom::Since(p) => {
                if self.holds(p) {
                    (index(p.offset + 1), self.events.len(), true)
                } else {
                    (0, self.events.len(), false)
                }
            }
            HistoryFrom::Last(before) => {
                let to = before.map_or(self.events.len(), |b| index(b).min(self.events.len()));
                (to.saturating_sub(query.limit), to, true)
            }
        };
        let from = from.min(to);
        let end = to.min(from + query.limit);
        let start = match from {
            0 => self.trimmed.clone(),
            n => self.events.get(n - 1).map_or_else(|| head.clone(), |e| (e.offset, e.id.as_ref().into())),
        };
        HistoryPage {
            events: self.events.range(from..end).cloned().collect(),
            start: self.at(start),
            head: self.at(head),
            complete,
            more: end < self.events.len(),
        }
    }

    /// Whether the position names an event of this life that nothing was trimmed after.
    fn holds(&self, p: &Position) -> bool {
        if p.epoch != self.epoch {
            return false;
        }
        if p.offset == self.trimmed.0 {
            return p.id == self.trimmed.1;
        }
        let Some(i) = p.offset.checked_sub(self.trimmed.0 + 1) else { return false };
        self.events.get(i as usize).is_some_and(|e| *e.id == *p.id)
    }

    fn is_empty(&self) -> bool {
        self.events.is_empty() && self.dedup.is_empty()
    }
}

impl Engine for MemoryEngine {
    fn attach(&self, feed: Arc<dyn Feed>) {
        let _ = self.feed.set(feed);
    }

    fn subscribe(&self, room: &Arc<str>) {
        if let Ok(r) = self.room(room) {
            r.wanted.store(true, Ordering::Relaxed);
        }
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
        Answer::Ready(self.room(room).map(|r| r.log.lock().read(&query)))
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

    fn leave(&self, room: &Arc<str>, user: &str, session: &str) -> Answer<()> {
        let Some(r) = self.rooms.read().get(room).cloned() else { return Answer::Ready(Ok(())) };
        let mut present = r.present.lock();
        if let (Some(change), Some(feed)) = (present.leave(user, session), self.feed.get()) {
            feed.presence(room, change);
        }
        Answer::Ready(Ok(()))
    }

    fn members(&self, room: &str) -> Answer<Vec<Member>> {
        let room = self.rooms.read().get(room).cloned();
        Answer::Ready(Ok(room.map(|r| r.present.lock().members()).unwrap_or_default()))
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
        idle.iter().for_each(|name| self.forget_idle(name));
    }
}
