//! Timers by the tick: coarse, cheap to set, never cancelled (whoever fires looks whether it is still due).

use parking_lot::Mutex;
use std::collections::BTreeMap;

/// The grain of all the hub's timers, ms.
pub(crate) const TICK_MS: u64 = 50;

#[derive(Debug)]
pub(crate) struct Wheel<T> {
    slots: Mutex<BTreeMap<u64, Vec<T>>>,
}

impl<T> Wheel<T> {
    pub(crate) fn new() -> Wheel<T> {
        Wheel { slots: Mutex::default() }
    }

    pub(crate) fn set(&self, at_ms: u64, what: T) {
        self.slots.lock().entry(at_ms.div_ceil(TICK_MS)).or_default().push(what);
    }

    /// How many are set.
    pub(crate) fn len(&self) -> usize {
        self.slots.lock().values().map(Vec::len).sum()
    }

    /// What is due.
    pub(crate) fn due(&self, now_ms: u64) -> Vec<T> {
        let mut slots = self.slots.lock();
        let later = slots.split_off(&(now_ms / TICK_MS + 1));
        let due = std::mem::replace(&mut *slots, later);
        due.into_values().flatten().collect()
    }
}

/// The timers in the wheel for one thing whose time moves: the two nearest are remembered, so that a time that is brought
/// forward and back again doesn't leave one timer more behind each time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Timers {
    near: u64,
    far: u64,
}

impl Timers {
    pub(crate) const NONE: Timers = Timers { near: u64::MAX, far: u64::MAX };

    /// Whether a timer must be set for this time. It is remembered then.
    pub(crate) fn want(&mut self, at: u64) -> bool {
        let sooner = at < self.near;
        if sooner {
            (self.near, self.far) = (at, self.near);
        }
        sooner
    }

    /// The timer of this time fires. `false`: it was forgotten, and means nothing.
    pub(crate) fn fired(&mut self, at: u64) -> bool {
        if at == self.near {
            (self.near, self.far) = (self.far, u64::MAX);
        } else if at == self.far {
            self.far = u64::MAX;
        } else {
            return false;
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_brought_forward_again_and_again_leaves_no_timers_behind() {
        let wheel = Wheel::new();
        let mut timers = Timers::NONE;
        for now in (0..100_000).step_by(500) {
            for at in wheel.due(now) {
                timers.fired(at);
            }
            // Something near each time, and always something far.
            for at in [now + 10_000, now + 400] {
                if timers.want(at) {
                    wheel.set(at, at);
                }
            }
            assert!(wheel.len() <= 3, "{} timers at {now}", wheel.len());
        }
    }

    #[test]
    fn a_forgotten_timer_means_nothing() {
        let mut t = Timers::NONE;
        assert!(t.want(30) && t.want(20) && !t.want(25) && t.want(10));
        assert!(!t.fired(30), "forgotten for 10 and 20");
        assert!(t.fired(10) && t.fired(20) && !t.fired(20));
        assert!(t.want(40) && !t.want(u64::MAX));
    }

    #[test]
    fn nothing_fires_early_and_all_fire_once() {
        let w = Wheel::new();
        [0, 1, 49, 50, 51, 1000].into_iter().for_each(|t| w.set(t, t));
        assert_eq!(w.due(49), [0]);
        assert_eq!(w.due(50), [1, 49, 50]);
        assert!(w.due(50).is_empty());
        assert_eq!(w.due(10_000), [51, 1000]);
    }
}
