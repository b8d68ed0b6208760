//! The world of one run: a clock, a queue of events, and everybody in it.

use crate::hub::{Hub, Page, Reading};
use crate::link::{Link, LinkId, Post, PostAnswer};
use crate::model::Model;
use crate::peer::Peer;
use crate::profile::Profile;
use crate::rng::Rng;
use crosspoint_core::client::Input;
use crosspoint_core::{Frame, Limits, SharedFrame};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

/// What a check finds wrong.
pub(crate) type Check = Result<(), String>;

pub(crate) enum Event {
    /// The application of this client does something.
    App(usize),
    /// This client opens a link, for this reason.
    Connect(usize, &'static str),
    /// An application answers a request.
    Answer(usize, Frame),
    Fault,
    /// Applications and faults stop, and everything must settle.
    Quiet,
    Up(LinkId),
    Down(LinkId),
    ClientNotices(LinkId),
    HubNotices(LinkId),
    Batch(LinkId),
    PostArrives(LinkId, Rc<Post>),
    PostAnswered(LinkId, u32, PostAnswer),
    PostTimeout(LinkId, u32, u32),
    Poll(LinkId),
    PollArrives(LinkId, u64, u64),
    PollWaited(LinkId, u64),
    PollAnswered(LinkId, u64, Vec<SharedFrame>, u64),
    PollTimeout(LinkId, u64),
    /// The engine reads a room's history …
    Read(Reading),
    /// … and has read it.
    ReadDone(Reading, Page),
    /// A room's new events reach its members.
    Feed(Arc<str>),
    RequestTimeout(String),
    /// Somebody's machine wakes up.
    Wake,
}

pub(crate) struct World {
    pub(crate) now: u64,
    pub(crate) rng: Rng,
    pub(crate) profile: Profile,
    pub(crate) limits: Arc<Limits>,
    /// Bytes that a link takes before it is blocked.
    pub(crate) window: usize,
    pub(crate) hub: Hub,
    pub(crate) peers: Vec<Peer>,
    pub(crate) links: BTreeMap<LinkId, Link>,
    pub(crate) model: Model,
    pub(crate) quiet: bool,
    pub(crate) lines: Option<Vec<String>>,
    queue: BTreeMap<(u64, u64), Event>,
    scheduled: u64,
    pub(crate) steps: u64,
}

impl World {
    pub(crate) fn new(profile: Profile, seed: u64) -> World {
        let mut rng = Rng::new(seed);
        let limits = Arc::new(profile.limits(&mut rng));
        let window = rng.within(profile.window_bytes) as usize;
        let hub = Hub::new(&profile, &mut rng);
        let n = rng.within(profile.clients) as usize;
        let peers = (0..n).map(|i| Peer::new(i, profile.client_config(&mut rng, &limits))).collect();
        World {
            now: 1_000,
            rng,
            profile,
            limits,
            window,
            hub,
            peers,
            links: BTreeMap::new(),
            model: Model::new(n),
            quiet: false,
            lines: None,
            queue: BTreeMap::new(),
            scheduled: 0,
            steps: 0,
        }
    }

    pub(crate) fn at(&mut self, at: u64, event: Event) {
        self.scheduled += 1;
        self.queue.insert((at.max(self.now), self.scheduled), event);
    }

    pub(crate) fn schedule(&mut self, after: u64, event: Event) {
        self.at(self.now + after, event);
    }

    pub(crate) fn trace(&mut self, line: impl FnOnce() -> String) {
        if let Some(lines) = &mut self.lines {
            lines.push(format!("{:>6} {}", self.now, line()));
        }
    }

    /// Runs to the end, with all checks.
    pub(crate) fn run(&mut self) -> Check {
        self.trace(|| String::from("begin"));
        let limits = self.limits.clone();
        self.trace(|| format!("{limits:?}"));
        for i in 0..self.peers.len() {
            let wait = self.rng.below(50);
            self.schedule(wait, Event::Connect(i, "connect"));
            self.schedule(wait + 5, Event::App(i));
        }
        let fault = self.rng.within(self.profile.fault_ms);
        self.schedule(fault, Event::Fault);
        self.schedule(self.profile.run_ms, Event::Quiet);
        // Long enough for a half-open link to be found out, a session to expire, and all to come back.
        let settle = 4 * self.limits.heartbeat_ms + 2 * self.limits.resume_ms + 15_000;
        let end = self.now + self.profile.run_ms + settle;
        while self.now < end {
            self.step()?;
        }
        self.check_settled()
    }

    fn step(&mut self) -> Check {
        self.steps += 1;
        let sessions = self.hub.sessions.values().map(|s| s.core.deadline());
        let clients = self.peers.iter().filter(|p| p.asleep_until <= self.now).map(|p| p.client.deadline());
        let deadline = sessions.chain(clients).min().unwrap_or(u64::MAX);
        let next = self.queue.first_key_value().map(|((at, _), _)| *at);
        match next {
            Some(at) if at < deadline => {
                self.now = at;
                if let Some((_, event)) = self.queue.pop_first() {
                    match self.sleeper(&event) {
                        Some(until) => self.at(until, event),
                        None => self.happen(event)?,
                    }
                }
            }
            _ => {
                self.now = self.now.max(deadline);
                self.ticks()?;
            }
        }
        self.settle()?;
        (0..self.peers.len()).try_for_each(|i| self.check_carried(i))
    }

    /// Until when the client sleeps that this happens to, if it does.
    fn sleeper(&self, event: &Event) -> Option<u64> {
        let peer = match event {
            Event::App(i) | Event::Connect(i, _) | Event::Answer(i, _) => *i,
            Event::Down(id)
            | Event::ClientNotices(id)
            | Event::Batch(id)
            | Event::PostAnswered(id, ..)
            | Event::PostTimeout(id, ..)
            | Event::Poll(id)
            | Event::PollAnswered(id, ..)
            | Event::PollTimeout(id, _) => self.links.get(id)?.peer,
            _ => return None,
        };
        Some(self.peers[peer].asleep_until).filter(|until| *until > self.now)
    }

    /// Time is up for some: after a tick, nobody's deadline may be in the past.
    fn ticks(&mut self) -> Check {
        let now = self.now;
        for i in 0..self.peers.len() {
            if self.peers[i].client.deadline() <= now && self.peers[i].asleep_until <= now {
                self.client(i, Input::Tick)?;
                let next = self.peers[i].client.deadline();
                if next <= now {
                    return Err(format!("client {i}: deadline {next} stays in the past"));
                }
            }
        }
        let late = |s: &&crate::hub::Session| s.core.deadline() <= now;
        let due: Vec<_> = self.hub.sessions.values().filter(late).map(|s| s.name.clone()).collect();
        for name in due {
            if let Some(session) = self.hub.sessions.get_mut(&name) {
                session.core.tick(now);
            }
            self.hub.dirty.insert(name.clone());
            self.settle()?;
            if let Some(next) = self.hub.sessions.get(&name).map(|s| s.core.deadline())
                && next <= now
            {
                return Err(format!("session {name}: deadline {next} stays in the past"));
            }
        }
        Ok(())
    }

    fn happen(&mut self, event: Event) -> Check {
        match event {
            Event::App(i) => self.app(i)?,
            Event::Connect(i, cause) => self.connect(i, cause)?,
            Event::Answer(i, frame) => self.send(i, frame).map(drop)?,
            Event::Fault => self.fault()?,
            Event::Quiet => self.begin_quiet(),
            Event::Up(link) => self.pump_up(link)?,
            Event::Down(link) => self.pump_down(link)?,
            Event::ClientNotices(link) => self.client_notices(link)?,
            Event::HubNotices(link) => self.hub_notices(link),
            Event::Batch(link) => self.batch(link),
            Event::PostArrives(link, post) => self.post_arrives(link, &post)?,
            Event::PostAnswered(link, post, answer) => self.post_answered(link, post, answer)?,
            Event::PostTimeout(link, post, tries) => self.post_times_out(link, post, tries),
            Event::Poll(link) => self.poll(link),
            Event::PollArrives(link, named, attempt) => self.poll_arrives(link, named, attempt),
            Event::PollWaited(link, attempt) => self.poll_waited(link, attempt),
            Event::PollAnswered(link, batch, frames, received) => {
                self.poll_answered(link, batch, &frames, received)?;
            }
            Event::PollTimeout(link, attempt) => self.poll_times_out(link, attempt),
            Event::Read(reading) => self.read(reading),
            Event::ReadDone(reading, page) => self.read_done(reading, page)?,
            Event::Feed(room) => self.feed(&room),
            Event::RequestTimeout(request) => self.request_times_out(&request)?,
            Event::Wake => {}
        }
        Ok(())
    }

    /// After the quiet everybody is connected, nothing waits, and everybody has seen all there is.
    fn check_settled(&self) -> Check {
        for (i, peer) in self.peers.iter().enumerate().filter(|(_, p)| !p.gone) {
            let client = &peer.client;
            let session = client.session().and_then(|s| self.hub.sessions.get(s));
            let Some(session) = session.filter(|_| client.link().is_some()) else {
                return Err(format!("client {i} is not connected"));
            };
            if client.waiting() > 0 {
                return Err(format!("client {i}: {} frames wait", client.waiting()));
            }
            let core = &session.core;
            if core.outbox_bytes() > 0 || core.is_lagging() || !session.unseen.is_empty() {
                let (bytes, lagging, unseen) = (core.outbox_bytes(), core.is_lagging(), session.unseen.len());
                return Err(format!(
                    "{}: {bytes} bytes wait, {unseen} frames, lagging {lagging}",
                    session.name
                ));
            }
            if core.last_sent() != client.received() {
                return Err(format!(
                    "{}: sent {}, received {}",
                    session.name,
                    core.last_sent(),
                    client.received()
                ));
            }
        }
        self.model.check_unnamed()?;
        self.model.check_views()
    }
}
