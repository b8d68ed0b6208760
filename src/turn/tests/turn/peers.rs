//! The relay is no way into the networks of its machine.

use crate::raw::{Raw, any, build, code, peer, relayed, udp};
use crate::support::{client, is_quiet, issue, receive, receive_relayed, server, soon, start, turn};
use crosspoint_turn::Turn;
use std::net::SocketAddr;
use std::sync::atomic::Ordering::Relaxed;
use stun::message::*;
use tokio::net::UdpSocket;
use turn::proto::chandata::ChannelData;
use turn::proto::channum::ChannelNumber;
use turn::proto::data::Data;
use webrtc_util::Conn;

const ALLOWED: &str = "127.0.0.2:0";
const DENIED: &str = "127.0.0.3:0";

async fn socket(at: &str) -> (UdpSocket, SocketAddr) {
    let socket = UdpSocket::bind(at).await.unwrap();
    let addr = socket.local_addr().unwrap();
    (socket, addr)
}

#[tokio::test]
async fn datagrams_reach_allowed_peers_and_come_back() {
    let server = server(Some(turn()));
    let client = client(&server, &issue("alice")).await;
    let relay = soon(client.allocate()).await.unwrap();
    let (friend, friend_at) = socket(ALLOWED).await;
    soon(relay.send_to(b"there", friend_at)).await.unwrap();
    let (data, from) = receive(&friend).await;
    assert_eq!((data.as_slice(), from), (&b"there"[..], relay.local_addr().unwrap()));
    friend.send_to(b"and back", from).await.unwrap();
    assert_eq!(receive_relayed(&relay).await, (b"and back".to_vec(), friend_at));
    assert_eq!(server.counters().bytes_out.load(Relaxed), 5);
    assert_eq!(server.counters().bytes_in.load(Relaxed), 8);
}

#[tokio::test]
async fn nothing_goes_to_a_denied_peer_by_any_way() {
    let server = server(Some(turn()));
    let (enemy, enemy_at) = socket(DENIED).await;
    let (friend, friend_at) = socket(ALLOWED).await;
    // As a real client does it: permission, then indication or channel.
    let honest = client(&server, &issue("alice")).await;
    let relay = soon(honest.allocate()).await.unwrap();
    assert!(soon(relay.send_to(b"x", enemy_at)).await.is_err());
    // And without asking.
    let raw = Raw::new(&server, issue("bob")).await;
    assert_eq!(raw.allocate().await, 0);
    let (enemy_text, friend_text) = (enemy_at.to_string(), friend_at.to_string());
    assert_eq!(raw.permit(&enemy_text).await, 403);
    let both = vec![peer(&friend_text), peer(&enemy_text)];
    assert_eq!(code(&raw.ask(METHOD_CREATE_PERMISSION, both).await), 403);
    let channel = |number: u16| any(0x000C, &[(number >> 8) as u8, number as u8, 0, 0]);
    let bind = vec![channel(0x4000), peer(&enemy_text)];
    assert_eq!(code(&raw.ask(METHOD_CHANNEL_BIND, bind).await), 403);
    let indication = |at: &str, data: &[u8]| {
        build(METHOD_SEND, CLASS_INDICATION, vec![peer(at), Box::new(Data(data.to_vec()))]).raw
    };
    raw.socket.send(&indication(&enemy_text, b"x")).await.unwrap();
    let mut data = ChannelData { data: b"x".to_vec(), number: ChannelNumber(0x4000), raw: vec![] };
    data.encode();
    raw.socket.send(&data.raw).await.unwrap();
    // What comes after all of these on the same way has arrived: so would they have.
    assert_eq!(raw.permit(&friend_text).await, 0);
    raw.socket.send(&indication(&friend_text, b"last")).await.unwrap();
    assert_eq!(receive(&friend).await.0, b"last");
    assert!(is_quiet(&enemy));
    assert!(server.counters().peers_denied.load(Relaxed) >= 4);
}

#[tokio::test]
async fn nothing_comes_from_a_denied_peer() {
    let server = server(Some(turn()));
    let client = client(&server, &issue("alice")).await;
    let relay = soon(client.allocate()).await.unwrap();
    let at = relay.local_addr().unwrap();
    let ((enemy, _), (friend, friend_at)) = (socket(DENIED).await, socket(ALLOWED).await);
    soon(relay.send_to(b"hello", friend_at)).await.unwrap();
    receive(&friend).await;
    enemy.send_to(b"let me in", at).await.unwrap();
    friend.send_to(b"me", at).await.unwrap();
    assert_eq!(receive_relayed(&relay).await.0, b"me");
    assert_eq!(server.counters().bytes_in.load(Relaxed), 2);
}

#[tokio::test]
async fn special_addresses_and_the_machines_own_are_refused() {
    let server = server(Some(Turn { allow_peers: vec![], ..turn() }));
    let raw = Raw::new(&server, issue("alice")).await;
    assert_eq!(raw.allocate().await, 0);
    for address in [
        "127.0.0.2",
        "10.0.0.1",
        "172.20.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "224.0.0.1",
        "255.255.255.255",
        "192.0.2.1",
    ] {
        assert_eq!(raw.permit(&format!("{address}:53")).await, 403, "{address}");
    }
    for own in webrtc_util::ifaces::ifaces().unwrap().into_iter().filter_map(|i| i.addr) {
        let relay_itself = own.ip() == server.addr().ip();
        if own.is_ipv4() && !relay_itself {
            assert_eq!(raw.permit(&format!("{}:53", own.ip())).await, 403, "{own}");
        }
    }
    assert_eq!(raw.permit("1.1.1.1:53").await, 0);
    assert_eq!(raw.permit("[2606:4700::1111]:53").await, 443);
}

#[tokio::test]
async fn two_allocations_meet_at_the_relay_but_nobody_else_is_there() {
    let server = server(Some(Turn { allow_peers: vec![], ..turn() }));
    let (a, b) = (client(&server, &issue("alice")).await, client(&server, &issue("bob")).await);
    let (a, b) = (soon(a.allocate()).await.unwrap(), soon(b.allocate()).await.unwrap());
    let (at_a, at_b) = (a.local_addr().unwrap(), b.local_addr().unwrap());
    // Another service on the address that the relay is known by.
    let (service, service_at) = socket("127.0.0.1:0").await;
    soon(a.send_to(b"not for you", service_at)).await.unwrap();
    // The first datagram only opens b's way to a, whose own one opens it for b's.
    soon(b.send_to(b"opens", at_a)).await.unwrap();
    service.send_to(b"forged", at_b).await.unwrap();
    soon(a.send_to(b"to b", at_b)).await.unwrap();
    assert_eq!(receive_relayed(&b).await, (b"to b".to_vec(), at_a));
    soon(b.send_to(b"to a", at_a)).await.unwrap();
    let mut got = receive_relayed(&a).await;
    if got.0 == b"opens" {
        got = receive_relayed(&a).await;
    }
    assert_eq!(got, (b"to a".to_vec(), at_b));
    assert!(is_quiet(&service));
}

#[tokio::test]
async fn ipv6_has_the_same_rules() {
    let public = vec!["::1".parse().unwrap()];
    let server = start("[::1]:0", Some(Turn { public, ..turn() }), 10_000);
    let raw = Raw::new(&server, issue("alice")).await;
    let v6 = || any(0x0017, &[2, 0, 0, 0]);
    assert_eq!(code(&raw.ask(METHOD_ALLOCATE, vec![udp()]).await), 440, "there is no IPv4 address");
    let answer = raw.ask(METHOD_ALLOCATE, vec![udp(), v6()]).await;
    assert_eq!((code(&answer), relayed(&answer).ip()), (0, server.addr().ip()));
    for address in [
        "::",
        "::ffff:127.0.0.1",
        "::ffff:8.8.8.8",
        "64:ff9b::10.0.0.1",
        "2002:7f00:1::",
        "fd00::1",
        "fe80::1",
        "ff02::1",
        "2001:db8::1",
    ] {
        assert_eq!(raw.permit(&format!("[{address}]:53")).await, 403, "{address}");
    }
    assert_eq!(raw.permit("[2606:4700::1111]:53").await, 0);
    assert_eq!(raw.permit("127.0.0.2:53").await, 443);
}
