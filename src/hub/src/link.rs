//! The hub's side of a link: finds or makes its session with the first message, then passes messages in.

use crate::act::BAD;
use crate::cell::Cell;
use crate::greeting::Early;
use crate::hub::{Hub, Timer};
use crate::rates::LinkRates;
use crate::reach::way_of;
use crate::turn;
use bytes::Bytes;
use crosspoint_core::link::BoxFuture;
use crosspoint_core::report::{Report, Way};
use crosspoint_core::session::{Beat, LinkId, Taken};
use crosspoint_core::wire::OutFrame;
use crosspoint_core::{
    Acceptor, Code, Fault, Flow, Frame, FrameError, LinkInfo, LinkPeer, LinkSender, Message,
};
use parking_lot::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

/// When a client may come again that found the hub full, ms.
pub(crate) const FULL_RETRY_MS: u64 = 5_000;

pub(crate) struct HubAcceptor(pub(crate) Arc<Hub>);

pub(crate) struct HubLink {
    pub(crate) me: Weak<HubLink>,
    pub(crate) id: LinkId,
    pub(crate) hub: Arc<Hub>,
    pub(crate) sender: Arc<dyn LinkSender>,
    pub(crate) info: LinkInfo,
    pub(crate) way: Way,
    pub(crate) rates: LinkRates,
    /// The session, once there is one. Never changes.
    pub(crate) cell: OnceLock<Arc<Cell>>,
    /// One hello at a time; what comes while it waits.
    pub(crate) binding: Mutex<Option<Early>>,
    /// It waits until it is known who the client is.
    pub(crate) greeting: AtomicBool,
    bad_frames: AtomicU32,
    /// The hub has closed it, other than through its session.
    closed: AtomicBool,
    /// Its client has reported.
    reported: AtomicBool,
    down: AtomicBool,
}

impl Acceptor for HubAcceptor {
    fn link_up(&self, info: LinkInfo, sender: Arc<dyn LinkSender>) -> Arc<dyn LinkPeer> {
        let hub = &self.0;
        hub.links.fetch_add(1, Ordering::Relaxed);
        hub.stats.links_opened.fetch_add(1, Ordering::Relaxed);
        let waiting = hub.links_waiting.fetch_add(1, Ordering::Relaxed);
        let (subscribe, way) = (info.subscribe.clone(), way_of(&info));
        hub.reach.opened(way);
        let (address, may) = hub.rates.link_up(&info);
        let link = Arc::new_cyclic(|me| HubLink {
            me: me.clone(),
            id: hub.link_ids.fetch_add(1, Ordering::Relaxed),
            hub: hub.clone(),
            sender,
            info,
            way,
            rates: LinkRates::new(address),
            cell: OnceLock::new(),
            binding: Mutex::default(),
            greeting: AtomicBool::new(false),
            bad_frames: AtomicU32::new(0),
            closed: AtomicBool::new(false),
            reported: AtomicBool::new(false),
            down: AtomicBool::new(false),
        });
        if let Err(fault) = hub.takes_clients().and(may) {
            link.refuse(&fault);
        } else if waiting >= hub.limits.links_waiting_max {
            let fault = Fault::new(Code::Unavailable, "Too many links wait for their hello");
            link.refuse(&fault.after(FULL_RETRY_MS));
        } else if let Some(subscribe) = subscribe {
            let mut binding = link.binding.lock();
            match hub.listen(&link, subscribe) {
                Ok(None) => {}
                Ok(Some(waiting)) => link.wait_for(&mut binding, waiting, None),
                Err(fault) => link.refuse(&fault),
            }
            drop(binding);
            hub.end_turn();
        } else {
            let at = hub.clock.now() + hub.limits.hello_ms;
            hub.timers.set(at, Timer::Hello(Arc::downgrade(&link)));
        }
        link
    }

    fn accepting(&self) -> bool {
        self.0.takes_clients().is_ok()
    }
}

impl HubLink {
    /// Whether it has neither a session nor said who it is for.
    pub(crate) fn waits(&self) -> bool {
        self.cell.get().is_none() && !self.down.load(Ordering::Relaxed) && !self.is_greeted()
    }

    /// Whether it is gone, or the hub has closed it.
    pub(crate) fn is_over(&self) -> bool {
        self.down.load(Ordering::Relaxed) || self.closed.load(Ordering::Relaxed)
    }

    /// Whether the request that became it said who its client is.
    pub(crate) fn is_named(&self) -> bool {
        self.info.grant.is_some() || self.info.token.is_some() || self.info.fault.is_some()
    }

    pub(crate) fn refuse(&self, fault: &Fault) {
        self.hub.stats.refused.fetch_add(1, Ordering::Relaxed);
        self.hub.reach.refused(self.way);
        self.close(fault);
    }

    pub(crate) fn close(&self, fault: &Fault) {
        if !self.closed.swap(true, Ordering::Relaxed) {
            self.hub.close(&*self.sender, self.way, fault);
        }
    }

    fn give_up(&self, fault: &Fault) -> Flow {
        if let Some(cell) = self.cell.get() {
            // The session has nothing more to say on it, or to close.
            cell.state.lock().take_carrier(self.id);
        }
        self.close(fault);
        Flow::Stop
    }

    fn report(&self, frame: &Frame) {
        let carries = self.cell.get().is_some_and(|cell| !cell.resume.is_empty());
        if carries
            && !self.reported.swap(true, Ordering::Relaxed)
            && let Some(report) = Report::read(frame)
        {
            self.hub.reach.reported(self.way, &report);
        }
    }

    fn bad_frame(&self, seq: Option<u64>, why: &FrameError) -> Flow {
        self.hub.stats.bad_frames.fetch_add(1, Ordering::Relaxed);
        let bad = self.bad_frames.fetch_add(1, Ordering::Relaxed) + 1;
        // serde quotes what it didn't like, however long.
        let (code, id) = match why {
            FrameError::Length(_, _, Some(id)) => (Code::BadRequest, Some(id.to_string())),
            _ => (Code::BadFrame, None),
        };
        let fault = Fault::new(code, format!("{:.300}", why.to_string()));
        if bad > self.hub.limits.bad_frames_max {
            return self.give_up(&fault);
        }
        // It has its place in the sequence: acting on it means saying what is wrong.
        let mut frame = Frame::with(BAD, &fault);
        frame.id = id;
        match self.cell.get() {
            _ if self.is_greeted() => self.first(seq, frame),
            Some(cell) => self.counted(cell, seq, frame),
            None => self.give_up(&fault),
        }
    }

    pub(crate) fn counted(&self, cell: &Arc<Cell>, seq: Option<u64>, frame: Frame) -> Flow {
        let hub = &self.hub;
        if frame.kind == "hub:report" {
            self.report(&frame);
        }
        let now = hub.clock.now();
        let mut state = cell.state.lock();
        if state.grant_is_over(now) {
            // The wheel may not have come to it yet.
            drop(state);
            hub.tear_down(cell, &Code::TokenExpired.into());
            return Flow::Stop;
        }
        let taken = state.core.receive(now, self.id, seq, frame);
        state.tell_of_room();
        let actions = state.actions(now);
        let next = match taken {
            Taken::Act(frame) => Some(frame),
            Taken::Nothing | Taken::Refused => None,
            Taken::Fault(code) => {
                drop(state);
                // What the session wanted besides is wanted once.
                hub.perform(cell, actions);
                return self.give_up(&code.into());
            }
            Taken::Bye => {
                drop(state);
                hub.perform(cell, actions);
                return Flow::Stop;
            }
        };
        let act = next.is_some() && !std::mem::replace(&mut state.busy, true);
        // The usual frame is acted on at once; what comes while that goes on, or came early, waits.
        let (now_frame, waiting) = if act { (next, None) } else { (None, next) };
        state.inbox.extend(waiting);
        while let Some(early) = state.core.take_early(now) {
            state.inbox.push_back(early);
        }
        let timer = state.wanted_timer();
        drop(state);
        turn::cell(cell);
        hub.perform(cell, actions);
        if let Some(at) = timer {
            hub.set_timer(cell, at);
        }
        if let Some(frame) = now_frame {
            hub.act_from(cell, frame);
        }
        let full = {
            let mut state = cell.state.lock();
            let full = state.inbox_is_full(&hub.limits, cell.bulk_of.is_some());
            if full {
                state.core.hold(self.id);
            }
            full || state.paused_until() > now
        };
        if full || hub.backlog.load(Ordering::Relaxed) > turn::BACKLOG_MAX {
            Flow::Wait
        } else {
            Flow::Continue
        }
    }

    fn beat(&self) {
        if let Some(cell) = self.cell.get() {
            cell.state.lock().core.beat(self.hub.clock.now(), self.id);
            turn::cell(cell);
        }
    }

    fn first(&self, seq: Option<u64>, frame: Frame) -> Flow {
        let mut binding = self.binding.lock();
        if self.is_over() {
            return Flow::Stop;
        }
        if let Some(early) = &mut *binding {
            return match early.keep(seq, frame, self.hub.limits.inbox_frames_max) {
                Ok(()) => Flow::Wait,
                Err(fault) => self.turn_away(&fault),
            };
        }
        if let Some(cell) = self.cell.get() {
            return self.counted(cell, seq, frame);
        }
        let plain = frame.kind != "hub:hello";
        let bound = match frame.kind.as_str() {
            "hub:ping" => {
                let t = frame.parse::<Option<Beat>>().ok().flatten().and_then(|b| b.t);
                let pong = OutFrame::with("hub:pong", &Beat { received: None, t, beat_ms: None });
                self.sender.try_send(&mut std::iter::once(&pong));
                return Flow::Continue;
            }
            "hub:hello" => self.hub.hello(self, &frame),
            _ if self.info.bulk => {
                Err(Fault::new(Code::BadRequest, "A link beside another one begins with a hello"))
            }
            _ => self.hub.plain_session(self),
        };
        match (bound, self.cell.get()) {
            (Err(fault), _) => self.turn_away(&fault),
            (Ok(Some(waiting)), _) => {
                self.wait_for(&mut binding, waiting, plain.then_some((seq, frame)));
                Flow::Wait
            }
            (Ok(None), Some(cell)) if plain => self.counted(cell, seq, frame),
            (Ok(None), _) => Flow::Continue,
        }
    }

    /// Acts on a message, of whichever kind.
    fn take(&self, seq: Option<u64>, message: Message) -> Flow {
        if let Message::Text(text) = &message
            && **text == *Frame::BEAT
        {
            self.beat();
            return Flow::Continue;
        }
        self.hub.stats.messages_in.fetch_add(1, Ordering::Relaxed);
        let decoded = match &message {
            Message::Text(text) => Frame::decode_text(text),
            Message::Binary(bytes) => Frame::decode_binary(bytes),
        };
        match (decoded, self.cell.get().filter(|_| !self.is_greeted())) {
            (Ok(frame), Some(cell)) => self.counted(cell, seq, frame),
            (Ok(frame), None) => self.first(seq, frame),
            (Err(e), _) => self.bad_frame(seq, &e),
        }
    }

    fn turn_away(&self, fault: &Fault) -> Flow {
        self.refuse(fault);
        Flow::Stop
    }
}

impl LinkPeer for HubLink {
    fn receive(&self, seq: Option<u64>, message: Message) -> Flow {
        let too_fast = self.reads_too_fast();
        match self.take(seq, message) {
            Flow::Continue if too_fast => Flow::Wait,
            flow => flow,
        }
    }

    fn datagram(&self, text: Bytes) {
        let Some(cell) = self.cell.get() else { return };
        self.hub.stats.messages_in.fetch_add(1, Ordering::Relaxed);
        let frame = Frame::decode_text(&text).ok().filter(|f| f.volatile.is_some() && !f.counted());
        let Some(frame) = frame.filter(|f| !Frame::is_link_kind(&f.kind)) else {
            self.hub.stats.bad_frames.fetch_add(1, Ordering::Relaxed);
            return;
        };
        // Where others have to wait, what may be lost is.
        if self.reads_too_fast() {
            self.hub.stats.rate_dropped.fetch_add(1, Ordering::Relaxed);
        } else if !cell.state.lock().inbox_is_full(&self.hub.limits, cell.bulk_of.is_some()) {
            let _ = self.counted(cell, None, frame);
        }
    }

    fn turn(&self) {
        self.hub.end_turn();
    }

    fn greeted(&self) -> Option<BoxFuture<'static, ()>> {
        HubLink::greeted(self)
    }

    fn ready(&self) -> BoxFuture<'static, ()> {
        let (hub, mut cell, greeted) = (self.hub.clone(), self.cell.get().cloned(), HubLink::greeted(self));
        let me = self.me.clone();
        Box::pin(async move {
            if let Some(greeted) = greeted {
                greeted.await;
                cell = me.upgrade().and_then(|link| link.cell.get().cloned());
            }
            let wait = me.upgrade().map_or(Duration::ZERO, |link| link.read_again());
            if !wait.is_zero() {
                tokio::time::sleep(wait).await;
            }
            loop {
                let sank = hub.backlog_sank.notified();
                tokio::pin!(sank);
                sank.as_mut().enable();
                if hub.backlog.load(Ordering::Relaxed) <= turn::BACKLOG_MAX {
                    break;
                }
                sank.await;
            }
            let Some(cell) = cell else { return };
            let bulk = cell.bulk_of.is_some();
            loop {
                let notify = {
                    let mut state = cell.state.lock();
                    if state.torn_down || !state.inbox_is_full(&hub.limits, bulk) {
                        return;
                    }
                    state.room_in_inbox.get_or_insert_default().clone()
                };
                let notified = notify.notified();
                tokio::pin!(notified);
                notified.as_mut().enable();
                if !cell.state.lock().inbox_is_full(&hub.limits, bulk) {
                    return;
                }
                notified.await;
            }
        })
    }

    fn writable(&self) {
        let Some(cell) = self.cell.get() else { return };
        let now = self.hub.clock.now();
        let actions = {
            let mut state = cell.state.lock();
            state.core.writable(self.id);
            state.flush(now)
        };
        self.hub.perform(cell, actions);
        self.hub.end_turn();
        self.hub.schedule(cell);
    }

    fn alive(&self) {
        if let Some(cell) = self.cell.get() {
            cell.state.lock().core.alive(self.hub.clock.now(), self.id);
        }
    }

    fn received(&self) -> u64 {
        self.cell.get().map_or(0, |c| c.state.lock().core.received())
    }

    fn down(&self) {
        if self.down.swap(true, Ordering::Relaxed) {
            return;
        }
        self.hub.links.fetch_sub(1, Ordering::Relaxed);
        self.hub.reach.down(self.way);
        self.rates.down();
        // Not in the middle of a hello, which would carry the session by a link that is gone.
        let one = self.binding.lock();
        let Some(cell) = self.cell.get() else {
            self.hub.links_waiting.fetch_sub(1, Ordering::Relaxed);
            if !self.closed.load(Ordering::Relaxed) {
                self.hub.reach.gone(self.way);
            }
            return;
        };
        drop(one);
        let now = self.hub.clock.now();
        let (actions, carrier, left) = {
            let mut state = cell.state.lock();
            state.core.link_down(now, self.id);
            let carrier = state.take_carrier(self.id);
            let left = state.core.link().is_none() && state.core.outbox_bytes() > 0;
            (state.actions(now), carrier, left)
        };
        if let Some(of) = cell.bulk_of.as_ref().filter(|_| left) {
            self.hub.ask_for_bulk_link(&of.main);
        }
        if carrier.is_some() {
            self.hub.reach.gone(self.way);
        }
        self.hub.perform(cell, actions);
        self.hub.end_turn();
        self.hub.schedule(cell);
    }

    fn bye(&self) {
        let Some(cell) = self.cell.get() else { return };
        let actions = {
            let mut state = cell.state.lock();
            if state.core.link().is_some_and(|link| link != self.id) {
                return;
            }
            state.core.end(Code::Bye);
            state.actions(self.hub.clock.now())
        };
        self.hub.perform(cell, actions);
        self.hub.end_turn();
    }
}
