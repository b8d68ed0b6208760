//! The race for a link: what it wants done, and what its winner brings.

use super::Driver;
use super::command::Done;
use super::connect::{Current, agent};
use crate::event::{ClientEvent, State};
use crate::link::{Context, Handle};
use crate::plan::{self, Candidate};
use crate::race::{Action, Race};
use crate::status::count;
use crate::transport::Transport;
use crosspoint_core::Fault;
use crosspoint_core::client::{Input, LinkId};
use serde_json::{Map, Value};

pub(super) struct Racing {
    pub(super) race: Race,
    pub(super) cause: &'static str,
    began: u64,
    /// The runners' links, by place.
    ids: Vec<Option<LinkId>>,
    done: Option<Done<()>>,
}

impl Racing {
    pub(super) fn runner(&self, id: LinkId) -> Option<usize> {
        self.ids.iter().position(|i| *i == Some(id))
    }
}

impl Driver {
    pub(super) fn start_race(
        &mut self,
        candidates: Vec<Candidate>,
        cause: &'static str,
        cautious: bool,
        done: Option<Done<()>>,
    ) {
        let now = self.clock.now();
        self.reporting.begins(now);
        let ids = vec![None; candidates.len()];
        let took_ms = self.connect.negotiated.as_ref().map_or(0, |n| n.took_ms);
        let race = Race::new(now, candidates, cautious, plan::fair_ms(took_ms));
        self.connect.racing = Some(Racing { race, cause, began: now, ids, done });
    }

    pub(super) fn stop_race(&mut self, because: Fault) {
        let Some(Racing { ids, done, .. }) = self.connect.racing.take() else { return };
        ids.into_iter().flatten().for_each(|id| self.drop_link(id));
        if let Some(done) = done {
            let _ = done.send(Err(because));
        }
    }

    fn drop_link(&mut self, id: LinkId) {
        self.finish_link(id, false);
        let _ = self.input(Input::Closed { link: id });
    }

    pub(super) fn proven(&mut self, id: LinkId) {
        let now = self.clock.now();
        if let Some(racing) = &mut self.connect.racing
            && let Some(runner) = racing.runner(id)
        {
            racing.race.proven(now, runner);
        }
    }

    /// Does what the race wants done next. `false`: nothing.
    pub(super) fn race_on(&mut self) -> bool {
        let Some(racing) = &mut self.connect.racing else { return false };
        let Some(action) = racing.race.poll() else { return false };
        match action {
            Action::Open { runner, probe } => {
                let candidate = racing.race.candidate(runner).clone();
                let id = self.open(&candidate, probe);
                if let Some(racing) = &mut self.connect.racing {
                    racing.ids[runner] = Some(id);
                }
            }
            Action::Hello { runner } => {
                let transport = racing.race.candidate(runner).transport;
                let (link, cause) = (racing.ids[runner], racing.cause);
                if let Some(link) = link {
                    let cause = self.cause_of(cause, transport).into();
                    let auth = self.auth();
                    let _ = self.input(Input::Hello { link, cause, auth });
                }
            }
            Action::Drop { runner } => {
                if let Some(id) = racing.ids[runner].take() {
                    self.drop_link(id);
                }
            }
            Action::Failed(fault) => {
                let now = self.clock.now();
                self.reporting.tried(racing.race.attempts(now));
                if let Some(Racing { done: Some(done), .. }) = self.connect.racing.take() {
                    let _ = done.send(Err(fault.clone()));
                }
                match self.connect.current {
                    Some(_) => {
                        self.reporting.over();
                        self.look();
                    }
                    None => self.attempt_failed(fault),
                }
            }
        }
        true
    }

    fn open(&mut self, candidate: &Candidate, probe: bool) -> LinkId {
        self.last_link += 1;
        let id = self.last_link;
        let options = &self.shared.options;
        let context = Context {
            id,
            address: candidate.address.clone(),
            certificate_hashes: candidate.certificate_hashes.clone(),
            probe,
            tls: self.tls.clone(),
            within: options.connect_timeout,
            post_bytes_max: self.shared.post_bytes_max.clone(),
            posts: self.posts.clone(),
            bulk: false,
            beside: self.shared.beside.clone(),
            events: self.link_events.clone(),
        };
        self.links.insert(id, Handle::start(candidate.transport, context, options.queue_max));
        id
    }

    /// Who I am, for the hello: the ticket where there is a fresh one, else the token.
    fn auth(&mut self) -> Map<String, Value> {
        let c = &self.connect;
        let options = &self.shared.options;
        let mut who = Map::new();
        who.insert("client".into(), agent(&options.name));
        who.insert("bulk".into(), true.into());
        // With a session too: its ticket lets the client in, whatever became of the session.
        let fresh = self.clock.now() < c.ticket_until;
        let ticket = c.negotiated.as_ref().and_then(|n| n.ticket.as_deref()).filter(|_| fresh);
        let by_ticket = ticket.is_some();
        match (ticket, c.tokens.known()) {
            (Some(ticket), _) => drop(who.insert("ticket".into(), ticket.into())),
            (None, Some(token)) => drop(who.insert("token".into(), token.into())),
            (None, None) => {}
        }
        if let Some(user) = &options.user {
            who.insert("user".into(), user.as_str().into());
        }
        if let Some(info) = &options.info {
            who.insert("info".into(), info.clone().into());
        }
        self.connect.by_ticket = by_ticket;
        who
    }

    /// After a loss the way may lead down.
    fn cause_of(&self, cause: &'static str, transport: Transport) -> &'static str {
        let rank = |t| self.connect.candidates.iter().position(|c| Some(c.transport) == t);
        if cause == "lost" && rank(Some(transport)) > rank(self.connect.last) { "down" } else { cause }
    }

    pub(super) fn welcomed(&mut self, id: LinkId, session: String, user: String, resumed: bool) {
        let now = self.clock.now();
        let runner = self.connect.racing.as_ref().and_then(|r| r.runner(id));
        let (Some(runner), Some(mut racing)) = (runner, self.connect.racing.take()) else { return };
        racing.race.won(runner);
        while let Some(action) = racing.race.poll() {
            if let Action::Drop { runner } = action
                && let Some(id) = racing.ids[runner].take()
            {
                self.drop_link(id);
            }
        }
        let candidate = racing.race.candidate(runner).clone();
        let transport = candidate.transport;
        let main = self.machine.identity().filter(|_| self.takes_bulk).cloned();
        self.shared.bulk.home.send_modify(|home| (home.main, home.by) = (main, Some(candidate)));
        let cause = self.cause_of(racing.cause, transport);
        self.reporting.tried(racing.race.attempts(now));
        self.reporting.welcomed(now, id, cause, self.connect.last);
        self.detour.arrived();
        let c = &mut self.connect;
        // A ticket opens one session.
        c.ticket_until = 0;
        for (candidate, fault) in racing.race.failures() {
            c.memory.failed(candidate.transport, fault.code.name(), now);
        }
        c.memory.worked(transport);
        c.tokens.accepted();
        c.failures = 0;
        let moved = c.current.replace(Current { id, transport, at: now }).is_some();
        let previous = c.last.replace(transport);
        let counters = &self.shared.counters;
        match (moved, previous) {
            (true, _) => count(&counters.moves),
            (false, Some(_)) => count(&counters.reconnects),
            (false, None) => {}
        }
        if resumed {
            count(&counters.resumes);
        }
        self.set_state(State::Connected, None, |s| {
            s.transport = Some(transport);
            s.session = Some(session.clone());
            s.user = Some(user.clone());
        });
        let ms = now.saturating_sub(racing.began);
        self.emit(ClientEvent::Session { session, user, resumed });
        self.emit(ClientEvent::Transport { transport, previous, cause, ms });
        self.settled(cause, racing.done.is_some());
        self.renew_in_time();
        if let Some(done) = racing.done {
            let _ = done.send(Ok(()));
        }
    }
}
