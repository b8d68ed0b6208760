//! Volatile frames that wait for a link: the newest per key, the oldest keys dropped first.

use crate::wire::SharedFrame;

#[derive(Debug, Default)]
pub(super) struct Volatiles {
    waiting: Vec<(Box<str>, SharedFrame)>,
}

impl Volatiles {
    pub(super) fn put(&mut self, key: &str, frame: SharedFrame, keys_max: usize) {
        if let Some(slot) = self.waiting.iter_mut().find(|(k, _)| **k == *key) {
            slot.1 = frame;
            return;
        }
        if self.waiting.len() >= keys_max.max(1) {
            self.waiting.remove(0);
        }
        self.waiting.push((key.into(), frame));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &SharedFrame> {
        self.waiting.iter().map(|(_, f)| f)
    }

    pub(super) fn taken(&mut self, n: usize) {
        self.waiting.drain(..n.min(self.waiting.len()));
        if self.waiting.is_empty() {
            self.waiting = Vec::new();
        }
    }

    pub(super) fn clear(&mut self) {
        self.waiting = Vec::new();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::OutFrame;

    #[test]
    fn the_newest_wins_and_the_oldest_key_goes_first() {
        let mut v = Volatiles::default();
        for (key, n) in [("a", 1), ("b", 2), ("a", 3), ("c", 4)] {
            v.put(key, OutFrame::with("t", &n), 2);
        }
        let left: Vec<_> = v.iter().map(|f| f.json().clone()).collect();
        assert_eq!(left, [&br#"{"type":"t","data":2}"#[..], br#"{"type":"t","data":4}"#]);
        v.taken(2);
        assert!(v.is_empty());
    }
}
