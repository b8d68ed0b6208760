//! How fast a link is read.

use super::{Entry, Pace};
use crate::link::HubLink;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// A link's part in the limits.
#[derive(Debug, Default)]
pub(crate) struct LinkRates {
    pub(crate) address: Option<Arc<Entry>>,
    reads: Pace,
    /// It is not read before, µs of the hub's clock.
    again_us: AtomicU64,
}

impl LinkRates {
    pub(crate) fn new(address: Option<Arc<Entry>>) -> LinkRates {
        LinkRates { address, ..LinkRates::default() }
    }

    /// The link is gone.
    pub(crate) fn down(&self) {
        if let Some(address) = &self.address {
            address.links.fetch_sub(1, Relaxed);
        }
    }
}

impl HubLink {
    /// Counts a message. `true`: it came too soon, and the next ones have to wait.
    pub(crate) fn reads_too_fast(&self) -> bool {
        let per_s = self.hub.rates.rates.session.reads_per_s;
        // A bulk session has its own pace.
        if per_s == 0 || self.cell.get().is_some_and(|c| c.bulk_of.is_some()) {
            return false;
        }
        let now = self.hub.clock.now_us();
        let wait = self.rates.reads.take(now, 1, per_s.into());
        if wait.is_zero() {
            return false;
        }
        self.rates.again_us.store(now + wait.as_micros() as u64, Relaxed);
        self.hub.stats.rate_slowed.fetch_add(1, Relaxed);
        true
    }

    /// How long it is not to be read.
    pub(crate) fn read_again(&self) -> Duration {
        let again_ms = self.cell.get().map_or(0, |c| c.state.lock().paused_until());
        let again_us = self.rates.again_us.load(Relaxed).max(again_ms * 1_000);
        Duration::from_micros(again_us.saturating_sub(self.hub.clock.now_us()))
    }
}
