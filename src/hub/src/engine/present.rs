//! Who is in a room, in memory: many sessions, one member.

use super::{Change, Member, Presence};
use crosspoint_core::Raw;
use std::collections::BTreeMap;
use std::sync::Arc;

#[derive(Debug)]
struct User {
    /// Sorted: some users have thousands.
    sessions: Vec<Arc<str>>,
    info: Option<Raw>,
    state: Option<Raw>,
    since: u64,
}

#[derive(Debug, Default)]
pub(super) struct Present {
    users: BTreeMap<Arc<str>, User>,
}

impl Present {
    pub(super) fn is_empty(&self) -> bool {
        self.users.is_empty()
    }

    pub(super) fn enter(&mut self, p: Presence, now_unix_ms: u64) -> Change {
        let new = !self.users.contains_key(&p.user);
        let user = self.users.entry(p.user.clone()).or_insert_with(|| User {
            sessions: vec![],
            info: None,
            state: None,
            since: now_unix_ms,
        });
        if let Err(at) = user.sessions.binary_search(&p.session) {
            user.sessions.insert(at, p.session);
        }
        user.info = p.info.or(user.info.take());
        user.state = p.state.or(user.state.take());
        let member = member(&p.user, user);
        if new { Change::Join(member) } else { Change::Update(member) }
    }

    pub(super) fn leave(&mut self, user: &str, session: &str, reason: &str) -> Option<Change> {
        let (name, entry) = self.users.get_key_value(user)?;
        let at = entry.sessions.binary_search_by(|s| (**s).cmp(session)).ok()?;
        let name = name.clone();
        let entry = self.users.get_mut(user)?;
        entry.sessions.remove(at);
        if entry.sessions.is_empty() {
            self.users.remove(user);
            return Some(Change::Leave { user: name, reason: reason.into() });
        }
        Some(Change::Update(member(&name, entry)))
    }

    pub(super) fn members(&self) -> Vec<Member> {
        self.users.iter().map(|(name, u)| member(name, u)).collect()
    }
}

fn member(name: &Arc<str>, u: &User) -> Member {
    Member {
        user: name.clone(),
        info: u.info.clone(),
        state: u.state.clone(),
        sessions: u.sessions.len(),
        since: u.since,
    }
}
