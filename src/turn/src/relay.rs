//! Relay sockets: what the `turn` crate reads from and writes to. Whatever it has been told, only datagrams of admitted peers pass here.

use crate::account::Place;
use crate::counters::count;
use crate::peers::Verdict;
use crate::shared::Shared;
use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;
use std::any::Any;
use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};
use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use turn::allocation::five_tuple::FiveTuple;
use turn::relay::RelayAddressGenerator;
use webrtc_util::Conn;

/// The largest datagram that the crate relays, bytes.
pub(crate) const DATAGRAM_BYTES_MAX: usize = 1500;
/// Addresses that an allocation may exchange datagrams with at once.
const ADMITTED_MAX: usize = 64;
/// Longer than a channel lasts without being refreshed (RFC 8656 §12): what was not asked for again meanwhile has ended.
const ADMITTED_LIFE: Duration = Duration::from_secs(11 * 60);
/// Datagrams that wait between two allocations of this server.
const INBOX_DATAGRAMS: usize = 128;

/// A datagram on its way from one allocation to another one, with the address it seems to come from.
pub(crate) type Handed = (SocketAddr, Bytes);

/// Why a peer is not admitted.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// Because of its address.
    Denied,
    /// There are too many already.
    Full,
}

/// One relay socket.
pub(crate) struct Relay {
    /// What peers know it by.
    pub(crate) public: SocketAddr,
    socket: UdpSocket,
    inbox: tokio::sync::Mutex<mpsc::Receiver<Handed>>,
    admitted: Mutex<HashMap<IpAddr, (Verdict, Instant)>>,
    place: Mutex<Option<Place>>,
    five_tuple: FiveTuple,
    shared: Weak<Shared>,
}

impl Relay {
    /// A relay for this client, which ends when its entry among the relays goes.
    pub(crate) fn new(
        socket: UdpSocket,
        public: SocketAddr,
        place: Place,
        five_tuple: FiveTuple,
        shared: &Arc<Shared>,
    ) -> (Relay, mpsc::Sender<Handed>) {
        let (sender, inbox) = mpsc::channel(INBOX_DATAGRAMS);
        let relay = Relay {
            public,
            socket,
            inbox: tokio::sync::Mutex::new(inbox),
            admitted: Mutex::default(),
            place: Mutex::new(Some(place)),
            five_tuple,
            shared: Arc::downgrade(shared),
        };
        (relay, sender)
    }

    /// Lets datagrams of this peer pass, or says why not.
    pub(crate) fn admit(&self, peer: IpAddr, now: Instant) -> Result<(), Refused> {
        let Some(shared) = self.shared.upgrade() else { return Err(Refused::Full) };
        let verdict = shared.peers.judge(peer, now);
        if verdict == Verdict::Denied {
            count(&shared.counters.peers_denied);
            return Err(Refused::Denied);
        }
        let mut admitted = self.admitted.lock();
        if admitted.len() >= ADMITTED_MAX && !admitted.contains_key(&peer) {
            admitted.retain(|_, (_, at)| now.saturating_duration_since(*at) < ADMITTED_LIFE);
            if admitted.len() >= ADMITTED_MAX {
                return Err(Refused::Full);
            }
        }
        admitted.insert(peer, (verdict, now));
        Ok(())
    }

    fn verdict(&self, peer: IpAddr) -> Verdict {
        self.admitted.lock().get(&peer).map_or(Verdict::Denied, |(verdict, _)| *verdict)
    }

    /// Whether the user's quotas have room for such a datagram.
    fn takes(&self, shared: &Shared, bytes: usize) -> bool {
        let takes = self.place.lock().as_ref().is_some_and(|place| place.takes(bytes, Instant::now()));
        if !takes {
            count(&shared.counters.dropped);
        }
        takes
    }

    /// Sends a datagram to a peer; what may not be sent is dropped, as on any way of UDP.
    pub(crate) async fn pass(&self, data: &[u8], peer: SocketAddr) {
        let Some(shared) = self.shared.upgrade() else { return };
        let verdict = self.verdict(peer.ip());
        if verdict == Verdict::Denied || peer.port() == 0 {
            return count(&shared.counters.peers_denied);
        }
        if !self.takes(&shared, data.len()) {
            return;
        }
        let other = shared.relay_at(peer);
        let sent = match (other, verdict) {
            (Some(other), _) => other.try_send((self.public, Bytes::copy_from_slice(data))).is_ok(),
            (None, Verdict::Allowed) => self.socket.send_to(data, peer).await.is_ok(),
            (None, _) => return count(&shared.counters.peers_denied),
        };
        match sent {
            true => shared.counters.bytes_out.fetch_add(data.len() as u64, Relaxed),
            false => shared.counters.dropped.fetch_add(1, Relaxed),
        };
    }

    /// The next datagram that may pass, into `buf`.
    async fn receive(&self, buf: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        let mut inbox = self.inbox.lock().await;
        let mut own = [0; DATAGRAM_BYTES_MAX + 1];
        loop {
            let (from, n, handed) = tokio::select! {
                handed = inbox.recv() => match handed {
                    Some((from, data)) => (from, data.len(), Some(data)),
                    None => return Err(io::ErrorKind::NotConnected.into()),
                },
                received = self.socket.recv_from(&mut own) => match received {
                    Ok((n, from)) => (from, n, None),
                    Err(e) => {
                        // The socket lives on; only a busy loop must not come of it.
                        tracing::debug!(error = %e, "a relay socket did not receive");
                        tokio::time::sleep(Duration::from_millis(10)).await;
                        continue;
                    }
                },
            };
            let Some(shared) = self.shared.upgrade() else { return Err(io::ErrorKind::NotConnected.into()) };
            let may = match self.verdict(from.ip()) {
                Verdict::Allowed => true,
                Verdict::Relay => handed.is_some(),
                Verdict::Denied => false,
            };
            if !may {
                count(&shared.counters.peers_denied);
            } else if n > buf.len() || n > DATAGRAM_BYTES_MAX {
                count(&shared.counters.dropped);
            } else if self.takes(&shared, n) {
                buf[..n].copy_from_slice(handed.as_deref().unwrap_or(&own[..n]));
                shared.counters.bytes_in.fetch_add(n as u64, Relaxed);
                return Ok((n, from));
            }
        }
    }
}

#[async_trait]
impl Conn for Relay {
    async fn connect(&self, _: SocketAddr) -> webrtc_util::Result<()> {
        Err(io::Error::from(io::ErrorKind::Unsupported).into())
    }

    async fn recv(&self, _: &mut [u8]) -> webrtc_util::Result<usize> {
        Err(io::Error::from(io::ErrorKind::Unsupported).into())
    }

    async fn recv_from(&self, buf: &mut [u8]) -> webrtc_util::Result<(usize, SocketAddr)> {
        Ok(self.receive(buf).await?)
    }

    async fn send(&self, _: &[u8]) -> webrtc_util::Result<usize> {
        Err(io::Error::from(io::ErrorKind::Unsupported).into())
    }

    async fn send_to(&self, buf: &[u8], target: SocketAddr) -> webrtc_util::Result<usize> {
        self.pass(buf, target).await;
        Ok(buf.len())
    }

    fn local_addr(&self) -> webrtc_util::Result<SocketAddr> {
        Ok(self.public)
    }

    fn remote_addr(&self) -> Option<SocketAddr> {
        None
    }

    /// The allocation has ended.
    async fn close(&self) -> webrtc_util::Result<()> {
        drop(self.place.lock().take());
        if let Some(shared) = self.shared.upgrade() {
            shared.ended(self.five_tuple, self.public);
        }
        Ok(())
    }

    fn as_any(&self) -> &(dyn Any + Send + Sync) {
        self
    }
}

/// Gives the crate the one relay that was made for an allocation.
pub(crate) struct Prepared(pub(crate) Arc<Relay>);

#[async_trait]
impl RelayAddressGenerator for Prepared {
    fn validate(&self) -> Result<(), turn::Error> {
        Ok(())
    }

    async fn allocate_conn(
        &self,
        _: bool,
        _: u16,
    ) -> Result<(Arc<dyn Conn + Send + Sync>, SocketAddr), turn::Error> {
        Ok((self.0.clone(), self.0.public))
    }
}

#[cfg(test)]
mod tests;
