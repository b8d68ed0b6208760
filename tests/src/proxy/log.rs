//! What happened, for tests to assert on.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use serde::Serialize;
use tokio::sync::watch;

use super::rules::{Action, End};

/// Older entries are dropped beyond this.
pub(super) const ENTRIES_MAX: usize = 100_000;

/// One happening on one connection.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Entry {
    /// Counts all entries, from 1.
    pub seq: u64,
    /// Milliseconds since the proxy started.
    pub at_ms: u64,
    /// The connection, numbered from 1.
    pub connection: u64,
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
}

/// What happened to a connection.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// A client connected and is served.
    Opened,
    /// A client connected and was reset or left alone, by rule.
    TurnedAway,
    /// A request's head and body are there.
    Request {
        /// Its method.
        method: String,
        /// Its path with query.
        target: String,
        /// Bytes of its body, as encoded on the wire.
        body_bytes: u64,
        /// What the rules say about it.
        action: Action,
    },
    /// The hub's answer has begun.
    Response {
        /// Its status.
        status: u16,
    },
    /// The connection is a WebSocket now.
    Upgraded,
    /// The proxy answered in the hub's stead.
    Answered {
        /// With this status.
        status: u16,
    },
    /// The hub's answer was kept from the client.
    ResponseDropped {
        /// Its status.
        status: u16,
    },
    /// A held-back answer was passed on.
    BufferReleased {
        /// Its size with the head.
        bytes: u64,
    },
    /// A request waits.
    Held,
    /// A waiting request goes on.
    Released {
        /// Others were answered meanwhile, or no.
        overtaken: bool,
    },
    /// The request was sent a second time.
    Duplicated,
    /// The bytes aren't HTTP/1.1 and pass as they are.
    Raw,
    /// The client closed its direction.
    ClientClosed,
    /// The client's socket failed, as after a reset.
    ClientReset,
    /// The hub closed its direction.
    UpstreamClosed,
    /// The hub's socket failed, or it doesn't listen.
    UpstreamFailed {
        /// The system's words.
        message: String,
    },
    /// The connection is over for the proxy.
    Ended {
        /// How the client's socket ended.
        client: End,
        /// How the hub's socket ended.
        upstream: End,
    },
}

/// Sums over all connections.
#[derive(Debug, Default)]
pub(super) struct Meter {
    pub(super) accepted: AtomicU64,
    pub(super) open: AtomicU64,
    pub(super) requests: AtomicU64,
    pub(super) up_bytes: AtomicU64,
    pub(super) down_bytes: AtomicU64,
    pub(super) up_swallowed_bytes: AtomicU64,
    pub(super) down_swallowed_bytes: AtomicU64,
    pub(super) faults: AtomicU64,
}

/// A reading of the sums.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counters {
    /// Connections accepted.
    pub accepted: u64,
    /// Connections open now, silent ones included.
    pub open: u64,
    /// HTTP requests.
    pub requests: u64,
    /// Bytes passed to the hub's side.
    pub up_bytes: u64,
    /// Bytes passed to clients.
    pub down_bytes: u64,
    /// Bytes of clients thrown away.
    pub up_swallowed_bytes: u64,
    /// Bytes for clients thrown away.
    pub down_swallowed_bytes: u64,
    /// Requests that a rule selected for something else than [`Action::Pass`].
    pub faults: u64,
}

impl Meter {
    pub(super) fn read(&self) -> Counters {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Counters {
            accepted: read(&self.accepted),
            open: read(&self.open),
            requests: read(&self.requests),
            up_bytes: read(&self.up_bytes),
            down_bytes: read(&self.down_bytes),
            up_swallowed_bytes: read(&self.up_swallowed_bytes),
            down_swallowed_bytes: read(&self.down_swallowed_bytes),
            faults: read(&self.faults),
        }
    }
}

/// The proxy's diary. Keeps the newest 100,000 entries.
pub struct Log {
    started: Instant,
    entries: Mutex<VecDeque<Entry>>,
    newest: watch::Sender<u64>,
}

impl Log {
    pub(super) fn new() -> Self {
        Self { started: Instant::now(), entries: Mutex::default(), newest: watch::Sender::new(0) }
    }

    pub(super) fn add(&self, connection: u64, event: Event) {
        let at_ms = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        let mut entries = self.entries.lock();
        let seq = entries.back().map_or(0, |entry| entry.seq) + 1;
        if entries.len() == ENTRIES_MAX {
            entries.pop_front();
        }
        entries.push_back(Entry { seq, at_ms, connection, event });
        self.newest.send_replace(seq);
    }

    /// The newest entry's number; 0 before the first.
    pub fn newest(&self) -> u64 {
        *self.newest.borrow()
    }

    /// Entries behind number `after`.
    pub fn after(&self, after: u64) -> Vec<Entry> {
        self.entries.lock().iter().filter(|entry| entry.seq > after).cloned().collect()
    }

    /// How many entries there are that fit.
    pub fn count(&self, fits: impl Fn(&Event) -> bool) -> usize {
        self.entries.lock().iter().filter(|entry| fits(&entry.event)).count()
    }

    /// The first entry behind number `after` that fits, waiting for it at most so long.
    pub async fn wait(&self, after: u64, within: Duration, fits: impl Fn(&Entry) -> bool) -> Option<Entry> {
        let mut newest = self.newest.subscribe();
        let mut after = after;
        let found = async {
            loop {
                newest.borrow_and_update();
                for entry in self.after(after) {
                    if fits(&entry) {
                        return Some(entry);
                    }
                    after = entry.seq;
                }
                newest.changed().await.ok()?;
            }
        };
        tokio::time::timeout(within, found).await.ok().flatten()
    }
}
