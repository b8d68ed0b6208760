//! A relay for UDP that loses what it is told to lose.

use parking_lot::Mutex;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use tokio::net::UdpSocket;
use tokio::task::{JoinHandle, JoinSet};

/// Larger than any packet on loopback.
const PACKET_BYTES: usize = 65_536;

/// What becomes of the packets of one direction.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Packets {
    /// They arrive.
    #[default]
    Pass,
    /// None arrives, and nobody is told.
    Drop,
    /// Each so many-th is lost.
    Lose {
        /// One of how many.
        every: u64,
    },
}

#[derive(Debug, Default)]
struct Rules {
    upstream: Option<SocketAddr>,
    up: Packets,
    down: Packets,
}

#[derive(Debug, Default)]
struct Shared {
    rules: Mutex<Rules>,
    passed: AtomicU64,
    lost: AtomicU64,
}

/// A relay on loopback. Dropping it ends it.
#[derive(Debug)]
pub struct UdpRelay {
    address: SocketAddr,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

impl UdpRelay {
    /// A relay that leads nowhere yet.
    ///
    /// # Errors
    /// When there is no free port.
    pub async fn start() -> io::Result<UdpRelay> {
        let socket = Arc::new(UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await?);
        let address = socket.local_addr()?;
        let shared = Arc::<Shared>::default();
        let task = tokio::spawn(run(socket, shared.clone()));
        Ok(UdpRelay { address, shared, task })
    }

    /// Where clients send to.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where packets of clients that are new go.
    pub fn lead_to(&self, upstream: SocketAddr) {
        self.shared.rules.lock().upstream = Some(upstream);
    }

    /// What holds from now on; `up` is from the clients.
    pub fn set(&self, up: Packets, down: Packets) {
        let mut rules = self.shared.rules.lock();
        (rules.up, rules.down) = (up, down);
    }

    /// Packets that passed, and that were lost.
    pub fn counts(&self) -> (u64, u64) {
        (self.shared.passed.load(Relaxed), self.shared.lost.load(Relaxed))
    }
}

impl Drop for UdpRelay {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Shared {
    fn passes(&self, which: fn(&Rules) -> Packets, count: &mut u64) -> bool {
        *count += 1;
        let passes = match which(&self.rules.lock()) {
            Packets::Pass => true,
            Packets::Drop => false,
            Packets::Lose { every } => !count.is_multiple_of(every),
        };
        (if passes { &self.passed } else { &self.lost }).fetch_add(1, Relaxed);
        passes
    }
}

async fn run(socket: Arc<UdpSocket>, shared: Arc<Shared>) {
    let mut clients: HashMap<SocketAddr, (Arc<UdpSocket>, u64)> = HashMap::new();
    let mut readers = JoinSet::new();
    let mut packet = vec![0; PACKET_BYTES];
    loop {
        let Ok((len, client)) = socket.recv_from(&mut packet).await else { continue };
        let (own, count) = match clients.entry(client) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(place) => {
                let Some(upstream) = shared.rules.lock().upstream else { continue };
                let Ok(own) = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await else { continue };
                if own.connect(upstream).await.is_err() {
                    continue;
                }
                let own = Arc::new(own);
                readers.spawn(back(own.clone(), socket.clone(), client, shared.clone()));
                place.insert((own, 0))
            }
        };
        if shared.passes(|rules| rules.up, count) {
            // A packet that can't be sent is lost, as packets are.
            let _ = own.send(&packet[..len]).await;
        }
    }
}

async fn back(own: Arc<UdpSocket>, socket: Arc<UdpSocket>, client: SocketAddr, shared: Arc<Shared>) {
    let mut packet = vec![0; PACKET_BYTES];
    let mut count = 0;
    loop {
        // Errors are of packets before, which nobody took (ICMP).
        let Ok(len) = own.recv(&mut packet).await else { continue };
        if shared.passes(|rules| rules.down, &mut count) {
            let _ = socket.send_to(&packet[..len], client).await;
        }
    }
}
