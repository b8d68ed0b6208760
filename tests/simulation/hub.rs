//! A hub small enough to be right by inspection, over core's sessions: what is tested is not this.

use crate::link::LinkId;
use crate::net::BEAT;
use crate::profile::Profile;
use crate::requests::Request;
use crate::rng::Rng;
use crate::rooms::Room;
use crate::world::{Check, Event, World};
use crosspoint_core::session::{self, Action, Taken};
use crosspoint_core::{Code, Frame, OutFrame, SharedFrame};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

pub(crate) use crate::rooms::{Page, Reading};

pub(crate) struct Session {
    pub(crate) name: String,
    pub(crate) user: String,
    pub(crate) core: session::Session,
    pub(crate) rooms: BTreeSet<Arc<str>>,
    /// The join whose history is being read; the frames after it wait.
    pub(crate) joining: Option<(Arc<str>, session::ReadId)>,
    pub(crate) inbox: VecDeque<Frame>,
    /// The last catch-up: which, of what room, behind what, and what the outbox held when it was over.
    pub(crate) caught_up: Option<(session::ReadId, Arc<str>, Option<u64>, usize)>,
    /// Frames handed to the session that no link has been given yet.
    pub(crate) unseen: VecDeque<SharedFrame>,
}

pub(crate) struct Hub {
    pub(crate) sessions: BTreeMap<String, Session>,
    pub(crate) rooms: BTreeMap<Arc<str>, Room>,
    /// Sessions to look at before the step ends.
    pub(crate) dirty: BTreeSet<String>,
    /// The results of publishes, by user, room and id.
    pub(crate) published: BTreeMap<(String, Arc<str>, String), serde_json::Value>,
    pub(crate) requests: BTreeMap<String, Request>,
    pub(crate) services: BTreeMap<String, String>,
    pub(crate) names: u64,
}

impl Hub {
    pub(crate) fn new(profile: &Profile, rng: &mut Rng) -> Hub {
        let mut rooms = BTreeMap::new();
        for (name, history) in [("h:a", true), ("h:b", true), ("n:a", false), ("n:b", false)] {
            let keeps = history.then(|| rng.within(profile.kept_events) as usize);
            rooms.insert(name.into(), Room::new(keeps));
        }
        Hub {
            sessions: BTreeMap::new(),
            rooms,
            dirty: BTreeSet::new(),
            published: BTreeMap::new(),
            requests: BTreeMap::new(),
            services: BTreeMap::new(),
            names: 0,
        }
    }

    pub(crate) fn name(&mut self, prefix: &str) -> String {
        self.names += 1;
        format!("{prefix}{}", self.names)
    }
}

impl World {
    /// A frame reaches the hub. `false`: it came too early, and has to come again.
    pub(crate) fn hub_receives(
        &mut self,
        id: LinkId,
        seq: Option<u64>,
        frame: Frame,
    ) -> Result<bool, String> {
        let now = self.now;
        let Some(link) = self.links.get(&id).filter(|l| l.hub_open) else { return Ok(true) };
        let Some(name) = link.session.clone() else {
            return self.hello(id, &frame).map(|()| true);
        };
        let Some(session) = self.hub.sessions.get_mut(&name) else { return Ok(true) };
        if frame.kind == BEAT {
            session.core.beat(now, u64::from(id));
            self.hub.dirty.insert(name);
            return Ok(true);
        }
        let what = frame.kind.clone();
        let taken = session.core.receive(now, u64::from(id), seq, frame);
        self.hub.dirty.insert(name.clone());
        match taken {
            Taken::Act(frame) => {
                self.taken(&name, frame)?;
                while let Some(frame) = self.hub.sessions.get_mut(&name).and_then(|s| s.core.take_early(now))
                {
                    self.taken(&name, frame)?;
                }
            }
            Taken::Nothing | Taken::Bye => {}
            Taken::Refused if seq.is_some() => return Ok(false),
            Taken::Refused => return Err(format!("session {name} refused a frame of a stream")),
            Taken::Fault(code) => return Err(format!("session {name} takes {what} on link {id} for {code}")),
        }
        Ok(true)
    }

    fn taken(&mut self, name: &str, frame: Frame) -> Check {
        let Some(session) = self.hub.sessions.get_mut(name) else { return Ok(()) };
        if frame.counted() {
            self.model.arrived(name, session.core.received(), &frame)?;
        }
        session.inbox.push_back(frame);
        self.work_off(name)
    }

    /// Acts on a session's frames in their order, one at a time.
    pub(crate) fn work_off(&mut self, name: &str) -> Check {
        while let Some(session) = self.hub.sessions.get_mut(name).filter(|s| s.joining.is_none()) {
            let Some(frame) = session.inbox.pop_front() else { break };
            self.trace(|| format!("hub: {name} acts on {}", frame.encode_text()));
            self.act(name, frame)?;
        }
        Ok(())
    }

    pub(crate) fn hub_received(&self, id: LinkId) -> u64 {
        let name = self.links.get(&id).and_then(|l| l.session.as_ref());
        name.and_then(|n| self.hub.sessions.get(n)).map_or(0, |s| s.core.received())
    }

    pub(crate) fn hub_writable(&mut self, id: LinkId) {
        let Some(name) = self.links.get(&id).and_then(|l| l.session.clone()) else { return };
        if let Some(session) = self.hub.sessions.get_mut(&name) {
            session.core.writable(u64::from(id));
            self.hub.dirty.insert(name);
        }
    }

    /// A frame that is not a room's event, for a session.
    pub(crate) fn hub_sends(&mut self, name: &str, frame: &Frame) {
        let Some(session) = self.hub.sessions.get_mut(name) else { return };
        let frame = Arc::new(OutFrame::new(frame));
        if session.core.ended().is_none() && session.core.send(frame.clone()).is_ok() {
            session.unseen.push_back(frame);
        }
        self.hub.dirty.insert(name.to_owned());
    }

    /// Does what sessions want done, until none wants anything.
    pub(crate) fn settle(&mut self) -> Check {
        while let Some(name) = self.hub.dirty.pop_first() {
            let mut rounds = 0;
            while self.attend(&name)? {
                rounds += 1;
                if rounds > 1_000 {
                    return Err(format!("session {name} never comes to rest"));
                }
            }
        }
        Ok(())
    }

    /// Gives a session's link what it takes, and does one thing for it. `false`: there was nothing to do.
    fn attend(&mut self, name: &str) -> Result<bool, String> {
        let (now, window) = (self.now, self.window);
        let at = now + self.latency();
        let Some(session) = self.hub.sessions.get_mut(name) else { return Ok(false) };
        let (links, mut given) = (&mut self.links, None);
        session.core.transmit(now, |id, frames| {
            let id = id as LinkId;
            let Some(link) = links.get_mut(&id).filter(|l| l.hub_open) else { return frames.count() };
            let (taken, wake) = World::give(link, window, at, frames);
            let n = taken.len();
            given = Some((id, taken, wake));
            n
        });
        let (bytes, action) = (session.core.outbox_bytes(), session.core.poll_action(now));
        if bytes > self.outbox_bytes_max() {
            return Err(format!("session {name} holds {bytes} bytes"));
        }
        if let Some((id, taken, wake)) = given {
            self.given(name, id, taken)?;
            if let Some(at) = wake {
                self.at(at, Event::Down(id));
            }
            self.answer_waiting_poll(id);
        }
        let Some(action) = action else { return Ok(false) };
        self.perform(name, action)?;
        Ok(true)
    }

    fn given(&mut self, name: &str, id: LinkId, taken: Vec<SharedFrame>) -> Check {
        let (Some(session), Some(link)) = (self.hub.sessions.get_mut(name), self.links.get_mut(&id)) else {
            return Ok(());
        };
        for frame in taken.iter().filter(|f| f.counted()) {
            self.model.given(name, link.next_down, frame, &mut session.unseen)?;
            link.next_down += 1;
        }
        Ok(())
    }

    /// Twice the limit, and one event or gap that finds the outbox just below.
    fn outbox_bytes_max(&self) -> usize {
        2 * self.limits.outbox_bytes_max + 1_200
    }

    fn perform(&mut self, name: &str, action: Action) -> Check {
        self.trace(|| format!("hub: {name} wants {action:?}"));
        match action {
            Action::Close(link, code) => {
                self.hub_closes(link as LinkId, code);
                Ok(())
            }
            Action::CatchUp(room, after, read) => self.catch_up(name, room, after, read),
            Action::Probe(_) => Err(format!("session {name} has a client that pings")),
            Action::End(code) => self.end_session(name, code),
        }
    }

    pub(crate) fn end_session(&mut self, name: &str, code: Code) -> Check {
        let Some(session) = self.hub.sessions.remove(name) else { return Ok(()) };
        self.model.session_ended(name);
        let link = session.core.link();
        let carries =
            |(id, l): (&LinkId, &crate::link::Link)| (l.session.as_deref() == Some(name)).then_some(*id);
        let others: Vec<_> = self.links.iter().filter_map(carries).collect();
        for id in others {
            if Some(u64::from(id)) != link {
                return Err(format!("session {name} ended and left link {id} open"));
            }
            self.hub_closes(id, code);
        }
        self.hub.services.retain(|_, s| s != name);
        self.fail_requests_to(name)
    }
}
