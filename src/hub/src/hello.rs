//! The beginning of a link: a new session, or one that goes on.

use crate::act::parse;
use crate::cell::{Carrier, Cell, State};
use crate::clock::unix_ms;
use crate::engine::Answer;
use crate::greeting::{Later, Then, Waiting};
use crate::hub::{Hub, hex, random};
use crate::link::{FULL_RETRY_MS, HubLink};
use crate::tickets::Opened;
use crate::turn;
use crosspoint_core::client::{Hello, Welcome};
use crosspoint_core::link::Subscribe;
use crosspoint_core::session::{Kind, Session};
use crosspoint_core::wire::OutFrame;
use crosspoint_core::{Code, Fault, Frame, Grant, LinkInfo, VERSION};
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::Ordering;

impl Hub {
    /// `Some`: the link waits until it is known who the client is.
    pub(crate) fn hello(self: &Arc<Hub>, link: &HubLink, frame: &Frame) -> Result<Option<Waiting>, Fault> {
        let hello: Box<Hello> = Box::new(parse(frame)?);
        if hello.version != VERSION {
            let text = format!("This hub speaks version {VERSION} of the protocol, not {}", hello.version);
            return Err(Fault::new(Code::VersionUnsupported, text));
        }
        self.greet(link, hello, None)
    }

    /// `known`: what the hello's token was found to allow; then nothing has to be waited for.
    pub(crate) fn greet(
        self: &Arc<Hub>,
        link: &HubLink,
        hello: Box<Hello>,
        known: Option<Arc<Grant>>,
    ) -> Result<Option<Waiting>, Fault> {
        let wait = |grant, hello| Ok(Some(Waiting { grant, then: Then::Hello(hello) }));
        let mut reason = None;
        if let Some(name) = &hello.session {
            match self.resume(link, name, &hello, known.as_ref()) {
                Ok(None) => return Ok(None),
                Ok(Some(grant)) => return wait(grant, hello),
                Err(fault) if fault.code == Code::SessionExpired => {
                    self.stats.resume_failures.fetch_add(known.is_none().into(), Ordering::Relaxed);
                    reason = Some(fault.code);
                }
                Err(fault) => return Err(fault),
            }
        }
        if hello.bulk_for.is_some() || link.info.bulk {
            return self.bulk_hello(link, &hello).map(|()| None);
        }
        let named = hello.token.is_some() || hello.ticket.is_some() || link.is_named();
        if reason.is_some() && !named && hello.user.is_none() {
            return Err(Code::SessionExpired.into());
        }
        if let Some(ticket) = &hello.ticket {
            return self.hello_with_ticket(link, ticket, &hello, reason).map(|()| None);
        }
        let grant = match known.map(|grant| Answer::Ready(Ok(grant))).or_else(|| self.shown(link, &hello)) {
            Some(Answer::Ready(grant)) => grant?,
            Some(Answer::Later(grant)) => return wait(grant, hello),
            None => {
                let grant = self.auth.open(hello.user.as_deref(), hello.info.clone());
                Arc::new(grant.ok_or(Code::Unauthorized)?)
            }
        };
        self.admit_user(&grant.user)?;
        self.admit()?;
        let cell = self.new_session(grant, Kind::Resumable)?;
        self.carry(link, &cell, None, &hello, reason).map(|()| None)
    }

    /// What the hello's token allows, or else what the link's request brought.
    fn shown(&self, link: &HubLink, hello: &Hello) -> Option<Answer<Arc<Grant>>> {
        match &hello.token {
            Some(token) => Some(self.look_up(link, token)),
            None => self.brought(link),
        }
    }

    /// What the request that became the link allows; `None` if it said nothing of its client.
    fn brought(&self, link: &HubLink) -> Option<Answer<Arc<Grant>>> {
        let LinkInfo { grant, token, fault, .. } = &link.info;
        match (grant, token, fault) {
            (Some(grant), ..) => Some(Answer::Ready(Ok(grant.clone()))),
            (None, Some(token), _) => Some(self.look_up(link, token)),
            (None, None, Some(fault)) => Some(Answer::Ready(Err((**fault).clone()))),
            (None, None, None) => None,
        }
    }

    /// Lets in who comes in one by one, whether by negotiation, by hello or without; who has a ticket is in already.
    pub(crate) fn admit(&self) -> Result<(), Fault> {
        self.admission.admit(self.clock.now_us())
    }

    fn hello_with_ticket(
        self: &Arc<Hub>,
        link: &HubLink,
        name: &str,
        hello: &Hello,
        reason: Option<Code>,
    ) -> Result<(), Fault> {
        let make = |grant| self.new_session(grant, Kind::Resumable);
        let cell = match self.tickets.open(self.clock.now(), name, &link.info, make)? {
            Opened::New(cell) => cell,
            // The welcome to the hello before may have got lost with its link.
            Opened::Before(session) => {
                let fresh = self.session(&session).filter(|c| c.state.lock().core.is_fresh());
                fresh.ok_or(Code::Unauthorized)?
            }
        };
        self.carry(link, &cell, None, hello, reason)
    }

    /// `Some`: the session's grant is over, and what the hello brings instead takes time to find out.
    fn resume(
        self: &Arc<Hub>,
        link: &HubLink,
        name: &str,
        hello: &Hello,
        known: Option<&Arc<Grant>>,
    ) -> Result<Option<Later>, Fault> {
        let bulk = self.bulk.read().get(name).cloned();
        let cell = bulk.or_else(|| self.session(name).filter(|_| !link.info.bulk));
        let secret = hello.resume.as_deref().unwrap_or_default();
        let cell = cell.filter(|c| c.is_resumed_by(secret)).ok_or(Code::SessionExpired)?;
        if cell.bulk_of.is_none()
            && let Some(grant) = self.renew(link, &cell, hello, known)?
        {
            return Ok(Some(grant));
        }
        let ticket = hello.ticket.as_ref();
        if ticket.is_none_or(|ticket| self.tickets.grant(self.clock.now(), ticket, &link.info).is_none()) {
            self.admit_user(&cell.user)?;
            self.admit()?;
        }
        self.carry(link, &cell, Some(hello.received), hello, None).map(|()| None)
    }

    /// A hello that resumes may bring a newer grant of the same user; it must, where the session's is over.
    fn renew(
        self: &Arc<Hub>,
        link: &HubLink,
        cell: &Arc<Cell>,
        hello: &Hello,
        known: Option<&Arc<Grant>>,
    ) -> Result<Option<Later>, Fault> {
        let held = cell.state.lock().grant.clone();
        if held.expires_unix_s.is_none() {
            return Ok(None);
        }
        let given = match (&hello.ticket, known) {
            (Some(ticket), _) => {
                let grant = self.tickets.grant(self.clock.now(), ticket, &link.info);
                Answer::Ready(grant.ok_or(Code::Unauthorized.into()))
            }
            (None, Some(grant)) => Answer::Ready(Ok(grant.clone())),
            (None, None) => {
                self.shown(link, hello).unwrap_or_else(|| Answer::Ready(Err(Code::TokenExpired.into())))
            }
        };
        match given {
            Answer::Ready(given) => self.renewed(cell, given).map(|()| None),
            Answer::Later(grant) if held.has_ended(unix_ms()) => Ok(Some(grant)),
            // The session goes on meanwhile.
            Answer::Later(grant) => {
                let (hub, cell) = (self.clone(), cell.clone());
                tokio::spawn(async move {
                    let _ = hub.renewed(&cell, grant.await);
                    hub.schedule(&cell);
                    hub.end_turn();
                });
                Ok(None)
            }
        }
    }

    fn renewed(self: &Arc<Hub>, cell: &Arc<Cell>, given: Result<Arc<Grant>, Fault>) -> Result<(), Fault> {
        let held = cell.state.lock().grant.clone();
        let over = held.has_ended(unix_ms());
        match given {
            Ok(grant) if *grant.user == *cell.user && !grant.has_ended(unix_ms()) => {
                let lasts_longer =
                    grant.expires_unix_s.is_none_or(|e| held.expires_unix_s.is_some_and(|end| e > end));
                if lasts_longer { self.replace_grant(cell, grant) } else { Ok(()) }
            }
            // Who comes with another's token begins anew.
            Ok(_) if over => Err(Code::SessionExpired.into()),
            Err(fault) if over => Err(fault),
            _ => Ok(()),
        }
    }

    /// Makes the link the session's own, and welcomes it. `resumed`: the session goes on for a client that has received so many frames.
    pub(crate) fn carry(
        self: &Arc<Hub>,
        link: &HubLink,
        cell: &Arc<Cell>,
        resumed: Option<u64>,
        hello: &Hello,
        reason: Option<Code>,
    ) -> Result<(), Fault> {
        let now = self.clock.now();
        let mut state = cell.state.lock();
        if state.torn_down {
            return Err(Code::SessionExpired.into());
        }
        let moving = state.core.link().is_some();
        let older = state.core.link_up(now, link.id, resumed.unwrap_or(0))?;
        let beat_ms = state.core.pace(hello.beat_ms, link.info.one_way);
        state.takes_bulk = hello.bulk && cell.bulk_of.is_none();
        state.tell_of_room();
        if let Some(older) = older.and_then(|id| state.take_carrier(id)) {
            self.close(&*older.sender, older.way, &Code::Replaced.into());
        }
        state.old = state.link.replace(Carrier {
            id: link.id,
            transport: link.info.transport,
            way: link.way,
            origin: link.info.origin.clone(),
            remote: link.info.remote,
            address: link.rates.address.clone(),
            sender: link.sender.clone(),
        });
        let welcome = self.welcome(cell, &state, resumed.is_some(), beat_ms, reason);
        state.core.control(OutFrame::with("hub:welcome", &welcome));
        drop(state);
        // The binding lock is held: nobody else sets it.
        let _ = link.cell.set(cell.clone());
        self.links_waiting.fetch_sub(1, Ordering::Relaxed);
        if resumed.is_some() {
            let counter = if moving { &self.stats.moves } else { &self.stats.resumes };
            counter.fetch_add(1, Ordering::Relaxed);
            self.reach.resumed(link.way);
        }
        if let Some(of) = &cell.bulk_of {
            self.bulk_is_linked(of);
        }
        turn::cell(cell);
        self.schedule(cell);
        Ok(())
    }

    fn welcome(
        &self,
        cell: &Cell,
        state: &State,
        resumed: bool,
        beat_ms: u64,
        reason: Option<Code>,
    ) -> Welcome {
        let l = &self.limits;
        Welcome {
            version: VERSION,
            session: cell.name.to_string(),
            resume: cell.resume.to_string(),
            user: cell.user.to_string(),
            info: state.grant.info.clone(),
            resumed,
            reason,
            received: state.core.received(),
            start: state.core.start(),
            heartbeat_ms: l.heartbeat_ms,
            beat_ms,
            resume_ms: l.resume_ms,
            ack_every: l.ack_every,
            ack_delay_ms: l.ack_delay_ms,
            limits: l.for_client(),
            reports: cell.bulk_of.is_none(),
            bulk: state.takes_bulk,
        }
    }

    fn new_session(self: &Arc<Hub>, grant: Arc<Grant>, kind: Kind) -> Result<Arc<Cell>, Fault> {
        self.check_grant(&grant)?;
        self.takes_clients()?;
        let now = self.clock.now();
        let name: Arc<str> = hex(&random::<12>()).into();
        let user: Arc<str> = if grant.user.is_empty() {
            format!("anonymous-{}", &name[..16]).into()
        } else {
            grant.user.as_str().into()
        };
        let resume = if kind == Kind::Resumable { hex(&random::<16>()) } else { String::new() };
        let core = Session::new(now, self.limits.clone(), kind);
        let cell = Arc::new(Cell::new(name.clone(), user.clone(), core, resume, grant.clone(), None));
        cell.state.lock().set_grant(grant.clone(), now, self.expiring_ms);
        let mut sessions = self.sessions.write();
        if sessions.len() >= self.limits.sessions_max {
            let fault = Fault::new(Code::Unavailable, "The hub holds as many sessions as it may");
            return Err(fault.after(FULL_RETRY_MS));
        }
        self.one_session_more(self.users.read().get(&user).map_or(0, Vec::len))?;
        sessions.insert(name, cell.clone());
        // Both at once: whoever finds the session can end it.
        self.users.write().entry(user).or_default().push(cell.clone());
        drop(sessions);
        self.stats.sessions_opened.fetch_add(1, Ordering::Relaxed);
        if self.revocations.has(&grant) {
            // Revoked between the look and the entry: whoever did it may not have found it here.
            self.tear_down(&cell, &Code::TokenRevoked.into());
            return Err(Code::TokenRevoked.into());
        }
        Ok(cell)
    }

    /// A session for a client that says no hello. `Some`: the link waits until it is known who the client is.
    pub(crate) fn plain_session(self: &Arc<Hub>, link: &HubLink) -> Result<Option<Waiting>, Fault> {
        let grant = match self.brought(link) {
            Some(Answer::Ready(grant)) => grant?,
            Some(Answer::Later(grant)) => return Ok(Some(Waiting { grant, then: Then::Plain })),
            None => Arc::new(self.auth.open(None, None).ok_or(Code::Unauthorized)?),
        };
        self.plain_session_of(link, Kind::Plain, grant).map(|_| None)
    }

    pub(crate) fn plain_session_of(
        self: &Arc<Hub>,
        link: &HubLink,
        kind: Kind,
        grant: Arc<Grant>,
    ) -> Result<Arc<Cell>, Fault> {
        self.admit_user(&grant.user)?;
        self.admit()?;
        let cell = self.new_session(grant, kind)?;
        let mut state = cell.state.lock();
        state.core.link_up(self.clock.now(), link.id, 0)?;
        state.link = Some(Carrier {
            id: link.id,
            transport: link.info.transport,
            way: link.way,
            origin: link.info.origin.clone(),
            remote: link.info.remote,
            address: link.rates.address.clone(),
            sender: link.sender.clone(),
        });
        drop(state);
        let _ = link.cell.set(cell.clone());
        self.links_waiting.fetch_sub(1, Ordering::Relaxed);
        self.schedule(&cell);
        Ok(cell)
    }

    /// A plain event stream: a session that only listens to one room.
    pub(crate) fn listen(
        self: &Arc<Hub>,
        link: &HubLink,
        subscribe: Subscribe,
    ) -> Result<Option<Waiting>, Fault> {
        // It listens only.
        let none = || Some(vec![]);
        let public = || Grant {
            join: vec![subscribe.room.clone()],
            publish: none(),
            signal: none(),
            files: none(),
            call: none(),
            ..Grant::default()
        };
        let grant = match self.brought(link) {
            Some(Answer::Ready(grant)) => grant?,
            Some(Answer::Later(grant)) => return Ok(Some(Waiting { grant, then: Then::Listen(subscribe) })),
            None => {
                let open = self.auth.open(None, None);
                let is_public = self.namespaces.of(&subscribe.room).public;
                Arc::new(open.or_else(|| is_public.then(public)).ok_or(Code::Unauthorized)?)
            }
        };
        self.listen_as(link, subscribe, grant).map(|()| None)
    }

    pub(crate) fn listen_as(
        self: &Arc<Hub>,
        link: &HubLink,
        subscribe: Subscribe,
        grant: Arc<Grant>,
    ) -> Result<(), Fault> {
        let cell = self.plain_session_of(link, Kind::Listener, grant)?;
        let mut data = json!({});
        if let Some(since) = subscribe.since {
            data["since"] = since.into();
        }
        if let Some(n) = subscribe.history {
            data["history"] = n.into();
        }
        let join = Frame::with("hub:join", &data).room(subscribe.room);
        let (hub, cell2) = (self.clone(), cell.clone());
        self.finish(async move {
            if let Err(fault) = hub.join(&cell2, join).await {
                hub.tear_down(&cell2, &fault);
            }
        });
        Ok(())
    }
}
