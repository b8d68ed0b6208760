//! A room on this node: its members, and the events that wait for the turn's end.

use crate::cell::Cell;
use crate::config::Namespace;
use crate::engine::{Change, Member};
use crate::hooks::{Hooks, Notification};
use crate::peers::Roster;
use crate::rates::RoomSpent;
use crosspoint_core::wire::Event;
use parking_lot::Mutex;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

pub(crate) struct Room {
    pub(crate) name: Arc<str>,
    pub(crate) namespace: Arc<Namespace>,
    /// Events in order, not yet in any outbox.
    queue: Mutex<Vec<Arc<Event>>>,
    /// Whether some turn has the room on its list.
    scheduled: AtomicBool,
    /// Held while events go into the outboxes, which keeps one order for all members; never while anything is sent.
    members: Mutex<Members>,
    /// Presence changes since the last announcement.
    news: Mutex<News>,
    pub(crate) roster: Roster,
    /// Somebody is, or was, muted or banned in it.
    moderated: AtomicBool,
    /// What its members used up of its rates, if it has any.
    pub(crate) spent: Option<Box<RoomSpent>>,
    /// Who is told when it is occupied and vacated.
    pub(crate) hooks: Option<Arc<dyn Hooks>>,
}

#[derive(Default)]
struct News {
    by_user: BTreeMap<Arc<str>, Turn>,
    /// Where the next announcement begins, if the last one didn't hold all.
    from: Arc<str>,
}

/// What became of a user since the last announcement.
struct Turn {
    /// Whether those who watch know the user.
    known: bool,
    now: Option<Member>,
}

/// Changes in one announcement. Each member is bounded, so this bounds the frame.
const NEWS_MAX: usize = 256;

struct Seat {
    cell: Arc<Cell>,
    /// Whether it wants presence changes.
    watches: bool,
}

#[derive(Default)]
struct Members {
    list: Vec<Seat>,
    index: HashMap<Arc<str>, usize>,
    /// How many want presence changes.
    watchers: usize,
    /// The registry has let go of it.
    dead: bool,
}

impl Room {
    pub(crate) fn new(name: Arc<str>, namespace: Arc<Namespace>) -> Room {
        Room {
            name,
            namespace,
            queue: Mutex::default(),
            scheduled: AtomicBool::new(false),
            members: Mutex::default(),
            news: Mutex::default(),
            roster: Roster::default(),
            moderated: AtomicBool::new(false),
            spent: None,
            hooks: None,
        }
    }

    /// Whether it has to be looked up who is muted or banned in it.
    pub(crate) fn is_moderated(&self) -> bool {
        self.moderated.load(Ordering::Acquire)
    }

    pub(crate) fn set_moderated(&self) {
        self.moderated.store(true, Ordering::Release);
    }

    pub(crate) fn has_history(&self) -> bool {
        self.namespace.history_events > 0
    }

    /// Queues an event; `true` if the caller must put the room on its turn's list.
    pub(crate) fn queue(&self, event: Arc<Event>) -> bool {
        self.queue.lock().push(event);
        !self.scheduled.swap(true, Ordering::AcqRel)
    }

    /// Whether events wait for some turn's end.
    pub(crate) fn waits(&self) -> bool {
        self.scheduled.load(Ordering::Acquire)
    }

    /// Moves what is queued into the members' outboxes, and puts each member that has to send now on the list. Returns how many deliveries that makes.
    pub(crate) fn distribute(&self, dirty: &mut Vec<Arc<Cell>>) -> u64 {
        let members = self.members.lock();
        self.scheduled.store(false, Ordering::Release);
        let events = std::mem::take(&mut *self.queue.lock());
        let Some(first) = events.first() else { return 0 };
        let simple = events.len() == 1 && first.exclude.is_none();
        let mut deliveries = events.len() * members.list.len();
        for Seat { cell, .. } in &members.list {
            let mut state = cell.state.lock();
            if simple {
                state.core.deliver(first);
            } else {
                for event in &events {
                    if event.exclude.as_deref() == Some(&*cell.name) {
                        deliveries -= 1;
                    } else {
                        state.core.deliver(event);
                    }
                }
            }
            drop(state);
            if cell.mark_dirty() {
                dirty.push(cell.clone());
            }
        }
        deliveries as u64
    }

    /// Adds a member. `false`: the room is dead, look it up again.
    pub(crate) fn add(&self, cell: &Arc<Cell>, watches: bool) -> bool {
        let mut m = self.members.lock();
        if m.dead {
            return false;
        }
        if !m.index.contains_key(&cell.name) {
            let at = m.list.len();
            if let Some(hooks) = self.hooks.as_ref().filter(|_| at == 0) {
                hooks.notify(Notification::RoomOccupied(self.name.clone()));
            }
            m.index.insert(cell.name.clone(), at);
            m.list.push(Seat { cell: cell.clone(), watches });
            m.watchers += usize::from(watches);
        }
        true
    }

    /// The sessions in it of which this is true.
    pub(crate) fn cells(&self, wanted: impl Fn(&Cell) -> bool) -> Vec<Arc<Cell>> {
        self.members.lock().list.iter().filter(|s| wanted(&s.cell)).map(|s| s.cell.clone()).collect()
    }

    /// Changes whether a member wants presence changes.
    pub(crate) fn watch(&self, session: &str, watches: bool) {
        let mut m = self.members.lock();
        let Some(at) = m.index.get(session).copied() else { return };
        let before = std::mem::replace(&mut m.list[at].watches, watches);
        m.watchers = m.watchers - usize::from(before) + usize::from(watches);
    }

    pub(crate) fn remove(&self, session: &str) {
        let mut m = self.members.lock();
        let Some(at) = m.index.remove(session) else { return };
        let seat = m.list.swap_remove(at);
        m.watchers -= usize::from(seat.watches);
        if let Some(moved) = m.list.get(at) {
            let name = moved.cell.name.clone();
            m.index.insert(name, at);
        }
        if m.list.is_empty() {
            *m = Members { dead: m.dead, ..Members::default() };
            if let Some(hooks) = &self.hooks {
                hooks.notify(Notification::RoomVacated(self.name.clone()));
            }
        }
    }

    pub(crate) fn sessions(&self) -> usize {
        self.members.lock().list.len()
    }

    /// Users and sessions in it.
    pub(crate) fn counts(&self) -> (usize, usize) {
        let m = self.members.lock();
        let users: std::collections::HashSet<&str> = m.list.iter().map(|s| &*s.cell.user).collect();
        (users.len(), m.list.len())
    }

    /// Marks an empty room as dead; `false` if it isn't empty.
    pub(crate) fn bury(&self) -> bool {
        let mut m = self.members.lock();
        m.dead = m.list.is_empty();
        m.dead
    }

    /// Notes a presence change; `true` if the caller must see to its announcement.
    pub(crate) fn changed(&self, change: Change) -> bool {
        let (user, known, now) = match change {
            Change::Join(m) => (m.user.clone(), false, Some(m)),
            Change::Update(m) => (m.user.clone(), true, Some(m)),
            Change::Leave { user, .. } => (user, true, None),
        };
        let mut news = self.news.lock();
        let first = news.by_user.is_empty();
        news.by_user.entry(user).or_insert(Turn { known, now: None }).now = now;
        first
    }

    /// The changes to announce, who wants them, and whether there are more.
    pub(crate) fn take_changes(&self) -> (Changes, Vec<Arc<Cell>>, bool) {
        let (changes, more) = self.news.lock().take();
        let m = self.members.lock();
        let watching = m.list.iter().filter(|s| s.watches).map(|s| s.cell.clone());
        let to = if m.watchers == 0 { vec![] } else { watching.collect() };
        (changes, to, more)
    }
}

impl News {
    fn take(&mut self) -> (Changes, bool) {
        let mut taken = self.by_user.split_off(&self.from);
        if let Some(next) = taken.keys().nth(NEWS_MAX).cloned() {
            self.by_user.append(&mut taken.split_off(&next));
            self.from = next;
        } else {
            self.from = "".into();
        }
        let mut out = Changes::default();
        for (user, turn) in taken {
            match turn.now {
                Some(m) if turn.known => out.update.push(m),
                Some(m) => out.join.push(m),
                // Who came since the last announcement may have been told of a user whom the others never saw.
                None => out.leave.push(user),
            }
        }
        (out, !self.by_user.is_empty())
    }
}

/// The data of `hub:presence`.
#[derive(Debug, Default, serde::Serialize)]
pub(crate) struct Changes {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    join: Vec<Member>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    update: Vec<Member>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    leave: Vec<Arc<str>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(user: &str) -> Member {
        Member { user: user.into(), info: None, state: None, sessions: 1, since: 0 }
    }

    fn announced(changes: Vec<Change>) -> String {
        let room = Room::new("r".into(), Arc::new(Namespace::default()));
        for (n, change) in changes.into_iter().enumerate() {
            assert_eq!(room.changed(change), n == 0);
        }
        let (c, _, more) = room.take_changes();
        assert!(!more);
        format!("{} join, {} update, {} leave", c.join.len(), c.update.len(), c.leave.len())
    }

    #[test]
    fn changes_are_told_as_those_who_watch_have_to_see_them() {
        use Change::*;
        let a = || member("a");
        let leave = |user: &str| Leave { user: user.into(), reason: "left".into() };
        assert_eq!(announced(vec![Join(a()), Update(a())]), "1 join, 0 update, 0 leave");
        assert_eq!(announced(vec![leave("a"), Join(a())]), "0 join, 1 update, 0 leave");
        assert_eq!(announced(vec![Join(a()), leave("a"), Join(a())]), "1 join, 0 update, 0 leave");
        assert_eq!(announced(vec![Update(a()), leave("a")]), "0 join, 0 update, 1 leave");
        assert_eq!(announced(vec![Join(a()), leave("a")]), "0 join, 0 update, 1 leave");
        assert_eq!(announced(vec![Join(a()), leave("b")]), "1 join, 0 update, 1 leave");
    }

    #[test]
    fn many_changes_are_told_in_parts_and_nobody_waits_for_ever() {
        let room = Room::new("r".into(), Arc::new(Namespace::default()));
        let name = |n: usize| format!("u{n:04}");
        for n in 0..600 {
            room.changed(Change::Join(member(&name(n))));
        }
        let mut told = vec![];
        for last in [false, false, true] {
            let (changes, _, more) = room.take_changes();
            assert!(changes.join.len() <= NEWS_MAX);
            told.extend(changes.join.iter().map(|m| m.user.to_string()));
            // The first ones change again and again.
            for n in 0..NEWS_MAX {
                room.changed(Change::Update(member(&name(n))));
            }
            assert!(more || last);
        }
        assert_eq!(told, (0..600).map(name).collect::<Vec<_>>());
    }
}
