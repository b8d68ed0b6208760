//! What an endpoint counts.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Counters (since the start) and gauges (now).
#[derive(Debug, Default)]
pub struct Counters {
    /// Links now.
    pub links: AtomicU64,
    /// Peers now, those that are being opened among them.
    pub peers: AtomicU64,
    /// Offers that were answered.
    pub answered: AtomicU64,
    /// Offers that were refused.
    pub refused: AtomicU64,
    /// Peers that ended without a link.
    pub unopened: AtomicU64,
    /// Packets received, those dropped among them.
    pub packets_in: AtomicU64,
    /// Packets sent.
    pub packets_out: AtomicU64,
    /// Packets dropped: nobody's, or more than their peer keeps up with.
    pub packets_dropped: AtomicU64,
    /// Volatile frames sent on channels that may lose them.
    pub volatile_out: AtomicU64,
    /// Channels closed because they are none of a link's.
    pub strays: AtomicU64,
}

/// One more as long as this lives.
pub(crate) struct Gauge(Arc<Counters>, fn(&Counters) -> &AtomicU64);

impl Gauge {
    pub(crate) fn new(counters: &Arc<Counters>, which: fn(&Counters) -> &AtomicU64) -> Gauge {
        which(counters).fetch_add(1, Relaxed);
        Gauge(counters.clone(), which)
    }
}

impl Drop for Gauge {
    fn drop(&mut self) {
        self.1(&self.0).fetch_sub(1, Relaxed);
    }
}
