//! What all listeners share.

use crate::account::Accounts;
use crate::addresses::Addresses;
use crate::client::Client;
use crate::config::{Config, Turn};
use crate::counters::{Counters, count};
use crate::credentials::Credentials;
use crate::nonce::Nonces;
use crate::peers::Peers;
use crate::relay::Handed;
use parking_lot::{Mutex, RwLock};
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::sync::mpsc;
use turn::allocation::five_tuple::FiveTuple;

/// What clients and operators see as the name of this service (RFC 8489 §14.9).
pub(crate) const REALM: &str = "crosspoint";

pub(crate) struct Shared {
    pub(crate) counters: Arc<Counters>,
    pub(crate) addresses: Addresses,
    pub(crate) nonces: Nonces,
    pub(crate) peers: Peers,
    /// The relay, where there is one.
    pub(crate) turn: Option<Relaying>,
    clients: Mutex<HashMap<FiveTuple, Arc<Client>>>,
    relays: RwLock<HashMap<SocketAddr, mpsc::Sender<Handed>>>,
}

pub(crate) struct Relaying {
    pub(crate) config: Turn,
    pub(crate) credentials: Credentials,
    pub(crate) accounts: Arc<Accounts>,
    /// Where relay sockets are bound, unless it is an address of the other family.
    pub(crate) bind: IpAddr,
}

impl Shared {
    pub(crate) fn new(config: Config, bind: IpAddr, nonce_key: &[u8; 32]) -> Arc<Shared> {
        let turn = config.turn.map(|turn| Relaying {
            credentials: Credentials::new(&turn.secret),
            accounts: Accounts::new(turn.quotas.clone()),
            config: turn,
            bind,
        });
        let (allow, public) = turn
            .as_ref()
            .map(|t| (t.config.allow_peers.clone(), t.config.public.clone()))
            .unwrap_or_default();
        Arc::new(Shared {
            counters: Arc::default(),
            addresses: Addresses::new(config.address_requests_per_s),
            nonces: Nonces::new(nonce_key),
            peers: Peers::new(allow, public),
            turn,
            clients: Mutex::default(),
            relays: RwLock::default(),
        })
    }

    pub(crate) fn client(&self, five_tuple: &FiveTuple) -> Option<Arc<Client>> {
        self.clients.lock().get(five_tuple).cloned()
    }

    pub(crate) fn add_client(&self, five_tuple: FiveTuple, client: Client) {
        count(&self.counters.allocated);
        count(&self.counters.allocations);
        self.clients.lock().insert(five_tuple, Arc::new(client));
    }

    pub(crate) fn add_relay(&self, public: SocketAddr, inbox: mpsc::Sender<Handed>) {
        self.relays.write().insert(public, inbox);
    }

    /// The way to the allocation that has this relayed address.
    pub(crate) fn relay_at(&self, public: SocketAddr) -> Option<mpsc::Sender<Handed>> {
        self.relays.read().get(&public).cloned()
    }

    /// This client's allocation with this relayed address is no more.
    pub(crate) fn ended(&self, five_tuple: FiveTuple, public: SocketAddr) {
        self.relays.write().remove(&public);
        let mut clients = self.clients.lock();
        let gone = match clients.get(&five_tuple) {
            Some(client) if client.relay.public == public => clients.remove(&five_tuple),
            _ => None,
        };
        drop(clients);
        if gone.is_some() {
            self.counters.allocations.fetch_sub(1, Relaxed);
        }
    }

    pub(crate) async fn end_client(&self, five_tuple: &FiveTuple) {
        if let Some(client) = self.client(five_tuple) {
            client.end().await;
        }
    }

    pub(crate) async fn end_all(&self) {
        let all: Vec<Arc<Client>> = self.clients.lock().values().cloned().collect();
        for client in all {
            client.end().await;
        }
    }
}

pub(crate) fn now_unix_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs())
}
