//! The rooms a client is in, as far as the hub's replies say, and how far it has come in each.

use super::Output;
use crate::code::{Code, Fault};
use crate::frame::Frame;
use crate::position::Position;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

#[derive(Debug, Default)]
struct Room {
    /// How far the client has come; `None` in a room without history.
    position: Option<Position>,
    /// Where the history that the join asked for ends, until its first event comes.
    replay: Option<Position>,
    /// The life of the room's history that offsets count in.
    epoch: Option<Arc<str>>,
    /// The data of the application's join; repeated in a new session, with its own `since`.
    options: Map<String, Value>,
    /// The id under which it is being joined again.
    rejoin: Option<String>,
    /// The session was taken out of it: a new one stays out, and only the position is of use.
    gone: bool,
}

#[derive(Debug, Default)]
pub(super) struct Rooms {
    rooms: BTreeMap<String, Room>,
}

impl Rooms {
    /// Whether the reply to such a frame changes what is known here, so that it has to have an id.
    pub(super) fn wants_reply(frame: &Frame) -> bool {
        matches!(frame.kind.as_str(), "hub:join" | "hub:leave" | "hub:state")
    }

    /// A reply came to the frame `asked`. `true`: it answers a join of the machine's own, and is dealt with.
    pub(super) fn answered(
        &mut self,
        id: &str,
        asked: Option<Frame>,
        reply: &Frame,
        out: &mut VecDeque<Output>,
    ) -> bool {
        if let Some((name, room)) = self.rooms.iter_mut().find(|(_, r)| r.rejoin.as_deref() == Some(id)) {
            let name = name.clone();
            if reply.kind == "hub:error" {
                (room.rejoin, room.gone) = (None, true);
                let fault = reply.parse::<Fault>().unwrap_or_else(|_| Code::Internal.into());
                out.push_back(Output::RejoinFailed { room: name, code: fault.code });
                return true;
            }
            let data: Value = reply.parse().unwrap_or_default();
            if let Some(gap) = room.rejoined(&data) {
                out.push_back(Output::Event { frame: Frame::with("hub:gap", &gap).room(name.clone()) });
            }
            out.push_back(Output::Rejoined { room: name, data });
            return true;
        }
        let Some(asked) = asked else { return false };
        let Some(name) = asked.room.clone() else { return false };
        match (asked.kind.as_str(), reply.kind.as_str()) {
            ("hub:join", "hub:reply") => {
                let options = asked.parse().ok().flatten().unwrap_or_default();
                self.enter(name, options, &reply.parse().unwrap_or_default());
            }
            ("hub:state", "hub:reply") => {
                if let Some(room) = self.rooms.get_mut(&name) {
                    room.options.insert("state".into(), asked.parse().unwrap_or_default());
                }
            }
            ("hub:join" | "hub:leave", _) => drop(self.rooms.remove(&name)),
            _ => {}
        }
        false
    }

    /// A frame is handed to the application: positions move on.
    pub(super) fn observe(&mut self, frame: &Frame) {
        let Some(name) = &frame.room else { return };
        if frame.kind == "hub:added" {
            return self.added(name, &frame.parse().unwrap_or_default());
        }
        let Some(room) = self.rooms.get_mut(name) else { return };
        if frame.kind == "hub:removed" {
            room.gone = true;
        }
        let Some(epoch) = &room.epoch else { return };
        let position = match (frame.kind.as_str(), frame.offset, &frame.id) {
            ("hub:gap", ..) => position_of(&frame.parse().unwrap_or_default()),
            (_, Some(offset), Some(id)) => {
                Some(Position { epoch: epoch.clone(), offset, id: id.as_str().into() })
            }
            _ => None,
        };
        if let Some(p) = position {
            (room.epoch, room.position, room.replay) = (Some(p.epoch.clone()), Some(p), None);
        }
    }

    fn enter(&mut self, name: String, options: Map<String, Value>, data: &Value) {
        let mut room = Room { options, ..Room::default() };
        room.joined(data);
        self.rooms.insert(name, room);
    }

    /// A backend put the session there, which stays as it wanted to be.
    fn added(&mut self, name: &str, data: &Value) {
        let mut options = self.rooms.remove(name).map(|r| r.options).unwrap_or_default();
        options.remove("history");
        options.remove("since");
        if data.get("members").is_some() {
            options.insert("presence".into(), true.into());
        }
        self.enter(name.into(), options, data);
    }

    /// The joins for a new session: they restore what the last one's replies had said.
    pub(super) fn rejoin(&mut self, mut next_id: impl FnMut() -> String) -> Vec<Frame> {
        let mut joins = vec![];
        for (name, room) in self.rooms.iter_mut().filter(|(_, r)| !r.gone) {
            let mut data = room.options.clone();
            data.remove("history");
            data.remove("since");
            if let Some(p) = room.position.as_ref().or(room.replay.as_ref()) {
                data.insert("since".into(), p.to_string().into());
            }
            let id = next_id();
            room.rejoin = Some(id.clone());
            joins.push(Frame::with("hub:join", &data).room(name.clone()).id(id));
        }
        joins
    }

    /// How far the client has come in a room.
    pub(super) fn position(&self, room: &str) -> Option<&Position> {
        self.rooms.get(room)?.position.as_ref()
    }
}

impl Room {
    /// The application's join was answered. What it asked for follows, and carries the position on.
    fn joined(&mut self, data: &Value) {
        let position = position_of(data);
        self.epoch = position.as_ref().map(|p| p.epoch.clone());
        let asks = |option| self.options.contains_key(option);
        if asks("since") && data.get("recovered").is_some() {
            self.position = self.options["since"].as_str().and_then(|p| p.parse().ok());
        } else if asks("history") && position.as_ref().is_some_and(|p| p.offset > 0) {
            self.replay = position;
        } else {
            self.position = position;
        }
    }

    /// The machine's own join was answered. Returns the gap to announce where the hub couldn't know of it.
    fn rejoined(&mut self, data: &Value) -> Option<Value> {
        let position = position_of(data);
        (self.rejoin, self.gone) = (None, false);
        self.epoch = position.as_ref().map(|p| p.epoch.clone());
        let replay = self.replay.take();
        match data.get("recovered").and_then(Value::as_bool) {
            // The hub says what it can't recover.
            Some(false) => return None,
            Some(true) => match replay {
                None => return None,
                // The history that the last join asked for got lost with its session; what came after it did not.
                Some(_) => self.position = replay,
            },
            // A room without history can't say what was missed between two sessions.
            None => self.position = position,
        }
        Some(match &self.position {
            Some(p) => json!({"position": p, "reason": "new_session"}),
            None => json!({"reason": "new_session"}),
        })
    }
}

fn position_of(data: &Value) -> Option<Position> {
    data.get("position")?.as_str()?.parse().ok()
}
