//! What all parts of a proxy share: the rules in force, the running connections, the log.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot, watch};

use super::log::{Event, Log, Meter};
use super::rules::{Accept, Action, End, Rules};
use super::running::{Choice, Running};

/// Connections beyond this are turned away.
pub(super) const CONNECTIONS_MAX: usize = 15_000;

/// An order to end a connection now.
pub(super) struct Cut {
    pub(super) client: End,
    pub(super) upstream: End,
    pub(super) done: oneshot::Sender<()>,
}

/// A connection as others see it.
pub(super) struct Listed {
    running: watch::Sender<Arc<Running>>,
    has_own_rules: bool,
    pub(super) cuts: mpsc::Sender<Cut>,
    pub(super) target: Option<String>,
    pub(super) upgraded: bool,
}

/// What a new connection is given.
pub(super) struct Registered {
    pub(super) id: u64,
    pub(super) running: watch::Receiver<Arc<Running>>,
    pub(super) cuts: mpsc::Receiver<Cut>,
}

struct Registry {
    global: Arc<Running>,
    listed: BTreeMap<u64, Listed>,
    last_id: u64,
}

/// Shared by the handle, the accept loop and the connections.
pub(super) struct Shared {
    pub(super) log: Log,
    pub(super) meter: Meter,
    pub(super) upstream: Mutex<SocketAddr>,
    pub(super) receive_buffer_bytes: Option<u32>,
    /// How the door should stand, with a number, …
    pub(super) door: watch::Sender<(u64, Accept)>,
    /// … and the number that the accept loop has carried out.
    pub(super) door_done: watch::Sender<u64>,
    registry: Mutex<Registry>,
}

impl Shared {
    pub(super) fn new(upstream: SocketAddr, receive_buffer_bytes: Option<u32>) -> Self {
        let global = Arc::new(Running::new(Rules::default()));
        Self {
            log: Log::new(),
            meter: Meter::default(),
            upstream: Mutex::new(upstream),
            receive_buffer_bytes,
            door: watch::Sender::new((0, Accept::Serve)),
            door_done: watch::Sender::new(0),
            registry: Mutex::new(Registry { global, listed: BTreeMap::new(), last_id: 0 }),
        }
    }

    /// A number for a connection that is not served.
    pub(super) fn next_id(&self) -> u64 {
        let mut registry = self.registry.lock();
        registry.last_id += 1;
        registry.last_id
    }

    /// Lists a new connection; `None` when there are too many.
    pub(super) fn register(&self) -> Option<Registered> {
        let mut registry = self.registry.lock();
        if registry.listed.len() >= CONNECTIONS_MAX {
            return None;
        }
        registry.last_id += 1;
        let id = registry.last_id;
        let (running_tx, running) = watch::channel(Arc::clone(&registry.global));
        let (cuts_tx, cuts) = mpsc::channel(4);
        let listed = Listed {
            running: running_tx,
            has_own_rules: false,
            cuts: cuts_tx,
            target: None,
            upgraded: false,
        };
        registry.listed.insert(id, listed);
        self.meter.accepted.fetch_add(1, Ordering::Relaxed);
        self.meter.open.fetch_add(1, Ordering::Relaxed);
        Some(Registered { id, running, cuts })
    }

    pub(super) fn remove(&self, id: u64) {
        if self.registry.lock().listed.remove(&id).is_some() {
            self.meter.open.fetch_sub(1, Ordering::Relaxed);
        }
    }

    pub(super) fn rules(&self) -> Rules {
        self.registry.lock().global.rules.clone()
    }

    /// New rules for all connections without rules of their own; returns the door's order number.
    pub(super) fn set_rules(&self, rules: Rules) -> u64 {
        let accept = rules.accept;
        let running = Arc::new(Running::new(rules));
        let mut registry = self.registry.lock();
        registry.global = Arc::clone(&running);
        for listed in registry.listed.values().filter(|listed| !listed.has_own_rules) {
            listed.running.send_replace(Arc::clone(&running));
        }
        let mut number = 0;
        self.door.send_modify(|door| {
            *door = (door.0 + 1, accept);
            number = door.0;
        });
        number
    }

    /// Rules for one connection, or the common ones again; `false` if there is no such connection.
    pub(super) fn set_own_rules(&self, id: u64, rules: Option<Rules>) -> bool {
        let mut registry = self.registry.lock();
        let global = Arc::clone(&registry.global);
        let Some(listed) = registry.listed.get_mut(&id) else { return false };
        listed.has_own_rules = rules.is_some();
        listed.running.send_replace(rules.map_or(global, |rules| Arc::new(Running::new(rules))));
        true
    }

    /// Looks at every connection.
    pub(super) fn for_each(&self, mut see: impl FnMut(u64, &Listed)) {
        self.registry.lock().listed.iter().for_each(|(id, listed)| see(*id, listed));
    }

    /// Writes down a request and what was chosen for it.
    pub(super) fn note_request(&self, id: u64, method: &str, target: &str, body_bytes: u64, choice: &Choice) {
        self.meter.requests.fetch_add(1, Ordering::Relaxed);
        if choice.action != Action::Pass {
            self.meter.faults.fetch_add(1, Ordering::Relaxed);
        }
        if let Some(listed) = self.registry.lock().listed.get_mut(&id) {
            listed.target = Some(target.to_owned());
        }
        let (method, target, action) = (method.to_owned(), target.to_owned(), choice.action.clone());
        self.log.add(id, Event::Request { method, target, body_bytes, action });
    }

    pub(super) fn note_upgrade(&self, id: u64) {
        if let Some(listed) = self.registry.lock().listed.get_mut(&id) {
            listed.upgraded = true;
        }
        self.log.add(id, Event::Upgraded);
    }
}
