//! Tokens that count no more before their end.

use crate::clock::unix_ms;
use crate::hub::Hub;
use crate::permit::Removal;
use crate::turn;
use crosspoint_core::grant::USER_BYTES_MAX;
use crosspoint_core::{Code, Fault, Grant};
use parking_lot::RwLock;
use serde::Serialize;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// The longest token id that can be revoked, bytes.
pub const TOKEN_ID_BYTES_MAX: usize = 256;

/// Which tokens count no more: one by its id, or those of a user. On this node; a restart forgets them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Revocation {
    /// The token with this id (`jti`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_id: Option<String>,
    /// The tokens of this user …
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// … that were issued (`iat`) before this time, seconds since 1970, or don't say when. `None`: all, whenever issued.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub issued_before_unix_s: Option<u64>,
    /// How long it is remembered, seconds since 1970. `None`: as long as the hub runs; a session's end, which
    /// backends move, doesn't tell the token's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until_unix_s: Option<u64>,
}

/// What is revoked; ends in ms since 1970, `u64::MAX` for never.
pub(crate) struct Revocations {
    max: usize,
    /// Whether there is any, so that those without pay nothing.
    any: AtomicBool,
    lists: RwLock<Lists>,
}

#[derive(Default)]
struct Lists {
    tokens: HashMap<Box<str>, u64>,
    /// By user: those issued before, and until when.
    users: HashMap<Box<str>, Vec<(u64, u64)>>,
}

impl Lists {
    fn len(&self) -> usize {
        self.tokens.len() + self.users.values().map(Vec::len).sum::<usize>()
    }

    fn expire(&mut self, now: u64) {
        self.tokens.retain(|_, until| *until > now);
        self.users.retain(|_, list| {
            list.retain(|(_, until)| *until > now);
            !list.is_empty()
        });
    }
}

fn is_before(grant: &Grant, before: u64) -> bool {
    grant.issued_unix_s.is_none_or(|issued| issued < before) || before == u64::MAX
}

impl Revocations {
    pub(crate) fn new(max: usize) -> Revocations {
        Revocations { max, any: AtomicBool::new(false), lists: RwLock::default() }
    }

    /// Whether the token of this grant counts no more.
    pub(crate) fn has(&self, grant: &Grant) -> bool {
        if !self.any.load(Ordering::Acquire) {
            return false;
        }
        let now = unix_ms();
        let lists = self.lists.read();
        let by_id =
            grant.token_id.as_deref().and_then(|id| lists.tokens.get(id)).is_some_and(|until| *until > now);
        let of_user = || lists.users.get(&*grant.user).into_iter().flatten();
        by_id || of_user().any(|(before, until)| *until > now && is_before(grant, *before))
    }

    fn add(&self, what: &Revocation, until: u64) -> Result<(), Fault> {
        let mut lists = self.lists.write();
        lists.expire(unix_ms());
        let full = lists.len() >= self.max;
        let text = || format!("{} revocations are remembered already", self.max);
        let full =
            |new: bool| if full && new { Err(Fault::new(Code::LimitExceeded, text())) } else { Ok(()) };
        if let Some(id) = what.token_id.as_deref() {
            full(!lists.tokens.contains_key(id))?;
            let end = lists.tokens.entry(id.into()).or_default();
            *end = until.max(*end);
        } else if let Some(user) = what.user.as_deref() {
            let before = what.issued_before_unix_s.unwrap_or(u64::MAX);
            let list = lists.users.get(user).map_or(&[][..], Vec::as_slice);
            if !list.iter().any(|(b, u)| *b >= before && *u >= until) {
                full(!list.iter().any(|(b, u)| *b <= before && *u <= until))?;
                let list = lists.users.entry(user.into()).or_default();
                list.retain(|(b, u)| *b > before || *u > until);
                list.push((before, until));
            }
        }
        self.any.store(true, Ordering::Release);
        Ok(())
    }

    fn remove(&self, what: &Revocation) -> bool {
        let mut lists = self.lists.write();
        lists.expire(unix_ms());
        if let Some(id) = what.token_id.as_deref() {
            return lists.tokens.remove(id).is_some();
        }
        let user = what.user.as_deref().unwrap_or_default();
        let Some(list) = lists.users.get_mut(user) else { return false };
        let (before, all) = (what.issued_before_unix_s.unwrap_or(u64::MAX), list.len());
        list.retain(|(b, _)| *b != before);
        let removed = list.len() < all;
        if list.is_empty() {
            lists.users.remove(user);
        }
        removed
    }

    pub(crate) fn sweep(&self) {
        if self.any.load(Ordering::Relaxed) {
            let mut lists = self.lists.write();
            lists.expire(unix_ms());
            self.any.store(lists.len() > 0, Ordering::Release);
        }
    }

    fn list(&self) -> Vec<Revocation> {
        let now = unix_ms();
        let seconds = |until: u64| Some(until).filter(|u| *u != u64::MAX).map(|u| u.div_ceil(1000));
        let lists = self.lists.read();
        let tokens = lists.tokens.iter().filter(|(_, until)| **until > now).map(|(id, until)| Revocation {
            token_id: Some(id.to_string()),
            until_unix_s: seconds(*until),
            ..Revocation::default()
        });
        let users = lists.users.iter().flat_map(|(user, list)| list.iter().map(move |entry| (user, entry)));
        let users = users.filter(|(_, (_, until))| *until > now).map(|(user, (before, until))| Revocation {
            user: Some(user.to_string()),
            issued_before_unix_s: Some(*before).filter(|b| *b != u64::MAX),
            until_unix_s: seconds(*until),
            ..Revocation::default()
        });
        tokens.chain(users).collect()
    }
}

impl Revocation {
    fn check(&self) -> Result<(), Fault> {
        let fits =
            |name: &Option<String>, max| name.as_ref().is_some_and(|n| !n.is_empty() && n.len() <= max);
        let (token, user) = (fits(&self.token_id, TOKEN_ID_BYTES_MAX), fits(&self.user, USER_BYTES_MAX));
        let one = self.token_id.is_some() != self.user.is_some() && (token || user);
        if !one || (self.issued_before_unix_s.is_some() && !user) {
            let text = "A revocation names either a token id or a user, and a time of issue only of a user";
            return Err(Fault::new(Code::BadRequest, text));
        }
        if self.until_unix_s.is_some_and(|s| s.saturating_mul(1000) <= unix_ms()) {
            return Err(Fault::new(Code::BadRequest, "The revocation would be over already"));
        }
        Ok(())
    }
}

impl Hub {
    /// Makes tokens count no more: sessions that came by one of them end with `token_revoked`, room tokens end what they
    /// allowed, and neither a connection nor a resume, a refresh, a ticket or a join gets through by one until `until_unix_s`. How many sessions ended.
    ///
    /// # Errors
    /// `bad_request`: it doesn't name exactly one thing, or is over already; `limit_exceeded`: as many as may be are remembered.
    pub fn revoke(self: &Arc<Hub>, what: &Revocation) -> Result<usize, Fault> {
        what.check()?;
        self.revocations.add(what, what.until_unix_s.map_or(u64::MAX, |s| s.saturating_mul(1000)))?;
        let mut ended = 0;
        // After it is on the list: who came in before may have looked before.
        let cells = match &what.user {
            Some(user) => self.users_cells(user),
            None => self.all_cells(),
        };
        for cell in &cells {
            let (revoked, in_room) = {
                let state = cell.state.lock();
                let tokens = || state.rooms.iter().filter_map(|j| j.token.as_ref());
                (self.revocations.has(&state.grant), tokens().any(|t| self.revocations.has(t)))
            };
            if revoked {
                ended += 1;
                self.tear_down(cell, &Code::TokenRevoked.into());
            } else if in_room {
                self.enforce(cell, &Removal::by_grant());
            }
            turn::cell(cell);
        }
        self.end_turn();
        Ok(ended)
    }

    /// Makes these tokens count again, if just they were revoked: by the same id, or the same user and time of issue. Whether they were.
    pub fn unrevoke(&self, what: &Revocation) -> bool {
        self.revocations.remove(what)
    }

    /// What is revoked at present.
    pub fn revocations(&self) -> Vec<Revocation> {
        self.revocations.list()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(id: &str, user: &str, issued: Option<u64>) -> Grant {
        Grant { token_id: Some(id.into()), issued_unix_s: issued, ..Grant::user(user) }
    }

    fn of_user(before: Option<u64>) -> Revocation {
        Revocation { user: Some("u".into()), issued_before_unix_s: before, ..Revocation::default() }
    }

    #[test]
    fn tokens_are_revoked_by_id_by_user_and_by_time() {
        let list = Revocations::new(9);
        let id = Revocation { token_id: Some("a".into()), ..Revocation::default() };
        list.add(&id, u64::MAX).unwrap();
        assert!(list.has(&token("a", "x", None)) && !list.has(&token("b", "x", None)));
        list.add(&of_user(Some(100)), u64::MAX).unwrap();
        let issued = |at| list.has(&token("c", "u", at));
        assert!(issued(Some(99)) && !issued(Some(100)) && issued(None));
        list.add(&of_user(None), u64::MAX).unwrap();
        assert!(list.has(&token("c", "u", Some(u64::MAX))) && !list.has(&token("c", "v", None)));
        assert_eq!(list.list().len(), 2, "who is revoked altogether is so once");
        assert!(!list.remove(&of_user(Some(100))) && list.remove(&of_user(None)) && list.remove(&id));
        assert!(!list.has(&token("a", "u", Some(0))) && list.list().is_empty() && !list.remove(&id));
    }

    #[test]
    fn what_is_over_goes_and_what_is_not_is_never_dropped() {
        let list = Revocations::new(2);
        let now = unix_ms();
        let id = |id: &str| Revocation { token_id: Some(id.into()), ..Revocation::default() };
        list.add(&id("a"), now - 1).unwrap();
        assert!(!list.has(&token("a", "u", None)) && list.list().is_empty());
        list.add(&id("b"), now + 60_000).unwrap();
        list.add(&of_user(Some(5)), now + 60_000).unwrap();
        assert_eq!(list.add(&id("c"), u64::MAX).unwrap_err().code, Code::LimitExceeded);
        list.add(&id("b"), now + 120_000).unwrap();
        list.add(&of_user(Some(6)), now + 60_000).unwrap();
        assert!(list.has(&token("b", "x", None)) && list.has(&token("x", "u", Some(5))));
        list.sweep();
        assert_eq!(list.list().len(), 2);
    }

    #[test]
    fn a_revocation_names_one_thing() {
        let both = Revocation { token_id: Some("a".into()), ..of_user(None) };
        let timed =
            Revocation { token_id: Some("a".into()), issued_before_unix_s: Some(1), ..Revocation::default() };
        let over = Revocation { until_unix_s: Some(1), ..of_user(None) };
        let empty = Revocation { user: Some(String::new()), ..Revocation::default() };
        for wrong in [Revocation::default(), both, timed, over, empty] {
            assert_eq!(wrong.check().unwrap_err().code, Code::BadRequest, "{wrong:?}");
        }
        assert!(of_user(Some(1)).check().is_ok());
    }
}
