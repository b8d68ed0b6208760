//! The rooms a client wants to be in, and how far it has come in each.

use super::Output;
use crate::code::{Code, Fault};
use crate::frame::Frame;
use crate::position::Position;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// A join whose reply is awaited.
#[derive(Debug)]
struct Join {
    id: String,
    /// The machine's own, for a new session.
    own: bool,
}

#[derive(Debug)]
struct Room {
    /// How far the client has come; `None` in a room without history.
    position: Option<Position>,
    /// Where the history that a join asked for ends, until its first event comes.
    replay: Option<Position>,
    /// The life of the room's history that offsets count in; `None` until the newest join is answered.
    epoch: Option<Arc<str>>,
    /// The data of the application's join; repeated in a new session, with its own `since`.
    options: Map<String, Value>,
    /// The newest join, until it is answered.
    join: Option<Join>,
    /// Whether a join was answered well; a later one that fails leaves it in force.
    joined: bool,
}

#[derive(Debug, Default)]
pub(super) struct Rooms {
    rooms: BTreeMap<String, Room>,
}

impl Rooms {
    /// The application sends a frame: joins and leaves are remembered.
    pub(super) fn sending(&mut self, frame: &Frame) {
        let Some(room) = &frame.room else { return };
        match (frame.kind.as_str(), &frame.id) {
            ("hub:join", Some(id)) => {
                let join = Some(Join { id: id.clone(), own: false });
                let options = frame.parse().ok().flatten().unwrap_or_default();
                let joined = self.rooms.get(room).is_some_and(|r| r.joined);
                let r = Room { position: None, replay: None, epoch: None, options, join, joined };
                self.rooms.insert(room.clone(), r);
            }
            ("hub:leave", _) => drop(self.rooms.remove(room)),
            ("hub:state", _) => {
                if let Some(r) = self.rooms.get_mut(room) {
                    let state = frame.parse().unwrap_or(Value::Null);
                    r.options.insert("state".into(), state);
                }
            }
            _ => {}
        }
    }

    /// A reply or error came with this id. `true`: it answers a join of the machine's own, and is dealt with.
    pub(super) fn answered(&mut self, id: &str, reply: &Frame, out: &mut VecDeque<Output>) -> bool {
        let answers = |r: &Room| r.join.as_ref().is_some_and(|j| j.id == id);
        let Some((name, room)) = self.rooms.iter_mut().find(|(_, r)| answers(r)) else { return false };
        let own = room.join.take().is_some_and(|j| j.own);
        let name = name.clone();
        if reply.kind == "hub:error" {
            if own || !room.joined {
                self.rooms.remove(&name);
            }
            if own {
                let fault = reply.parse::<Fault>().unwrap_or_else(|_| Code::Internal.into());
                out.push_back(Output::RejoinFailed { room: name, code: fault.code });
            }
            return own;
        }
        let data: Value = reply.parse().unwrap_or_default();
        if !own {
            room.joined(&data);
            return false;
        }
        if let Some(gap) = room.rejoined(&data) {
            out.push_back(Output::Event { frame: Frame::with("hub:gap", &gap).room(name.clone()) });
        }
        out.push_back(Output::Rejoined { room: name, data });
        true
    }

    /// A frame is handed to the application: positions move on.
    pub(super) fn observe(&mut self, frame: &Frame) {
        let Some(room) = frame.room.as_ref().and_then(|r| self.rooms.get_mut(r)) else { return };
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

    /// The joins for a new session, one per room that isn't being joined by the application anyway.
    pub(super) fn rejoin(
        &mut self,
        awaits: impl Fn(&str) -> bool,
        mut next_id: impl FnMut() -> String,
    ) -> Vec<Frame> {
        let mut joins = vec![];
        for (name, room) in self.rooms.iter_mut().filter(|(name, _)| !awaits(name)) {
            let mut data = room.options.clone();
            data.remove("history");
            data.remove("since");
            if let Some(p) = room.position.as_ref().or(room.replay.as_ref()) {
                data.insert("since".into(), p.to_string().into());
            }
            let id = next_id();
            room.join = Some(Join { id: id.clone(), own: true });
            joins.push(Frame::with("hub:join", &data).room(name.clone()).id(id));
        }
        joins
    }

    /// Whether this id is of a join of the machine's own.
    pub(super) fn is_own(&self, id: &str) -> bool {
        self.rooms.values().filter_map(|r| r.join.as_ref()).any(|j| j.own && j.id == id)
    }

    /// How far the client has come in a room.
    pub(super) fn position(&self, room: &str) -> Option<&Position> {
        self.rooms.get(room)?.position.as_ref()
    }
}

impl Room {
    /// The application's join was answered. What it asked for follows, and carries the position on.
    fn joined(&mut self, data: &Value) {
        self.joined = true;
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
