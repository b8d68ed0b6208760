//! A room's history in memory, and the ids it remembers: bounded in events, bytes and time.

use super::{HistoryFrom, HistoryPage, HistoryQuery, Published};
use crate::clock::unix_ms;
use crate::config::Namespace;
use crosspoint_core::Position;
use crosspoint_core::wire::Event;
use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

/// Ids that a room remembers at most beside those in its history, against repetition.
const DEDUP_MAX: usize = 10_000;

pub(super) struct Log {
    pub(super) epoch: Arc<str>,
    pub(super) events: VecDeque<Arc<Event>>,
    bytes: usize,
    /// Of each of them, what `placed` knows it by.
    names: VecDeque<Option<u64>>,
    /// Offsets by publisher and id.
    placed: HashMap<u64, u64>,
    hasher: RandomState,
    /// The last event that is not kept any more.
    trimmed: (u64, Arc<str>),
    /// How long events are kept, ms.
    pub(super) keep_ms: u64,
    dedup: HashMap<Key, Published>,
    dedup_order: VecDeque<Key>,
    dedup_ms: u64,
}

/// The publisher, and the id they gave.
pub(super) type Key = (Arc<str>, Arc<str>);

impl Log {
    pub(super) fn new(epoch: Arc<str>) -> Log {
        Log {
            epoch,
            events: VecDeque::new(),
            bytes: 0,
            names: VecDeque::new(),
            placed: HashMap::new(),
            hasher: RandomState::new(),
            trimmed: (0, "".into()),
            keep_ms: 0,
            dedup: HashMap::new(),
            dedup_order: VecDeque::new(),
            dedup_ms: 0,
        }
    }

    pub(super) fn head(&self) -> (u64, Arc<str>) {
        self.events.back().map_or_else(|| self.trimmed.clone(), |e| (e.offset, e.id.as_ref().into()))
    }

    fn at(&self, (offset, id): (u64, Arc<str>)) -> Position {
        Position { epoch: self.epoch.clone(), offset, id }
    }

    fn trim_one(&mut self) {
        if let Some(e) = self.events.pop_front() {
            self.bytes -= e.frame.cost();
            self.trimmed = (e.offset, e.id.as_ref().into());
            if let Some(name) = self.names.pop_front().flatten()
                && self.placed.get(&name) == Some(&e.offset)
            {
                self.placed.remove(&name);
            }
        }
    }

    /// What this publish came to the first time, if that is known: for `dedup_ms`, and for as long as the history holds the event.
    pub(super) fn first(&self, key: &Key) -> Option<Published> {
        self.dedup.get(key).cloned().or_else(|| {
            let offset = self.placed.get(&self.hasher.hash_one(key))?;
            let event = self.events.get(offset.checked_sub(self.trimmed.0 + 1)? as usize)?;
            (*event.id == *key.1).then(|| published(event))
        })
    }

    pub(super) fn store(&mut self, event: Arc<Event>, key: Option<&Key>, ns: &Namespace) {
        self.bytes += event.frame.cost();
        let name = key.map(|key| self.hasher.hash_one(key));
        if let Some(name) = name {
            self.placed.insert(name, event.offset);
        }
        self.names.push_back(name);
        self.events.push_back(event);
        while self.events.len() > ns.history_events
            || (self.bytes > ns.history_bytes && self.events.len() > 1)
        {
            self.trim_one();
        }
    }

    pub(super) fn remember(&mut self, key: Key, published: Published, dedup_ms: u64) {
        self.dedup_ms = dedup_ms;
        if self.dedup_order.len() >= DEDUP_MAX
            && let Some(old) = self.dedup_order.pop_front()
        {
            self.dedup.remove(&old);
        }
        self.dedup.insert(key.clone(), published);
        self.dedup_order.push_back(key);
    }

    pub(super) fn expire(&mut self, now: u64) {
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

    pub(super) fn read(&mut self, query: &HistoryQuery) -> HistoryPage {
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

    pub(super) fn is_empty(&self) -> bool {
        self.events.is_empty() && self.dedup.is_empty()
    }

    /// When the newest thing in it came, ms since 1970.
    pub(super) fn touched(&self) -> u64 {
        let named = self.dedup_order.back().and_then(|key| self.dedup.get(key)).map(|p| p.ts);
        self.events.back().map(|e| e.ts).max(named).unwrap_or(0)
    }
}

pub(super) fn published(event: &Event) -> Published {
    Published {
        id: event.id.as_ref().into(),
        offset: (event.offset > 0).then_some(event.offset),
        position: event.position().cloned(),
        ts: event.ts,
        duplicate: false,
    }
}
