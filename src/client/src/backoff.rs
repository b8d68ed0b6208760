//! Waits between attempts: exponential bounds, full jitter.

/// How long to wait between attempts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BackoffOptions {
    /// Upper bound of the first wait, ms.
    pub min_ms: u64,
    /// Upper bound of every wait, ms.
    pub max_ms: u64,
    /// How the bound grows from attempt to attempt.
    pub factor: f64,
}

impl Default for BackoffOptions {
    fn default() -> BackoffOptions {
        BackoffOptions { min_ms: 200, max_ms: 20_000, factor: 2.0 }
    }
}

/// No wait is shorter, so that failures which come at once never make a tight loop, ms.
pub(crate) const FLOOR_MS: u64 = 20;

/// Each wait is anywhere between [`FLOOR_MS`] and a bound that grows.
#[derive(Debug)]
pub(crate) struct Backoff {
    options: BackoffOptions,
    attempts: i32,
}

impl Backoff {
    pub(crate) fn new(options: BackoffOptions) -> Backoff {
        let min_ms = options.min_ms.max(FLOOR_MS);
        let factor = if options.factor >= 1.0 { options.factor } else { 1.0 };
        Backoff {
            options: BackoffOptions { min_ms, max_ms: options.max_ms.max(min_ms), factor },
            attempts: 0,
        }
    }

    /// How long to wait before the next attempt, in ms: on top of `at_least_ms` where the hub named one. `fraction` is random, in `0.0..1.0`.
    pub(crate) fn next(&mut self, at_least_ms: Option<u64>, fraction: f64) -> u64 {
        let BackoffOptions { min_ms, max_ms, factor } = self.options;
        let bound = (min_ms as f64 * factor.powi(self.attempts)).min(max_ms as f64);
        self.attempts = (self.attempts + 1).min(64);
        let wait = FLOOR_MS as f64 + fraction * (bound - FLOOR_MS as f64);
        at_least_ms.unwrap_or(0).saturating_add(wait as u64)
    }

    pub(crate) fn reset(&mut self) {
        self.attempts = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_a_ceiling_and_start_again() {
        let mut b = Backoff::new(BackoffOptions { min_ms: 100, max_ms: 1000, factor: 2.0 });
        let longest: Vec<_> = (0..6).map(|_| b.next(None, 1.0)).collect();
        assert_eq!(longest, [100, 200, 400, 800, 1000, 1000]);
        b.reset();
        assert_eq!(b.next(None, 1.0), 100);
        assert_eq!(b.next(Some(5000), 0.0), 5000 + FLOOR_MS);
    }

    #[test]
    fn no_wait_is_shorter_than_the_floor_whatever_is_configured() {
        for options in [
            BackoffOptions { min_ms: 0, max_ms: 0, factor: 0.0 },
            BackoffOptions { min_ms: 1, max_ms: 5, factor: f64::NAN },
            BackoffOptions { min_ms: 200, max_ms: 1, factor: 1e308 },
        ] {
            let mut b = Backoff::new(options);
            for _ in 0..200 {
                let wait = b.next(None, 0.0);
                assert_eq!(wait, FLOOR_MS);
                assert!(b.next(None, 1.0) <= b.options.max_ms);
            }
        }
    }

    #[test]
    fn jitter_covers_the_whole_range() {
        let mut b = Backoff::new(BackoffOptions { min_ms: 1020, max_ms: 1020, factor: 1.0 });
        let waits: Vec<_> = [0.0, 0.25, 0.5, 0.75].into_iter().map(|f| b.next(None, f)).collect();
        assert_eq!(waits, [20, 270, 520, 770]);
    }
}
