//! What the applications do: join, publish, ask, answer.

use crate::model::Ask;
use crate::world::{Check, Event, World};
use crosspoint_core::Frame;
use crosspoint_core::client::Input;
use crosspoint_core::frame::Volatile;
use serde_json::json;
use std::collections::BTreeSet;

#[derive(Default)]
pub(crate) struct App {
    /// Rooms it is in or about to be in.
    pub(crate) rooms: BTreeSet<String>,
    /// The service `sfu` is this one.
    serves: bool,
    ids: u64,
}

const ROOMS: [&str; 4] = ["h:a", "h:b", "n:a", "n:b"];

impl World {
    pub(crate) fn app(&mut self, i: usize) -> Check {
        if self.quiet || self.peers[i].gone {
            return Ok(());
        }
        let next = self.rng.within(self.profile.app_ms);
        self.schedule(next, Event::App(i));
        let joined: Vec<_> = self.peers[i].app.rooms.iter().cloned().collect();
        if joined.is_empty() {
            return self.app_join(i);
        }
        let room = self.rng.pick(&joined).clone();
        match self.rng.weighted(&[30, 8, 4, 6, 2, 6, 6, 1]) {
            0 => self.app_publish(i, &room),
            1 => {
                let n = self.rng.within((3, 12));
                (0..n).try_for_each(|_| self.app_publish(i, &room))
            }
            2 => self.app_volatile(i, &room),
            3 => self.app_join(i),
            4 => self.app_leave(i, &room),
            5 => self.app_direct(i),
            6 => self.app_request(i),
            _ => self.app_serve(i),
        }
    }

    fn unique(&mut self, i: usize) -> u64 {
        self.peers[i].app.ids += 1;
        (i as u64 + 1) * 1_000_000 + self.peers[i].app.ids
    }

    /// Sends a frame that asks for a reply, unless too many wait.
    fn ask(&mut self, i: usize, frame: Frame, ask: Ask) -> Result<bool, String> {
        let id = frame.id.clone().unwrap_or_default();
        let full = self.peers[i].client.waiting() >= self.peers[i].queue_max;
        if !full {
            self.model.ask(i, &id, ask);
        }
        let taken = self.send(i, frame)?;
        if taken == full {
            return Err(format!("client {i}: {id} taken {taken}, full {full}"));
        }
        Ok(taken)
    }

    fn app_join(&mut self, i: usize) -> Check {
        let room = *self.rng.pick(&ROOMS);
        let n = self.unique(i);
        let known = self.model.peers[i].last_position.get(room).cloned();
        let mut data = serde_json::Map::new();
        match (self.rng.below(4), known) {
            (0, _) => drop(data.insert("history".into(), self.rng.within((1, 10)).into())),
            (1, Some(position)) => drop(data.insert("since".into(), position.into())),
            (2, _) => drop(data.insert("since".into(), "e0.0.".into())),
            _ => {}
        }
        let frame = Frame::with("hub:join", &data).room(room).id(format!("j{n}"));
        if self.ask(i, frame, Ask::Join { nth: n, room: room.to_owned(), options: data })? {
            self.peers[i].app.rooms.insert(room.to_owned());
        }
        Ok(())
    }

    fn app_leave(&mut self, i: usize, room: &str) -> Check {
        let n = self.unique(i);
        let frame = Frame::new("hub:leave").room(room).id(format!("l{n}"));
        if self.ask(i, frame, Ask::Leave { nth: n, room: room.to_owned() })? {
            self.peers[i].app.rooms.remove(room);
        }
        Ok(())
    }

    fn app_publish(&mut self, i: usize, room: &str) -> Check {
        let n = self.unique(i);
        let size = if self.rng.chance(80) { self.rng.below(900) } else { self.rng.below(60) };
        let data = json!({"u": n, "pad": "x".repeat(size as usize)});
        let mut frame = Frame::with("m", &data).room(room);
        if self.rng.chance(150) {
            frame.echo = Some(false);
        }
        if self.rng.chance(250) {
            return self.send(i, frame).map(drop);
        }
        self.ask(i, frame.id(format!("p{n}")), Ask::Publish { room: room.to_owned() }).map(drop)
    }

    fn app_volatile(&mut self, i: usize, room: &str) -> Check {
        let n = self.unique(i);
        let mut frame = Frame::with("typing", &json!({"u": n})).room(room);
        frame.volatile = Some(if self.rng.chance(500) {
            Volatile::Flag(true)
        } else {
            Volatile::Key(format!("k{}", n % 3))
        });
        self.send(i, frame).map(drop)
    }

    fn app_direct(&mut self, i: usize) -> Check {
        let n = self.unique(i);
        let other = self.rng.below(self.peers.len() as u64) as usize;
        let to_session = self.rng.chance(300).then(|| self.peers[other].client.session().map(str::to_owned));
        let mut frame = Frame::with("dm", &json!({"u": n}));
        match to_session.flatten() {
            Some(session) => frame.to = Some(format!("session:{session}")),
            None => frame.to = Some(format!("user:{}", self.peers[other].user)),
        }
        if frame.to.as_ref().is_some_and(|t| t.starts_with("user:")) && self.rng.chance(500) {
            return self.ask(i, frame.id(format!("d{n}")), Ask::Direct).map(drop);
        }
        self.send(i, frame).map(drop)
    }

    fn app_request(&mut self, i: usize) -> Check {
        let n = self.unique(i);
        let other = self.rng.below(self.peers.len() as u64) as usize;
        let session = self.peers[other].client.session().map(str::to_owned);
        let mut frame = Frame::with("question", &json!({"u": n})).id(format!("q{n}"));
        frame.to = Some(match session {
            Some(session) if self.rng.chance(600) => format!("session:{session}"),
            _ => String::from("service:sfu"),
        });
        self.ask(i, frame, Ask::Request { question: n }).map(drop)
    }

    fn app_serve(&mut self, i: usize) -> Check {
        if std::mem::replace(&mut self.peers[i].app.serves, true) {
            return Ok(());
        }
        let n = self.unique(i);
        let frame = Frame::with("hub:attach", &json!({"service": "sfu"})).id(format!("a{n}"));
        self.ask(i, frame, Ask::Attach).map(drop)
    }

    /// The application gets a frame.
    pub(crate) fn react(&mut self, i: usize, frame: &Frame) {
        let Some(request) = &frame.request else { return };
        if self.rng.chance(150) {
            return;
        }
        let data: serde_json::Value = frame.parse().unwrap_or_default();
        let question = data["u"].as_u64().unwrap_or(0);
        let answer = json!({"u": 500_000_000 + self.unique(i), "answer": question + 1});
        let mut frame = Frame::with("hub:answer", &answer);
        frame.request = Some(request.clone());
        let wait = self.rng.below(300);
        self.schedule(wait, Event::Answer(i, frame));
    }

    pub(crate) fn say_bye(&mut self, i: usize) -> Check {
        self.client(i, Input::Bye)?;
        self.peers[i].gone = true;
        self.model.gone(i);
        Ok(())
    }
}
