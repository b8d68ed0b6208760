//! Idempotency keys: what a POST came to is kept, and given again to who repeats it.

use super::outcome::Outcome;
use crosspoint_core::{Code, Fault};
use parking_lot::Mutex;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// How long an answer is kept.
const KEPT: Duration = Duration::from_secs(86_400);
/// Answers kept for one API key, those under way included; beyond, the oldest go.
const ENTRIES_MAX: usize = 10_000;
/// Bytes of answers kept for one API key.
const BYTES_MAX: usize = 16 << 20;
/// What an entry takes beside its answer's body.
const ENTRY_BYTES: usize = 256;
/// The longest key.
pub(super) const KEY_BYTES_MAX: usize = 128;

/// A digest of a request: the same one, as far as anybody can tell.
pub(super) type Print = [u8; 32];

/// What is kept, by API key.
#[derive(Clone, Default)]
pub(crate) struct Idempotency(Arc<Mutex<HashMap<Arc<str>, Shelf>>>);

#[derive(Default)]
struct Shelf {
    entries: HashMap<Arc<str>, Entry>,
    /// Those that are done, oldest first.
    order: VecDeque<(Instant, Arc<str>)>,
    bytes: usize,
}

struct Entry {
    print: Print,
    state: State,
}

enum State {
    /// Whose sender goes when it is over.
    Running(watch::Receiver<()>),
    Done(Outcome),
}

/// How it is with a key.
pub(super) enum Begun {
    /// Nobody has come with it.
    First(Running),
    /// It is being done; when the sender goes, ask again.
    Wait(watch::Receiver<()>),
    /// It was done.
    Again(Outcome),
}

/// The right, and the duty, to do it. Dropped without an outcome it leaves the key as if it had never come.
pub(super) struct Running {
    store: Idempotency,
    who: Arc<str>,
    key: Arc<str>,
    _over: watch::Sender<()>,
}

impl Idempotency {
    /// Looks the key up, for the API key `who`.
    ///
    /// # Errors
    /// `idempotency_mismatch`: it came with another request; `unavailable`: so many are under way.
    pub(super) fn begin(
        &self,
        who: &Arc<str>,
        key: &str,
        print: Print,
        now: Instant,
    ) -> Result<Begun, Fault> {
        let mut shelves = self.0.lock();
        let shelf = shelves.entry(who.clone()).or_default();
        shelf.expire(now);
        if let Some(entry) = shelf.entries.get(key) {
            if entry.print != print {
                return Err(Code::IdempotencyMismatch.into());
            }
            return Ok(match &entry.state {
                State::Running(over) => Begun::Wait(over.clone()),
                State::Done(outcome) => Begun::Again(outcome.clone()),
            });
        }
        if shelf.entries.len() >= ENTRIES_MAX && !shelf.drop_oldest() {
            return Err(Fault::new(
                Code::Unavailable,
                "Too many requests with idempotency keys are under way",
            ));
        }
        let (sender, over) = watch::channel(());
        let key: Arc<str> = key.into();
        shelf.entries.insert(key.clone(), Entry { print, state: State::Running(over) });
        Ok(Begun::First(Running { store: self.clone(), who: who.clone(), key, _over: sender }))
    }
}

impl Running {
    /// Keeps what it came to, if that was decided.
    pub(super) fn finish(self, outcome: &Outcome, now: Instant) {
        if !outcome.is_decided {
            return;
        }
        let mut shelves = self.store.0.lock();
        let Some(shelf) = shelves.get_mut(&self.who) else { return };
        let Some(entry) = shelf.entries.get_mut(&self.key) else { return };
        entry.state = State::Done(outcome.clone());
        shelf.bytes += outcome.body.len() + ENTRY_BYTES;
        shelf.order.push_back((now, self.key.clone()));
        while shelf.bytes > BYTES_MAX && shelf.drop_oldest() {}
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let mut shelves = self.store.0.lock();
        let Some(shelf) = shelves.get_mut(&self.who) else { return };
        if shelf.entries.get(&self.key).is_some_and(|e| matches!(e.state, State::Running(_))) {
            shelf.entries.remove(&self.key);
        }
    }
}

impl Shelf {
    fn expire(&mut self, now: Instant) {
        while self.order.front().is_some_and(|(at, _)| now.duration_since(*at) >= KEPT) {
            self.drop_oldest();
        }
    }

    /// `false`: nothing is done.
    fn drop_oldest(&mut self) -> bool {
        let Some((_, key)) = self.order.pop_front() else { return false };
        if let Some(Entry { state: State::Done(outcome), .. }) = self.entries.remove(&key) {
            self.bytes -= outcome.body.len() + ENTRY_BYTES;
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn who() -> Arc<str> {
        "backend".into()
    }

    fn outcome(text: &str) -> Outcome {
        Outcome::done(&json!(text)).unwrap()
    }

    fn first(store: &Idempotency, key: &str, now: Instant) -> Running {
        match store.begin(&who(), key, [0; 32], now) {
            Ok(Begun::First(running)) => running,
            _ => panic!("{key} came before"),
        }
    }

    fn kept(store: &Idempotency, key: &str, now: Instant) -> bool {
        matches!(store.begin(&who(), key, [0; 32], now), Ok(Begun::Again(_)))
    }

    #[test]
    fn answers_are_kept_for_a_day() {
        let (store, now) = (Idempotency::default(), Instant::now());
        first(&store, "a", now).finish(&outcome("done"), now);
        assert!(kept(&store, "a", now + KEPT - Duration::from_secs(1)));
        assert!(!kept(&store, "a", now + KEPT));
        assert!(store.0.lock()["backend"].order.is_empty() && store.0.lock()["backend"].bytes == 0);
    }

    #[test]
    fn what_was_not_decided_is_free_again_and_others_are_none_of_its_business() {
        let (store, now) = (Idempotency::default(), Instant::now());
        let running = first(&store, "a", now);
        let Ok(Begun::Wait(mut over)) = store.begin(&who(), "a", [0; 32], now) else {
            panic!("it is under way")
        };
        assert!(store.begin(&who(), "a", [1; 32], now).is_err_and(|f| f.code == Code::IdempotencyMismatch));
        assert!(matches!(store.begin(&"other".into(), "a", [1; 32], now), Ok(Begun::First(_))));
        running.finish(&Outcome::failed(Code::Unavailable.into()), now);
        assert!(over.has_changed().is_err());
        over.mark_unchanged();
        first(&store, "a", now).finish(&Outcome::failed(Code::NotFound.into()), now);
        assert!(kept(&store, "a", now));
    }

    #[test]
    fn the_oldest_answers_go_first() {
        let (store, now) = (Idempotency::default(), Instant::now());
        let running = first(&store, "running", now);
        for n in 0..ENTRIES_MAX {
            first(&store, &n.to_string(), now).finish(&outcome("done"), now);
        }
        assert!(!kept(&store, "0", now) && kept(&store, "2", now));
        let large = outcome(&"x".repeat(BYTES_MAX / 2 + 1));
        first(&store, "large", now).finish(&large, now);
        assert!(kept(&store, "large", now));
        first(&store, "larger", now).finish(&large, now);
        assert!(kept(&store, "larger", now) && !kept(&store, "large", now));
        running.finish(&outcome("late"), now);
        assert!(kept(&store, "running", now));
    }

    #[test]
    fn there_is_a_bound_to_what_is_under_way() {
        let (store, now) = (Idempotency::default(), Instant::now());
        let all: Vec<_> = (0..ENTRIES_MAX).map(|n| first(&store, &n.to_string(), now)).collect();
        assert!(store.begin(&who(), "more", [0; 32], now).is_err_and(|f| f.code == Code::Unavailable));
        drop(all);
        first(&store, "more", now).finish(&outcome("done"), now);
    }
}
