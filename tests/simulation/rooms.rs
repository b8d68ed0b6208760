//! Rooms, with and without history, and how the hub reads it.

use crate::acts::PositionAt as _;
use crate::world::{Check, Event, World};
use crosspoint_core::session::ReadId;
use crosspoint_core::wire;
use crosspoint_core::{Code, Fault, Frame, OutFrame, Position, SharedFrame};
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::sync::Arc;

pub(crate) struct Room {
    /// How many events its history keeps; `None` for no history.
    pub(crate) keeps: Option<usize>,
    pub(crate) epoch: Arc<str>,
    /// How often its history was rewritten.
    pub(crate) lives: u32,
    /// The newest event that is no longer kept.
    pub(crate) base: Position,
    pub(crate) events: VecDeque<Arc<wire::Event>>,
    pub(crate) head: Position,
    /// Events that its members have not been given yet.
    pub(crate) feed: VecDeque<Arc<wire::Event>>,
    /// Events that its members have been given.
    pub(crate) fed: u64,
}

/// A reading of a room's history on behalf of a session.
#[derive(Clone)]
pub(crate) struct Reading {
    pub(crate) session: String,
    pub(crate) room: Arc<str>,
    pub(crate) read: ReadId,
    pub(crate) why: Why,
}

#[derive(Clone)]
pub(crate) enum Why {
    Join { id: String, since: Option<String>, history: Option<u64> },
    CatchUp(u64),
    Rewritten,
    NoHistory,
}

/// What was read.
pub(crate) struct Page {
    lives: u32,
    gap: Option<Position>,
    recovered: Option<bool>,
    events: Vec<Arc<wire::Event>>,
    head: Position,
    more: bool,
}

impl Room {
    pub(crate) fn new(keeps: Option<usize>) -> Room {
        let zero = Position { epoch: "e0".into(), offset: 0, id: "".into() };
        Room {
            keeps,
            epoch: "e0".into(),
            lives: 0,
            base: zero.clone(),
            events: VecDeque::new(),
            head: zero,
            feed: VecDeque::new(),
            fed: 0,
        }
    }

    pub(crate) fn trim(&mut self, keeps: usize) {
        while self.events.len() > keeps {
            if let Some(event) = self.events.pop_front() {
                self.base =
                    Position { epoch: self.epoch.clone(), offset: event.offset, id: (&*event.id).into() };
            }
        }
    }

    fn holds(&self, p: &Position) -> bool {
        let at = |e: &Arc<wire::Event>| e.offset == p.offset && *e.id == *p.id;
        p.epoch == self.epoch && (*p == self.base || self.events.iter().any(at))
    }

    fn page(&self, why: &Why, limit: usize) -> Page {
        let mut gap = None;
        let mut recovered = None;
        let after = match why {
            Why::NoHistory => self.head.offset,
            Why::CatchUp(after) if *after >= self.base.offset => *after,
            Why::CatchUp(_) => gap.insert(self.base.clone()).offset,
            Why::Rewritten => gap.insert(self.unknown()).offset,
            Why::Join { since: Some(since), .. } => {
                let position = since.parse::<Position>().ok();
                let good = position.as_ref().filter(|p| self.holds(p));
                recovered = Some(good.is_some());
                let trimmed = |p: &Position| p.epoch == self.epoch && p.offset < self.base.offset;
                match (good, &position) {
                    (Some(p), _) => p.offset,
                    (None, Some(p)) if trimmed(p) => gap.insert(self.base.clone()).offset,
                    _ => gap.insert(self.unknown()).offset,
                }
            }
            Why::Join { history: Some(n), .. } => self.head.offset.saturating_sub(*n).max(self.base.offset),
            Why::Join { .. } => self.head.offset,
        };
        let mut events: Vec<_> = self.events.iter().filter(|e| e.offset > after).cloned().collect();
        let more = events.len() > limit;
        events.truncate(limit);
        Page { lives: self.lives, gap, recovered, events, head: self.head.clone(), more }
    }

    /// Where to go on for somebody whose place in the history is unknown: an old life's events may be in the new one.
    fn unknown(&self) -> Position {
        self.head.clone()
    }
}

impl World {
    pub(crate) fn begin_reading(&mut self, reading: Reading) {
        let wait = self.rng.within((0, 30));
        self.schedule(wait, Event::Read(reading));
    }

    pub(crate) fn catch_up(&mut self, name: &str, room: Arc<str>, after: Option<u64>, read: ReadId) -> Check {
        let Some(session) = self.hub.sessions.get_mut(name) else { return Ok(()) };
        let bytes = session.core.outbox_bytes();
        match session.caught_up.replace((read, room.clone(), after, usize::MAX)) {
            Some((_, r, a, b)) if r == room && a == after && a.is_some() && bytes >= b => {
                return Err(format!(
                    "session {name} reads {room} behind {after:?} again, with {bytes} bytes"
                ));
            }
            _ => {}
        }
        let history = self.hub.rooms.get(&room).is_some_and(|r| r.keeps.is_some());
        let why = match after {
            Some(after) if history => Why::CatchUp(after),
            None if history => Why::Rewritten,
            _ => Why::NoHistory,
        };
        let at_once = !history && self.rng.chance(500);
        let reading = Reading { session: name.to_owned(), room, read, why };
        if at_once {
            let Some(room) = self.hub.rooms.get(&reading.room) else { return Ok(()) };
            let page = room.page(&reading.why, 0);
            return self.read_done(reading, page);
        }
        self.begin_reading(reading);
        Ok(())
    }

    pub(crate) fn read(&mut self, reading: Reading) {
        let limit = self.rng.within((1, 25)) as usize;
        let Some(room) = self.hub.rooms.get(&reading.room) else { return };
        let page = room.page(&reading.why, limit);
        let wait = self.rng.within((0, 30));
        self.schedule(wait, Event::ReadDone(reading, page));
    }

    pub(crate) fn read_done(&mut self, reading: Reading, page: Page) -> Check {
        let Some(session) = self.hub.sessions.get_mut(&reading.session) else { return Ok(()) };
        let Some(room) = self.hub.rooms.get(&reading.room) else { return Ok(()) };
        self.hub.dirty.insert(reading.session.clone());
        let failed = !matches!(reading.why, Why::NoHistory) && self.rng.chance(self.profile.read_failures);
        if let Why::Join { id, .. } = &reading.why {
            if page.lives != room.lives {
                self.begin_reading(reading);
                return Ok(());
            }
            session.joining = None;
            if failed {
                session.core.leave(&reading.room);
                session.rooms.remove(&reading.room);
            }
            let reply = if failed {
                Frame::with("hub:error", &Fault::from(Code::Unavailable))
            } else {
                // Only the checks look at `lives`.
                let mut data = json!({"room": &*reading.room, "position": page.head, "lives": page.lives});
                if let Some(recovered) = page.recovered {
                    data["recovered"] = Value::Bool(recovered);
                }
                Frame::with("hub:reply", &data)
            };
            self.hub_sends(&reading.session, &reply.id(id.as_str()));
        } else if failed {
            session.core.catch_up_failed(self.now, &reading.room, reading.read);
        }
        if failed {
            return self.work_off(&reading.session);
        }
        let Some(session) = self.hub.sessions.get_mut(&reading.session) else { return Ok(()) };
        let no_history = matches!(reading.why, Why::NoHistory);
        let gap = (no_history || page.gap.is_some()).then(|| gap(&reading.room, page.gap.as_ref()));
        let last = page.events.last().filter(|_| page.more).map_or(page.head.offset, |e| e.offset);
        let upto = if no_history { u64::MAX } else { last };
        let mine = |e: &&Arc<wire::Event>| e.exclude.as_deref() != Some(&*reading.session);
        let events: Vec<_> = page.events.iter().filter(mine).cloned().collect();
        session.core.caught_up(&reading.room, reading.read, gap, &events, upto, page.more);
        // A page without events may be read again: one was published meanwhile.
        let last = session.caught_up.as_mut().filter(|(read, ..)| *read == reading.read);
        if let Some(last) = last.filter(|_| !events.is_empty()) {
            last.3 = session.core.outbox_bytes();
        }
        self.work_off(&reading.session)
    }

    /// A room's new events reach its members, some time after they were stored.
    pub(crate) fn feed(&mut self, name: &Arc<str>) {
        let Some(room) = self.hub.rooms.get_mut(name) else { return };
        let events = std::mem::take(&mut room.feed);
        room.fed += events.iter().filter(|e| e.volatile_key.is_none()).count() as u64;
        for session in self.hub.sessions.values_mut().filter(|s| s.rooms.contains(name)) {
            for event in events.iter().filter(|e| e.exclude.as_deref() != Some(&*session.name)) {
                session.core.deliver(event);
            }
            self.hub.dirty.insert(session.name.clone());
        }
    }

    /// A room's history is rewritten while sessions are in it: they read it anew.
    pub(crate) fn rewrite(&mut self, name: &Arc<str>, with_members: bool) {
        let rolled_back = self.rng.chance(500);
        let epoch: Arc<str> = self.hub.name("e").into();
        let Some(room) = self.hub.rooms.get_mut(name).filter(|r| r.keeps.is_some()) else { return };
        room.lives += 1;
        room.feed.clear();
        let n = if rolled_back {
            self.rng.below(room.events.len() as u64 + 1) as usize
        } else {
            room.events.len()
        };
        let gone = room.events.split_off(room.events.len() - n);
        if !rolled_back {
            room.epoch = epoch.clone();
            room.base = Position { epoch, offset: 0, id: "".into() };
        }
        room.head = room.events.back().and_then(|e| e.position_at()).unwrap_or(room.base.clone());
        self.model.rewritten(name, gone.iter().cloned(), room.head.offset);
        self.hub.published.retain(|(_, r, id), _| r != name || !gone.iter().any(|e| *e.id == **id));
        self.trace(|| format!("hub: {name} lost {n} events, same epoch {rolled_back}"));
        if !with_members {
            return;
        }
        let members = self.hub.sessions.values_mut();
        let mut readings = vec![];
        for s in
            members.filter(|s| s.rooms.contains(name) && s.joining.as_ref().is_none_or(|(r, _)| r != name))
        {
            let read = s.core.begin_join(name.clone());
            s.caught_up = None;
            let (session, room) = (s.name.clone(), name.clone());
            readings.push(Reading { session, room, read, why: Why::Rewritten });
        }
        readings.into_iter().for_each(|r| self.begin_reading(r));
    }
}

fn gap(room: &str, position: Option<&Position>) -> SharedFrame {
    let data = match position {
        Some(p) => json!({"position": p, "reason": "history"}),
        None => json!({"reason": "slow_consumer"}),
    };
    Arc::new(OutFrame::new(&Frame::with("hub:gap", &data).room(room)))
}
