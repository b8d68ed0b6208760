//! A client that has an allocation.

use crate::credentials::Credentials;
use crate::relay::{Refused, Relay};
use parking_lot::Mutex;
use ring::hmac;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use turn::allocation::Allocation;
use turn::allocation::allocation_manager::Manager;
use turn::allocation::channel_bind::ChannelBind;
use turn::allocation::five_tuple::FiveTuple;
use turn::allocation::permission::Permission;
use turn::proto::channum::ChannelNumber;

/// Channels of an allocation at once.
const CHANNELS_MAX: usize = 64;
/// RFC 8656 §12.
const CHANNEL_LIFE: Duration = Duration::from_secs(600);

/// Who asks, as far as the name and the password say.
#[derive(Clone)]
pub(crate) struct Identity {
    pub(crate) username: String,
    /// The key of RFC 8489 §9.2.2.
    pub(crate) key: Vec<u8>,
    pub(crate) hmac: hmac::Key,
}

impl Identity {
    pub(crate) fn new(credentials: &Credentials, username: &str, realm: &str) -> Identity {
        let key = turn::auth::generate_auth_key(username, realm, &credentials.password(username));
        let hmac = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &key);
        Identity { username: username.into(), key, hmac }
    }
}

/// A client and its allocation. Each has a manager of its own, so nobody's allocation waits for another one's lock.
pub(crate) struct Client {
    pub(crate) identity: Identity,
    pub(crate) relay: Arc<Relay>,
    pub(crate) born: Instant,
    /// Of the request that made the allocation: it may come again.
    pub(crate) transaction: [u8; 12],
    pub(crate) lifetime: Duration,
    five_tuple: FiveTuple,
    manager: Manager,
    allocation: Arc<Allocation>,
    channels: Mutex<HashMap<u16, Instant>>,
}

impl Client {
    pub(crate) fn new(
        identity: Identity,
        relay: Arc<Relay>,
        transaction: [u8; 12],
        lifetime: Duration,
        five_tuple: FiveTuple,
        manager: Manager,
        allocation: Arc<Allocation>,
    ) -> Client {
        let (born, channels) = (Instant::now(), Mutex::default());
        Client { identity, relay, born, transaction, lifetime, five_tuple, manager, allocation, channels }
    }

    pub(crate) async fn refresh(&self, lifetime: Duration) {
        self.allocation.refresh(lifetime).await;
    }

    /// Ends the allocation.
    pub(crate) async fn end(&self) {
        self.manager.delete_allocation(&self.five_tuple).await;
    }

    /// Lets these peers send, or none of them.
    pub(crate) async fn permit(&self, peers: &[SocketAddr]) -> Result<(), Refused> {
        let now = Instant::now();
        peers.iter().try_for_each(|peer| self.relay.admit(peer.ip(), now))?;
        for peer in peers {
            self.allocation.add_permission(Permission::new(*peer)).await;
        }
        Ok(())
    }

    /// Binds a channel; `Ok(false)`: number or peer are bound otherwise.
    pub(crate) async fn bind(&self, number: u16, peer: SocketAddr) -> Result<bool, Refused> {
        let now = Instant::now();
        self.relay.admit(peer.ip(), now)?;
        {
            let mut channels = self.channels.lock();
            if channels.len() >= CHANNELS_MAX && !channels.contains_key(&number) {
                channels.retain(|_, at| now.saturating_duration_since(*at) < CHANNEL_LIFE);
                if channels.len() >= CHANNELS_MAX {
                    return Err(Refused::Full);
                }
            }
            channels.insert(number, now);
        }
        let channel = ChannelBind::new(ChannelNumber(number), peer);
        Ok(self.allocation.add_channel_bind(channel, CHANNEL_LIFE).await.is_ok())
    }

    /// Relays what came by a channel.
    pub(crate) async fn by_channel(&self, number: u16, data: &[u8]) {
        if let Some(peer) = self.allocation.get_channel_addr(&ChannelNumber(number)).await {
            self.relay.pass(data, peer).await;
        }
    }

    /// Relays what came by an indication.
    pub(crate) async fn by_indication(&self, peer: SocketAddr, data: &[u8]) {
        if self.allocation.has_permission(&peer).await {
            self.relay.pass(data, peer).await;
        }
    }
}
