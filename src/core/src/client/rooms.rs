//! The rooms a client wants to be in, and how far it has come in each.

use super::Output;
use crate::code::{Code, Fault};
use crate::frame::Frame;
use crate::position::Position;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

#[derive(Debug)]
struct Room {
    /// How far the client has come; `None` before the first event that was asked for.
    position: Option<Position>,
    /// The life of the room's history that offsets count in.
    epoch: Option<Arc<str>>,
    /// The data of the application's join; repeated in a new session, with `since` once there is a position.
    options: Map<String, Value>,
    /// The id under which it is being joined again.
    rejoin: Option<String>,
}

#[derive(Debug, Default)]
pub(super) struct Rooms {
    rooms: BTreeMap<String, Room>,
}

impl Rooms {
    /// The application sends a frame: joins and leaves are remembered.
    pub(super) fn sending(&mut self, frame: &Frame) {
        let Some(room) = &frame.room else { return };
        match frame.kind.as_str() {
            "hub:join" => {
                let options = frame.parse().ok().flatten().unwrap_or_default();
                self.rooms.insert(room.clone(), Room { position: None, epoch: None, options, rejoin: None });
            }
            "hub:leave" => drop(self.rooms.remove(room)),
            "hub:state" => {
                if let Some(r) = self.rooms.get_mut(room) {
                    let state = frame.parse().unwrap_or(Value::Null);
                    r.options.insert("state".into(), state);
                }
            }
            _ => {}
        }
    }

    /// A reply came to the frame `asked`. `true`: it answers a join of the machine's own, and is dealt with.
    pub(super) fn answered(
        &mut self,
        id: &str,
        asked: Option<&Frame>,
        reply: &Frame,
        out: &mut VecDeque<Output>,
    ) -> bool {
        let own =
            self.rooms.iter().find(|(_, r)| r.rejoin.as_deref() == Some(id)).map(|(name, _)| name.clone());
        let joined = asked.filter(|a| a.kind == "hub:join").and_then(|a| a.room.clone());
        let Some(name) = own.clone().or(joined) else { return false };
        if reply.kind == "hub:error" {
            let fault = reply.parse::<Fault>().unwrap_or_else(|_| Code::Internal.into());
            self.rooms.remove(&name);
            if own.is_some() {
                out.push_back(Output::RejoinFailed { room: name, code: fault.code });
            }
            return own.is_some();
        }
        let data: Value = reply.parse().unwrap_or_default();
        let position = position_of(&data);
        let Some(room) = self.rooms.get_mut(&name) else { return own.is_some() };
        room.rejoin = None;
        if own.is_some() && position.is_none() {
            // A room without history can't say what was missed between two sessions.
            let data = serde_json::json!({"reason": "new_session"});
            out.push_back(Output::Event { frame: Frame::with("hub:gap", &data).room(name.clone()) });
        }
        room.epoch = position.as_ref().map(|p| p.epoch.clone());
        let replays = room.position.is_some() || room.options.contains_key("history");
        if !replays {
            let since = room.options.get("since").and_then(Value::as_str).and_then(|p| p.parse().ok());
            room.position = since.or(position);
        }
        if own.is_some() {
            out.push_back(Output::Rejoined { room: name, data });
        }
        own.is_some()
    }

    /// A frame is handed to the application: positions move on.
    pub(super) fn observe(&mut self, frame: &Frame) {
        let Some(room) = frame.room.as_ref().and_then(|r| self.rooms.get_mut(r)) else { return };
        if frame.kind == "hub:gap" {
            if let Some(p) = position_of(&frame.parse().unwrap_or_default()) {
                room.epoch = Some(p.epoch.clone());
                room.position = Some(p);
            }
            return;
        }
        if let (Some(epoch), Some(offset), Some(id)) = (&room.epoch, frame.offset, &frame.id) {
            room.position = Some(Position { epoch: epoch.clone(), offset, id: id.as_str().into() });
        }
    }

    /// The joins for a new session, one per room that isn't being joined by the application anyway.
    pub(super) fn rejoin(
        &mut self,
        awaits: impl Fn(&str) -> bool,
        mut next_id: impl FnMut() -> String,
    ) -> Vec<Frame> {
        let mut joins = vec![];
        for (name, room) in self.rooms.iter_mut().filter(|(name, _)| !awaits(name)) {
            let mut data = room.options.clone();
            if let Some(p) = &room.position {
                data.remove("history");
                data.insert("since".into(), p.to_string().into());
            }
            let id = next_id();
            room.rejoin = Some(id.clone());
            joins.push(Frame::with("hub:join", &data).room(name.clone()).id(id));
        }
        joins
    }

    /// Whether this id is of a join of the machine's own.
    pub(super) fn is_own(&self, id: &str) -> bool {
        self.rooms.values().any(|r| r.rejoin.as_deref() == Some(id))
    }

    /// How far the client has come in a room.
    pub(super) fn position(&self, room: &str) -> Option<&Position> {
        self.rooms.get(room)?.position.as_ref()
    }
}

fn position_of(data: &Value) -> Option<Position> {
    data.get("position")?.as_str()?.parse().ok()
}
