//! Whose a packet is, and which peer a name means. Bounded by the peers there are: an address counts as a peer's only once that
//! peer has answered it, which it does to checks that know its password.

use bytes::BytesMut;
use parking_lot::{Mutex, RwLock};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::sync::{mpsc, watch};

/// Packets that may wait for a peer's task; further ones are dropped, as the network does it.
const MAILBOX: usize = 512;
/// Addresses that one peer may come from.
pub(crate) const ADDRESSES_MAX: usize = 16;

/// A packet and the way it came.
pub(crate) struct Packet {
    /// Number of the socket.
    pub(crate) socket: usize,
    pub(crate) from: SocketAddr,
    pub(crate) bytes: BytesMut,
}

/// Why a peer is to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Told {
    /// Nothing was said.
    Nothing,
    /// The client said by HTTP that it is gone.
    Bye,
    /// The endpoint closes.
    Stop,
}

/// What reaches a peer's task.
#[derive(Clone)]
struct Entry {
    packets: mpsc::Sender<Packet>,
    told: Arc<watch::Sender<Told>>,
    ufrag: Arc<str>,
}

/// All peers.
#[derive(Default)]
pub(crate) struct Routes {
    by_ufrag: RwLock<HashMap<Arc<str>, Entry>>,
    by_address: RwLock<HashMap<SocketAddr, Entry>>,
    by_name: Mutex<HashMap<Arc<str>, Entry>>,
}

/// A peer's place in the tables; it is out of them when this is dropped.
pub(crate) struct Route {
    routes: Arc<Routes>,
    name: Arc<str>,
    entry: Entry,
    addresses: Vec<SocketAddr>,
}

impl Routes {
    /// Enters a peer, and gives what its task hears from.
    pub(crate) fn enter(
        self: &Arc<Self>,
        name: &str,
        ufrag: &str,
    ) -> (Route, mpsc::Receiver<Packet>, watch::Receiver<Told>) {
        let (packets, inbox) = mpsc::channel(MAILBOX);
        let (told, hears) = watch::channel(Told::Nothing);
        let (name, ufrag): (Arc<str>, Arc<str>) = (name.into(), ufrag.into());
        let entry = Entry { packets, told: Arc::new(told), ufrag: ufrag.clone() };
        self.by_ufrag.write().insert(ufrag, entry.clone());
        self.by_name.lock().insert(name.clone(), entry.clone());
        (Route { routes: self.clone(), name, entry, addresses: vec![] }, inbox, hears)
    }

    /// Hands a packet to the peer with this user name fragment. Whether it was taken.
    pub(crate) fn by_ufrag(&self, ufrag: &str, packet: Packet) -> bool {
        self.by_ufrag.read().get(ufrag).is_some_and(|entry| entry.packets.try_send(packet).is_ok())
    }

    /// Hands a packet to the peer that its address belongs to. Whether it was taken.
    pub(crate) fn by_address(&self, packet: Packet) -> bool {
        self.by_address.read().get(&packet.from).is_some_and(|entry| entry.packets.try_send(packet).is_ok())
    }

    /// Tells the peer of this name. Whether there is one.
    pub(crate) fn tell(&self, name: &str, what: Told) -> bool {
        self.by_name.lock().get(name).is_some_and(|entry| entry.told.send(what).is_ok())
    }

    /// Tells all peers.
    pub(crate) fn tell_all(&self, what: Told) {
        for entry in self.by_name.lock().values() {
            entry.told.send_replace(what);
        }
    }

    /// Entries in all tables.
    pub(crate) fn len(&self) -> usize {
        self.by_ufrag.read().len() + self.by_address.read().len() + self.by_name.lock().len()
    }
}

impl Route {
    /// What comes from this address is this peer's, unless it is another's. Whether it may use it.
    pub(crate) fn claim(&mut self, address: SocketAddr) -> bool {
        if self.addresses.contains(&address) {
            return true;
        }
        if self.addresses.len() >= ADDRESSES_MAX {
            return false;
        }
        let mut table = self.routes.by_address.write();
        if table.get(&address).is_some_and(|entry| entry.ufrag != self.entry.ufrag) {
            return false;
        }
        table.insert(address, self.entry.clone());
        drop(table);
        self.addresses.push(address);
        true
    }

    /// Whether one more address would be too many.
    pub(crate) fn is_full(&self, address: &SocketAddr) -> bool {
        self.addresses.len() >= ADDRESSES_MAX && !self.addresses.contains(address)
    }
}

impl Drop for Route {
    fn drop(&mut self) {
        self.routes.by_ufrag.write().remove(&self.entry.ufrag);
        self.routes.by_name.lock().remove(&self.name);
        let mut table = self.routes.by_address.write();
        for address in &self.addresses {
            table.remove(address);
        }
        // What was large once stays so, otherwise.
        if table.capacity() > 4 * table.len() + 1_024 {
            table.shrink_to_fit();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(from: &str) -> Packet {
        Packet { socket: 0, from: from.parse().unwrap(), bytes: BytesMut::from(&b"x"[..]) }
    }

    #[test]
    fn packets_find_their_peer_until_it_is_gone() {
        let routes = Arc::new(Routes::default());
        let (mut a, mut inbox, _hears) = routes.enter("name-a", "a");
        let (mut b, ..) = routes.enter("name-b", "b");
        let x: SocketAddr = "192.0.2.1:1".parse().unwrap();
        assert!(routes.by_ufrag("a", packet("192.0.2.1:1")) && !routes.by_ufrag("c", packet("192.0.2.1:1")));
        assert!(!routes.by_address(packet("192.0.2.1:1")));
        assert!(a.claim(x) && a.claim(x) && !b.claim(x), "an address has one peer");
        assert!(routes.by_address(packet("192.0.2.1:1")));
        assert!(inbox.try_recv().is_ok() && inbox.try_recv().is_ok() && inbox.try_recv().is_err());
        assert!(routes.tell("name-a", Told::Bye) && !routes.tell("name-c", Told::Bye));
        drop(a);
        assert!(b.claim(x));
        drop(b);
        assert_eq!(routes.len(), 0);
    }

    #[test]
    fn a_peer_has_so_many_addresses_and_packets() {
        let routes = Arc::new(Routes::default());
        let (mut a, _inbox, _hears) = routes.enter("name", "a");
        let address = |n: usize| SocketAddr::from(([192, 0, 2, 1], n as u16));
        assert!((0..ADDRESSES_MAX).all(|n| a.claim(address(n))));
        assert!(!a.claim(address(99)) && a.is_full(&address(99)) && !a.is_full(&address(0)));
        let taken = (0..2 * MAILBOX).filter(|_| routes.by_ufrag("a", packet("192.0.2.1:1"))).count();
        assert_eq!(taken, MAILBOX);
    }
}
