//! The task that owns the bulk session. It has no transports to choose: its link is where the main session's is.

use super::{Home, Order, Place, Sending};
use crate::backoff::Backoff;
use crate::client::Shared;
use crate::clock::Clock;
use crate::driver::{Replies, agent, millis};
use crate::event::ClientEvent;
use crate::link::{Context, Handle, LinkEvent, Posts};
use crate::net::Tls;
use crate::plan::Candidate;
use crate::random;
use crosspoint_core::client::{Client as Machine, ClientConfig, Input, LinkId, Output};
use crosspoint_core::{Code, Fault, Frame};
use serde_json::{Map, json};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

/// Link events that wait for the companion.
const LINK_EVENTS_MAX: usize = 16;
/// Frames that may wait in a link, beside its own: more than any window.
const QUEUE_MAX: usize = 4096;

/// The newest link, and what it was opened for.
struct Current {
    id: LinkId,
    by: Candidate,
    main: String,
}

pub(super) struct Companion {
    shared: Arc<Shared>,
    home: watch::Receiver<Home>,
    tls: Arc<Tls>,
    clock: Clock,
    machine: Machine,
    links: HashMap<LinkId, Handle>,
    last_link: LinkId,
    link_events: mpsc::Sender<(LinkId, LinkEvent)>,
    posts: Arc<Posts>,
    post_bytes_max: Arc<AtomicUsize>,
    closing: JoinSet<()>,
    current: Option<Current>,
    /// The hub has something.
    asked: bool,
    backoff: Backoff,
    retry_at: u64,
    replies: Replies,
    places: HashMap<String, Place>,
}

impl Companion {
    /// Works until the client is closed.
    pub(super) async fn run(shared: Arc<Shared>, mut orders: mpsc::UnboundedReceiver<Order>) {
        let (link_events, mut events) = mpsc::channel(LINK_EVENTS_MAX);
        let options = &shared.options;
        let config = ClientConfig {
            queue_max: usize::MAX,
            beat_ms: millis(options.beat),
            welcome_ms: millis(options.connect_timeout),
            ..ClientConfig::default()
        };
        let mut companion = Companion {
            home: shared.bulk.home.subscribe(),
            tls: Tls::new(options.roots_pem.clone()),
            clock: Clock::new(),
            machine: Machine::new(config),
            links: HashMap::new(),
            last_link: 0,
            link_events,
            posts: Posts::new(),
            post_bytes_max: shared.post_bytes_max.clone(),
            closing: JoinSet::new(),
            current: None,
            asked: false,
            backoff: Backoff::new(options.backoff),
            retry_at: 0,
            replies: Replies::default(),
            places: HashMap::new(),
            shared,
        };
        let fault = loop {
            companion.settle();
            if let Some(fault) = companion.home.borrow_and_update().closed.clone() {
                break fault;
            }
            companion.turn(&mut orders, &mut events).await;
        };
        companion.input(Input::Bye);
        companion.settle();
        companion.replies.fail(&fault);
        // What the session's end has said already needs no answer.
        companion.closing.shutdown().await;
    }

    async fn turn(
        &mut self,
        orders: &mut mpsc::UnboundedReceiver<Order>,
        events: &mut mpsc::Receiver<(LinkId, LinkEvent)>,
    ) {
        let stalled = self.shared.readers.stalled();
        let waits = self.current.is_none() && self.is_wanted() && self.home.borrow().by.is_some();
        let retry_at = if waits { self.retry_at } else { u64::MAX };
        let wake = self.clock.at(self.machine.deadline().min(retry_at));
        tokio::select! {
            order = orders.recv() => {
                if let Some(order) = order {
                    self.order(order);
                }
            }
            Some((id, event)) = events.recv(), if !stalled => self.link_event(id, event),
            // Fails only when the client is gone, which is told before.
            _ = self.home.changed() => {}
            () = tokio::time::sleep_until(wake) => {
                if stalled && let Some(link) = self.machine.link() {
                    self.input(Input::Unread { link });
                }
                self.input(Input::Tick);
            }
            () = self.shared.readers.relief(), if stalled => {}
        }
    }

    fn is_wanted(&self) -> bool {
        self.asked || self.machine.waiting() > 0
    }

    fn order(&mut self, order: Order) {
        match order {
            Order::Open => self.asked = true,
            Order::Send(sending) => {
                let Sending { frame, reply, place } = *sending;
                let Some(id) = frame.id.clone() else { return };
                self.places.insert(id.clone(), place);
                self.replies.expect(id, reply);
                self.input(Input::Send { frame });
            }
        }
    }

    fn input(&mut self, input: Input) {
        // What can fail is bounded by the window.
        let _ = self.machine.handle(self.clock.now(), input);
    }

    fn link_event(&mut self, id: LinkId, event: LinkEvent) {
        if !self.links.contains_key(&id) {
            return;
        }
        match event {
            LinkEvent::Proven => {}
            LinkEvent::Frame(frame, bytes) => {
                self.input(Input::Frame { link: id, frame: *frame, bytes: bytes as u64 });
            }
            LinkEvent::Heard => self.input(Input::Heard { link: id }),
            LinkEvent::Beat => self.input(Input::Beat { link: id }),
            LinkEvent::Acked(received) => self.input(Input::Acked { link: id, received }),
            LinkEvent::Closed(fault) => {
                self.links.remove(&id);
                self.input(Input::Closed { link: id });
                self.gone(id, &fault);
            }
        }
    }

    /// Does all that the machine wants, and sees to it that there is a link where one is needed.
    fn settle(&mut self) {
        loop {
            while let Some(output) = self.machine.poll() {
                self.act(output);
            }
            if !self.look() {
                return;
            }
        }
    }

    fn act(&mut self, output: Output) {
        match output {
            Output::Transmit { link, seq, frame } => self.transmit(link, seq, frame),
            Output::Beat { link } => self.links.get(&link).into_iter().for_each(Handle::beat),
            Output::Close { link, code } => {
                self.finish(link);
                self.gone(link, &code.into());
            }
            Output::Refused { link, fault } => {
                self.finish(link);
                self.gone(link, &fault);
            }
            Output::Welcomed { .. } => {
                self.asked = false;
                self.backoff.reset();
            }
            Output::Event { frame } => self.deliver(frame),
            // There are no rooms here, and everything that is sent has an id.
            _ => {}
        }
    }

    fn transmit(&mut self, link: LinkId, seq: Option<u64>, frame: Frame) {
        if self.links.get(&link).is_none_or(|l| l.send(seq, frame)) {
            return;
        }
        self.links.remove(&link);
        self.input(Input::Closed { link });
        self.gone(link, &Code::SlowConsumer.into());
    }

    fn deliver(&mut self, frame: Frame) {
        if matches!(frame.kind.as_str(), "hub:reply" | "hub:error")
            && let Some(id) = &frame.id
        {
            self.places.remove(id);
        }
        if let Some(frame) = self.replies.answer(frame) {
            self.shared.readers.emit(ClientEvent::Frame(Arc::new(frame)));
        }
    }

    fn finish(&mut self, link: LinkId) {
        if let Some(handle) = self.links.remove(&link) {
            while self.closing.try_join_next().is_some() {}
            handle.finish(false, &mut self.closing);
        }
    }

    fn gone(&mut self, id: LinkId, fault: &Fault) {
        if self.current.take_if(|c| c.id == id).is_some() {
            tracing::debug!(%fault, "the bulk link is gone");
            let wait = self.backoff.next(fault.retry_after_ms, random::fraction());
            self.retry_at = self.clock.now().saturating_add(wait);
        }
    }

    /// Opens a link, if there is none or the main session's went elsewhere. `false`: there is nothing to do.
    fn look(&mut self) -> bool {
        let Home { main: Some(main), by: Some(by), closed: None } = self.home.borrow().clone() else {
            return false;
        };
        let due = match &self.current {
            Some(c) => c.by != by || c.main != main.session,
            None => self.is_wanted() && self.retry_at <= self.clock.now(),
        };
        if !due {
            return false;
        }
        self.last_link += 1;
        let id = self.last_link;
        let options = &self.shared.options;
        let context = Context {
            id,
            address: by.address.clone(),
            certificate_hashes: by.certificate_hashes.clone(),
            probe: false,
            tls: self.tls.clone(),
            within: options.connect_timeout,
            post_bytes_max: self.post_bytes_max.clone(),
            posts: self.posts.clone(),
            bulk: true,
            beside: self.shared.beside.clone(),
            events: self.link_events.clone(),
        };
        self.links.insert(id, Handle::start(by.transport, context, QUEUE_MAX));
        self.current = Some(Current { id, by, main: main.session.clone() });
        let mut auth = Map::new();
        auth.insert("client".into(), agent(&options.name));
        auth.insert("bulk_for".into(), json!(main));
        self.input(Input::Hello { link: id, cause: "asked".into(), auth });
        true
    }
}
