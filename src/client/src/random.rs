//! Random numbers from the system, for jitter and for ids that no other client makes.

use std::sync::atomic::{AtomicU64, Ordering};

/// Anywhere in `0.0..1.0`; the middle should the system refuse.
pub(crate) fn fraction() -> f64 {
    getrandom::u32().map_or(0.5, |n| f64::from(n) / (f64::from(u32::MAX) + 1.0))
}

/// Ids of one client: a random part, which no other client has, and a count.
#[derive(Debug)]
pub(crate) struct Ids {
    prefix: String,
    count: AtomicU64,
}

impl Ids {
    pub(crate) fn new() -> Ids {
        // Without randomness ids would be those of another client: time of day is the best that is left.
        let seed = getrandom::u64().unwrap_or_else(|_| {
            let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
            now.map_or(0, |d| d.as_nanos() as u64)
        });
        Ids { prefix: format!("{seed:016x}"), count: AtomicU64::new(0) }
    }

    pub(crate) fn next(&self) -> String {
        format!("{}-{:x}", self.prefix, self.count.fetch_add(1, Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_differ_within_and_between_clients() {
        let (a, b) = (Ids::new(), Ids::new());
        let mut all = vec![a.next(), a.next(), b.next(), b.next()];
        all.sort();
        all.dedup();
        assert_eq!(all.len(), 4);
        assert!(all.iter().all(|id| id.len() <= crosspoint_core::frame::ID_BYTES_MAX));
    }

    #[test]
    fn fractions_are_below_one() {
        assert!((0..1000).map(|_| fraction()).all(|f| (0.0..1.0).contains(&f)));
    }
}
