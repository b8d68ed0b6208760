//! Joining, leaving, presence and history: what a session does with rooms beside publishing.

use crate::act::{parse, reply, room_of};
use crate::backend::Denied;
use crate::cell::{Cell, Joined, State};
use crate::engine::{HistoryFrom, HistoryPage, HistoryQuery, Member, Presence};
use crate::hub::{Hub, gap};
use crate::moderation::Action;
use crate::permit::forbidden;
use crate::room::Room;
use crate::turn;
use crosspoint_core::session::ReadId;
use crosspoint_core::{Cap, Code, Fault, Frame, Grant, Position, Raw, SharedFrame};
use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Why a session is out of a room that it left itself.
const LEFT: &str = "left";

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
    #[serde(default)]
    token: Option<String>,
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
        let joined = self.try_join(cell, &frame, name).await;
        if let Err(fault) = &joined
            && let Some(joined) = self.leave_room(cell, name).filter(|j| j.present)
        {
            // After a join that failed the session is not in the room, nor present. The fault that is told is the first one.
            let reason = fault.code.name();
            let _ = self.engine.leave(&joined.room.name, &cell.user, &cell.name, reason).await;
        }
        joined
    }

    async fn try_join(self: &Arc<Hub>, cell: &Arc<Cell>, frame: &Frame, name: &str) -> Result<(), Fault> {
        let data = parse::<Option<JoinData>>(frame)?.unwrap_or_default();
        let since = data.since.as_deref().map(position).transpose()?;
        self.check_state(data.state.as_deref())?;
        self.one_room_more(cell, name)?;
        let token = match &data.token {
            Some(token) => Some(self.room_token(cell, token, name).await?),
            None => None,
        };
        self.may_enter(&cell.state.lock(), name, token.as_deref())?;
        self.moderations.check(name, &cell.user, Action::Ban)?;
        if token.is_some() {
            self.charge_join(cell, frame, name)?;
        }
        let denied = self.ask_to_join(cell, name, data.state.as_ref()).await?;
        let (room, read) = self.enter_room(cell, name, data.presence, denied, token)?;
        let (sees, reads) = {
            let state = cell.state.lock();
            (state.may(Cap::Presence, name), state.may(Cap::History, name))
        };
        if data.history.is_some_and(|n| n > 0) && !reads {
            return Err(forbidden("reading the history of", name));
        }
        let mut page = None;
        if room.has_history() {
            let max = self.limits.history_page_max;
            let (from, limit) = match since {
                Some(p) if reads => (HistoryFrom::Since(p), max),
                _ => (HistoryFrom::Last(None), data.history.unwrap_or(0).min(max)),
            };
            let query = HistoryQuery { from, limit };
            page = Some(self.engine.history(&room.name, &room.namespace, query).await?);
        }
        self.present(cell, &room, data.state).await?;
        let members = if data.presence && sees { Some(self.engine.members(name).await?) } else { None };
        let resuming = data.since.is_some() && reads;
        let data = JoinReply {
            room: &room.name,
            position: page.as_ref().filter(|_| reads).map(|p| p.head.clone()),
            recovered: page.as_ref().filter(|_| resuming).map(|p| p.complete),
            members,
        };
        let reply = frame.id.as_deref().map(|id| self.fitting(reply(id, &data))).transpose()?;
        if !self.go_live(cell, &room, reply, page.map(|p| (p, resuming)), read) {
            return Err(taken_out(name));
        }
        Ok(())
    }

    /// Makes the session a member whose events wait until it has caught up, or been answered. In a room without history that
    /// it is in already there is nothing to wait for.
    pub(crate) fn enter_room(
        self: &Arc<Hub>,
        cell: &Arc<Cell>,
        name: &str,
        presence: bool,
        denied: Denied,
        token: Option<Arc<Grant>>,
    ) -> Result<(Arc<Room>, Option<ReadId>), Fault> {
        loop {
            let before = self.may_enter(&cell.state.lock(), name, token.as_deref())?;
            let room = match &before {
                Some(joined) => joined.room.clone(),
                None => self.room(name)?,
            };
            if before.is_none() && room.is_full() {
                return Err(self.room_is_full(name));
            }
            let mut state = cell.state.lock();
            if state.torn_down {
                drop(state);
                self.release(&room);
                return Err(Code::SessionExpired.into());
            }
            if !state.may_with(Cap::Join, name, token.as_deref()) {
                // A backend changed the grant meanwhile.
                drop(state);
                self.release(&room);
                return Err(forbidden("joining", name));
            }
            let waits = room.has_history() || before.is_none();
            let read = waits.then(|| state.core.begin_join(room.name.clone()));
            let present = before.as_ref().is_some_and(|j| j.present);
            let held = token.clone().or_else(|| before.as_ref().and_then(|j| j.token.clone()));
            state.rooms.insert(Joined { room: room.clone(), present, denied, token: held });
            let presence = presence && state.may(Cap::Presence, name);
            let timer = token.as_ref().and_then(|_| {
                state.note_tokens(self.clock.now());
                state.wanted_timer()
            });
            drop(state);
            if let Some(at) = timer {
                self.set_timer(cell, at);
            }
            // Who bans or revokes looks at the sessions after it has noted that, so one of the two finds the other.
            if room.is_moderated() {
                self.moderations.check(name, &cell.user, Action::Ban)?;
            }
            if token.as_ref().is_some_and(|token| self.revocations.has(token)) {
                return Err(Code::TokenRevoked.into());
            }
            if before.is_some() {
                room.watch(&cell.name, presence);
                return Ok((room, read));
            }
            if !room.add(cell, presence) {
                // The registry let go of it since the look-up.
                self.leave_room(cell, name);
                continue;
            }
            let (over, out) = {
                let state = cell.state.lock();
                (state.torn_down, state.rooms.get(name).is_none())
            };
            if over || out {
                // It left all its rooms, or was taken out of this one, before it was in it.
                room.remove(&cell.name);
                self.release(&room);
                return Err(if over { Code::SessionExpired.into() } else { taken_out(name) });
            }
            return Ok((room, read));
        }
    }

    fn may_enter(&self, state: &State, name: &str, token: Option<&Grant>) -> Result<Option<Joined>, Fault> {
        if !state.may_with(Cap::Join, name, token) {
            return Err(forbidden("joining", name));
        }
        let before = state.rooms.get(name).cloned();
        if before.is_none() && state.rooms.len() >= self.limits.rooms_max {
            let text = format!("A session may be in {} rooms", self.limits.rooms_max);
            return Err(Fault::new(Code::LimitExceeded, text));
        }
        Ok(before)
    }

    pub(crate) fn leave_room(&self, cell: &Arc<Cell>, name: &str) -> Option<Joined> {
        let mut state = cell.state.lock();
        let joined = state.rooms.remove(name)?;
        state.core.leave(name);
        drop(state);
        joined.room.roster.remove(name, &cell.name, None);
        joined.room.remove(&cell.name);
        self.release(&joined.room);
        Some(joined)
    }

    pub(crate) async fn present(
        &self,
        cell: &Arc<Cell>,
        room: &Arc<Room>,
        shown: Option<Raw>,
    ) -> Result<(), Fault> {
        if !room.namespace.presence {
            return Ok(());
        }
        let info = {
            let mut state = cell.state.lock();
            let info = state.grant.info.clone();
            if !state.may(Cap::Presence, &room.name) {
                return Ok(());
            }
            let Some(joined) = state.rooms.get_mut(&room.name) else { return Ok(()) };
            joined.present = true;
            info
        };
        let (user, session) = (cell.user.clone(), cell.name.clone());
        let entered = self.engine.enter(&room.name, Presence { user, session, info, state: shown }).await;
        let over = {
            let state = cell.state.lock();
            let out = state.rooms.get(&room.name).is_none_or(|j| !j.present);
            out.then(|| state.core.ended().unwrap_or(Code::Forbidden))
        };
        if let Some(code) = over {
            // Its leaving may have come before its entering.
            let _ = self.engine.leave(&room.name, &cell.user, &cell.name, code.name()).await;
        }
        entered
    }

    /// Answers the join; from then on the session gets the room's events. `false`: it was taken out of the room meanwhile.
    pub(crate) fn go_live(
        &self,
        cell: &Arc<Cell>,
        room: &Arc<Room>,
        reply: Option<SharedFrame>,
        page: Option<(HistoryPage, bool)>,
        read: Option<ReadId>,
    ) -> bool {
        let mut state = cell.state.lock();
        if state.rooms.get(&room.name).is_none_or(|j| !Arc::ptr_eq(&j.room, room)) {
            return state.torn_down;
        }
        if let Some(reply) = reply {
            let _ = state.core.send(reply);
        }
        if let Some(read) = read {
            let (gap, (events, upto, more)) = match &page {
                // Without a replay the room goes on from the head, of which no event is wanted.
                Some((page, resuming)) => {
                    let lost = *resuming && !page.complete;
                    (
                        lost.then(|| gap(&room.name, Some(&page.start), "history_lost")),
                        page.part_of(&cell.name),
                    )
                }
                None => (None, (vec![], u64::MAX, false)),
            };
            self.stats.gaps.fetch_add(gap.is_some() as u64, Ordering::Relaxed);
            state.core.caught_up(&room.name, read, gap, &events, upto, more);
        }
        drop(state);
        turn::cell(cell);
        true
    }

    pub(crate) async fn leave(self: Arc<Hub>, cell: Arc<Cell>, frame: Frame) -> Result<Value, Fault> {
        let joined = self.leave_room(&cell, room_of(&frame)?).ok_or(Code::NotJoined)?;
        if joined.present {
            self.engine.leave(&joined.room.name, &cell.user, &cell.name, LEFT).await?;
        }
        Ok(json!({}))
    }

    pub(crate) async fn history_for(self: Arc<Hub>, cell: Arc<Cell>, frame: Frame) -> Result<Raw, Fault> {
        let name = room_of(&frame)?;
        if !cell.state.lock().may(Cap::History, name) {
            return Err(forbidden("reading the history of", name));
        }
        self.may_read(&cell, name)?;
        self.moderations.check(name, &cell.user, Action::Ban)?;
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
        let keep_last = matches!(from, HistoryFrom::Last(_));
        let mut page = self.engine.history(&name.into(), &namespace, HistoryQuery { from, limit }).await?;
        page.fit(self.limits.outbox_bytes_max / 2, keep_last);
        Ok(page)
    }

    pub(crate) async fn presence_for(self: Arc<Hub>, cell: Arc<Cell>, frame: Frame) -> Result<Value, Fault> {
        let name = room_of(&frame)?;
        if !cell.state.lock().may(Cap::Presence, name) {
            return Err(forbidden("seeing who is in", name));
        }
        self.may_read(&cell, name)?;
        self.moderations.check(name, &cell.user, Action::Ban)?;
        Ok(json!({"members": self.engine.members(name).await?}))
    }

    pub(crate) async fn set_state(self: Arc<Hub>, cell: Arc<Cell>, frame: Frame) -> Result<Value, Fault> {
        let name = room_of(&frame)?;
        self.check_state(Some(frame.data.as_deref().unwrap_or(RawValue::NULL)))?;
        let joined = cell.state.lock().rooms.get(name).cloned();
        let joined = joined.ok_or(Code::NotJoined)?;
        if !cell.state.lock().may(Cap::Presence, name) {
            return Err(forbidden("being seen in", name));
        }
        self.present(&cell, &joined.room, frame.data.clone()).await?;
        Ok(json!({}))
    }

    pub(crate) fn check_state(&self, state: Option<&RawValue>) -> Result<(), Fault> {
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

fn taken_out(room: &str) -> Fault {
    Fault::new(Code::Forbidden, format!("The session was taken out of {room} meanwhile"))
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
