//! The beginning of a link at the hub: a new session, or an old one that goes on.

use crate::hub::Session;
use crate::link::LinkId;
use crate::world::{Check, World};
use crosspoint_core::client::{Hello, Welcome};
use crosspoint_core::session::{self, Kind};
use crosspoint_core::{Code, Frame, OutFrame, VERSION};
use std::collections::{BTreeSet, VecDeque};

impl World {
    pub(crate) fn hello(&mut self, id: LinkId, frame: &Frame) -> Check {
        if frame.kind != "hub:hello" {
            // Behind a hello that was lost; a hub would take it for a client without hello.
            self.hub_closes(id, Code::BadRequest);
            return Ok(());
        }
        let hello: Hello = frame.parse().map_err(|e| format!("hello: {e}"))?;
        let now = self.now;
        let known = hello.session.as_ref().and_then(|s| self.hub.sessions.get_mut(s));
        let mut resumed = None;
        if let Some(session) = known.filter(|s| hello.resume == Some(format!("secret of {}", s.name))) {
            let name = session.name.clone();
            match session.core.link_up(now, u64::from(id), hello.received) {
                Ok(older) => {
                    resumed = Some(name);
                    if let Some(older) = older {
                        self.hub_closes(older as LinkId, Code::Replaced);
                    }
                }
                Err(_) if session.core.ended().is_some() => {}
                Err(code) => return Err(format!("session {name} lives, but refuses to go on: {code}")),
            }
        }
        let name = match &resumed {
            Some(name) => name.clone(),
            None => self.begin_session(id, hello.user.unwrap_or_default())?,
        };
        let limits = &self.limits;
        let Some(session) = self.hub.sessions.get_mut(&name) else { return Ok(()) };
        let one_way = self.links.get(&id).is_some_and(|l| l.kind == crate::link::Kind::Sse);
        let beat_ms = session.core.pace(hello.beat_ms, one_way);
        let start = session.core.start();
        let welcome = Welcome {
            version: VERSION,
            resume: format!("secret of {name}"),
            user: session.user.clone(),
            resumed: resumed.is_some(),
            received: session.core.received(),
            start,
            heartbeat_ms: limits.heartbeat_ms,
            beat_ms,
            resume_ms: limits.resume_ms,
            ack_every: limits.ack_every,
            ack_delay_ms: limits.ack_delay_ms,
            session: name.clone(),
            ..Welcome::default()
        };
        session.core.control(OutFrame::with("hub:welcome", &welcome));
        if let Some(link) = self.links.get_mut(&id) {
            (link.session, link.next_down) = (Some(name.clone()), start);
        }
        self.trace(|| format!("hub: link {id} has {name}, resumed {}, start {start}", resumed.is_some()));
        self.hub.dirty.insert(name);
        Ok(())
    }

    fn begin_session(&mut self, id: LinkId, user: String) -> Result<String, String> {
        let name = self.hub.name("s");
        let mut core = session::Session::new(self.now, self.limits.clone(), Kind::Resumable);
        core.link_up(self.now, u64::from(id), 0)
            .map_err(|c| format!("a new session refuses its link: {c}"))?;
        let session = Session {
            name: name.clone(),
            user,
            core,
            rooms: BTreeSet::new(),
            joining: None,
            inbox: VecDeque::new(),
            caught_up: None,
            unseen: VecDeque::new(),
        };
        self.hub.sessions.insert(name.clone(), session);
        self.model.begin_session(&name);
        Ok(name)
    }
}
