//! Allocate (RFC 8656 §7.2).

use crate::account::Full;
use crate::client::{Client, Identity};
use crate::counters::count;
use crate::credentials;
use crate::message::{ADDRESS_FAMILY, EVEN_PORT, Message, RESERVATION, TRANSPORT};
use crate::relay::{Prepared, Relay};
use crate::request::{Way, lifetime};
use crate::respond::Answer;
use crate::shared::Relaying;
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;
use stun::attributes::ATTR_USERNAME;
use stun::error_code::{
    CODE_ADDR_FAMILY_NOT_SUPPORTED, CODE_ALLOC_QUOTA_REACHED, CODE_BAD_REQUEST, CODE_INSUFFICIENT_CAPACITY,
    CODE_UNSUPPORTED_TRANS_PROTO, ErrorCode,
};
use stun::textattrs::TextAttribute;
use tokio::net::UdpSocket;
use turn::allocation::allocation_manager::{Manager, ManagerConfig};

const UDP: u8 = 17;
/// Ports that are tried for an allocation.
const ATTEMPTS: usize = 64;

/// What a request asks for.
struct Wanted {
    public: IpAddr,
    even: bool,
}

/// Makes an allocation.
pub(crate) async fn allocate(
    way: &Way,
    turn: &Relaying,
    message: &Message<'_>,
    identity: &Identity,
) -> Answer {
    match try_allocate(way, turn, message, identity).await {
        Ok(answer) => answer,
        Err(code) => {
            count(&way.shared.counters.allocations_refused);
            Answer::Failed(code)
        }
    }
}

async fn try_allocate(
    way: &Way,
    turn: &Relaying,
    message: &Message<'_>,
    identity: &Identity,
) -> Result<Answer, ErrorCode> {
    let Wanted { public, even } = wanted(turn, message)?;
    let (_, user) = credentials::parse(&identity.username).ok_or(CODE_BAD_REQUEST)?;
    let place = turn.accounts.enter(user, Instant::now()).map_err(|full| match full {
        Full::User => CODE_ALLOC_QUOTA_REACHED,
        Full::Server => CODE_INSUFFICIENT_CAPACITY,
    })?;
    let socket = bind(turn, public.is_ipv4(), even).map_err(|e| {
        tracing::debug!(error = %e, "no port for a relayed address");
        CODE_INSUFFICIENT_CAPACITY
    })?;
    let port = socket.local_addr().map_err(|_| CODE_INSUFFICIENT_CAPACITY)?.port();
    let public = SocketAddr::new(public, port);
    let (relay, inbox) = Relay::new(socket, public, place, way.five_tuple, &way.shared);
    let relay = Arc::new(relay);
    way.shared.add_relay(public, inbox);

    let lifetime = lifetime(message, turn.config.quotas.allocation_life);
    let manager = Manager::new(ManagerConfig {
        relay_addr_generator: Box::new(Prepared(relay.clone())),
        alloc_close_notify: None,
    });
    let username = TextAttribute { attr: ATTR_USERNAME, text: identity.username.clone() };
    let made = manager
        .create_allocation(way.five_tuple, way.conn.clone(), 0, lifetime, username, public.is_ipv4())
        .await;
    let Ok(allocation) = made else {
        way.shared.ended(way.five_tuple, public);
        return Err(CODE_INSUFFICIENT_CAPACITY);
    };
    let client = Client::new(
        identity.clone(),
        relay,
        message.transaction,
        lifetime,
        way.five_tuple,
        manager,
        allocation,
    );
    way.shared.add_client(way.five_tuple, client);
    Ok(Answer::Allocated { relayed: public, mapped: way.five_tuple.src_addr, lifetime })
}

fn wanted(turn: &Relaying, message: &Message<'_>) -> Result<Wanted, ErrorCode> {
    match message.get(TRANSPORT) {
        Some([UDP, _, _, _]) => {}
        Some([_, _, _, _]) => return Err(CODE_UNSUPPORTED_TRANS_PROTO),
        _ => return Err(CODE_BAD_REQUEST),
    }
    // Nothing is ever reserved.
    let even = match (message.get(RESERVATION), message.get(EVEN_PORT)) {
        (None, None) => false,
        (None, Some([flags])) if flags & 0x80 == 0 => true,
        _ => return Err(CODE_INSUFFICIENT_CAPACITY),
    };
    let is_v4 = match message.get(ADDRESS_FAMILY) {
        None | Some([1, ..]) => true,
        Some([2, ..]) => false,
        _ => return Err(CODE_ADDR_FAMILY_NOT_SUPPORTED),
    };
    let public = turn.config.public.iter().find(|ip| ip.is_ipv4() == is_v4);
    Ok(Wanted { public: *public.ok_or(CODE_ADDR_FAMILY_NOT_SUPPORTED)?, even })
}

/// A socket on a port that nobody can guess, out of those configured.
fn bind(turn: &Relaying, is_v4: bool, even: bool) -> io::Result<UdpSocket> {
    let unspecified: IpAddr = if is_v4 { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let ip = if turn.bind.is_ipv4() == is_v4 { turn.bind } else { unspecified };
    let (first, last) = (*turn.config.ports.start(), *turn.config.ports.end());
    let count = u32::from(last.saturating_sub(first)) + 1;
    let mut failed = io::ErrorKind::AddrInUse.into();
    for _ in 0..ATTEMPTS {
        let mut random = [0; 4];
        getrandom::fill(&mut random).map_err(|e| io::Error::other(e.to_string()))?;
        let offset = u16::try_from(u32::from_ne_bytes(random) % count).unwrap_or(0);
        let port = first + offset;
        if even && port % 2 == 1 {
            continue;
        }
        match open(SocketAddr::new(ip, port)) {
            Ok(socket) => return Ok(socket),
            Err(e) => failed = e,
        }
    }
    Err(failed)
}

fn open(addr: SocketAddr) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(addr), Type::DGRAM, Some(Protocol::UDP))?;
    if addr.is_ipv6() {
        // IPv4 addresses mapped into IPv6 stay out of reach.
        socket.set_only_v6(true)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&addr.into())?;
    UdpSocket::from_std(socket.into())
}
