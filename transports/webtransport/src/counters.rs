//! What an endpoint counts.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Counters (since the start) and gauges (now).
#[derive(Debug, Default)]
pub struct Counters {
    /// Links now.
    pub links: AtomicU64,
    /// Of them, those for bulk, beside another one.
    pub bulk_links: AtomicU64,
    /// Sessions now that are being opened.
    pub opening: AtomicU64,
    /// Sessions that came to nothing: refused, broken off, or too slow to open.
    pub refused: AtomicU64,
    /// Datagrams sent.
    pub datagrams_out: AtomicU64,
    /// Datagrams received, those dropped among them.
    pub datagrams_in: AtomicU64,
    /// Datagrams dropped because their address sent too many.
    pub datagrams_dropped: AtomicU64,
    /// Streams rejected.
    pub strays: AtomicU64,
    /// Changes of the certificate.
    pub rotations: AtomicU64,
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
