//! What becomes of each message.

use crate::allocate::allocate;
use crate::client::{Client, Identity};
use crate::counters::count;
use crate::credentials;
use crate::message::{
    ADDRESS_FAMILY, CHANNEL_NUMBER, Class, DATA, LIFETIME, Message, NONCE, REALM, USERNAME, channel_data,
    is_channel,
};
use crate::relay::Refused;
use crate::respond::{Answer, encode};
use crate::shared::{REALM as OUR_REALM, Relaying, Shared, now_unix_s};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use stun::error_code::{
    CODE_ALLOC_MISMATCH, CODE_BAD_REQUEST, CODE_FORBIDDEN, CODE_INSUFFICIENT_CAPACITY,
    CODE_PEER_ADDR_FAMILY_MISMATCH, CODE_STALE_NONCE, CODE_UNAUTHORIZED, CODE_WRONG_CREDENTIALS, ErrorCode,
};
use turn::allocation::five_tuple::FiveTuple;
use webrtc_util::Conn;

const BINDING: u16 = 0x001;
const ALLOCATE: u16 = 0x003;
const REFRESH: u16 = 0x004;
const SEND: u16 = 0x006;
const CREATE_PERMISSION: u16 = 0x008;
const CHANNEL_BIND: u16 = 0x009;

/// How long an allocation lives by itself (RFC 8656 §3.2), and at most until it is refreshed.
const LIFETIME_S: u32 = 600;
const LIFETIME_S_MAX: u32 = 3600;

/// One client's way here and back.
pub(crate) struct Way {
    pub(crate) shared: Arc<Shared>,
    pub(crate) conn: Arc<dyn Conn + Send + Sync>,
    pub(crate) five_tuple: FiveTuple,
}

impl Way {
    /// Takes a message.
    pub(crate) async fn receive(&self, raw: &[u8]) {
        if raw.first().is_some_and(|first| *first >= 0x40) {
            match (channel_data(raw), self.client()) {
                (Some((channel, data)), Some(client)) => client.by_channel(channel, data).await,
                (None, _) => count(&self.shared.counters.malformed),
                (_, None) => {}
            }
            return;
        }
        let Some(message) = Message::read(raw) else { return count(&self.shared.counters.malformed) };
        match message.class {
            Class::Request => self.request(&message).await,
            Class::Indication if message.method == SEND => self.indication(&message).await,
            _ => {}
        }
    }

    fn client(&self) -> Option<Arc<Client>> {
        self.shared.client(&self.five_tuple)
    }

    fn source(&self) -> SocketAddr {
        self.five_tuple.src_addr
    }

    async fn indication(&self, message: &Message<'_>) {
        let peer = message.peers().and_then(|peers| peers.first().copied());
        if let (Some(client), Some(peer), Some(data)) = (self.client(), peer, message.get(DATA)) {
            client.by_indication(peer, data).await;
        }
    }

    async fn request(&self, message: &Message<'_>) {
        let shared = &self.shared;
        if !shared.addresses.takes(self.source().ip(), Instant::now()) {
            return count(&shared.counters.limited);
        }
        let unknown = message.unknown();
        let (answer, identity) = match (&shared.turn, message.method) {
            _ if !unknown.is_empty() => (Answer::Unknown(unknown), None),
            (_, BINDING) => {
                count(&shared.counters.bindings);
                (Answer::Mapped(self.source()), None)
            }
            (Some(turn), ALLOCATE | REFRESH | CREATE_PERMISSION | CHANNEL_BIND) => {
                match self.authenticate(turn, message) {
                    Ok(identity) => (self.act(turn, message, &identity).await, Some(identity)),
                    Err(answer) => (answer, None),
                }
            }
            _ => (Answer::Failed(CODE_BAD_REQUEST), None),
        };
        let bytes = encode(message, answer, identity.as_ref().map(|i| &*i.key));
        // What can't be sent is lost, as on any way of UDP; the client asks again.
        let _ = self.conn.send_to(&bytes, self.source()).await;
    }

    /// RFC 8489 §9.2.4.
    fn authenticate(&self, turn: &Relaying, message: &Message<'_>) -> Result<Identity, Answer> {
        let now = now_unix_s();
        let challenge = |code| {
            let nonce = self.shared.nonces.make(self.source(), now);
            Answer::Challenge { code, realm: OUR_REALM.into(), nonce }
        };
        if !message.has_integrity() {
            return Err(challenge(CODE_UNAUTHORIZED));
        }
        let texts = (message.text(USERNAME), message.text(REALM), message.text(NONCE));
        let (Some(username), Some(realm), Some(nonce)) = texts else {
            return Err(Answer::Failed(CODE_BAD_REQUEST));
        };
        if !self.shared.nonces.is_good(nonce, self.source(), now) {
            return Err(challenge(CODE_STALE_NONCE));
        }
        let refuse = || {
            count(&self.shared.counters.unauthorized);
            challenge(CODE_UNAUTHORIZED)
        };
        // What has begun in time goes on after it; the allocation has an end of its own.
        let known = self.client().map(|c| c.identity.clone()).filter(|i| i.username == username);
        let identity = match (known, credentials::parse(username)) {
            (Some(identity), _) => identity,
            (None, Some((ends, _))) if ends > now => Identity::new(&turn.credentials, username, OUR_REALM),
            _ => return Err(refuse()),
        };
        match realm == OUR_REALM && message.is_signed(&identity.hmac) {
            true => Ok(identity),
            false => Err(refuse()),
        }
    }

    async fn act(&self, turn: &Relaying, message: &Message<'_>, identity: &Identity) -> Answer {
        let client = self.client();
        if message.method == ALLOCATE {
            return match client {
                Some(c) if c.transaction == message.transaction => {
                    Answer::Allocated { relayed: c.relay.public, mapped: self.source(), lifetime: c.lifetime }
                }
                Some(_) => Answer::Failed(CODE_ALLOC_MISMATCH),
                None => allocate(self, turn, message, identity).await,
            };
        }
        let Some(client) = client else { return Answer::Failed(CODE_ALLOC_MISMATCH) };
        if client.identity.username != identity.username {
            return Answer::Failed(CODE_WRONG_CREDENTIALS);
        }
        match message.method {
            REFRESH => refresh(turn, &client, message).await,
            CREATE_PERMISSION => permit(&client, message).await,
            _ => bind(&client, message).await,
        }
    }
}

/// The life that a request asks for, within bounds.
pub(crate) fn lifetime(message: &Message<'_>, at_most: Duration) -> Duration {
    let asked = message.number(LIFETIME).unwrap_or(LIFETIME_S).clamp(LIFETIME_S, LIFETIME_S_MAX);
    Duration::from_secs(asked.into()).min(at_most)
}

/// Whether a request is about another family of addresses.
fn is_misfit(message: &Message<'_>, client: &Client) -> bool {
    let family = if client.relay.public.is_ipv4() { 1 } else { 2 };
    message.get(ADDRESS_FAMILY).is_some_and(|asked| asked.first() != Some(&family))
}

async fn refresh(turn: &Relaying, client: &Client, message: &Message<'_>) -> Answer {
    if is_misfit(message, client) {
        return Answer::Failed(CODE_PEER_ADDR_FAMILY_MISMATCH);
    }
    let left = turn.config.quotas.allocation_life.saturating_sub(client.born.elapsed());
    if message.number(LIFETIME) == Some(0) {
        client.end().await;
        return Answer::Refreshed(Duration::ZERO);
    }
    let lifetime = lifetime(message, left);
    client.refresh(lifetime).await;
    Answer::Refreshed(lifetime)
}

async fn permit(client: &Client, message: &Message<'_>) -> Answer {
    let Some(peers) = message.peers().filter(|peers| !peers.is_empty()) else {
        return Answer::Failed(CODE_BAD_REQUEST);
    };
    if peers.iter().any(|peer| peer.is_ipv4() != client.relay.public.is_ipv4()) {
        return Answer::Failed(CODE_PEER_ADDR_FAMILY_MISMATCH);
    }
    match client.permit(&peers).await {
        Ok(()) => Answer::Done,
        Err(refused) => Answer::Failed(code(&refused)),
    }
}

async fn bind(client: &Client, message: &Message<'_>) -> Answer {
    let number = message.number(CHANNEL_NUMBER).and_then(|n| u16::try_from(n >> 16).ok());
    let peers = message.peers().unwrap_or_default();
    let (Some(number), [peer]) = (number.filter(|n| is_channel(*n)), &*peers) else {
        return Answer::Failed(CODE_BAD_REQUEST);
    };
    if peer.is_ipv4() != client.relay.public.is_ipv4() {
        return Answer::Failed(CODE_PEER_ADDR_FAMILY_MISMATCH);
    }
    match client.bind(number, *peer).await {
        Ok(true) => Answer::Done,
        Ok(false) => Answer::Failed(CODE_BAD_REQUEST),
        Err(refused) => Answer::Failed(code(&refused)),
    }
}

fn code(refused: &Refused) -> ErrorCode {
    match refused {
        Refused::Denied => CODE_FORBIDDEN,
        Refused::Full => CODE_INSUFFICIENT_CAPACITY,
    }
}
