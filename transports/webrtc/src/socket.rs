//! The UDP sockets that all peers share.

use crate::counters::Counters;
use crate::routes::{Packet, Routes};
use crate::stun;
use bytes::BytesMut;
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::atomic::Ordering::Relaxed;
use tokio::net::UdpSocket;

/// The largest packet that is looked at: more than any link carries whole.
const PACKET_BYTES_MAX: usize = 4 << 10;
/// What the system may hold for a socket that is not read at the moment, bytes; it may allow less.
const BUFFER_BYTES: usize = 4 << 20;

/// Binds a UDP socket for an endpoint; an IPv6 one takes no IPv4.
///
/// # Errors
/// When the system doesn't allow it.
pub fn bind(addr: SocketAddr) -> io::Result<std::net::UdpSocket> {
    let socket = Socket::new(Domain::for_address(addr), Type::DGRAM, Some(Protocol::UDP))?;
    if addr.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    // Smaller ones do; bursts lose more then.
    let _ = socket.set_recv_buffer_size(BUFFER_BYTES);
    let _ = socket.set_send_buffer_size(BUFFER_BYTES);
    socket.set_nonblocking(true)?;
    socket.bind(&addr.into())?;
    Ok(socket.into())
}

/// What stands for a socket in the library, which tells them apart by their addresses: those of the sockets may be many, or the same.
pub(crate) fn stand_in(number: usize, is_ipv4: bool) -> SocketAddr {
    // There are not so many sockets.
    let n = u16::try_from(number).unwrap_or(u16::MAX);
    match is_ipv4 {
        true => SocketAddr::from((Ipv4Addr::from_bits(0xc000_0200), 1_024 + n)),
        false => SocketAddr::from((Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1), 1_024 + n)),
    }
}

/// The number of the socket that this stands for.
pub(crate) fn number(stand_in: SocketAddr) -> usize {
    usize::from(stand_in.port().saturating_sub(1_024))
}

/// The addresses of this host.
pub(crate) fn own_addresses() -> Vec<IpAddr> {
    let interfaces = rtc::shared::ifaces::ifaces().unwrap_or_default();
    let mut all: Vec<IpAddr> = interfaces.into_iter().filter_map(|i| Some(i.addr?.ip())).collect();
    all.sort();
    all.dedup();
    all
}

/// Hands packets to their peers, for ever.
pub(crate) async fn receive(socket: &UdpSocket, number: usize, routes: &Routes, counters: &Counters) {
    let mut buffer = vec![0; PACKET_BYTES_MAX];
    loop {
        // Errors are those of packets that were sent (ICMP), and mean nothing here.
        let Ok((len, from)) = socket.recv_from(&mut buffer).await else {
            tokio::task::yield_now().await;
            continue;
        };
        counters.packets_in.fetch_add(1, Relaxed);
        let bytes = &buffer[..len];
        let packet = || Packet { socket: number, from, bytes: BytesMut::from(bytes) };
        let taken = match stun::kind(bytes) {
            _ if len == PACKET_BYTES_MAX => false,
            stun::Packet::Check(ufrag) => routes.by_ufrag(ufrag, packet()),
            stun::Packet::Stun | stun::Packet::Dtls => routes.by_address(packet()),
            stun::Packet::Other => false,
        };
        if !taken {
            counters.packets_dropped.fetch_add(1, Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_are_told_apart() {
        for n in 0..20 {
            assert_eq!((number(stand_in(n, true)), number(stand_in(n, false))), (n, n));
        }
    }

    #[test]
    fn this_host_has_an_address() {
        assert!(own_addresses().contains(&IpAddr::V4(Ipv4Addr::LOCALHOST)));
    }
}
