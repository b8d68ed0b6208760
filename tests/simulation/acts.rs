//! What the hub does with a client's frame.

use crate::rooms::{Reading, Why};
use crate::world::{Check, Event, World};
use crosspoint_core::frame::{From, Volatile};
use crosspoint_core::{Code, Fault, Frame, OutFrame, Position, wire};
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;

#[derive(Deserialize, Default)]
struct Join {
    since: Option<String>,
    history: Option<u64>,
}

impl World {
    pub(crate) fn act(&mut self, name: &str, frame: Frame) -> Check {
        match (frame.kind.as_str(), frame.room.clone()) {
            ("hub:join", Some(room)) => self.join(name, frame, room.into()),
            ("hub:leave", Some(room)) => {
                let Some(session) = self.hub.sessions.get_mut(name) else { return Ok(()) };
                session.core.leave(&room);
                let was = session.rooms.remove(&*room);
                self.reply(name, &frame, if was { Ok(json!({})) } else { Err(Code::NotJoined) })
            }
            ("hub:attach", _) => {
                self.hub.services.insert(String::from("sfu"), name.to_owned());
                self.reply(name, &frame, Ok(json!({})))
            }
            ("hub:answer", _) => self.answered(name, frame),
            (kind, _) if kind.starts_with("hub:") => self.reply(name, &frame, Err(Code::UnknownType)),
            (_, Some(room)) => self.publish(name, frame, room.into()),
            _ if frame.to.is_some() => self.direct(name, frame),
            _ => self.reply(name, &frame, Err(Code::BadRequest)),
        }
    }

    pub(crate) fn reply(&mut self, name: &str, to: &Frame, result: Result<Value, Code>) -> Check {
        let Some(id) = &to.id else { return Ok(()) };
        let frame = match result {
            Ok(data) => Frame::with("hub:reply", &data),
            Err(code) => Frame::with("hub:error", &Fault::from(code)),
        };
        self.hub_sends(name, &frame.id(id.as_str()));
        Ok(())
    }

    fn join(&mut self, name: &str, frame: Frame, room: Arc<str>) -> Check {
        let Some(session) = self.hub.sessions.get_mut(name) else { return Ok(()) };
        let Some(r) = self.hub.rooms.get(&room) else {
            return self.reply(name, &frame, Err(Code::Forbidden));
        };
        session.rooms.insert(room.clone());
        if r.keeps.is_none() {
            session.core.leave(&room);
            // Where the room's events begin for this session; only the checks look at it.
            let data = json!({"room": &*room, "begins": r.fed});
            return self.reply(name, &frame, Ok(data));
        }
        let Join { since, history } = frame.parse().unwrap_or_default();
        let id = frame.id.ok_or("a join without an id")?;
        if since.is_some() && history.is_some() {
            return Err(format!("session {name} joins {room} with `since` and `history`"));
        }
        let read = session.core.begin_join(room.clone());
        (session.joining, session.caught_up) = (Some((room.clone(), read)), None);
        let why = Why::Join { id, since, history };
        self.begin_reading(Reading { session: name.to_owned(), room, read, why });
        Ok(())
    }

    fn publish(&mut self, name: &str, frame: Frame, room: Arc<str>) -> Check {
        let Some(session) = self.hub.sessions.get(name) else { return Ok(()) };
        let user = session.user.clone();
        if !session.rooms.contains(&room) {
            return self.reply(name, &frame, Err(Code::NotJoined));
        }
        let from = From { user: Some(user.clone()), session: Some(name.to_owned()) };
        if let Some(volatile) = &frame.volatile {
            let key = match volatile {
                Volatile::Key(k) => format!("{room} {name} {k}"),
                Volatile::Flag(_) => format!("{room} {name}"),
            };
            let event = event(&room, None, "v", frame, from, Some(key.into()), None);
            return self.store(&room, event);
        }
        let stored = frame.id.as_ref().map(|id| (user.clone(), room.clone(), id.clone()));
        if let Some(first) = stored.as_ref().and_then(|key| self.hub.published.get(key)) {
            let mut again = first.clone();
            again["duplicate"] = Value::Bool(true);
            return self.reply(name, &frame, Ok(again));
        }
        let id = frame.id.clone().unwrap_or_else(|| self.hub.name("m"));
        let exclude = (frame.echo == Some(false)).then(|| name.into());
        let Some(r) = self.hub.rooms.get_mut(&room) else { return Ok(()) };
        let position = r.keeps.map(|_| Position {
            epoch: r.epoch.clone(),
            offset: r.head.offset + 1,
            id: id.as_str().into(),
        });
        self.model.stored(&room, r.lives, position.as_ref().map(|p| p.offset), &id, exclude.as_deref())?;
        let mut result = json!({"id": id, "ts": self.now});
        if let Some(p) = &position {
            result["offset"] = p.offset.into();
            result["position"] = p.to_string().into();
        }
        let event = event(&room, position, &id, frame.clone(), from, None, exclude);
        self.store(&room, event)?;
        if let Some(key) = stored {
            self.hub.published.insert(key, result.clone());
        }
        self.reply(name, &frame, Ok(result))
    }

    fn store(&mut self, room: &Arc<str>, event: wire::Event) -> Check {
        let event = Arc::new(event);
        let wait = if self.rng.chance(50) { self.rng.below(300) } else { self.rng.below(8) };
        let Some(r) = self.hub.rooms.get_mut(room) else { return Ok(()) };
        if let Some(position) = event.position_at() {
            r.head = position;
            r.events.push_back(event.clone());
            if let Some(keeps) = r.keeps {
                r.trim(keeps);
            }
        }
        r.feed.push_back(event);
        if r.feed.len() == 1 {
            self.schedule(wait, Event::Feed(room.clone()));
        }
        Ok(())
    }
}

fn event(
    room: &Arc<str>,
    position: Option<Position>,
    id: &str,
    mut frame: Frame,
    from: From,
    volatile_key: Option<Box<str>>,
    exclude: Option<Box<str>>,
) -> wire::Event {
    let offset = position.as_ref().map(|p| p.offset);
    (frame.offset, frame.id, frame.from, frame.echo) = (offset, Some(id.into()), Some(from), None);
    wire::Event {
        room: room.clone(),
        id: id.into(),
        offset: offset.unwrap_or(0),
        epoch: position.map_or("".into(), |p| p.epoch),
        ts: 0,
        exclude,
        volatile_key,
        frame: Arc::new(OutFrame::new(&frame)),
    }
}

/// An event's own position; those built here carry none in their frames.
pub(crate) trait PositionAt {
    fn position_at(&self) -> Option<Position>;
}

impl PositionAt for wire::Event {
    fn position_at(&self) -> Option<Position> {
        let id: Arc<str> = (&*self.id).into();
        (self.offset > 0).then(|| Position { epoch: self.epoch.clone(), offset: self.offset, id })
    }
}
