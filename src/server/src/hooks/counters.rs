//! What hooks are counted by.

use std::sync::atomic::AtomicU64;

/// The hooks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Connect,
    Join,
    Publish,
    Request,
    Notify,
}

impl Kind {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Kind::Connect => "connect",
            Kind::Join => "join",
            Kind::Publish => "publish",
            Kind::Request => "request",
            Kind::Notify => "notify",
        }
    }
}

/// Of one hook, since the hub's start.
#[derive(Default)]
pub(crate) struct HookCounters {
    /// Requests sent.
    pub(crate) attempts: AtomicU64,
    /// Those of them that got no answer that counts.
    pub(crate) failed_attempts: AtomicU64,
    /// Questions to which the backend said yes, or which it answered.
    pub(crate) allowed: AtomicU64,
    /// Questions to which it said no.
    pub(crate) refused: AtomicU64,
    /// Questions that it did not answer.
    pub(crate) failed: AtomicU64,
}

#[derive(Default)]
pub(crate) struct Counters([HookCounters; 5]);

impl Counters {
    pub(crate) fn of(&self, kind: Kind) -> &HookCounters {
        &self.0[kind as usize]
    }
}
