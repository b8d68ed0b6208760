//! Who may come in now, and when the others may: after a restart all clients come back at once, and none may be turned away for good.
//!
//! Two marks move along the clock. The first (a token bucket, kept as the time at which it would be empty) admits at the configured
//! rate, with a tenth of a second's worth at once. Whoever it turns away is told a time that nobody else was told: the second mark,
//! which moves on by one slot each time. As clients come at their times, the first mark lets them in.
//!
//! A hub that has more to do than it can do would be waited for in vain, left, and asked again: while its timers come late it lets in
//! fewer.

use crosspoint_core::{Code, Fault};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// So much of the rate may come at once, µs.
const BURST_US: u64 = 100_000;
/// Nobody is told to wait longer, µs: beyond that the times are given out anew from the beginning.
const PROMISE_MAX_US: u64 = 30_000_000;
/// Times are given out a little wider than clients are let in: those who come early or late find room.
const PROMISE_WIDER: (u64, u64) = (9, 8);
/// What [`Reading::peak`] looks at, µs.
const WINDOW_US: u64 = 100_000;
/// Timers that come so late show that the hub has too much to do, ms.
const LATE_MS: u64 = 200;
/// The brake when it is off, and at its hardest: a sixteenth of the rate.
const BRAKE: (u64, u64) = (8, 128);
/// A window's count in its word; the rest is its number.
const COUNT_BITS: u32 = 24;

/// All times are µs of one clock.
pub(crate) struct Admission {
    /// Clients per second; 0: no limit.
    rate: u64,
    /// Between two of them.
    slot_us: u64,
    /// By how many eighths a slot is longer now.
    brake: AtomicU64,
    /// When those who were let in so far would have come one by one.
    full_until: AtomicU64,
    /// The last time that was given out.
    promised: AtomicU64,
    admitted: AtomicU64,
    deferred: AtomicU64,
    window: AtomicU64,
    peak: AtomicU64,
}

/// What the door counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct AdmissionStats {
    /// Clients that may come in within a second; 0: no limit.
    pub connects_per_s: u64,
    /// Clients let in since the start: negotiations, hellos without a ticket, plain connections.
    pub admitted: u64,
    /// Clients told to come again since the start.
    pub deferred: u64,
    /// The most that were let in within a tenth of a second since the start.
    pub peak_100ms: u64,
    /// What the next one would have to wait, ms.
    pub wait_ms: u64,
}

impl Admission {
    pub(crate) fn new(connects_per_s: u64) -> Admission {
        Admission {
            rate: connects_per_s,
            slot_us: 1_000_000u64.checked_div(connects_per_s).unwrap_or(0),
            brake: AtomicU64::new(BRAKE.0),
            full_until: AtomicU64::new(0),
            promised: AtomicU64::new(0),
            admitted: AtomicU64::new(0),
            deferred: AtomicU64::new(0),
            window: AtomicU64::new(0),
            peak: AtomicU64::new(0),
        }
    }

    /// Lets a client in, or says when it may come.
    ///
    /// # Errors
    /// `unavailable` with `retry_after_ms`.
    pub(crate) fn admit(&self, now_us: u64) -> Result<(), Fault> {
        let slot = self.slot_us * self.brake.load(Relaxed) / BRAKE.0;
        let taken = self.full_until.fetch_update(Relaxed, Relaxed, |full| {
            let full = full.max(now_us);
            (full - now_us < BURST_US).then_some(full + slot)
        });
        let Err(full) = taken else {
            self.count(now_us);
            return Ok(());
        };
        self.deferred.fetch_add(1, Relaxed);
        let slot = (slot * PROMISE_WIDER.0 / PROMISE_WIDER.1).max(1);
        let next = |last: u64| {
            let last = last.max(full);
            if last > now_us + PROMISE_MAX_US { full + slot } else { last + slot }
        };
        let last = self.promised.fetch_update(Relaxed, Relaxed, |last| Some(next(last)));
        let at = next(last.unwrap_or_else(|last| last));
        let fault = Fault::new(Code::Unavailable, "Many clients come in at the moment");
        Err(fault.after(at.saturating_sub(now_us).div_ceil(1_000)))
    }

    /// The hub's timers came so late.
    pub(crate) fn late(&self, ms: u64) {
        let brake = self.brake.load(Relaxed);
        let next = if ms > LATE_MS { brake * 2 } else { brake.saturating_sub(1) };
        if next.clamp(BRAKE.0, BRAKE.1) != brake {
            self.brake.store(next.clamp(BRAKE.0, BRAKE.1), Relaxed);
        }
    }

    /// What a client would be told to wait that came when all who were told a time have come, ms.
    pub(crate) fn wait_ms(&self, now_us: u64) -> u64 {
        let full = self.full_until.load(Relaxed).saturating_sub(BURST_US);
        full.max(self.promised.load(Relaxed)).saturating_sub(now_us) / 1_000
    }

    fn count(&self, now_us: u64) {
        self.admitted.fetch_add(1, Relaxed);
        let number = now_us / WINDOW_US;
        let add = |word: u64| {
            let same = word >> COUNT_BITS == number;
            if same { word + 1 } else { (number << COUNT_BITS) + 1 }
        };
        if let Ok(word) = self.window.fetch_update(Relaxed, Relaxed, |word| Some(add(word))) {
            self.peak.fetch_max(add(word) & ((1 << COUNT_BITS) - 1), Relaxed);
        }
    }

    pub(crate) fn stats(&self, now_us: u64) -> AdmissionStats {
        AdmissionStats {
            connects_per_s: self.rate,
            admitted: self.admitted.load(Relaxed),
            deferred: self.deferred.load(Relaxed),
            peak_100ms: self.peak.load(Relaxed),
            wait_ms: self.wait_ms(now_us),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BinaryHeap;

    #[test]
    fn ten_thousand_at_once_come_in_at_the_rate_and_soon() {
        let door = Admission::new(1_000);
        // Who comes when (the earliest first), and how often they have come.
        let mut queue: BinaryHeap<_> = (0..10_000u64).map(|n| (std::cmp::Reverse(n), n, 1u32)).collect();
        let (mut seed, mut tries_max, mut last) = (1u64, 0, 0);
        let mut tries_all = 0u64;
        while let Some((std::cmp::Reverse(now), n, tries)) = queue.pop() {
            (tries_max, last) = (tries_max.max(tries), now);
            tries_all += 1;
            if let Err(fault) = door.admit(now) {
                // As clients do: up to a fifth of a second later.
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let jitter = 20_000 + (seed >> 33) % 180_000;
                queue.push((
                    std::cmp::Reverse(now + fault.retry_after_ms.unwrap() * 1_000 + jitter),
                    n,
                    tries + 1,
                ));
            }
        }
        let stats = door.stats(last);
        assert_eq!(stats.admitted, 10_000);
        assert!(stats.peak_100ms <= 201, "{stats:?}");
        assert!(last < 14_000_000, "the last one after {last} µs");
        assert!(tries_max <= 6 && tries_all < 21_000, "{tries_max} at most, {tries_all} altogether");
    }

    #[test]
    fn times_are_given_out_once_each_and_never_far_away() {
        let door = Admission::new(10);
        let mut told = vec![];
        for _ in 0..1_000 {
            if let Err(fault) = door.admit(5) {
                told.push(fault.retry_after_ms.unwrap());
            }
        }
        assert!(told[..200].is_sorted_by(|a, b| a < b), "{:?}", &told[..200]);
        assert!(told.iter().all(|ms| *ms <= PROMISE_MAX_US / 1_000 + 200));
        assert!(door.admit(60_000_000).is_ok(), "what nobody came for is forgotten");
    }

    #[test]
    fn a_hub_that_lags_lets_in_fewer_until_it_has_caught_up() {
        let door = Admission::new(1_000);
        let let_in =
            |from_ms: u64| (from_ms..from_ms + 1_000).filter(|ms| door.admit(ms * 1_000).is_ok()).count();
        assert!(let_in(1_000) >= 990);
        (0..3).for_each(|_| door.late(LATE_MS + 1));
        assert!((100..=250).contains(&let_in(10_000)), "an eighth, and what comes at once");
        (0..10).for_each(|_| door.late(60_000));
        assert!(let_in(20_000) >= 60, "never nobody");
        (0..BRAKE.1).for_each(|_| door.late(0));
        assert!(let_in(30_000) >= 990);
    }

    #[test]
    fn without_a_limit_everybody_comes_in() {
        let door = Admission::new(0);
        assert!((0..100_000).all(|_| door.admit(7).is_ok()));
        let stats = door.stats(7);
        assert_eq!((stats.connects_per_s, stats.admitted, stats.deferred, stats.wait_ms), (0, 100_000, 0, 0));
    }
}
