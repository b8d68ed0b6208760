//! What each address may do before anybody knows who it is.

use crate::bucket::Bucket;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::time::{Duration, Instant};

/// Addresses that are told apart; beyond, all others share what one may do.
const ADDRESSES_MAX: usize = 50_000;
/// How often those that have been quiet are forgotten, when there are too many.
const FORGET: Duration = Duration::from_secs(2);

/// Requests by address.
pub(crate) struct Addresses {
    per_s: u64,
    state: Mutex<State>,
}

struct State {
    known: HashMap<IpAddr, Bucket>,
    others: Bucket,
    forgot: Instant,
}

impl Addresses {
    pub(crate) fn new(per_s: u32) -> Addresses {
        let (per_s, now) = (u64::from(per_s), Instant::now());
        let state = State { known: HashMap::new(), others: Bucket::new(per_s, now), forgot: now };
        Addresses { per_s, state: Mutex::new(state) }
    }

    /// Whether one more request of this address is taken.
    pub(crate) fn takes(&self, address: IpAddr, now: Instant) -> bool {
        let (address, per_s) = (network(address), self.per_s);
        let mut state = self.state.lock();
        let State { known, others, forgot } = &mut *state;
        if let Some(bucket) = known.get_mut(&address) {
            return bucket.take(1, per_s, now);
        }
        if known.len() >= ADDRESSES_MAX && now.saturating_duration_since(*forgot) >= FORGET {
            known.retain(|_, bucket| !bucket.is_full(per_s, now));
            *forgot = now;
        }
        if known.len() >= ADDRESSES_MAX {
            return others.take(1, per_s, now);
        }
        known.entry(address).or_insert_with(|| Bucket::new(per_s, now)).take(1, per_s, now)
    }
}

/// What one client may hold as it likes: an IPv6 host has a /64 (RFC 4291 §2.5.4).
pub(crate) fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX)).into(),
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_its_own_share() {
        let (all, now) = (Addresses::new(2), Instant::now());
        let takes = |address: &str| all.takes(address.parse().unwrap(), now);
        assert!((0..4).all(|_| takes("192.0.2.1")) && !takes("192.0.2.1") && !takes("::ffff:192.0.2.1"));
        assert!(takes("192.0.2.2"));
        assert!((0..4).all(|n| takes(&format!("2001:db8::{n}"))) && !takes("2001:db8::9"));
    }

    #[test]
    fn a_flood_from_everywhere_is_bounded_and_leaves_those_who_were_there() {
        let (all, now) = (Addresses::new(2), Instant::now());
        let at = |n: usize| IpAddr::from([10, (n >> 16) as u8, (n >> 8) as u8, n as u8]);
        assert!((0..ADDRESSES_MAX).all(|n| all.takes(at(n), now)));
        let others = (ADDRESSES_MAX..ADDRESSES_MAX + 100).filter(|n| all.takes(at(*n), now)).count();
        assert_eq!((others, all.state.lock().known.len()), (4, ADDRESSES_MAX));
        assert!(all.takes(at(0), now));
        assert!(all.takes(at(ADDRESSES_MAX), now + FORGET), "the quiet ones are forgotten");
        assert_eq!(all.state.lock().known.len(), 1);
    }
}
