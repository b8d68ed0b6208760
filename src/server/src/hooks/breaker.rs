//! Leaves an address alone for a while that fails again and again.

use parking_lot::Mutex;
use std::time::{Duration, Instant};

/// One per address.
pub(super) struct Breaker {
    failures_max: u64,
    open_for: Duration,
    state: Mutex<State>,
}

enum State {
    Closed {
        failures: u64,
    },
    Open {
        until: Instant,
    },
    /// One request finds out how things are.
    Probing,
}

/// The right to make one attempt. Let go of without a result it says nothing about the address.
pub(super) struct Pass<'a> {
    breaker: &'a Breaker,
    probe: bool,
}

impl Breaker {
    pub(super) fn new(failures_max: u64, open_for: Duration) -> Breaker {
        Breaker { failures_max, open_for, state: Mutex::new(State::Closed { failures: 0 }) }
    }

    /// `Err`: how long to leave it alone yet.
    pub(super) fn pass(&self, now: Instant) -> Result<Pass<'_>, Duration> {
        let mut state = self.state.lock();
        match *state {
            State::Closed { .. } => Ok(Pass { breaker: self, probe: false }),
            State::Open { until } if now >= until => {
                *state = State::Probing;
                Ok(Pass { breaker: self, probe: true })
            }
            State::Open { until } => Err(until - now),
            State::Probing => Err(self.open_for),
        }
    }

    /// Whether requests are kept from it.
    pub(super) fn is_open(&self) -> bool {
        !matches!(*self.state.lock(), State::Closed { .. })
    }
}

impl Pass<'_> {
    /// `true` if this opened the breaker.
    pub(super) fn result(mut self, now: Instant, ok: bool) -> bool {
        let probe = std::mem::take(&mut self.probe);
        let mut state = self.breaker.state.lock();
        let until = now + self.breaker.open_for;
        match (&mut *state, ok) {
            (State::Closed { failures }, true) => *failures = 0,
            (State::Closed { failures }, false) => {
                *failures += 1;
                if *failures >= self.breaker.failures_max {
                    *state = State::Open { until };
                    return true;
                }
            }
            (State::Probing, true) if probe => *state = State::Closed { failures: 0 },
            (State::Probing, false) if probe => *state = State::Open { until },
            // A request that began before it was opened.
            _ => {}
        }
        false
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        let mut state = self.breaker.state.lock();
        if self.probe && matches!(*state, State::Probing) {
            *state = State::Open { until: Instant::now() };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPEN: Duration = Duration::from_secs(5);

    #[test]
    fn it_opens_after_failures_in_a_row_and_closes_after_a_good_probe() {
        let (breaker, start) = (Breaker::new(3, OPEN), Instant::now());
        let attempt = |at: Instant, ok: bool| breaker.pass(at).ok().map(|pass| pass.result(at, ok));
        assert_eq!(attempt(start, false), Some(false));
        assert_eq!(attempt(start, false), Some(false));
        assert_eq!(attempt(start, true), Some(false), "not in a row");
        assert_eq!(attempt(start, false), Some(false));
        assert_eq!(attempt(start, false), Some(false));
        assert_eq!(attempt(start, false), Some(true));
        assert!(breaker.is_open());
        assert_eq!(breaker.pass(start).err(), Some(OPEN));
        let later = start + OPEN;
        let probe = breaker.pass(later).unwrap();
        assert!(breaker.pass(later).is_err(), "one probe at a time");
        assert!(!probe.result(later, false));
        assert_eq!(breaker.pass(later).err(), Some(OPEN), "open again");
        let again = later + OPEN;
        assert_eq!(attempt(again, true), Some(false));
        assert!(!breaker.is_open() && breaker.pass(again).is_ok());
    }

    #[test]
    fn a_probe_that_is_given_up_leaves_room_for_the_next_and_late_results_change_nothing() {
        let (breaker, start) = (Breaker::new(1, OPEN), Instant::now());
        let (early, other) = (breaker.pass(start).unwrap(), breaker.pass(start).unwrap());
        assert!(early.result(start, false));
        assert!(!other.result(start, true));
        assert!(breaker.is_open(), "an answer to an earlier request is no probe");
        drop(breaker.pass(start + OPEN).unwrap());
        assert!(breaker.pass(Instant::now()).is_ok());
    }
}
