//! The task that owns a client's session: feeds the core's machine with what comes from links, application and clock, and
//! does what it says. When the application doesn't read its events, no link is read until it does.

mod command;
mod connect;
mod detour;
mod moving;
mod outcome;
mod places;
mod racing;
mod renewal;
mod replies;
mod reporting;

pub(crate) use command::Command;
pub(crate) use connect::agent;
pub(crate) use replies::{Replies, fault_in};

use crate::client::{Shared, WeakClient};
use crate::clock::Clock;
use crate::link::{Handle, LinkEvent, Posts};
use crate::net::{Base, Tls};
use crate::status::Status;
use connect::Connect;
use crosspoint_core::client::{Client as Machine, ClientConfig, Input, LinkId, QueueFull};
use crosspoint_core::{Code, Fault};
use detour::Detour;
use moving::Moving;
use renewal::Renewal;
use reporting::Reporting;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;

/// Link events that wait for the driver, of all links together.
const LINK_EVENTS_MAX: usize = 64;
/// Commands or link events that are taken at once.
const BATCH: usize = 32;

pub(crate) struct Driver {
    shared: Arc<Shared>,
    client: WeakClient,
    base: Base,
    tls: Arc<Tls>,
    clock: Clock,
    machine: Machine,
    links: HashMap<LinkId, Handle>,
    last_link: LinkId,
    link_events: mpsc::Sender<(LinkId, LinkEvent)>,
    posts: Arc<Posts>,
    /// Links on their way out.
    closing: JoinSet<()>,
    connect: Connect,
    detour: Detour,
    moving: Moving,
    renewal: Renewal,
    reporting: Reporting,
    /// The hub takes a bulk session for this one, as the last welcome said.
    takes_bulk: bool,
    replies: Replies,
    status: watch::Sender<Status>,
    /// Places in the queue that the machine's frames take.
    held: usize,
    /// Why the client is closed.
    ended: Option<Fault>,
    closers: Vec<oneshot::Sender<()>>,
}

impl Driver {
    /// Runs a client until it is closed.
    pub(crate) async fn run(
        shared: Arc<Shared>,
        client: WeakClient,
        status: watch::Sender<Status>,
        commands: mpsc::Receiver<Command>,
    ) {
        let base = match Base::parse(&shared.options.url) {
            Ok(base) => base,
            Err(fault) => return close(&shared, &status, fault),
        };
        let (link_events, events) = mpsc::channel(LINK_EVENTS_MAX);
        let options = &shared.options;
        // The places that `Shared` gives out are what bounds the queue; joins of the machine's own may come on top.
        let beat_ms = millis(options.beat);
        let welcome_ms = millis(options.connect_timeout);
        let config = ClientConfig { queue_max: usize::MAX, beat_ms, welcome_ms, ..ClientConfig::default() };
        let driver = Driver {
            detour: Detour::new(base.clone()),
            base,
            tls: Tls::new(options.roots_pem.clone()),
            clock: Clock::new(),
            machine: Machine::new(config),
            links: HashMap::new(),
            last_link: 0,
            link_events,
            posts: Posts::new(),
            closing: JoinSet::new(),
            connect: Connect::new(options),
            moving: Moving::new(),
            renewal: Renewal::new(),
            reporting: Reporting::default(),
            takes_bulk: false,
            replies: Replies::default(),
            status,
            held: 0,
            ended: None,
            closers: vec![],
            client,
            shared,
        };
        driver.turn(commands, events).await;
    }

    async fn turn(
        mut self,
        mut commands: mpsc::Receiver<Command>,
        mut events: mpsc::Receiver<(LinkId, LinkEvent)>,
    ) {
        let (mut asked, mut happened) = (Vec::with_capacity(BATCH), Vec::with_capacity(BATCH));
        let mut armed = u64::MAX;
        let mut alarm = Box::pin(tokio::time::sleep_until(self.clock.at(armed)));
        self.look_for_link();
        while self.ended.is_none() {
            let stalled = self.shared.readers.stalled();
            let wake = self.wake_at(stalled);
            // Deadlines mostly move on; an alarm that is early finds nothing due and is set anew.
            if wake < armed {
                armed = wake;
                alarm.as_mut().reset(self.clock.at(armed));
            }
            tokio::select! {
                n = commands.recv_many(&mut asked, BATCH) => {
                    if n == 0 {
                        self.end(Code::Bye.into());
                    }
                    asked.drain(..).for_each(|command| self.command(command));
                }
                _ = events.recv_many(&mut happened, BATCH), if !stalled => {
                    happened.drain(..).for_each(|(id, event)| self.link_event(id, event));
                }
                prepared = connect::prepared(&mut self.connect.attempt) => self.prepared(prepared),
                answer = self.renewal.answer() => self.renewed(answer),
                () = alarm.as_mut() => {
                    armed = u64::MAX;
                    self.tick(stalled);
                }
                () = self.shared.readers.relief(), if stalled => {}
            }
        }
        self.finish(commands).await;
    }

    fn wake_at(&self, stalled: bool) -> u64 {
        let machine = self.machine.deadline();
        if stalled {
            return machine;
        }
        let moving = self.moving.deadline().min(self.renewal.deadline());
        machine.min(self.connect.deadline()).min(moving).min(self.reporting.deadline())
    }

    fn tick(&mut self, stalled: bool) {
        let now = self.clock.now();
        if stalled && let Some(link) = self.machine.link() {
            // It is not the hub that is silent: nobody listens.
            let _ = self.machine.handle(now, Input::Unread { link });
        }
        let _ = self.input(Input::Tick);
        if !stalled {
            self.connect_due(now);
            self.moving_due(now);
            self.renewal_due(now);
            if self.reporting.deadline() <= now {
                self.report(false);
            }
        }
        self.settle();
    }

    fn link_event(&mut self, id: LinkId, event: LinkEvent) {
        if !self.links.contains_key(&id) {
            return;
        }
        match event {
            LinkEvent::Proven => self.proven(id),
            LinkEvent::Frame(frame, bytes) => {
                self.proven(id);
                self.learn(&frame);
                let _ = self.input(Input::Frame { link: id, frame: *frame, bytes: bytes as u64 });
            }
            LinkEvent::Heard => drop(self.input(Input::Heard { link: id })),
            LinkEvent::Beat => drop(self.input(Input::Beat { link: id })),
            LinkEvent::Acked(received) => drop(self.input(Input::Acked { link: id, received })),
            LinkEvent::Closed(fault) => {
                self.links.remove(&id);
                let _ = self.input(Input::Closed { link: id });
                self.gone(id, fault, false);
            }
        }
        self.settle();
    }

    fn input(&mut self, input: Input) -> Result<(), QueueFull> {
        self.machine.handle(self.clock.now(), input)
    }

    /// Does all that machine and race want done.
    fn settle(&mut self) {
        loop {
            if let Some(output) = self.machine.poll() {
                self.act(output);
            } else if !self.race_on() {
                break;
            }
        }
        self.give_back();
    }

    /// Places of frames that the machine doesn't hold any more are free again.
    fn give_back(&mut self) {
        let waiting = self.machine.waiting();
        if self.held > waiting {
            self.shared.places.add_permits(self.held - waiting);
            self.held = waiting;
        } else if self.held < waiting {
            self.held += self.shared.places.forget_permits(waiting - self.held);
        }
    }

    /// Closes for good; the loop ends with the turn.
    fn end(&mut self, fault: Fault) {
        if self.ended.is_none() {
            self.ended = Some(fault);
        }
    }

    async fn finish(mut self, mut commands: mpsc::Receiver<Command>) {
        let fault = self.ended.take().unwrap_or_else(|| Code::Bye.into());
        self.connect.stop();
        let _ = self.input(Input::Bye);
        self.settle();
        self.links.clear();
        close(&self.shared, &self.status, fault.clone());
        self.replies.fail(&fault);
        commands.close();
        while let Some(command) = commands.recv().await {
            if let Command::Close(done) = command {
                self.closers.push(done);
            }
        }
        // Every link on its way out has a deadline of its own.
        while self.closing.join_next().await.is_some() {}
    }
}

/// Tells everybody that the client is closed.
fn close(shared: &Shared, status: &watch::Sender<Status>, fault: Fault) {
    shared.places.close();
    shared.bulk.home.send_modify(|home| home.closed = Some(fault.clone()));
    let state = crate::event::State::Closed;
    let previous = status.borrow().state;
    status.send_modify(|s| {
        *s = Status { state, transport: None, fault: Some(fault.clone()), ..s.clone() };
    });
    let because = Some(fault.clone());
    shared.readers.emit(crate::event::ClientEvent::State { state, previous, fault: because });
    shared.readers.emit(crate::event::ClientEvent::Closed(fault));
    shared.readers.close();
}

pub(crate) fn millis(d: Duration) -> u64 {
    u64::try_from(d.as_millis()).unwrap_or(u64::MAX)
}
