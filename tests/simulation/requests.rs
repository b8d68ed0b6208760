//! Direct messages and requests in the simulated hub.

use crate::world::{Check, Event, World};
use crosspoint_core::frame::From;
use crosspoint_core::{Code, Frame};
use serde_json::{Value, json};

/// A request, kept after its answer: a repetition gets the same one.
pub(crate) struct Request {
    user: String,
    id: String,
    /// The asker's newest session.
    asker: String,
    target: String,
    outcome: Option<Result<Value, Code>>,
}

impl World {
    pub(crate) fn direct(&mut self, name: &str, frame: Frame) -> Check {
        let to = frame.to.clone().unwrap_or_default();
        let Some(user) = self.hub.sessions.get(name).map(|s| s.user.clone()) else { return Ok(()) };
        let from = Some(From { user: Some(user.clone()), session: Some(name.to_owned()) });
        let mut out = Frame::new(frame.kind.as_str());
        (out.from, out.data) = (from, frame.data.clone());
        if let Some(user) = to.strip_prefix("user:") {
            let to = self.hub.sessions.values().filter(|s| s.user == user);
            let names: Vec<_> = to.map(|s| s.name.clone()).collect();
            names.iter().for_each(|n| self.hub_sends(n, &out));
            let result =
                if names.is_empty() { Err(Code::NotFound) } else { Ok(json!({"delivered": names.len()})) };
            return self.reply(name, &frame, result);
        }
        let target = match to.strip_prefix("service:") {
            Some(service) => self.hub.services.get(service).cloned(),
            None => to.strip_prefix("session:").map(str::to_owned),
        };
        let target = target.filter(|t| self.hub.sessions.contains_key(t));
        let Some(id) = frame.id.clone() else {
            if let Some(target) = target {
                self.hub_sends(&target, &out);
            }
            return Ok(());
        };
        let known = self.hub.requests.values_mut().find(|r| r.user == user && r.id == id);
        if let Some(request) = known {
            request.asker = name.to_owned();
            return match request.outcome.clone() {
                Some(outcome) => self.reply(name, &frame, outcome),
                None => Ok(()),
            };
        }
        let Some(target) = target else { return self.reply(name, &frame, Err(Code::NotFound)) };
        let request = self.hub.name("r");
        out.request = Some(request.clone());
        self.hub_sends(&target, &out);
        let asker = name.to_owned();
        self.hub.requests.insert(request.clone(), Request { user, id, asker, target, outcome: None });
        self.schedule(self.limits.request_ms, Event::RequestTimeout(request));
        Ok(())
    }

    pub(crate) fn answered(&mut self, name: &str, frame: Frame) -> Check {
        let request = frame.request.clone().unwrap_or_default();
        let data = frame.parse().unwrap_or_default();
        match self.hub.requests.get(&request) {
            Some(r) if r.target == name => self.conclude(&request, Ok(data)),
            _ => Ok(()),
        }
    }

    pub(crate) fn request_times_out(&mut self, request: &str) -> Check {
        self.conclude(request, Err(Code::Timeout))
    }

    pub(crate) fn fail_requests_to(&mut self, session: &str) -> Check {
        let to = self.hub.requests.iter().filter(|(_, r)| r.target == session);
        let names: Vec<_> = to.map(|(name, _)| name.clone()).collect();
        names.iter().try_for_each(|name| self.conclude(name, Err(Code::NotFound)))
    }

    fn conclude(&mut self, request: &str, outcome: Result<Value, Code>) -> Check {
        let Some(r) = self.hub.requests.get_mut(request).filter(|r| r.outcome.is_none()) else {
            return Ok(());
        };
        r.outcome = Some(outcome.clone());
        let (asker, id) = (r.asker.clone(), r.id.clone());
        self.reply(&asker, &Frame::new("request").id(id), outcome)
    }
}
