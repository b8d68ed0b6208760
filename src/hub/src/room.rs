//! A room on this node: its members, and the events that wait for the turn's end.

use crate::cell::Cell;
use crate::config::Namespace;
use crate::engine::{Change, Member};
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
    /// Presence changes by user since the last announcement.
    changes: Mutex<BTreeMap<Arc<str>, Change>>,
}

#[derive(Default)]
struct Members {
    list: Vec<Arc<Cell>>,
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
            changes: Mutex::default(),
        }
    }

    pub(crate) fn has_history(&self) -> bool {
        self.namespace.history_events > 0
    }

    /// Queues an event; `true` if the caller must put the room on its turn's list.
    pub(crate) fn queue(&self, event: Arc<Event>) -> bool {
        self.queue.lock().push(event);
        !self.scheduled.swap(true, Ordering::AcqRel)
    }

    /// Moves what is queued into the members' outboxes, and puts each member that has to send now on the list. Returns how many deliveries that makes.
    pub(crate) fn distribute(&self, dirty: &mut Vec<Arc<Cell>>) -> u64 {
        let members = self.members.lock();
        self.scheduled.store(false, Ordering::Release);
        let events = std::mem::take(&mut *self.queue.lock());
        let Some(first) = events.first() else { return 0 };
        let simple = events.len() == 1 && first.exclude.is_none();
        for cell in &members.list {
            let mut state = cell.state.lock();
            if simple {
                state.core.deliver(first);
            } else {
                let others = events.iter().filter(|e| e.exclude.as_deref().is_none_or(|x| *x != *cell.name));
                others.for_each(|e| state.core.deliver(e));
            }
            drop(state);
            if cell.mark_dirty() {
                dirty.push(cell.clone());
            }
        }
        (events.len() * members.list.len()) as u64
    }

    /// Adds a member. `false`: the room is dead, look it up again.
    pub(crate) fn add(&self, cell: &Arc<Cell>, watches: bool) -> bool {
        let mut m = self.members.lock();
        if m.dead {
            return false;
        }
        if !m.index.contains_key(&cell.name) {
            let at = m.list.len();
            m.index.insert(cell.name.clone(), at);
            m.list.push(cell.clone());
            m.watchers += usize::from(watches);
        }
        true
    }

    /// Changes whether a member wants presence changes.
    pub(crate) fn watch(&self, before: bool, after: bool) {
        let mut m = self.members.lock();
        m.watchers = m.watchers - usize::from(before) + usize::from(after);
    }

    pub(crate) fn remove(&self, session: &str, watched: bool) {
        let mut m = self.members.lock();
        let Some(at) = m.index.remove(session) else { return };
        m.list.swap_remove(at);
        m.watchers -= usize::from(watched);
        if let Some(moved) = m.list.get(at) {
            let name = moved.name.clone();
            m.index.insert(name, at);
        }
        if m.list.is_empty() {
            *m = Members { dead: m.dead, ..Members::default() };
        }
    }

    pub(crate) fn sessions(&self) -> usize {
        self.members.lock().list.len()
    }

    /// Users and sessions in it.
    pub(crate) fn counts(&self) -> (usize, usize) {
        let m = self.members.lock();
        let users: std::collections::HashSet<&str> = m.list.iter().map(|c| &*c.user).collect();
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
        let user = match &change {
            Change::Join(m) | Change::Update(m) => m.user.clone(),
            Change::Leave(user) => user.clone(),
        };
        let mut changes = self.changes.lock();
        let first = changes.is_empty();
        let merged = match (changes.remove(&user), change) {
            (Some(Change::Join(_)), Change::Update(m)) => Change::Join(m),
            (Some(Change::Leave(_)), Change::Join(m)) => Change::Update(m),
            (_, new) => new,
        };
        changes.insert(user, merged);
        first
    }

    /// The changes to announce and who wants them.
    pub(crate) fn take_changes(&self) -> (Changes, Vec<Arc<Cell>>) {
        let mut out = Changes::default();
        for change in std::mem::take(&mut *self.changes.lock()).into_values() {
            match change {
                Change::Join(m) => out.join.push(m),
                Change::Update(m) => out.update.push(m),
                Change::Leave(user) => out.leave.push(user),
            }
        }
        let m = self.members.lock();
        let watching = |c: &&Arc<Cell>| c.state.lock().rooms.get(&self.name).is_some_and(|j| j.presence);
        let to = if m.watchers == 0 { vec![] } else { m.list.iter().filter(watching).cloned().collect() };
        (out, to)
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
