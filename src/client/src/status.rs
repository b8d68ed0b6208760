//! What a client can be asked at any time: where it stands, and what it counted.

use crate::event::State;
use crate::transport::Transport;
use crosspoint_core::Fault;
use std::sync::atomic::{AtomicU64, Ordering};

/// Where a client stands.
#[derive(Debug, Clone)]
pub struct Status {
    /// Whether a link carries the session.
    pub state: State,
    /// By which transport.
    pub transport: Option<Transport>,
    /// The session, once there is one.
    pub session: Option<String>,
    /// Who the hub takes this client for.
    pub user: Option<String>,
    /// The last round-trip time, ms.
    pub rtt_ms: Option<u64>,
    /// Why there is no link, or why there will be none.
    pub fault: Option<Fault>,
}

impl Default for Status {
    fn default() -> Status {
        Status {
            state: State::Connecting,
            transport: None,
            session: None,
            user: None,
            rtt_ms: None,
            fault: None,
        }
    }
}

/// What a client counted since it was made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Frames that the application sent, with those for which there was no link (volatile ones).
    pub sent: u64,
    /// Frames for the application, replies too.
    pub received: u64,
    /// Frames that came again and were dropped by count.
    pub duplicates: u64,
    /// `hub:gap`s.
    pub gaps: u64,
    /// Links that took over after a loss.
    pub reconnects: u64,
    /// Links that took over from one that lived.
    pub moves: u64,
    /// Links that resumed the session, moves included.
    pub resumes: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) sent: AtomicU64,
    pub(crate) received: AtomicU64,
    pub(crate) duplicates: AtomicU64,
    pub(crate) gaps: AtomicU64,
    pub(crate) reconnects: AtomicU64,
    pub(crate) moves: AtomicU64,
    pub(crate) resumes: AtomicU64,
}

pub(crate) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

impl Counters {
    pub(crate) fn read(&self) -> Counts {
        let get = |c: &AtomicU64| c.load(Ordering::Relaxed);
        Counts {
            sent: get(&self.sent),
            received: get(&self.received),
            duplicates: get(&self.duplicates),
            gaps: get(&self.gaps),
            reconnects: get(&self.reconnects),
            moves: get(&self.moves),
            resumes: get(&self.resumes),
        }
    }
}
