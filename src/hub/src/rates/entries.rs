//! Users and addresses that are known apart: a bounded map of their buckets.

use super::bucket::Buckets;
use crate::clock::Clock;
use parking_lot::RwLock;
use std::collections::HashMap;
use std::hash::{BuildHasher, Hash};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};

/// Kinds that users and addresses have.
pub(crate) const KINDS: usize = 9;
/// A full map is looked through for entries that nobody needs so often at most, ms.
const SWEEP_EVERY_MS: u64 = 1_000;
/// Entries for those for whom there is no room in a full map.
const SHARED: usize = 1_024;

/// What is known of a user or an address.
#[derive(Debug, Default)]
pub(crate) struct Entry {
    pub(crate) buckets: Buckets<KINDS>,
    /// Of an address: its links, connections, and connections without a request.
    pub(crate) links: AtomicUsize,
    pub(crate) connections: AtomicUsize,
    pub(crate) handshakes: AtomicUsize,
    /// Many have it together: none of them is held by what the others hold.
    pub(crate) is_shared: bool,
}

impl Entry {
    /// How many may be had at once (0: any number), where the limit for one owner is this.
    pub(crate) fn max(&self, limit: usize) -> usize {
        if self.is_shared { 0 } else { limit }
    }
}

/// Entries by name. One is kept as long as somebody holds it or it has something to remember.
pub(crate) struct Entries<K> {
    map: RwLock<HashMap<K, Arc<Entry>>>,
    max: usize,
    /// What those share for whom there is no room; made for the first of them.
    shared: OnceLock<Vec<Arc<Entry>>>,
    swept: AtomicU64,
}

impl<K: Hash + Eq> Entries<K> {
    pub(crate) fn new(max: usize) -> Entries<K> {
        Entries { map: RwLock::default(), max, shared: OnceLock::new(), swept: AtomicU64::new(0) }
    }

    /// The entry of this name, made if need be; a shared one if there are too many.
    pub(crate) fn of(&self, clock: Clock, name: K) -> Arc<Entry> {
        if let Some(entry) = self.map.read().get(&name) {
            return entry.clone();
        }
        let mut map = self.map.write();
        if map.len() >= self.max && !map.contains_key(&name) {
            let (now, swept) = (clock.now(), self.swept.load(Relaxed));
            if swept == 0 || now >= swept + SWEEP_EVERY_MS {
                self.swept.store(now.max(1), Relaxed);
                forget(&mut map, clock);
            }
            if map.len() >= self.max {
                let place = map.hasher().hash_one(&name) as usize % SHARED;
                return self.shared()[place].clone();
            }
        }
        map.entry(name).or_default().clone()
    }

    fn shared(&self) -> &[Arc<Entry>] {
        let shared = || Arc::new(Entry { is_shared: true, ..Entry::default() });
        self.shared.get_or_init(|| std::iter::repeat_with(shared).take(SHARED).collect())
    }

    /// Lets go of what nobody needs.
    pub(crate) fn sweep(&self, clock: Clock) {
        if !self.map.read().is_empty() {
            forget(&mut self.map.write(), clock);
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.map.read().len()
    }
}

/// The map is locked: nobody gets hold of an entry meanwhile who hasn't got it.
fn forget<K: Hash + Eq>(map: &mut HashMap<K, Arc<Entry>>, clock: Clock) {
    map.retain(|_, entry| Arc::strong_count(entry) > 1 || !entry.buckets.are_full(clock));
    if map.len() < map.capacity() / 4 {
        map.shrink_to(map.len() * 2);
    }
}

/// What counts as one address: an IPv6 client has a /64 to itself.
pub(crate) fn address(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V6(ip) => {
            let [a, b, c, d, ..] = ip.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        ip => ip,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rates::bucket::{Bursts, Kind, Limits};
    use std::collections::HashSet;

    fn limits(clock: Clock) -> Limits<KINDS> {
        Limits::new(Bursts { clock, ms: 1_000, bytes_min: 1 }, &[(Kind::Frames, 1)])
    }

    #[tokio::test(start_paused = true)]
    async fn more_than_it_may_know_share_some_and_none_is_known_for_ever() {
        let clock = Clock::new();
        let (limits, entries) = (limits(clock), Entries::<u32>::new(2));
        let held = entries.of(clock, 1);
        assert!(limits.take(&entries.of(clock, 2).buckets, Kind::Frames, 1).is_ok());
        let third = entries.of(clock, 3);
        assert!(third.is_shared && !held.is_shared, "1 is held, 2 has something to remember");
        assert!(Arc::ptr_eq(&third, &entries.of(clock, 3)));
        let others: HashSet<_> = (4..4_000).map(|n| Arc::as_ptr(&entries.of(clock, n))).collect();
        assert!(others.len() > SHARED / 2 && others.len() <= SHARED, "{}", others.len());
        assert_eq!((third.max(5), held.max(5)), (0, 5));
        assert!(Arc::ptr_eq(&held, &entries.of(clock, 1)));
        tokio::time::advance(std::time::Duration::from_millis(1_001)).await;
        assert!(!Arc::ptr_eq(&third, &entries.of(clock, 3)), "2 is forgotten");
        assert_eq!(entries.len(), 2);
        drop(held);
        entries.sweep(clock);
        assert_eq!(entries.len(), 0);
    }

    #[test]
    fn a_client_of_ipv6_has_one_address_in_its_network() {
        let of = |text: &str| address(text.parse().unwrap()).to_string();
        assert_eq!(of("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
        assert_eq!(of("::ffff:192.0.2.7"), "192.0.2.7");
        assert_ne!(of("192.0.2.7"), of("192.0.2.8"));
    }
}
