//! A pace at which something is taken in: nothing is refused, what comes sooner waits.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// So much of the pace may be used at once, µs.
const BURST_US: u64 = 1_000_000;

/// The time at which all that came so far is paid for, µs of the hub's clock, if paying had begun with the first of it.
#[derive(Debug, Default)]
pub(crate) struct Pace(AtomicU64);

impl Pace {
    /// Takes `count` of `per_s` in a second, and says how long to wait before the next ones. 0 per second: no limit.
    pub(crate) fn take(&self, now_us: u64, count: u64, per_s: u64) -> Duration {
        let Some(us) = count.saturating_mul(1_000_000).checked_div(per_s) else { return Duration::ZERO };
        let next = |until: u64| until.max(now_us).saturating_add(us);
        let before = self.0.fetch_update(Relaxed, Relaxed, |until| Some(next(until)));
        Duration::from_micros(next(before.unwrap_or_else(|until| until)).saturating_sub(now_us + BURST_US))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_at_once_and_then_the_pace() {
        let (pace, start) = (Pace::default(), 0);
        assert!((0..10).all(|_| pace.take(start, 1, 10).is_zero()));
        assert_eq!(pace.take(start, 1, 10), Duration::from_millis(100));
        assert_eq!(pace.take(start, 2, 10), Duration::from_millis(300));
        assert_eq!(pace.take(start + 300_000, 1, 10), Duration::from_millis(100));
        assert!(pace.take(start + 60_000_000, 1, 10).is_zero(), "no more than a second is saved up");
        assert_eq!(pace.take(start + 60_000_000, 19, 10), Duration::from_secs(1));
        assert!(Pace::default().take(0, u64::MAX, 0).is_zero());
    }
}
