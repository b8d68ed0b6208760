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

    /// What is due.
    pub(crate) fn due(&self, now_ms: u64) -> Vec<T> {
        let mut slots = self.slots.lock();
        let later = slots.split_off(&(now_ms / TICK_MS + 1));
        let due = std::mem::replace(&mut *slots, later);
        due.into_values().flatten().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
