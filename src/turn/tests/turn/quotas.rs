use crate::raw::{Raw, build, code};
use crate::support::{client, issue, receive, receive_relayed, server, soon, start, turn};
use crosspoint_turn::{Quotas, Turn};
use std::sync::atomic::Ordering::Relaxed;
use stun::message::*;
use tokio::net::UdpSocket;
use webrtc_util::Conn;

fn bounded(change: impl FnOnce(&mut Quotas)) -> Option<Turn> {
    let mut quotas = Quotas::default();
    change(&mut quotas);
    Some(Turn { quotas, ..turn() })
}

#[tokio::test]
async fn a_user_has_so_many_allocations_and_gets_them_back() {
    let server = server(bounded(|q| (q.user_allocations_max, q.allocations_max) = (2, 3)));
    let a = [Raw::new(&server, issue("alice")).await, Raw::new(&server, issue("alice")).await];
    assert_eq!((a[0].allocate().await, a[1].allocate().await), (0, 0));
    // The same user by other credentials.
    let mut third = Raw::new(&server, issue("alice")).await;
    third.who = crosspoint_turn::Credentials::new(crate::support::SECRET).issue("alice", 9_999_999_999);
    assert_eq!(third.allocate().await, 486);
    let b = [Raw::new(&server, issue("bob")).await, Raw::new(&server, issue("bob")).await];
    assert_eq!((b[0].allocate().await, b[1].allocate().await), (0, 508));
    assert_eq!(server.counters().allocations_refused.load(Relaxed), 2);
    let end = vec![crate::raw::any(0x000D, &[0; 4])];
    assert_eq!(code(&a[0].ask(METHOD_REFRESH, end).await), 0);
    assert_eq!(server.counters().allocations.load(Relaxed), 2);
    assert_eq!(third.allocate().await, 0);
}

#[tokio::test]
async fn bytes_beyond_a_users_rate_are_dropped_both_ways() {
    let server = server(bounded(|q| q.user_bytes_per_s = 2_000));
    let (alice, bob) = (client(&server, &issue("alice")).await, client(&server, &issue("bob")).await);
    let (alice, bob) = (soon(alice.allocate()).await.unwrap(), soon(bob.allocate()).await.unwrap());
    let friend = UdpSocket::bind("127.0.0.2:0").await.unwrap();
    let at = friend.local_addr().unwrap();
    for relay in [&alice, &bob] {
        soon(relay.send_to(b"opens", at)).await.unwrap();
        receive(&friend).await;
    }
    for _ in 0..40 {
        soon(alice.send_to(&[1; 1000], at)).await.unwrap();
    }
    soon(bob.send_to(b"bob", at)).await.unwrap();
    let mut passed = 0;
    while receive(&friend).await.0 != b"bob" {
        passed += 1;
    }
    // Two seconds' worth at once, and what came back meanwhile.
    assert!((3..40).contains(&passed), "{passed}");
    for _ in 0..40 {
        friend.send_to(&[2; 1000], alice.local_addr().unwrap()).await.unwrap();
    }
    friend.send_to(b"still", bob.local_addr().unwrap()).await.unwrap();
    assert_eq!(receive_relayed(&bob).await.0, b"still");
    assert!(server.counters().dropped.load(Relaxed) > 0);
}

#[tokio::test]
async fn a_used_up_day_ends_what_a_user_can_have() {
    let server = server(bounded(|q| q.user_bytes_per_day = 3_000));
    let raw = Raw::new(&server, issue("alice")).await;
    let relay = client(&server, &issue("alice")).await;
    let relay = soon(relay.allocate()).await.unwrap();
    let friend = UdpSocket::bind("127.0.0.2:0").await.unwrap();
    for _ in 0..2 {
        soon(relay.send_to(&[1; 1400], friend.local_addr().unwrap())).await.unwrap();
        receive(&friend).await;
    }
    soon(relay.send_to(&[1; 80], friend.local_addr().unwrap())).await.unwrap();
    receive(&friend).await;
    assert_eq!(raw.allocate().await, 486);
    assert_eq!(Raw::new(&server, issue("bob")).await.allocate().await, 0);
}

#[tokio::test]
async fn peers_and_channels_of_an_allocation_are_bounded() {
    let server = server(Some(turn()));
    let raw = Raw::new(&server, issue("alice")).await;
    assert_eq!(raw.allocate().await, 0);
    for n in 0..64 {
        assert_eq!(raw.permit(&format!("1.1.{n}.1:9")).await, 0);
    }
    assert_eq!(raw.permit("1.2.3.4:9").await, 508);
    assert_eq!(raw.permit("1.1.7.1:9").await, 0);
    let mut codes = vec![];
    for n in 0..66u16 {
        let number = crate::raw::any(0x000C, &(0x4000_0000 + (u32::from(n) << 16)).to_be_bytes());
        let at = crate::raw::peer(&format!("1.1.1.1:{}", 100 + n));
        codes.push(code(&raw.ask(METHOD_CHANNEL_BIND, vec![number, at]).await));
    }
    assert_eq!((codes.iter().filter(|c| **c == 0).count(), codes.last()), (64, Some(&508)));
}

#[tokio::test]
async fn a_flood_of_requests_from_one_address_is_dropped() {
    let server = start("127.0.0.1:0", Some(turn()), 5);
    let flooding = UdpSocket::bind("127.0.0.9:0").await.unwrap();
    for _ in 0..200 {
        let request = build(METHOD_BINDING, CLASS_REQUEST, vec![]);
        flooding.send_to(&request.raw, server.addr()).await.unwrap();
    }
    let quiet = client(&server, &issue("alice")).await;
    soon(quiet.send_binding_request()).await.unwrap();
    let counters = server.counters();
    assert!(counters.limited.load(Relaxed) > 100 && counters.bindings.load(Relaxed) < 100);
    drop(quiet);
    assert_eq!(code(&Raw::new(&server, issue("alice")).await.ask(METHOD_REFRESH, vec![]).await), 437);
}
