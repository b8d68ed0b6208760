//! What the server counts.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Counters (since the start) and gauges (now).
#[derive(Debug, Default)]
pub struct Counters {
    /// Binding requests answered.
    pub bindings: AtomicU64,
    /// Requests that were refused for their credentials.
    pub unauthorized: AtomicU64,
    /// Messages that were no STUN, or not good STUN.
    pub malformed: AtomicU64,
    /// Requests dropped because their address sent too many.
    pub limited: AtomicU64,
    /// Allocations now.
    pub allocations: AtomicU64,
    /// Allocations made.
    pub allocated: AtomicU64,
    /// Allocations refused: quota reached, no port, no address of that family.
    pub allocations_refused: AtomicU64,
    /// Permissions and channels refused, and datagrams dropped, because of their peer's address.
    pub peers_denied: AtomicU64,
    /// Bytes relayed from clients to peers.
    pub bytes_out: AtomicU64,
    /// Bytes relayed from peers to clients.
    pub bytes_in: AtomicU64,
    /// Datagrams dropped over a quota of bytes, or because a receiver did not keep up.
    pub dropped: AtomicU64,
    /// TCP connections now.
    pub connections: AtomicU64,
    /// TCP connections refused: too many at once.
    pub connections_refused: AtomicU64,
}

/// One more.
pub(crate) fn count(which: &AtomicU64) {
    which.fetch_add(1, Relaxed);
}
