//! What each user has and has had.

use crate::bucket::Bucket;
use crate::config::Quotas;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

const DAY: Duration = Duration::from_secs(24 * 3600);
/// Users that are remembered; further ones get no allocation.
const USERS_MAX: usize = 100_000;
/// How often those with nothing to remember are forgotten, when there are too many.
const FORGET: Duration = Duration::from_secs(60);
/// What a datagram costs beside its payload: headers of IP, UDP and TURN.
const OVERHEAD_BYTES: u64 = 40;

/// Everybody's.
pub(crate) struct Accounts {
    quotas: Quotas,
    state: Mutex<State>,
    bytes: Mutex<Bucket>,
}

struct State {
    users: HashMap<Box<str>, Arc<Mutex<Use>>>,
    allocations: usize,
    forgot: Option<Instant>,
}

struct Use {
    allocations: usize,
    per_s: Bucket,
    day: Instant,
    day_bytes: u64,
}

/// Why there is no further allocation.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Full {
    /// The user has had enough.
    User,
    /// The server has no more.
    Server,
}

/// The place of one allocation; given back when it is dropped.
pub(crate) struct Place {
    all: Arc<Accounts>,
    used: Arc<Mutex<Use>>,
}

impl Accounts {
    pub(crate) fn new(quotas: Quotas) -> Arc<Accounts> {
        let bytes = Mutex::new(Bucket::new(quotas.bytes_per_s, Instant::now()));
        let state = State { users: HashMap::new(), allocations: 0, forgot: None };
        Arc::new(Accounts { quotas, state: Mutex::new(state), bytes })
    }

    /// A place for one more allocation of this user.
    pub(crate) fn enter(self: &Arc<Self>, user: &str, now: Instant) -> Result<Place, Full> {
        let mut state = self.state.lock();
        if state.allocations >= self.quotas.allocations_max {
            return Err(Full::Server);
        }
        if !state.users.contains_key(user) && state.users.len() >= USERS_MAX {
            if state.forgot.is_none_or(|at| now.saturating_duration_since(at) >= FORGET) {
                state.forgot = Some(now);
                state.users.retain(|_, used| used.lock().matters(now));
            }
            if state.users.len() >= USERS_MAX {
                return Err(Full::Server);
            }
        }
        let fresh = || Use {
            allocations: 0,
            per_s: Bucket::new(self.quotas.user_bytes_per_s, now),
            day: now,
            day_bytes: 0,
        };
        let used = state.users.entry(user.into()).or_insert_with(|| Arc::new(Mutex::new(fresh()))).clone();
        {
            let mut used = used.lock();
            used.turn_day(now);
            if used.allocations >= self.quotas.user_allocations_max
                || used.day_bytes >= self.quotas.user_bytes_per_day
            {
                return Err(Full::User);
            }
            used.allocations += 1;
        }
        state.allocations += 1;
        Ok(Place { all: self.clone(), used })
    }
}

impl Use {
    fn turn_day(&mut self, now: Instant) {
        if now.saturating_duration_since(self.day) >= DAY {
            (self.day, self.day_bytes) = (now, 0);
        }
    }

    fn matters(&mut self, now: Instant) -> bool {
        self.turn_day(now);
        self.allocations > 0 || self.day_bytes > 0
    }
}

impl Place {
    /// Whether a datagram with so many bytes may be relayed.
    pub(crate) fn takes(&self, bytes: usize, now: Instant) -> bool {
        let (quotas, bytes) = (&self.all.quotas, bytes as u64 + OVERHEAD_BYTES);
        {
            let mut used = self.used.lock();
            used.turn_day(now);
            let in_day = used.day_bytes + bytes <= quotas.user_bytes_per_day;
            if !in_day || !used.per_s.take(bytes, quotas.user_bytes_per_s, now) {
                return false;
            }
            used.day_bytes += bytes;
        }
        quotas.bytes_per_s == 0 || self.all.bytes.lock().take(bytes, quotas.bytes_per_s, now)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.all.state.lock().allocations -= 1;
        self.used.lock().allocations -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accounts(change: impl FnOnce(&mut Quotas)) -> Arc<Accounts> {
        let mut quotas = Quotas { allocations_max: 3, user_allocations_max: 2, ..Quotas::default() };
        change(&mut quotas);
        Accounts::new(quotas)
    }

    #[test]
    fn places_are_counted_and_given_back() {
        let (all, now) = (accounts(|_| {}), Instant::now());
        let (a, _b) = (all.enter("alice", now).unwrap(), all.enter("alice", now).unwrap());
        assert_eq!(all.enter("alice", now).err(), Some(Full::User));
        let _c = all.enter("bob", now).unwrap();
        assert_eq!(all.enter("carol", now).err(), Some(Full::Server));
        drop(a);
        assert!(all.enter("alice", now).is_ok());
    }

    #[test]
    fn allocations_of_a_user_share_rate_and_day() {
        let rate = |q: &mut Quotas| (q.user_bytes_per_s, q.user_bytes_per_day) = (1_000, 4_000);
        let (all, now) = (accounts(rate), Instant::now());
        let (a, b) = (all.enter("alice", now).unwrap(), all.enter("alice", now).unwrap());
        let other = all.enter("bob", now).unwrap();
        assert!(a.takes(960, now) && b.takes(960, now) && !a.takes(0, now) && other.takes(960, now));
        let later = now + Duration::from_secs(2);
        assert!(a.takes(960, later) && b.takes(960, later), "its rate has come back");
        let much_later = now + Duration::from_secs(60);
        assert!(!a.takes(0, much_later), "its day is used up");
        drop((a, b));
        assert_eq!(all.enter("alice", much_later).err(), Some(Full::User));
        assert!(all.enter("alice", now + DAY).is_ok_and(|p| p.takes(960, now + DAY)));
    }

    #[test]
    fn all_together_have_a_rate() {
        let (all, now) = (accounts(|q| q.bytes_per_s = 1_000), Instant::now());
        let (a, b) = (all.enter("alice", now).unwrap(), all.enter("bob", now).unwrap());
        assert!(a.takes(960, now) && b.takes(960, now) && !b.takes(960, now));
    }
}
