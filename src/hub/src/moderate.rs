//! Muting, kicking and banning, by members that may and by backends.

use crate::act::{parse, room_of};
use crate::cell::Cell;
use crate::clock::unix_ms;
use crate::hub::Hub;
use crate::moderation::{Action, FOR_MS_MAX, Mark, Moderated, Moderation, REASON_BYTES_MAX};
use crate::permit::{Removal, forbidden};
use crosspoint_core::grant::USER_BYTES_MAX;
use crosspoint_core::wire::OutFrame;
use crosspoint_core::{Cap, Code, Fault, Frame};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::sync::Arc;

#[derive(Deserialize)]
struct ModerateData {
    action: Action,
    user: String,
    #[serde(default)]
    for_ms: Option<u64>,
    #[serde(default)]
    reason: Option<String>,
}

/// The data of `hub:moderated`.
#[derive(Serialize)]
struct Word<'a> {
    action: Action,
    user: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    by: &'a Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    until_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: &'a Option<String>,
}

impl Moderation {
    fn check(&self) -> Result<(), Fault> {
        let bad = |text: String| Err(Fault::new(Code::BadRequest, text));
        if self.user.is_empty() || self.user.len() > USER_BYTES_MAX {
            return bad(format!("`user` has 1 to {USER_BYTES_MAX} bytes"));
        }
        if self.reason.as_ref().is_some_and(|r| r.len() > REASON_BYTES_MAX) {
            return bad(format!("`reason` has at most {REASON_BYTES_MAX} bytes"));
        }
        if self.for_ms.is_some_and(|ms| ms > FOR_MS_MAX) {
            return bad(format!("`for_ms` is at most {FOR_MS_MAX}"));
        }
        Ok(())
    }
}

impl Hub {
    /// Mutes, kicks or bans a user in a room, or ends that: for all their sessions on this node, those to come too. Returns when it ends, ms since
    /// 1970, if it does.
    ///
    /// # Errors
    /// `bad_request`: the user's name, the reason or the time is too long; `limit_exceeded`: `limits.room_moderated_max` or
    /// `limits.moderated_max` users are muted or banned.
    pub fn moderate(self: &Arc<Hub>, room: &str, what: Moderation) -> Result<Option<u64>, Fault> {
        let until = self.apply(room, what)?;
        self.end_turn();
        Ok(until)
    }

    /// Who is muted or banned in a room, by name.
    pub fn moderation(&self, room: &str) -> Vec<Moderated> {
        self.moderations.list(room)
    }

    fn apply(self: &Arc<Hub>, room: &str, what: Moderation) -> Result<Option<u64>, Fault> {
        what.check()?;
        let Moderation { action, user, for_ms, reason, by } = what;
        let lasts = matches!(action, Action::Mute | Action::Ban);
        let until_ms = for_ms.filter(|ms| lasts && *ms > 0).map(|ms| unix_ms().saturating_add(ms));
        match action {
            Action::Mute | Action::Ban => {
                let mark = Mark { until_ms, by: by.clone(), reason: reason.clone() };
                self.moderations.set(room, &user, action, mark)?;
            }
            Action::Unmute | Action::Unban => self.moderations.lift(room, &user, action),
            Action::Kick => {}
        }
        let held = self.rooms.read().get(room).cloned();
        if let Some(held) = held {
            if lasts {
                held.set_moderated();
            }
            let hears = |cell: &Cell| *cell.user == *user || cell.state.lock().may(Cap::Moderate, room);
            let to = held.cells(hears);
            let word = Word { action, user: &user, by: &by, until_ms, reason: &reason };
            if !to.is_empty() {
                let frame = Frame::with("hub:moderated", &word).room(room);
                self.send_all(&to, &Arc::new(OutFrame::new(&frame)));
            }
        }
        let code = match action {
            Action::Kick => Code::Forbidden,
            Action::Ban => Code::Banned,
            _ => return Ok(until_ms),
        };
        let name = if action == Action::Kick { "kicked" } else { "banned" };
        let text = reason.unwrap_or_else(|| format!("The user was {name}"));
        let why = Removal { reason: name, fault: Fault::new(code, text), until_ms };
        for cell in self.users_cells(&user) {
            self.expel(&cell, room, &why);
        }
        Ok(until_ms)
    }

    pub(crate) fn moderate_for(self: &Arc<Hub>, cell: &Cell, frame: &Frame) -> Result<Value, Fault> {
        let room = room_of(frame)?;
        let ModerateData { action, user, for_ms, reason } = parse(frame)?;
        self.may_moderate(cell, room)?;
        let moderates = |other: &Arc<Cell>| other.state.lock().may(Cap::Moderate, room);
        if self.users_cells(&user).iter().any(moderates) {
            return Err(Fault::new(
                Code::Forbidden,
                "Who may moderate the room is moderated by a backend only",
            ));
        }
        let by = Some(cell.user.to_string());
        let until_ms = self.apply(room, Moderation { action, user, for_ms, reason, by })?;
        Ok(until_ms.map_or_else(|| json!({}), |until_ms| json!({"until_ms": until_ms})))
    }

    pub(crate) fn moderation_for(&self, cell: &Cell, frame: &Frame) -> Result<Value, Fault> {
        let room = room_of(frame)?;
        self.may_moderate(cell, room)?;
        Ok(json!({"users": self.moderations.list(room)}))
    }

    fn may_moderate(&self, cell: &Cell, room: &str) -> Result<(), Fault> {
        if !cell.state.lock().may(Cap::Moderate, room) {
            return Err(forbidden("moderating", room));
        }
        self.moderations.check(room, &cell.user, Action::Ban)
    }
}
