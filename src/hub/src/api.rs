//! What a backend reads and does through the hub.

use crate::admission::AdmissionStats;
use crate::engine::{HistoryPage, Member};
use crate::hub::Hub;
use crate::reach::ReachStats;
use crate::turn;
use crosspoint_core::wire::OutFrame;
use crosspoint_core::{Fault, Frame, Grant, Raw};
use serde::Serialize;
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
}

impl Hub {
    /// A ticket that opens one session with this grant, for the answer to a negotiation. Who has it is let in already.
    ///
    /// # Errors
    /// `unavailable`: too many are out, or come in at the moment (`limits.connects_per_s`); `bad_request`: the user's name or `info` has no fitting size.
    pub fn ticket(&self, grant: Grant) -> Result<String, Fault> {
        grant.check()?;
        self.admit()?;
        self.tickets.issue(self.clock.now(), grant)
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

    /// A page of history in the protocol's form: `{events, position, complete}`.
    ///
    /// # Errors
    /// `internal`, if the engine returned events that are not JSON.
    pub fn history_json(page: &HistoryPage) -> Result<Raw, Fault> {
        crate::join::history_json(page)
    }

    /// Who is in a room.
    ///
    /// # Errors
    /// `unavailable`.
    pub async fn presence(&self, room: &str) -> Result<Vec<Member>, Fault> {
        self.engine.members(room).await
    }

    /// At most `max` rooms with members on this node, and whether there are more.
    pub fn rooms(&self, max: usize) -> (Vec<RoomInfo>, bool) {
        let rooms: Vec<_> = self.rooms.read().values().take(max).cloned().collect();
        let truncated = self.rooms.read().len() > rooms.len();
        let info = |r: &Arc<crate::room::Room>| {
            let (members, sessions) = r.counts();
            RoomInfo { room: r.name.clone(), members, sessions }
        };
        (rooms.iter().map(info).collect(), truncated)
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
        let info = |c: &Arc<crate::cell::Cell>| SessionInfo {
            session: c.name.clone(),
            user: c.user.clone(),
            transport: c.state.lock().link.as_ref().and_then(|l| l.transport).map(|t| t.name()),
        };
        cells.iter().map(info).collect()
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
