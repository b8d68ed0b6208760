//! What each address has and does.

use crate::config::PerAddress;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::time::Instant;

/// All addresses that have sessions.
#[derive(Debug)]
pub(crate) struct Addresses {
    limits: PerAddress,
    known: Mutex<HashMap<IpAddr, Arc<Mutex<Use>>>>,
}

#[derive(Debug)]
struct Use {
    sessions: usize,
    streams: Bucket,
    datagrams: Bucket,
}

/// Tokens that come back over time.
#[derive(Debug)]
struct Bucket {
    left: f64,
    at: Instant,
}

impl Bucket {
    fn new(per_s: u32) -> Bucket {
        Bucket { left: f64::from(per_s), at: Instant::now() }
    }

    fn take(&mut self, per_s: u32) -> bool {
        let now = Instant::now();
        let back = now.duration_since(self.at).as_secs_f64() * f64::from(per_s);
        (self.left, self.at) = ((self.left + back).min(f64::from(per_s)), now);
        let one = self.left >= 1.0;
        self.left -= f64::from(u8::from(one));
        one
    }
}

/// One session's place; given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    all: Arc<Addresses>,
    address: IpAddr,
    used: Arc<Mutex<Use>>,
}

impl Addresses {
    pub(crate) fn new(limits: PerAddress) -> Arc<Addresses> {
        Arc::new(Addresses { limits, known: Mutex::default() })
    }

    /// A place for one more session of this address.
    pub(crate) fn enter(self: &Arc<Self>, address: IpAddr) -> Option<Place> {
        let address = network(address);
        let mut known = self.known.lock();
        let fresh = || {
            let Addresses { limits, .. } = &**self;
            let (streams, datagrams) =
                (Bucket::new(limits.streams_per_s), Bucket::new(limits.datagrams_per_s));
            Arc::new(Mutex::new(Use { sessions: 0, streams, datagrams }))
        };
        let used = known.entry(address).or_insert_with(fresh).clone();
        let full = {
            let mut used = used.lock();
            let full = used.sessions >= self.limits.sessions_max;
            used.sessions += usize::from(!full);
            full
        };
        (!full).then(|| Place { all: self.clone(), address, used })
    }
}

impl Place {
    /// Whether the address may open one more stream.
    pub(crate) fn stream(&self) -> bool {
        self.used.lock().streams.take(self.all.limits.streams_per_s)
    }

    /// Whether a datagram of the address is taken.
    pub(crate) fn datagram(&self) -> bool {
        self.used.lock().datagrams.take(self.all.limits.datagrams_per_s)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut known = self.all.known.lock();
        let mut used = self.used.lock();
        used.sessions -= 1;
        if used.sessions == 0 {
            known.remove(&self.address);
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

    fn limits(sessions_max: usize) -> Arc<Addresses> {
        Addresses::new(PerAddress { sessions_max, streams_per_s: 2, datagrams_per_s: 0 })
    }

    #[test]
    fn places_are_counted_by_network_and_given_back() {
        let all = limits(2);
        let a = all.enter("2001:db8::1".parse().unwrap());
        let b = all.enter("2001:db8::2".parse().unwrap());
        assert!(a.is_some() && b.is_some() && all.enter("2001:db8::3".parse().unwrap()).is_none());
        assert!(all.enter("2001:db8:0:1::1".parse().unwrap()).is_some());
        assert!(all.enter("::ffff:192.0.2.1".parse().unwrap()).is_some_and(|p| p.address.is_ipv4()));
        drop(a);
        assert!(all.enter("2001:db8::3".parse().unwrap()).is_some());
        drop(b);
        assert!(all.known.lock().is_empty());
    }

    #[test]
    fn sessions_of_an_address_share_what_it_may_do() {
        let all = limits(2);
        let address = "192.0.2.1".parse().unwrap();
        let (a, b) = (all.enter(address).unwrap(), all.enter(address).unwrap());
        assert!(a.stream() && b.stream() && !a.stream() && !b.stream());
        assert!(!a.datagram());
    }
}
