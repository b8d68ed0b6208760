//! The hub: its registries, and what it does for its sessions.

use crate::admission::Admission;
use crate::auth::Authenticator;
use crate::cell::Cell;
use crate::clock::Clock;
use crate::config::{HubConfig, Namespace, Namespaces};
use crate::drain::Draining;
use crate::engine::{Engine, HistoryFrom, HistoryQuery};
use crate::hooks::{HookPoint, Hooks};
use crate::ice::IceSource;
use crate::link::HubLink;
use crate::moderation::Moderations;
use crate::offers::Offers;
use crate::payloads::PayloadCheck;
use crate::rates::Limiter;
use crate::reach::Reach;
use crate::requests::Requests;
use crate::revoke::Revocations;
use crate::room::Room;
use crate::stats::Counters;
use crate::tickets::Tickets;
use crate::turn;
use crate::watch::Watches;
use crate::wheel::Wheel;
use crosspoint_core::report::Way;
use crosspoint_core::session::{Action, ReadId};
use crosspoint_core::wire::OutFrame;
use crosspoint_core::{Code, Fault, Frame, Limits, LinkSender, SharedFrame};
use parking_lot::{Mutex, RwLock};
use serde_json::json;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use tokio::sync::Notify;

/// Sessions, rooms, and what goes on between them. Cheap to share; lives until the last [`Arc`] goes and its runtime ends.
pub struct Hub {
    pub(crate) limits: Arc<Limits>,
    pub(crate) bulk_limits: Arc<Limits>,
    pub(crate) namespaces: Namespaces,
    pub(crate) engine: Arc<dyn Engine>,
    pub(crate) auth: Arc<dyn Authenticator>,
    pub(crate) ice: OnceLock<Arc<dyn IceSource>>,
    pub(crate) offers: OnceLock<Arc<dyn Offers>>,
    pub(crate) payloads: OnceLock<Arc<dyn PayloadCheck>>,
    pub(crate) hooks: OnceLock<Arc<dyn Hooks>>,
    pub(crate) clock: Clock,
    pub(crate) sessions: RwLock<HashMap<Arc<str>, Arc<Cell>>>,
    /// Bulk sessions, by their own names, which only a resume says.
    pub(crate) bulk: RwLock<HashMap<Arc<str>, Arc<Cell>>>,
    pub(crate) users: RwLock<HashMap<Arc<str>, Vec<Arc<Cell>>>>,
    pub(crate) rooms: RwLock<HashMap<Arc<str>, Arc<Room>>>,
    pub(crate) services: RwLock<HashMap<Box<str>, Vec<Arc<Cell>>>>,
    pub(crate) tickets: Tickets,
    pub(crate) revocations: Revocations,
    pub(crate) moderations: Moderations,
    pub(crate) expiring_ms: u64,
    pub(crate) requests: Requests,
    pub(crate) watches: Watches,
    pub(crate) timers: Wheel<Timer>,
    /// Rooms with presence changes to announce.
    pub(crate) announcements: Mutex<Vec<Arc<Room>>>,
    pub(crate) link_ids: AtomicU64,
    pub(crate) links: AtomicUsize,
    pub(crate) links_waiting: AtomicUsize,
    pub(crate) draining: Draining,
    pub(crate) admission: Admission,
    pub(crate) rates: Limiter,
    pub(crate) reach: Reach,
    /// Sessions that wait for a turn's task, and word that there are fewer.
    pub(crate) backlog: AtomicUsize,
    pub(crate) backlog_sank: Notify,
    pub(crate) stats: Counters,
}

/// What the wheel looks at.
pub(crate) enum Timer {
    /// A session wants to be looked at; at this time, by which it knows the timer.
    Session(Weak<Cell>, u64),
    /// A link that should have said hello by now.
    Hello(Weak<HubLink>),
    /// A user's last session left a room some time ago.
    Leave {
        room: Arc<str>,
        user: Arc<str>,
        session: Arc<str>,
        reason: &'static str,
    },
    Request(Arc<str>),
    /// A session that said goodbye, and whose frames from before should be done with by now.
    Bye(Weak<Cell>),
}

/// 96 random bits as 24 hex digits.
pub fn random_id() -> String {
    hex(&random::<12>())
}

pub(crate) fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    // The kernel's generator fails only before it is seeded at boot; then nothing here could be kept secret.
    if getrandom::fill(&mut bytes).is_err() {
        tracing::error!("the system has no randomness");
        std::process::abort();
    }
    bytes
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .flat_map(|b| [b >> 4, b & 15])
        .map(|d| char::from_digit(d.into(), 16).unwrap_or('0'))
        .collect()
}

impl Hub {
    /// A hub that takes clients. Call it inside a tokio runtime: the hub's timers run there.
    pub fn new(config: HubConfig, engine: Arc<dyn Engine>, auth: Arc<dyn Authenticator>) -> Arc<Hub> {
        let clock = Clock::new();
        let hub = Arc::new(Hub {
            rates: Limiter::new(&config, clock),
            tickets: Tickets::new(config.limits.ticket_ms, config.limits.sessions_max, config.ticket_binding),
            revocations: Revocations::new(config.limits.revocations_max),
            moderations: Moderations::new(config.limits.room_moderated_max, config.limits.moderated_max),
            expiring_ms: config.expiring_ms,
            admission: Admission::new(config.limits.connects_per_s),
            bulk_limits: Arc::new(config.limits.for_bulk()),
            limits: Arc::new(config.limits),
            namespaces: Namespaces::new(config.namespaces),
            engine,
            auth,
            ice: OnceLock::new(),
            offers: OnceLock::new(),
            payloads: OnceLock::new(),
            hooks: OnceLock::new(),
            clock,
            sessions: RwLock::default(),
            bulk: RwLock::default(),
            users: RwLock::default(),
            rooms: RwLock::default(),
            services: RwLock::default(),
            requests: Requests::default(),
            watches: Watches::default(),
            timers: Wheel::new(),
            announcements: Mutex::default(),
            link_ids: AtomicU64::new(1),
            links: AtomicUsize::new(0),
            links_waiting: AtomicUsize::new(0),
            draining: Draining::default(),
            reach: Reach::default(),
            backlog: AtomicUsize::new(0),
            backlog_sank: Notify::new(),
            stats: Counters::default(),
        });
        hub.engine.attach(Arc::new(crate::feed::HubFeed(Arc::downgrade(&hub))));
        crate::ticker::spawn(&hub);
        hub
    }

    /// Where transports bring their links.
    pub fn acceptor(self: &Arc<Hub>) -> Arc<dyn crosspoint_core::Acceptor> {
        Arc::new(crate::link::HubAcceptor(self.clone()))
    }

    /// The limits in force.
    pub fn limits(&self) -> &Arc<Limits> {
        &self.limits
    }

    /// The settings that hold for a room of this name.
    pub fn namespace(&self, room: &str) -> &Namespace {
        self.namespaces.of(room)
    }

    pub(crate) fn session(&self, name: &str) -> Option<Arc<Cell>> {
        self.sessions.read().get(name).cloned()
    }

    /// The room of this name, made if need be.
    pub(crate) fn room(&self, name: &str) -> Result<Arc<Room>, Fault> {
        if let Some(room) = self.rooms.read().get(name) {
            return Ok(room.clone());
        }
        let mut rooms = self.rooms.write();
        if let Some(room) = rooms.get(name) {
            return Ok(room.clone());
        }
        if rooms.len() >= self.limits.hub_rooms_max {
            return Err(Fault::new(Code::Unavailable, "The hub holds as many rooms as it may"));
        }
        let name: Arc<str> = name.into();
        let mut room = Room::new(name.clone(), self.namespaces.of(&name).clone());
        room.spent = self.rates.room(&room.namespace.prefix);
        room.hooks = self.told(&room.namespace, HookPoint::Room).cloned();
        if self.moderations.has(&name) {
            room.set_moderated();
        }
        let room = Arc::new(room);
        rooms.insert(name.clone(), room.clone());
        self.engine.subscribe(&name);
        Ok(room)
    }

    /// Lets go of a room without members.
    pub(crate) fn release(&self, room: &Arc<Room>) {
        if room.sessions() > 0 {
            return;
        }
        let mut rooms = self.rooms.write();
        if room.bury() && rooms.get(&room.name).is_some_and(|r| Arc::ptr_eq(r, room)) {
            rooms.remove(&room.name);
            self.engine.unsubscribe(&room.name);
        }
    }

    /// Makes sure the wheel looks at the session in time.
    pub(crate) fn schedule(&self, cell: &Arc<Cell>) {
        let at = cell.state.lock().wanted_timer();
        if let Some(at) = at {
            self.set_timer(cell, at);
        }
    }

    pub(crate) fn set_timer(&self, cell: &Arc<Cell>, at: u64) {
        self.timers.set(at, Timer::Session(Arc::downgrade(cell), at));
    }

    /// Does what a session wants done.
    pub(crate) fn perform(self: &Arc<Hub>, cell: &Arc<Cell>, actions: Vec<Action>) {
        for action in actions {
            match action {
                Action::Close(link, code) => {
                    let carrier = cell.state.lock().take_carrier(link);
                    if let Some(carrier) = carrier {
                        self.close(&*carrier.sender, carrier.way, &code.into());
                    }
                    self.schedule(cell);
                }
                Action::Probe(link) => {
                    let sender =
                        cell.state.lock().link.as_ref().filter(|c| c.id == link).map(|c| c.sender.clone());
                    if let Some(sender) = sender {
                        sender.probe();
                    }
                }
                Action::CatchUp(room, after, read) => self.catch_up(cell, room, after, read),
                Action::End(Code::Bye) if cell.has_more_to_say() => {
                    // Who acts on the inbox ends it then.
                    let at = self.clock.now().saturating_add(self.limits.resume_ms);
                    self.timers.set(at, Timer::Bye(Arc::downgrade(cell)));
                }
                Action::End(code) => self.tear_down(cell, &code.into()),
            }
        }
    }

    fn catch_up(self: &Arc<Hub>, cell: &Arc<Cell>, name: Arc<str>, after: Option<u64>, read: ReadId) {
        let joined = cell.state.lock().rooms.get(&name).map(|j| j.room.clone());
        let Some(room) = joined else { return };
        let Some(after) = after.filter(|_| room.has_history()) else {
            self.stats.gaps.fetch_add(1, Ordering::Relaxed);
            let gap = gap(&name, None, "slow_consumer");
            cell.state.lock().core.caught_up(&name, read, Some(gap), &[], u64::MAX, false);
            return turn::cell(cell);
        };
        let query = HistoryQuery { from: HistoryFrom::After(after), limit: self.limits.history_page_max };
        let answer = self.engine.history(&name, &room.namespace, query);
        let (hub, cell) = (self.clone(), cell.clone());
        self.finish(async move {
            match answer.await {
                // The session has seen a later event than the engine finds: that isn't all yet.
                Ok(page) if page.head.offset <= after => {
                    tracing::warn!(room = &*name, after, head = page.head.offset, "the history lags");
                    cell.state.lock().core.catch_up_failed(hub.clock.now(), &name, read);
                }
                Ok(page) => {
                    let gap = (!page.complete).then(|| gap(&name, Some(&page.start), "history_trimmed"));
                    hub.stats.gaps.fetch_add(gap.is_some() as u64, Ordering::Relaxed);
                    let (events, upto, more) = page.part_of(&cell.name);
                    cell.state.lock().core.caught_up(&name, read, gap, &events, upto, more);
                }
                Err(_) => cell.state.lock().core.catch_up_failed(hub.clock.now(), &name, read),
            }
            turn::cell(&cell);
            hub.schedule(&cell);
        });
    }

    /// Runs a future to its end: now if nothing in it waits, else in a task. The caller ends the turn.
    pub(crate) fn finish(self: &Arc<Hub>, future: impl Future<Output = ()> + Send + 'static) {
        if let Some(rest) = now_or_later(future) {
            let hub = self.clone();
            tokio::spawn(async move {
                rest.await;
                hub.end_turn();
            });
        }
    }

    /// Takes a session that has ended out of everything.
    pub(crate) fn tear_down(self: &Arc<Hub>, cell: &Arc<Cell>, fault: &Fault) {
        let mut state = cell.state.lock();
        if std::mem::replace(&mut state.torn_down, true) {
            return;
        }
        if fault.code == Code::SlowConsumer {
            self.stats.slow_consumers.fetch_add(1, Ordering::Relaxed);
        }
        state.core.end(fault.code);
        let rooms = state.rooms.take();
        let services = std::mem::take(&mut state.services);
        let receiver = state.receiver.take();
        state.inbox.clear();
        if let Some(notify) = state.room_in_inbox.take() {
            notify.notify_waiters();
        }
        for carrier in state.take_carriers() {
            self.close(&*carrier.sender, carrier.way, fault);
        }
        drop(state);
        if let Some(of) = &cell.bulk_of {
            return self.tear_down_bulk(cell, of);
        }
        if let Some(receiver) = receiver {
            receiver.changed.notify_waiters();
            receiver.session.iter().for_each(|bulk| self.tear_down(bulk, fault));
        }
        self.sessions.write().remove(&cell.name);
        let mut users = self.users.write();
        if let Some(list) = users.get_mut(&cell.user) {
            if let Some(at) = list.iter().position(|c| Arc::ptr_eq(c, cell)) {
                list.swap_remove(at);
            }
            if list.is_empty() {
                users.remove(&cell.user);
            }
        }
        drop(users);
        for joined in rooms {
            joined.room.roster.remove(&joined.room.name, &cell.name, Some(fault.code));
            joined.room.remove(&cell.name);
            if joined.present {
                self.leave_later(&joined.room, cell, fault.code.name());
            }
            self.release(&joined.room);
        }
        services.iter().for_each(|s| self.detach(s, cell));
        self.fail_requests_to(cell);
        self.tell_watchers(cell, fault.code);
        self.tell_end(cell, fault.code);
    }

    fn leave_later(&self, room: &Arc<Room>, cell: &Arc<Cell>, reason: &'static str) {
        let (name, user, session) = (room.name.clone(), cell.user.clone(), cell.name.clone());
        let at = self.clock.now().saturating_add(room.namespace.leave_delay_ms);
        self.timers.set(at, Timer::Leave { room: name, user, session, reason });
    }

    pub(crate) fn detach(&self, service: &str, cell: &Arc<Cell>) {
        let mut services = self.services.write();
        if let Some(list) = services.get_mut(service) {
            list.retain(|c| !Arc::ptr_eq(c, cell));
            if list.is_empty() {
                services.remove(service);
            }
        }
    }

    /// Closes a link, once.
    pub(crate) fn close(&self, sender: &dyn LinkSender, way: Way, fault: &Fault) {
        self.reach.closed(way, fault.code);
        sender.close(fault, Some(&OutFrame::with("hub:close", fault)));
    }

    /// Sends a frame to sessions.
    pub(crate) fn send_all(&self, cells: &[Arc<Cell>], frame: &SharedFrame) {
        for cell in cells {
            cell.send(frame.clone());
            turn::cell(cell);
        }
    }

    pub(crate) fn users_cells(&self, user: &str) -> Vec<Arc<Cell>> {
        self.users.read().get(user).cloned().unwrap_or_default()
    }

    pub(crate) fn all_cells(&self) -> Vec<Arc<Cell>> {
        self.sessions.read().values().cloned().collect()
    }
}

/// Polls a future once; what waits comes back.
pub(crate) fn now_or_later<F>(future: F) -> Option<crosspoint_core::link::BoxFuture<'static, ()>>
where
    F: Future<Output = ()> + Send + 'static,
{
    let mut future: crosspoint_core::link::BoxFuture<'static, ()> = Box::pin(future);
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    future.as_mut().poll(&mut context).is_pending().then_some(future)
}

/// The frame that announces a gap.
pub(crate) fn gap(room: &str, position: Option<&crosspoint_core::Position>, reason: &str) -> SharedFrame {
    let data = match position {
        Some(p) => json!({"position": p, "reason": reason}),
        None => json!({"reason": reason}),
    };
    Arc::new(OutFrame::new(&Frame::with("hub:gap", &data).room(room)))
}
