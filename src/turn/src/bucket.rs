//! Tokens that come back over time.

use std::time::Instant;

/// A bucket that holds what comes back in `seconds`, and begins full.
#[derive(Debug)]
pub(crate) struct Bucket {
    left: f64,
    at: Instant,
}

/// What a bucket holds at most, as seconds of its rate.
const SECONDS: f64 = 2.0;

impl Bucket {
    pub(crate) fn new(per_s: u64, now: Instant) -> Bucket {
        Bucket { left: per_s as f64 * SECONDS, at: now }
    }

    /// Takes so much, if there is so much.
    pub(crate) fn take(&mut self, amount: u64, per_s: u64, now: Instant) -> bool {
        self.fill(per_s, now);
        let there = self.left >= amount as f64;
        if there {
            self.left -= amount as f64;
        }
        there
    }

    /// Whether nothing is missing.
    pub(crate) fn is_full(&mut self, per_s: u64, now: Instant) -> bool {
        self.fill(per_s, now);
        self.left >= per_s as f64 * SECONDS
    }

    fn fill(&mut self, per_s: u64, now: Instant) {
        let back = now.saturating_duration_since(self.at).as_secs_f64() * per_s as f64;
        (self.left, self.at) = ((self.left + back).min(per_s as f64 * SECONDS), now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn it_gives_two_seconds_at_once_and_then_its_rate() {
        let start = Instant::now();
        let mut bucket = Bucket::new(10, start);
        assert!(bucket.take(20, 10, start) && !bucket.take(1, 10, start));
        let later = start + Duration::from_millis(500);
        assert!(bucket.take(5, 10, later) && !bucket.take(1, 10, later));
        assert!(!bucket.is_full(10, later) && bucket.is_full(10, later + Duration::from_secs(2)));
    }
}
