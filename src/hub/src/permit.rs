//! What a session may do, by its grant and its room tokens, and what it loses when these change or end.

use crate::auth::{Ask, Purpose};
use crate::cell::{Cell, Joined, State};
use crate::clock::unix_ms;
use crate::hub::Hub;
use crosspoint_core::session::Kind;
use crosspoint_core::wire::OutFrame;
use crosspoint_core::{Cap, Code, Fault, Frame, Grant};
use serde::Serialize;
use serde_json::json;
use std::sync::Arc;

/// Why a session is not in a room any more.
#[derive(Debug, Clone)]
pub(crate) struct Removal {
    pub(crate) reason: &'static str,
    pub(crate) fault: Fault,
    /// When it may come back, ms since 1970.
    pub(crate) until_ms: Option<u64>,
}

/// The data of `hub:removed`.
#[derive(Serialize)]
struct Removed<'a> {
    reason: &'static str,
    code: Code,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    until_ms: Option<u64>,
}

impl Removal {
    pub(crate) fn new(reason: &'static str, fault: impl Into<Fault>) -> Removal {
        Removal { reason, fault: fault.into(), until_ms: None }
    }

    /// The grant that is in force now doesn't allow it.
    pub(crate) fn by_grant() -> Removal {
        Removal::new("token", Code::Forbidden)
    }
}

/// Whether a grant or the room token beside it allows this.
fn allows(grant: &Grant, token: Option<&Grant>, cap: Cap, room: &str) -> bool {
    let may = |g: &Grant| match cap {
        // Who was told nothing of signals may send them where direct messages are allowed.
        Cap::Signal => g.may(cap, room) && (g.signal.is_some() || g.direct || grant.direct),
        _ => g.may(cap, room),
    };
    may(grant) || token.is_some_and(may)
}

/// The fault of a frame that needs more than the grant has.
pub(crate) fn forbidden(what: &str, room: &str) -> Fault {
    Fault::new(Code::Forbidden, format!("The grant does not allow {what} {room}"))
}

impl State {
    /// Whether the session may do this in the room now: its grant or its token for the room allows it, and the join hook didn't take it away.
    pub(crate) fn may(&self, cap: Cap, room: &str) -> bool {
        self.may_with(cap, room, None)
    }

    /// The same, with a token that it shows instead of the one it holds.
    pub(crate) fn may_with(&self, cap: Cap, room: &str, token: Option<&Grant>) -> bool {
        self.may_in(self.rooms.get(room), cap, room, token)
    }

    /// The same, where it was looked up whether the session is in the room.
    pub(crate) fn may_in(
        &self,
        joined: Option<&Joined>,
        cap: Cap,
        room: &str,
        token: Option<&Grant>,
    ) -> bool {
        let held = joined.and_then(|j| j.token.as_deref());
        let denied = joined.is_some_and(|j| j.denied.has(cap));
        !denied && allows(&self.grant, token.or(held), cap, room)
    }

    /// Remembers when the first of its room tokens ends.
    pub(crate) fn note_tokens(&mut self, now: u64) {
        let ends = self.rooms.iter().filter_map(|j| j.token.as_ref()?.expires_unix_ms());
        let first = ends.min();
        self.token_end = first.map_or(u64::MAX, |end| now.saturating_add(end.saturating_sub(unix_ms())));
    }

    /// The word that the grant ends soon, when it is due; once for each grant.
    pub(crate) fn tell_expiring(&mut self, now: u64) {
        if self.core.link().is_some() && now >= self.warn_at {
            self.warn_at = u64::MAX;
            let data = json!({"expires_in_ms": self.grant_end.saturating_sub(now)});
            let _ = self.core.send(OutFrame::with("hub:token_expiring", &data));
        }
    }
}

impl Hub {
    /// Whether the hub lets somebody do anything with this grant: it has a fitting size, isn't over and wasn't revoked.
    ///
    /// # Errors
    /// `bad_request`, `token_expired` or `token_revoked`.
    pub fn check_grant(&self, grant: &Grant) -> Result<(), Fault> {
        grant.check()?;
        if grant.has_ended(unix_ms()) {
            return Err(Code::TokenExpired.into());
        }
        if self.revocations.has(grant) {
            return Err(Code::TokenRevoked.into());
        }
        Ok(())
    }

    /// What a token for one room allows who shows it when joining.
    pub(crate) async fn room_token(&self, cell: &Cell, token: &str, room: &str) -> Result<Arc<Grant>, Fault> {
        let (remote, transport) =
            cell.state.lock().link.as_ref().map_or((None, None), |c| (c.remote, c.transport));
        let grant = self.verify(Ask { token, purpose: Purpose::Room, remote, transport }).await?;
        if *grant.user != *cell.user {
            return Err(Fault::new(Code::Forbidden, "The token is another user's"));
        }
        if !grant.may_join(room) {
            return Err(Fault::new(Code::Forbidden, "The token is for another room"));
        }
        Ok(grant)
    }

    /// Puts another grant in the place of a session's, and takes from it what that doesn't allow.
    pub(crate) fn replace_grant(self: &Arc<Hub>, cell: &Arc<Cell>, grant: Arc<Grant>) -> Result<(), Fault> {
        self.check_grant(&grant)?;
        cell.state.lock().set_grant(grant.clone(), self.clock.now(), self.expiring_ms);
        if self.revocations.has(&grant) {
            // Revoked between the look and the change: whoever did it may not have found it here.
            self.tear_down(cell, &Code::TokenRevoked.into());
            return Err(Code::TokenRevoked.into());
        }
        self.enforce(cell, &Removal::by_grant());
        self.schedule(cell);
        Ok(())
    }

    /// Takes from a session what it may not have any more: rooms, presence, seats on rosters, services.
    pub(crate) fn enforce(self: &Arc<Hub>, cell: &Arc<Cell>, why: &Removal) {
        let now = unix_ms();
        let (mut gone, mut kept) = (vec![], vec![]);
        let services = {
            let mut state = cell.state.lock();
            let grant = state.grant.clone();
            for joined in state.rooms.iter_mut() {
                let name = joined.room.name.clone();
                let ended = joined
                    .token
                    .take_if(|t| t.has_ended(now))
                    .map(|_| Removal::new("token", Code::TokenExpired));
                let revoked = joined.token.take_if(|t| self.revocations.has(t));
                let lost = ended.or(revoked.map(|_| Removal::new("revoked", Code::TokenRevoked)));
                let (token, denied) = (joined.token.as_deref(), joined.denied);
                let may = |cap| !denied.has(cap) && allows(&grant, token, cap, &name);
                if !may(Cap::Join) {
                    gone.push((name, lost.unwrap_or_else(|| why.clone())));
                    continue;
                }
                let seen = may(Cap::Presence);
                let left = joined.present && !seen;
                let (signals, calls) = (may(Cap::Signal), may(Cap::Call));
                joined.present &= seen;
                if !(seen && signals && calls) {
                    kept.push((joined.room.clone(), seen, left, signals, calls));
                }
            }
            let now = self.clock.now();
            state.note_tokens(now);
            let may_serve = |service: &mut Box<str>| !grant.may_serve(service);
            state.services.extract_if(.., may_serve).collect::<Vec<_>>()
        };
        services.iter().for_each(|service| self.detach(service, cell));
        for (room, why) in gone {
            self.expel(cell, &room, &why);
        }
        for (room, seen, left, signals, calls) in kept {
            if !seen {
                room.watch(&cell.name, false);
            }
            if left {
                self.unpresent(cell, &room.name, why.fault.code);
            }
            if !(signals && calls) {
                room.roster.evict(&room.name, &cell.name, why.fault.code, signals);
            }
        }
    }

    /// Takes a session out of a room, and tells it. `false`: it wasn't in there.
    pub(crate) fn expel(self: &Arc<Hub>, cell: &Arc<Cell>, room: &str, why: &Removal) -> bool {
        let Some(Joined { present, .. }) = self.leave_room(cell, room) else { return false };
        if present {
            self.unpresent(cell, room, why.fault.code);
        }
        let Removal { reason, ref fault, until_ms } = *why;
        let data = Removed { reason, code: fault.code, message: &fault.message, until_ms };
        self.send_to(cell, Arc::new(OutFrame::new(&Frame::with("hub:removed", &data).room(room))));
        if cell.state.lock().core.kind() == Kind::Listener {
            // Its only room.
            self.tear_down(cell, fault);
        }
        true
    }

    fn unpresent(self: &Arc<Hub>, cell: &Arc<Cell>, room: &str, code: Code) {
        let answer = self.engine.leave(&room.into(), &cell.user, &cell.name, code.name());
        self.finish(async move {
            let _ = answer.await;
        });
    }
}
