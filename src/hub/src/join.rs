//! Joining, leaving, presence and history: what a session does with rooms beside publishing.

use crate::act::{parse, reply, room_of};
use crate::cell::{Cell, Joined};
use crate::engine::{HistoryFrom, HistoryPage, HistoryQuery, Member, Presence};
use crate::hub::{Hub, gap};
use crate::room::Room;
use crate::turn;
use crosspoint_core::session::ReadId;
use crosspoint_core::{Code, Fault, Frame, Position, Raw, SharedFrame};
use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::Ordering;

#[derive(Deserialize, Default)]
struct JoinData {
    #[serde(default)]
    since: Option<String>,
    #[serde(default)]
    history: Option<usize>,
    #[serde(default)]
    presence: bool,
    #[serde(default)]
    state: Option<Raw>,
}

#[derive(Serialize)]
struct JoinReply<'a> {
    room: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    position: Option<Position>,
    #[serde(skip_serializing_if = "Option::is_none")]
    recovered: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    members: Option<Vec<Member>>,
}

#[derive(Deserialize, Default)]
struct HistoryData {
    #[serde(default)]
    since: Option<String>,
    #[serde(default)]
    before: Option<u64>,
    #[serde(default)]
    limit: Option<usize>,
}

fn position(text: &str) -> Result<Position, Fault> {
    text.parse().map_err(|e| Fault::new(Code::BadRequest, format!("since: {e}")))
}

impl Hub {
    pub(crate) async fn join(self: &Arc<Hub>, cell: &Arc<Cell>, frame: Frame) -> Result<(), Fault> {
        let name = room_of(&frame)?;
        let data = parse::<Option<JoinData>>(&frame)?.unwrap_or_default();
        let since = data.since.as_deref().map(position).transpose()?;
        self.check_state(data.state.as_deref())?;
        let (room, read) = self.enter_room(cell, name, data.presence)?;
        let page = if room.has_history() {
            let max = self.limits.history_page_max;
            let (from, limit) = match since {
                Some(p) => (HistoryFrom::Since(p), max),
                None => (HistoryFrom::Last(None), data.history.unwrap_or(0).min(max)),
            };
            let query = HistoryQuery { from, limit };
            match self.engine.history(&room.name, &room.namespace, query).await {
                Ok(page) => Some((page, data.since.is_some(), read)),
                Err(fault) => return self.undo_join(cell, name, fault).await,
            }
        } else {
            None
        };
        let members = async {
            self.present(cell, &room, data.state).await?;
            if data.presence { self.engine.members(name).await.map(Some) } else { Ok(None) }
        };
        let members = match members.await {
            Ok(members) => members,
            Err(fault) => return self.undo_join(cell, name, fault).await,
        };
        let id = frame.id.as_deref();
        self.go_live(cell, &room, id, page, members);
        Ok(())
    }

    /// Makes the session a member; in a room with history its events wait until it has caught up.
    fn enter_room(
        self: &Arc<Hub>,
        cell: &Arc<Cell>,
        name: &str,
        presence: bool,
    ) -> Result<(Arc<Room>, Option<ReadId>), Fault> {
        loop {
            let state = cell.state.lock();
            if !state.grant.may_join(name) {
                return Err(Fault::new(Code::Forbidden, format!("The grant does not allow joining {name}")));
            }
            let before = state.rooms.get(name).cloned();
            if before.is_none() && state.rooms.len() >= self.limits.rooms_max {
                let text = format!("A session may be in {} rooms", self.limits.rooms_max);
                return Err(Fault::new(Code::LimitExceeded, text));
            }
            if state.torn_down {
                return Err(Code::SessionExpired.into());
            }
            drop(state);
            let room = match &before {
                Some(joined) => joined.room.clone(),
                None => self.room(name)?,
            };
            let mut state = cell.state.lock();
            let read = room.has_history().then(|| state.core.begin_join(room.name.clone()));
            let present = before.as_ref().is_some_and(|j| j.present);
            state.rooms.insert(Joined { room: room.clone(), presence, present });
            drop(state);
            if let Some(before) = before {
                room.watch(before.presence, presence);
                return Ok((room, read));
            }
            // Without history there is nothing to wait for: the room is live from the reply on.
            if !room.has_history() || room.add(cell, presence) {
                return Ok((room, read));
            }
            self.leave_room(cell, name);
        }
    }

    fn leave_room(&self, cell: &Arc<Cell>, name: &str) -> Option<Joined> {
        let mut state = cell.state.lock();
        let joined = state.rooms.remove(name)?;
        state.core.leave(name);
        drop(state);
        joined.room.remove(&cell.name, joined.presence);
        self.release(&joined.room);
        Some(joined)
    }

    /// After a join that failed the session is not in the room, nor present.
    async fn undo_join(&self, cell: &Arc<Cell>, name: &str, fault: Fault) -> Result<(), Fault> {
        if let Some(joined) = self.leave_room(cell, name).filter(|j| j.present) {
            // The fault that is told is the first one.
            let _ = self.engine.leave(&joined.room.name, &cell.user, &cell.name).await;
        }
        Err(fault)
    }

    async fn present(&self, cell: &Arc<Cell>, room: &Arc<Room>, shown: Option<Raw>) -> Result<(), Fault> {
        if !room.namespace.presence {
            return Ok(());
        }
        let info = {
            let mut state = cell.state.lock();
            let info = state.grant.info.clone();
            let Some(joined) = state.rooms.get_mut(&room.name) else { return Ok(()) };
            joined.present = true;
            info
        };
        let (user, session) = (cell.user.clone(), cell.name.clone());
        self.engine.enter(&room.name, Presence { user, session, info, state: shown }).await
    }

    fn go_live(
        self: &Arc<Hub>,
        cell: &Arc<Cell>,
        room: &Arc<Room>,
        id: Option<&str>,
        page: Option<(HistoryPage, bool, Option<ReadId>)>,
        members: Option<Vec<Member>>,
    ) {
        let mut data = JoinReply { room: &room.name, position: None, recovered: None, members };
        let Some((page, resuming, read)) = page else {
            let presence = {
                let mut state = cell.state.lock();
                if let Some(id) = id {
                    let _ = state.core.send(reply(id, &data));
                }
                state.rooms.get(&room.name).map(|j| j.presence)
            };
            if let Some(presence) = presence
                && !room.add(cell, presence)
            {
                self.rejoin_dead_room(cell, &room.name, presence);
            }
            return turn::cell(cell);
        };
        data.position = Some(page.head.clone());
        data.recovered = resuming.then_some(page.complete);
        let gap: Option<SharedFrame> =
            (resuming && !page.complete).then(|| gap(&room.name, Some(&page.start), "history_lost"));
        self.stats.gaps.fetch_add(gap.is_some() as u64, Ordering::Relaxed);
        let mut state = cell.state.lock();
        if let Some(id) = id {
            let _ = state.core.send(reply(id, &data));
        }
        // Without a replay the room goes on from the head, of which no event is wanted.
        let more = page.more && !page.events.is_empty();
        if let Some(read) = read {
            state.core.caught_up(&room.name, read, gap, &page.events, page.head.offset, more);
        }
        drop(state);
        turn::cell(cell);
    }

    /// The room died between its look-up and now: its successor takes the member.
    fn rejoin_dead_room(self: &Arc<Hub>, cell: &Arc<Cell>, name: &Arc<str>, presence: bool) {
        while let Ok(room) = self.room(name) {
            if room.add(cell, presence) {
                if let Some(joined) = cell.state.lock().rooms.get_mut(name) {
                    joined.room = room;
                }
                return;
            }
        }
    }

    pub(crate) async fn leave(self: Arc<Hub>, cell: Arc<Cell>, frame: Frame) -> Result<Value, Fault> {
        let joined = self.leave_room(&cell, room_of(&frame)?).ok_or(Code::NotJoined)?;
        if joined.present {
            self.engine.leave(&joined.room.name, &cell.user, &cell.name).await?;
        }
        Ok(json!({}))
    }

    pub(crate) async fn history_for(self: Arc<Hub>, cell: Arc<Cell>, frame: Frame) -> Result<Raw, Fault> {
        let name = room_of(&frame)?;
        if !cell.state.lock().grant.may_join(name) {
            return Err(Fault::new(Code::Forbidden, format!("The grant does not allow reading {name}")));
        }
        let HistoryData { since, before, limit } = parse::<Option<HistoryData>>(&frame)?.unwrap_or_default();
        let page = self.read_history(name, since.as_deref(), before, limit).await?;
        history_json(&page)
    }

    /// Reads history as clients and backends ask for it.
    pub(crate) async fn read_history(
        &self,
        name: &str,
        since: Option<&str>,
        before: Option<u64>,
        limit: Option<usize>,
    ) -> Result<HistoryPage, Fault> {
        let namespace = self.namespaces.of(name).clone();
        if namespace.history_events == 0 {
            return Err(Fault::new(Code::BadRequest, format!("The room {name} has no history")));
        }
        let from = match since {
            Some(p) => HistoryFrom::Since(position(p)?),
            None => HistoryFrom::Last(before),
        };
        let limit = limit.unwrap_or(100).min(self.limits.history_page_max);
        self.engine.history(&name.into(), &namespace, HistoryQuery { from, limit }).await
    }

    pub(crate) async fn presence_for(self: Arc<Hub>, cell: Arc<Cell>, frame: Frame) -> Result<Value, Fault> {
        let name = room_of(&frame)?;
        if !cell.state.lock().grant.may_join(name) {
            return Err(Fault::new(Code::Forbidden, format!("The grant does not allow reading {name}")));
        }
        Ok(json!({"members": self.engine.members(name).await?}))
    }

    pub(crate) async fn set_state(self: Arc<Hub>, cell: Arc<Cell>, frame: Frame) -> Result<Value, Fault> {
        let name = room_of(&frame)?;
        self.check_state(Some(frame.data.as_deref().unwrap_or(RawValue::NULL)))?;
        let joined = cell.state.lock().rooms.get(name).cloned();
        let joined = joined.ok_or(Code::NotJoined)?;
        self.present(&cell, &joined.room, frame.data.clone()).await?;
        Ok(json!({}))
    }

    fn check_state(&self, state: Option<&RawValue>) -> Result<(), Fault> {
        let Some(state) = state else { return Ok(()) };
        if state.get().len() > self.limits.state_bytes_max {
            let text = format!("A state has at most {} bytes", self.limits.state_bytes_max);
            return Err(Fault::new(Code::LimitExceeded, text));
        }
        if !state.get().trim_start().starts_with('{') {
            return Err(Fault::new(Code::BadRequest, "A state is an object"));
        }
        Ok(())
    }
}

/// A page as clients and backends get it: the events as they were sent, not as this machine reads their numbers.
pub(crate) fn history_json(page: &HistoryPage) -> Result<Raw, Fault> {
    #[derive(Serialize)]
    struct Page<'a> {
        events: Vec<&'a RawValue>,
        position: &'a Position,
        complete: bool,
    }
    let texts: Vec<_> = page.events.iter().map(|e| e.frame.text()).collect();
    let events = texts.iter().map(|t| serde_json::from_slice(t)).collect::<Result<_, _>>();
    let json = events
        .and_then(|events| to_raw_value(&Page { events, position: &page.head, complete: page.complete }));
    json.map_err(|_| Code::Internal.into())
}
