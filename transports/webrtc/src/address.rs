//! What each address has and does.

use crate::config::PerAddress;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Addresses remembered for the pace of their offers; beyond, those whose time is over are forgotten first.
const KNOWN_MAX: usize = 16_384;
/// When an address may come again that has as many peers as it may.
const FULL_RETRY: Duration = Duration::from_secs(5);

/// All addresses that have peers or offered lately.
#[derive(Debug)]
pub(crate) struct Addresses {
    limits: PerAddress,
    known: Mutex<HashMap<IpAddr, Use>>,
}

#[derive(Debug)]
struct Use {
    peers: usize,
    /// Offers that may come at once, and since when there are so many.
    left: f64,
    at: Instant,
}

/// One peer's place; given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    all: Arc<Addresses>,
    address: IpAddr,
}

impl Addresses {
    pub(crate) fn new(limits: PerAddress) -> Arc<Addresses> {
        Arc::new(Addresses { limits, known: Mutex::default() })
    }

    /// A place for one more peer of this address.
    ///
    /// # Errors
    /// When there is none now; it may come again after so long.
    pub(crate) fn enter(self: &Arc<Self>, address: IpAddr, now: Instant) -> Result<Place, Duration> {
        let address = network(address);
        let per_s = f64::from(self.limits.offers_per_s.max(1));
        let mut known = self.known.lock();
        if known.len() >= KNOWN_MAX && !known.contains_key(&address) {
            known.retain(|_, used| used.peers > 0 || now.duration_since(used.at) < Duration::from_secs(1));
            if known.len() >= KNOWN_MAX {
                return Err(FULL_RETRY);
            }
        }
        let used = known.entry(address).or_insert(Use { peers: 0, left: per_s, at: now });
        let back = now.duration_since(used.at).as_secs_f64() * per_s;
        (used.left, used.at) = ((used.left + back).min(per_s), now);
        if used.left < 1.0 {
            return Err(Duration::from_secs_f64((1.0 - used.left) / per_s));
        }
        used.left -= 1.0;
        if used.peers >= self.limits.peers_max {
            return Err(FULL_RETRY);
        }
        used.peers += 1;
        Ok(Place { all: self.clone(), address })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut known = self.all.known.lock();
        if let Some(used) = known.get_mut(&self.address) {
            used.peers = used.peers.saturating_sub(1);
        }
    }
}

/// What one client may hold as it likes: an IPv6 host has a /64 (RFC 4291 §2.5.4).
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX)).into(),
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_counted_by_network_and_given_back() {
        let all = Addresses::new(PerAddress { peers_max: 2, offers_per_s: 100 });
        let now = Instant::now();
        let enter = |address: &str| all.enter(address.parse().unwrap(), now);
        let (a, b) = (enter("2001:db8::1").unwrap(), enter("2001:db8::2"));
        assert_eq!(enter("2001:db8::3").err(), Some(FULL_RETRY));
        assert!(enter("2001:db8:0:1::1").is_ok());
        assert!(enter("::ffff:192.0.2.1").is_ok_and(|place| place.address.is_ipv4()));
        drop(a);
        assert!(enter("2001:db8::3").is_ok() && b.is_ok());
    }

    #[test]
    fn offers_have_a_pace() {
        let all = Addresses::new(PerAddress { peers_max: 100, offers_per_s: 4 });
        let start = Instant::now();
        let taken = |at| (0..10).take_while(|_| all.enter("192.0.2.1".parse().unwrap(), at).is_ok()).count();
        assert_eq!(taken(start), 4);
        assert_eq!(all.enter("192.0.2.1".parse().unwrap(), start).err(), Some(Duration::from_millis(250)));
        assert_eq!(taken(start + Duration::from_millis(500)), 2);
        assert_eq!(taken(start + Duration::from_secs(60)), 4);
    }

    #[test]
    fn addresses_are_forgotten() {
        let all = Addresses::new(PerAddress { peers_max: 1, offers_per_s: 1 });
        let now = Instant::now();
        let address = |n: usize| IpAddr::from((0x0a00_0000 + n as u32).to_be_bytes());
        let held = all.enter(address(0), now).unwrap();
        for n in 1..KNOWN_MAX {
            drop(all.enter(address(n), now).unwrap());
        }
        assert!(all.enter(address(KNOWN_MAX), now).is_err());
        let later = now + Duration::from_secs(2);
        assert!(all.enter(address(KNOWN_MAX), later).is_ok());
        assert_eq!(all.known.lock().len(), 2);
        drop(held);
    }
}
