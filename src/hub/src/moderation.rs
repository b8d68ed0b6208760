//! Who is muted or banned in which room, and until when. On this node, in memory.

use crate::clock::unix_ms;
use crosspoint_core::{Code, Fault};
use parking_lot::RwLock;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};

/// The longest reason of a moderation, bytes.
pub const REASON_BYTES_MAX: usize = 256;
/// The longest time of one, ms: a hundred years.
pub(crate) const FOR_MS_MAX: u64 = 100 * 365 * 86_400_000;

/// What is done to a user in a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// May publish nothing, nor signal, nor send files there.
    Mute,
    /// Ends that.
    Unmute,
    /// Leaves the room, and may come back.
    Kick,
    /// Leaves it, and may not come back.
    Ban,
    /// Ends that.
    Unban,
}

/// Something that is to be done to a user in a room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moderation {
    /// What.
    pub action: Action,
    /// To whom.
    pub user: String,
    /// For how long, ms, at most a hundred years; `None` or 0: until it is lifted, or the hub restarts.
    pub for_ms: Option<u64>,
    /// For people, at most [`REASON_BYTES_MAX`] bytes.
    pub reason: Option<String>,
    /// The user who did it; `None`: a backend.
    pub by: Option<String>,
}

/// What is in force for a user in a room.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Moderated {
    /// Who.
    pub user: String,
    /// [`Action::Mute`] or [`Action::Ban`].
    pub action: Action,
    /// When it ends, ms since 1970; `None`: when it is lifted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until_ms: Option<u64>,
    /// The user who did it; `None`: a backend.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// For people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// All that is in force.
pub(crate) struct Moderations {
    room_max: usize,
    max: usize,
    /// Whether there is any, so that hubs without pay nothing.
    any: AtomicBool,
    table: RwLock<Table>,
}

#[derive(Default)]
struct Table {
    rooms: HashMap<Box<str>, HashMap<Box<str>, Marks>>,
    users: usize,
}

#[derive(Default)]
struct Marks {
    mute: Option<Mark>,
    ban: Option<Mark>,
}

pub(crate) struct Mark {
    /// ms since 1970.
    pub(crate) until_ms: Option<u64>,
    pub(crate) by: Option<String>,
    pub(crate) reason: Option<String>,
}

impl Mark {
    fn holds(&self, now: u64) -> bool {
        self.until_ms.is_none_or(|until| until > now)
    }
}

impl Marks {
    fn expire(&mut self, now: u64) -> bool {
        self.mute.take_if(|m| !m.holds(now));
        self.ban.take_if(|m| !m.holds(now));
        self.mute.is_some() || self.ban.is_some()
    }
}

impl Table {
    fn expire(&mut self, now: u64) {
        self.users = 0;
        self.rooms.retain(|_, users| {
            users.retain(|_, marks| marks.expire(now));
            self.users += users.len();
            !users.is_empty()
        });
    }
}

impl Moderations {
    pub(crate) fn new(room_max: usize, max: usize) -> Moderations {
        Moderations { room_max, max, any: AtomicBool::new(false), table: RwLock::default() }
    }

    /// Whether anybody is muted or banned in the room.
    pub(crate) fn has(&self, room: &str) -> bool {
        self.any.load(Ordering::Acquire) && self.table.read().rooms.contains_key(room)
    }

    /// The fault of a user who is banned there; of one who is muted.
    pub(crate) fn check(&self, room: &str, user: &str, action: Action) -> Result<(), Fault> {
        if !self.any.load(Ordering::Acquire) {
            return Ok(());
        }
        let table = self.table.read();
        let marks = table.rooms.get(room).and_then(|users| users.get(user));
        let (mark, code) = match action {
            Action::Ban => (marks.and_then(|m| m.ban.as_ref()), Code::Banned),
            _ => (marks.and_then(|m| m.mute.as_ref()), Code::Muted),
        };
        let now = unix_ms();
        match mark.filter(|mark| mark.holds(now)) {
            None => Ok(()),
            Some(mark) => {
                Err(mark.until_ms.map_or_else(|| code.into(), |end| Fault::from(code).after(end - now)))
            }
        }
    }

    /// Notes that a user is muted or banned.
    pub(crate) fn set(&self, room: &str, user: &str, action: Action, mark: Mark) -> Result<(), Fault> {
        let mut table = self.table.write();
        let known = |t: &Table| t.rooms.get(room).is_some_and(|users| users.contains_key(user));
        if !known(&table) {
            // What members may fill leaves room for backends.
            let max = if mark.by.is_some() { self.max - self.max / 10 } else { self.max };
            let in_room = |t: &Table| t.rooms.get(room).map_or(0, HashMap::len);
            let is_full = |t: &Table| in_room(t) >= self.room_max || t.users >= max;
            if is_full(&table) {
                table.expire(unix_ms());
            }
            if is_full(&table) {
                let text = format!("{} users are muted or banned already", in_room(&table).max(table.users));
                return Err(Fault::new(Code::LimitExceeded, text));
            }
            table.users += 1;
        }
        let marks = table.rooms.entry(room.into()).or_default().entry(user.into()).or_default();
        match action {
            Action::Ban => marks.ban = Some(mark),
            _ => marks.mute = Some(mark),
        }
        self.any.store(true, Ordering::Release);
        Ok(())
    }

    /// Ends it.
    pub(crate) fn lift(&self, room: &str, user: &str, action: Action) {
        let mut table = self.table.write();
        let Some(users) = table.rooms.get_mut(room) else { return };
        let Some(marks) = users.get_mut(user) else { return };
        match action {
            Action::Unban => marks.ban = None,
            _ => marks.mute = None,
        }
        if !marks.expire(unix_ms()) {
            users.remove(user);
            if users.is_empty() {
                table.rooms.remove(room);
            }
            table.users -= 1;
        }
        self.any.store(!table.rooms.is_empty(), Ordering::Release);
    }

    /// What is in force in a room, by user.
    pub(crate) fn list(&self, room: &str) -> Vec<Moderated> {
        let now = unix_ms();
        let table = self.table.read();
        let shown = |user: &str, action, mark: &Mark| Moderated {
            user: user.to_string(),
            action,
            until_ms: mark.until_ms,
            by: mark.by.clone(),
            reason: mark.reason.clone(),
        };
        let mut all = vec![];
        for (user, marks) in table.rooms.get(room).into_iter().flatten() {
            for (action, mark) in [(Action::Ban, &marks.ban), (Action::Mute, &marks.mute)] {
                all.extend(mark.as_ref().filter(|m| m.holds(now)).map(|m| shown(user, action, m)));
            }
        }
        all.sort_by(|a, b| (&a.user, a.action as u8).cmp(&(&b.user, b.action as u8)));
        all
    }

    pub(crate) fn sweep(&self) {
        if self.any.load(Ordering::Relaxed) {
            let mut table = self.table.write();
            table.expire(unix_ms());
            self.any.store(!table.rooms.is_empty(), Ordering::Release);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(until_ms: Option<u64>) -> Mark {
        Mark { until_ms, by: None, reason: None }
    }

    fn code(all: &Moderations, user: &str, action: Action) -> Option<Code> {
        all.check("r", user, action).err().map(|fault| fault.code)
    }

    #[test]
    fn a_mark_holds_until_its_end_and_for_its_room() {
        let all = Moderations::new(9, 9);
        let now = unix_ms();
        all.set("r", "a", Action::Mute, mark(Some(now + 60_000))).unwrap();
        all.set("r", "b", Action::Ban, mark(None)).unwrap();
        all.set("r", "c", Action::Ban, mark(Some(now))).unwrap();
        assert_eq!(code(&all, "a", Action::Mute), Some(Code::Muted));
        assert_eq!(code(&all, "a", Action::Ban), None);
        assert_eq!(code(&all, "b", Action::Ban), Some(Code::Banned));
        assert_eq!(code(&all, "c", Action::Ban), None);
        assert!(all.check("s", "b", Action::Ban).is_ok() && !all.has("s") && all.has("r"));
        let fault = all.check("r", "a", Action::Mute).unwrap_err();
        assert!(fault.retry_after_ms.is_some_and(|ms| ms > 50_000 && ms <= 60_000));
        let users = |list: Vec<Moderated>| list.into_iter().map(|m| (m.user, m.action)).collect::<Vec<_>>();
        assert_eq!(users(all.list("r")), [("a".into(), Action::Mute), ("b".into(), Action::Ban)]);
        all.lift("r", "a", Action::Unmute);
        all.lift("r", "b", Action::Unban);
        all.sweep();
        assert!(!all.has("r") && all.list("r").is_empty());
    }

    #[test]
    fn there_is_room_for_so_many_and_those_that_are_over_make_room() {
        let all = Moderations::new(2, 3);
        let now = unix_ms();
        let set = |room, user, until| all.set(room, user, Action::Mute, mark(until)).map_err(|f| f.code);
        assert_eq!((set("r", "a", None), set("r", "b", Some(now))), (Ok(()), Ok(())));
        assert_eq!((set("r", "c", None), set("r", "d", None)), (Ok(()), Err(Code::LimitExceeded)));
        assert_eq!(set("r", "a", Some(now + 60_000)), Ok(()), "who is muted already may be again");
        assert_eq!((set("s", "a", None), set("t", "a", None)), (Ok(()), Err(Code::LimitExceeded)));
        all.lift("s", "a", Action::Unmute);
        assert_eq!(set("t", "a", None), Ok(()));
    }

    #[test]
    fn members_leave_some_room_for_backends() {
        let all = Moderations::new(99, 10);
        let by = |by: Option<&str>| Mark { until_ms: None, by: by.map(String::from), reason: None };
        let set = |user: &str, who| all.set("r", user, Action::Ban, by(who)).map_err(|f| f.code);
        for user in 0..9 {
            assert_eq!(set(&user.to_string(), Some("mod")), Ok(()));
        }
        assert_eq!(set("9", Some("mod")), Err(Code::LimitExceeded));
        assert_eq!((set("9", None), set("10", None)), (Ok(()), Err(Code::LimitExceeded)));
    }
}
