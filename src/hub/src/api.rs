//! What a backend reads and does through the hub.

use crate::admission::AdmissionStats;
use crate::cell::Cell;
use crate::engine::{HistoryPage, Member};
use crate::hub::Hub;
use crate::reach::ReachStats;
use crate::tickets::Place;
use crate::turn;
use crosspoint_core::wire::OutFrame;
use crosspoint_core::{Fault, Frame, Grant, LinkInfo};
use serde::Serialize;
use std::collections::BinaryHeap;
use std::sync::Arc;

/// A room with members on this node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RoomInfo {
    /// Its name.
    pub room: Arc<str>,
    /// Users in it.
    pub members: usize,
    /// Sessions in it.
    pub sessions: usize,
}

/// A session on this node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SessionInfo {
    /// Its name.
    pub session: Arc<str>,
    /// Its user.
    pub user: Arc<str>,
    /// The transport that carries it; `None` while it has no link.
    pub transport: Option<&'static str>,
    /// How many rooms it is in.
    pub rooms: usize,
}

impl Hub {
    /// A ticket that opens one session with this grant, wherever it is shown. Who has it is let in already.
    ///
    /// # Errors
    /// `unavailable`: too many are out, or come in at the moment (`limits.connects_per_s`); those of [`Hub::check_grant`].
    pub fn ticket(&self, grant: Grant) -> Result<String, Fault> {
        self.ticket_at(grant, Place::default())
    }

    /// The same for the answer to a negotiation: the ticket is bound to where that came from ([`crate::TicketBinding`]).
    ///
    /// # Errors
    /// As [`Hub::ticket`].
    pub fn bound_ticket(&self, grant: Grant, from: &LinkInfo) -> Result<String, Fault> {
        self.ticket_at(grant, Place::of(from))
    }

    fn ticket_at(&self, grant: Grant, place: Place) -> Result<String, Fault> {
        self.check_grant(&grant)?;
        self.admit_user(&grant.user)?;
        self.admit()?;
        self.tickets.issue(self.clock.now(), grant, place)
    }

    /// Reads a room's history: after the position `since`, or else the last `limit` events (before the offset `before`).
    ///
    /// # Errors
    /// `bad_request`: not a position, or the room has no history; `unavailable`.
    pub async fn history(
        &self,
        room: &str,
        since: Option<&str>,
        before: Option<u64>,
        limit: Option<usize>,
    ) -> Result<HistoryPage, Fault> {
        self.read_history(room, since, before, limit).await
    }

    /// Who is in a room.
    ///
    /// # Errors
    /// `unavailable`.
    pub async fn presence(&self, room: &str) -> Result<Vec<Member>, Fault> {
        self.engine.members(room).await
    }

    /// Rooms with members on this node, by name: at most `max` of those that begin with `prefix`, come after `after` and are `shown`,
    /// and whether there are more. It looks at every room's name, with the list of rooms locked: `shown` must be quick.
    pub fn rooms(
        &self,
        prefix: &str,
        after: &str,
        max: usize,
        shown: impl Fn(&str) -> bool,
    ) -> (Vec<RoomInfo>, bool) {
        let mut first: BinaryHeap<Arc<str>> = BinaryHeap::with_capacity(max.min(1024) + 2);
        for name in self.rooms.read().keys().filter(|n| n.starts_with(prefix) && &***n > after && shown(n)) {
            if first.len() <= max || first.peek().is_some_and(|last| name < last) {
                first.push(name.clone());
                if first.len() > max + 1 {
                    first.pop();
                }
            }
        }
        let mut names = first.into_sorted_vec();
        let more = names.len() > max;
        names.truncate(max);
        (names.iter().map(|name| self.room_info(name)).collect(), more)
    }

    /// One room; without members on this node it has none of either.
    pub fn room_info(&self, name: &str) -> RoomInfo {
        let room = self.rooms.read().get(name).cloned();
        let (members, sessions) = room.as_ref().map_or((0, 0), |r| r.counts());
        RoomInfo { room: room.map_or_else(|| name.into(), |r| r.name.clone()), members, sessions }
    }

    /// How clients got here, by transport: what the hub saw, and what they reported.
    pub fn reach(&self) -> ReachStats {
        self.reach.read()
    }

    /// Who was let in so far, and who was told to come again.
    pub fn admission(&self) -> AdmissionStats {
        self.admission.stats(self.clock.now_us())
    }

    /// At most `max` sessions on this node.
    pub fn sessions(&self, max: usize) -> Vec<SessionInfo> {
        let cells: Vec<_> = self.sessions.read().values().take(max).cloned().collect();
        cells.iter().map(|c| session_info(c)).collect()
    }

    /// A user's sessions on this node, at most `max`.
    pub fn sessions_of(&self, user: &str, max: usize) -> Vec<SessionInfo> {
        self.users_cells(user).iter().take(max).map(|c| session_info(c)).collect()
    }

    /// A session of this node.
    pub fn session_info(&self, session: &str) -> Option<SessionInfo> {
        self.session(session).map(|c| session_info(&c))
    }

    /// Sends a frame to all sessions of a user, on all nodes; how many got it.
    ///
    /// # Errors
    /// `unavailable`.
    pub async fn send_to_user(self: &Arc<Hub>, user: &str, frame: &Frame) -> Result<usize, Fault> {
        self.send_direct(format!("user:{user}"), frame).await
    }

    /// Sends a frame to one session; whether it is there.
    ///
    /// # Errors
    /// `unavailable`.
    pub async fn send_to_session(self: &Arc<Hub>, session: &str, frame: &Frame) -> Result<bool, Fault> {
        Ok(self.send_direct(format!("session:{session}"), frame).await? > 0)
    }

    async fn send_direct(self: &Arc<Hub>, to: String, frame: &Frame) -> Result<usize, Fault> {
        let delivered = self.engine.direct(&to, &Arc::new(OutFrame::new(frame))).await;
        self.end_turn();
        delivered
    }

    /// Ends a session of this node with this code; whether it was there.
    pub fn end_session(self: &Arc<Hub>, session: &str, fault: &Fault) -> bool {
        let Some(cell) = self.session(session) else { return false };
        self.tear_down(&cell, fault);
        turn::cell(&cell);
        self.end_turn();
        true
    }

    /// A new id for an event that its publisher gave none.
    pub fn new_id(&self) -> String {
        crate::hub::random_id()
    }
}

fn session_info(cell: &Cell) -> SessionInfo {
    let state = cell.state.lock();
    SessionInfo {
        session: cell.name.clone(),
        user: cell.user.clone(),
        transport: state.link.as_ref().and_then(|l| l.transport).map(|t| t.name()),
        rooms: state.rooms.len(),
    }
}
