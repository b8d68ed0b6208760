//! What one application may see of one room: checked with every event, gap and reply.

use crate::model::{Ask, Model, PeerModel, Truth};
use crate::world::Check;
use crosspoint_core::{Frame, Position};
use serde_json::Value;

/// What has to come next.
#[derive(Debug, Clone, Default, PartialEq)]
enum Next {
    /// Nothing: it is not in the room.
    #[default]
    Nothing,
    /// The event at this offset.
    At(u64),
    /// The first event of a replay, at one of these offsets.
    Within(u64, u64),
    /// A gap.
    Gap,
    /// In a room without history: the so-manyth event.
    Nth(u64),
    /// The same, or a later one: a gap was said.
    AfterNth(u64, bool),
}

#[derive(Debug, Default)]
pub(crate) struct View {
    next: Next,
    /// Which of the application's joins and leaves, counted, was answered last.
    answered: u64,
    /// A new session hasn't joined it again yet.
    suspended: bool,
    /// The event that was seen last, and the life it was of, if nothing came between.
    last: Option<((u64, String), u32)>,
    /// The oldest life of the history that events may still come from.
    life: u32,
    /// Rewrites for which a gap without a hole was said.
    rewrites: u32,
}

impl View {
    /// An answer to the so-manyth came. `false`: one to a later one came before.
    fn is_newer(&mut self, nth: u64) -> bool {
        let newer = nth > self.answered;
        self.answered = self.answered.max(nth);
        newer
    }

    pub(crate) fn new_session(&mut self) {
        self.suspended = true;
    }
}

impl Model {
    pub(crate) fn event(&mut self, peer: usize, frame: &Frame) -> Check {
        if let Some(request) = &frame.request
            && !self.is_new_request(peer, request)
        {
            return Err(format!("client {peer}: request {request} came twice"));
        }
        if matches!(frame.kind.as_str(), "hub:reply" | "hub:error") {
            return self.replied(peer, frame);
        }
        let Some(room) = frame.room.clone().filter(|_| frame.volatile.is_none()) else { return Ok(()) };
        let p = &mut self.peers[peer];
        let truth = self.rooms.entry(room.clone()).or_default();
        let result = if frame.kind == "hub:gap" {
            self.gaps += 1;
            p.gap(truth, &room, frame)
        } else {
            self.deliveries += 1;
            p.seen(truth, &room, frame)
        };
        result.map_err(|e| format!("client {peer}, {room}: {e}"))
    }

    fn replied(&mut self, peer: usize, frame: &Frame) -> Check {
        let id = frame.id.clone().unwrap_or_default();
        let p = &mut self.peers[peer];
        let Some(ask) = p.awaiting.remove(&id) else {
            return Err(format!("client {peer}: an answer to {id}, which waits for none"));
        };
        let data: Value = frame.parse().unwrap_or_default();
        let failed = frame.kind == "hub:error";
        let code = data["code"].as_str().unwrap_or_default().to_owned();
        match ask {
            Ask::Join { nth, room, options } => {
                if p.views.entry(room.clone()).or_default().is_newer(nth) {
                    p.joined(&room, (!failed).then_some(&data), &options);
                }
            }
            Ask::Leave { nth, room } => {
                let view = p.views.entry(room).or_default();
                if view.is_newer(nth) {
                    view.next = Next::Nothing;
                }
            }
            Ask::Publish { room } if failed => {
                if code != "not_joined" || !p.unsteady.contains(&room) {
                    return Err(format!("client {peer}: publish {id} in {room} failed: {code}"));
                }
            }
            Ask::Publish { room } => {
                if let Some(offset) = data["offset"].as_u64()
                    && !self.rooms[&room].placed.contains_key(&(offset, id.clone()))
                {
                    return Err(format!("client {peer}: {id} was not stored at {offset}"));
                }
                if data["id"] != id.as_str() {
                    return Err(format!("client {peer}: {id} was answered with {data}"));
                }
            }
            Ask::Request { .. } if failed => {
                if code != "timeout" && code != "not_found" {
                    return Err(format!("client {peer}: request {id} failed: {code}"));
                }
            }
            Ask::Request { question } => {
                if data["answer"] != question + 1 {
                    return Err(format!("client {peer}: question {question} got {data}"));
                }
            }
            Ask::Direct | Ask::Attach => {}
        }
        Ok(())
    }

    /// A room was joined again in a new session. Its history is kept behind `base`.
    pub(crate) fn rejoined(&mut self, peer: usize, room: &str, data: &Value, base: u64) -> Check {
        let truth = self.rooms.entry(room.to_owned()).or_default();
        let view = self.peers[peer].views.entry(room.to_owned()).or_default();
        let kept = |last: &((u64, String), u32)| {
            let (at, born) = last;
            let stored = truth.placed.get(at).filter(|s| s.born == *born && s.died.is_none());
            at.0 >= base && stored.is_some()
        };
        let error = |what: &str| Err(format!("client {peer}, {room}: joined again {what}"));
        if !std::mem::take(&mut view.suspended) {
            return error("in the same session");
        }
        match (data["recovered"].as_bool(), &view.next) {
            (_, Next::Nothing) => return error("without having been in it"),
            (Some(false), _) if view.last.as_ref().is_some_and(kept) => {
                return error("as if what it saw last were gone");
            }
            (Some(false), _) => view.next = Next::Gap,
            (Some(true), Next::At(_)) => {}
            (None, Next::AfterNth(..)) => {
                view.next = Next::Nth(data["begins"].as_u64().ok_or("no history, no beginning")?);
            }
            (recovered, next) => return error(&format!("with recovered {recovered:?} before {next:?}")),
        }
        Ok(())
    }

    pub(crate) fn rejoin_failed(&mut self, peer: usize, room: &str) {
        let p = &mut self.peers[peer];
        p.unsteady.insert(room.to_owned());
        let view = p.views.entry(room.to_owned()).or_default();
        (view.next, view.suspended) = (Next::Nothing, false);
    }

    /// Everybody has seen all there is.
    pub(crate) fn check_views(&self) -> Check {
        for (i, p) in self.peers.iter().enumerate().filter(|(_, p)| !p.gone) {
            if let Some((id, ask)) = p.awaiting.first_key_value() {
                return Err(format!("client {i}: {id} was never answered: {ask:?}"));
            }
            for (room, view) in &p.views {
                let Some(truth) = self.rooms.get(room) else { continue };
                let due = match &view.next {
                    Next::At(n) | Next::Within(_, n) => {
                        (*n..=truth.head).find(|o| !truth.spares(*o, &p.sessions))
                    }
                    Next::Nth(n) => {
                        (*n..truth.order.len() as u64).find(|n| !truth.spares_nth(*n, &p.sessions))
                    }
                    Next::Gap => Some(0),
                    Next::Nothing | Next::AfterNth(..) => None,
                };
                if let Some(due) = due {
                    return Err(format!("client {i}, {room}: event {due} never came ({view:?})"));
                }
                if view.suspended && view.next != Next::Nothing {
                    return Err(format!("client {i}, {room}: never joined again"));
                }
            }
        }
        Ok(())
    }
}

impl PeerModel {
    fn joined(&mut self, room: &str, data: Option<&Value>, options: &serde_json::Map<String, Value>) {
        let view = self.views.entry(room.to_owned()).or_default();
        (view.suspended, view.last) = (false, None);
        let Some(data) = data else {
            view.next = Next::Nothing;
            self.unsteady.insert(room.to_owned());
            return;
        };
        let offset = |p: Option<&str>| p.and_then(|p| p.parse::<Position>().ok()).map(|p| p.offset);
        let Some(head) = offset(data["position"].as_str()) else {
            view.next = Next::Nth(data["begins"].as_u64().unwrap_or(0));
            return;
        };
        view.next = match (data["recovered"].as_bool(), options.get("history").and_then(Value::as_u64)) {
            (Some(true), _) => Next::At(offset(options["since"].as_str()).unwrap_or(0) + 1),
            (Some(false), _) => Next::Gap,
            (None, Some(n)) if head > 0 => Next::Within(head.saturating_sub(n) + 1, head + 1),
            (None, _) => Next::At(head + 1),
        };
        view.life = 0;
        view.rewrites = data["lives"].as_u64().unwrap_or(0) as u32;
        self.last_position.insert(room.to_owned(), data["position"].as_str().unwrap_or_default().to_owned());
    }

    fn gap(&mut self, truth: &Truth, room: &str, frame: &Frame) -> Check {
        let view = self.views.entry(room.to_owned()).or_default();
        let data: Value = frame.parse().unwrap_or_default();
        let reason = data["reason"].as_str().unwrap_or_default();
        let Some(position) = data["position"].as_str() else {
            view.next = match view.next {
                Next::Nth(n) | Next::AfterNth(n, _) => Next::AfterNth(n, reason == "slow_consumer"),
                _ => return Err(format!("a gap without position before {:?}", view.next)),
            };
            return Ok(());
        };
        let to = position.parse::<Position>().map_err(|e| e.to_string())?.offset + 1;
        match view.next {
            Next::At(n) if to <= n => {
                view.rewrites += 1;
                if view.rewrites > truth.lives {
                    return Err(format!("a gap to {to} where nothing is missing, before {n}"));
                }
            }
            Next::At(_) | Next::Within(..) | Next::Gap => {}
            _ => return Err(format!("a gap before {:?}", view.next)),
        }
        (view.next, view.last) = (Next::At(to), None);
        self.last_position.insert(room.to_owned(), position.to_owned());
        Ok(())
    }

    fn seen(&mut self, truth: &Truth, room: &str, frame: &Frame) -> Check {
        let view = self.views.entry(room.to_owned()).or_default();
        let id = frame.id.clone().unwrap_or_default();
        if view.suspended {
            return Err(format!("{id} came before the room was joined again"));
        }
        let Some(offset) = frame.offset else {
            let nth =
                truth.order.iter().position(|(i, _)| *i == id).ok_or("an event nobody published")? as u64;
            let skips = |n: u64| (n..nth).any(|n| !truth.spares_nth(n, &self.sessions));
            match view.next {
                Next::Nth(n) if nth < n || skips(n) => return Err(format!("event {nth} came before {n}")),
                Next::AfterNth(n, overflow) if nth < n || (overflow && nth == n) => {
                    return Err(format!("after a gap, event {nth} came before {n}"));
                }
                Next::Nth(_) | Next::AfterNth(..) => view.next = Next::Nth(nth + 1),
                _ => return Err(format!("event {nth} came before {:?}", view.next)),
            }
            return Ok(());
        };
        let stored = truth.placed.get(&(offset, id.clone())).ok_or(format!("{id} was never at {offset}"))?;
        if stored.died.is_some_and(|died| died <= view.life) {
            return Err(format!("{id} at {offset} is of a life that is over"));
        }
        view.life = view.life.max(stored.born);
        let skips = |n: u64| (n..offset).any(|o| !truth.spares(o, &self.sessions));
        match view.next {
            Next::At(n) if offset < n || skips(n) => return Err(format!("event {offset} came before {n}")),
            Next::Within(lo, hi) if offset < lo || offset > hi && skips(hi) => {
                return Err(format!("event {offset} came before one within {lo}..={hi}"));
            }
            Next::At(_) | Next::Within(..) => {
                (view.next, view.last) = (Next::At(offset + 1), Some(((offset, id), stored.born)));
            }
            _ => return Err(format!("event {offset} came before {:?}", view.next)),
        }
        Ok(())
    }
}
