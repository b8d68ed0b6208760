//! What a backend does to sessions: puts them into rooms and takes them out, changes what they may, ends them.

use crate::backend::Denied;
use crate::cell::Cell;
use crate::engine::{HistoryFrom, HistoryQuery};
use crate::hub::Hub;
use crate::permit::Removal;
use crate::turn;
use crosspoint_core::session::Kind;
use crosspoint_core::wire::OutFrame;
use crosspoint_core::{Cap, Code, Fault, Frame, Grant, Position};
use serde::Serialize;
use std::sync::Arc;

/// Whose sessions a backend means, on this node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whom<'a> {
    /// One session, by its name.
    Session(&'a str),
    /// All sessions of a user.
    User(&'a str),
}

/// The data of `hub:added`.
#[derive(Serialize)]
struct Added<'a> {
    room: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    position: Option<Position>,
}

impl Hub {
    /// Puts a user's sessions into a room, whatever their grants say, as a room token would that allows `caps` there (none: all but
    /// [`Cap::Moderate`]) until `until_unix_s`. They are told by `hub:added`; those that are in it already go on. How many are in it now.
    ///
    /// # Errors
    /// `banned`, `limit_exceeded` (rooms of a session), `unavailable` (the engine, or the rooms of the hub), where no session got in.
    pub async fn force_join(
        self: &Arc<Hub>,
        user: &str,
        room: &str,
        caps: &[Cap],
        until_unix_s: Option<u64>,
    ) -> Result<usize, Fault> {
        let all = Cap::ALL.into_iter().filter(|cap| *cap != Cap::Moderate).collect::<Vec<_>>();
        let token = Arc::new(room_grant(user, room, if caps.is_empty() { &all } else { caps }, until_unix_s));
        let (mut joined, mut failed) = (0, None);
        for cell in self.users_cells(user) {
            if cell.state.lock().core.kind() == Kind::Listener {
                continue;
            }
            match self.put_into(&cell, room, &token).await {
                Ok(()) => joined += 1,
                Err(fault) if fault.code == Code::SessionExpired => {}
                Err(fault) => failed = Some(fault),
            }
            self.end_turn();
        }
        failed.filter(|_| joined == 0).map_or(Ok(joined), Err)
    }

    async fn put_into(
        self: &Arc<Hub>,
        cell: &Arc<Cell>,
        room: &str,
        token: &Arc<Grant>,
    ) -> Result<(), Fault> {
        let is_in = {
            let mut state = cell.state.lock();
            state.rooms.get_mut(room).map(|joined| joined.token = Some(token.clone())).is_some()
        };
        if is_in {
            // It may allow less than the one before.
            self.enforce(cell, &Removal::by_grant());
            self.schedule(cell);
            return Ok(());
        }
        let entered = self.enter_and_tell(cell, room, token).await;
        if entered.is_err()
            && let Some(joined) = self.leave_room(cell, room).filter(|j| j.present)
        {
            let _ = self.engine.leave(&joined.room.name, &cell.user, &cell.name, "left").await;
        }
        entered
    }

    async fn enter_and_tell(
        self: &Arc<Hub>,
        cell: &Arc<Cell>,
        name: &str,
        token: &Arc<Grant>,
    ) -> Result<(), Fault> {
        let (room, read) = self.enter_room(cell, name, false, Denied::default(), Some(token.clone()))?;
        let mut page = None;
        if room.has_history() {
            let query = HistoryQuery { from: HistoryFrom::Last(None), limit: 0 };
            page = Some(self.engine.history(&room.name, &room.namespace, query).await?);
        }
        self.present(cell, &room, None).await?;
        let reads = cell.state.lock().may(Cap::History, name);
        let position = page.as_ref().filter(|_| reads).map(|p| p.head.clone());
        let added = Frame::with("hub:added", &Added { room: name, position }).room(name);
        let added = Arc::new(OutFrame::new(&added));
        if self.go_live(cell, &room, Some(added), page.map(|p| (p, false)), read) {
            Ok(())
        } else {
            Err(Code::SessionExpired.into())
        }
    }

    /// Takes a user's sessions out of a room; they are told by `hub:removed` with this fault's code and message. How many were in it.
    pub fn force_leave(self: &Arc<Hub>, user: &str, room: &str, fault: &Fault) -> usize {
        let why = Removal::new("backend", fault.clone());
        let left = self.users_cells(user).iter().filter(|cell| self.expel(cell, room, &why)).count();
        self.end_turn();
        left
    }

    /// Ends all sessions of a user on this node with this code. How many there were.
    pub fn disconnect_user(self: &Arc<Hub>, user: &str, fault: &Fault) -> usize {
        let cells = self.users_cells(user);
        for cell in &cells {
            self.tear_down(cell, fault);
            turn::cell(cell);
        }
        self.end_turn();
        cells.len()
    }

    /// Changes what sessions may do, as `hub:refresh` would. What the grant leaves open (user, info, end, token id and time of
    /// issue) stays as it is. How many sessions there were.
    ///
    /// # Errors
    /// `bad_request`: the grant is another user's, or doesn't fit; `token_expired`, `token_revoked`.
    pub fn regrant(self: &Arc<Hub>, whom: Whom<'_>, grant: &Grant) -> Result<usize, Fault> {
        self.change(whom, |held| {
            let mut grant = grant.clone();
            if grant.user.is_empty() {
                grant.user.clone_from(&held.user);
            }
            grant.info = grant.info.or_else(|| held.info.clone());
            grant.expires_unix_s = grant.expires_unix_s.or(held.expires_unix_s);
            grant.token_id = grant.token_id.or_else(|| held.token_id.clone());
            grant.issued_unix_s = grant.issued_unix_s.or(held.issued_unix_s);
            grant
        })
    }

    /// Moves the end of what sessions may do, seconds since 1970. How many sessions there were.
    ///
    /// # Errors
    /// `token_expired`, `token_revoked`.
    pub fn extend(self: &Arc<Hub>, whom: Whom<'_>, until_unix_s: u64) -> Result<usize, Fault> {
        self.change(whom, |held| Grant { expires_unix_s: Some(until_unix_s), ..held.clone() })
    }

    fn change(self: &Arc<Hub>, whom: Whom<'_>, new: impl Fn(&Grant) -> Grant) -> Result<usize, Fault> {
        let cells = match whom {
            Whom::Session(name) => self.session(name).into_iter().collect(),
            Whom::User(user) => self.users_cells(user),
        };
        let mut changed = Ok(());
        for cell in &cells {
            let held = cell.state.lock().grant.clone();
            let grant = new(&held);
            if *grant.user != *cell.user {
                let text = "A session's grant can't become another user's";
                changed = changed.and(Err(Fault::new(Code::BadRequest, text)));
                continue;
            }
            changed = changed.and(self.replace_grant(cell, Arc::new(grant)));
            turn::cell(cell);
        }
        self.end_turn();
        changed.map(|()| cells.len())
    }
}

/// What a room token with these capabilities says.
fn room_grant(user: &str, room: &str, caps: &[Cap], until_unix_s: Option<u64>) -> Grant {
    let rooms = |cap: Cap| if caps.contains(&cap) { vec![room.to_string()] } else { vec![] };
    Grant {
        user: user.to_string(),
        // A name that ends in `*` stands for others in a grant, too; it is asked about this room only.
        join: vec![room.to_string()],
        publish: Some(rooms(Cap::Publish)),
        presence: Some(rooms(Cap::Presence)),
        history: Some(rooms(Cap::History)),
        signal: Some(rooms(Cap::Signal)),
        files: Some(rooms(Cap::Files)),
        call: Some(rooms(Cap::Call)),
        moderate: rooms(Cap::Moderate),
        expires_unix_s: until_unix_s,
        ..Grant::default()
    }
}
