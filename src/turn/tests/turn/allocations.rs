use crate::raw::{Raw, any, code, relayed, udp};
use crate::support::{DEADLINE, client, issue, receive, receive_relayed, server, soon, start, turn};
use crosspoint_turn::{Quotas, Turn};
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use stun::message::*;
use tokio::net::UdpSocket;
use turn::proto::lifetime::Lifetime;
use webrtc_util::Conn;

fn lifetime(answer: &Message) -> u64 {
    let mut lifetime = Lifetime::default();
    lifetime.get_from(answer).unwrap();
    lifetime.0.as_secs()
}

fn asked(seconds: u32) -> Box<dyn Setter> {
    any(0x000D, &seconds.to_be_bytes())
}

#[tokio::test]
async fn channels_carry_many_datagrams_both_ways() {
    let server = server(Some(turn()));
    let client = client(&server, &issue("alice")).await;
    let relay = soon(client.allocate()).await.unwrap();
    let friend = UdpSocket::bind("127.0.0.2:0").await.unwrap();
    let at = friend.local_addr().unwrap();
    // The crate's client binds a channel beside its first datagrams.
    for n in 0..500u32 {
        soon(relay.send_to(&n.to_be_bytes(), at)).await.unwrap();
        let (data, from) = receive(&friend).await;
        assert_eq!(data, n.to_be_bytes());
        friend.send_to(&data, from).await.unwrap();
        assert_eq!(receive_relayed(&relay).await.0, data);
    }
}

#[tokio::test]
async fn a_repeated_allocate_is_one_allocation_and_another_one_is_refused() {
    let server = server(Some(turn()));
    let raw = Raw::new(&server, issue("alice")).await;
    let request = raw.signed(METHOD_ALLOCATE, vec![udp()]);
    let (first, again) = (raw.exchange(&request).await, raw.exchange(&request).await);
    assert_eq!((code(&first), code(&again)), (0, 0));
    assert_eq!(relayed(&first), relayed(&again));
    assert_eq!(raw.allocate().await, 437);
    assert_eq!(server.counters().allocated.load(Relaxed), 1);
}

#[tokio::test]
async fn lives_are_bounded_and_end() {
    let quotas = Quotas { allocation_life: Duration::from_secs(2000), ..Quotas::default() };
    let server = server(Some(Turn { quotas, ..turn() }));
    let raw = Raw::new(&server, issue("alice")).await;
    let answer = raw.ask(METHOD_ALLOCATE, vec![udp(), asked(900)]).await;
    assert_eq!(lifetime(&answer), 900);
    let refresh = async |seconds| raw.ask(METHOD_REFRESH, vec![asked(seconds)]).await;
    assert_eq!(lifetime(&refresh(1).await), 600);
    assert!((1900..=2000).contains(&lifetime(&refresh(100_000).await)));
    assert_eq!(lifetime(&refresh(0).await), 0);
    assert_eq!(code(&refresh(600).await), 437);
    assert_eq!(raw.allocate().await, 0);
}

#[tokio::test]
async fn an_allocation_ends_by_itself() {
    let quotas = Quotas { allocation_life: Duration::from_millis(200), ..Quotas::default() };
    let server = server(Some(Turn { quotas, ..turn() }));
    let raw = Raw::new(&server, issue("alice")).await;
    let at = relayed(&raw.ask(METHOD_ALLOCATE, vec![udp()]).await);
    let deadline = tokio::time::Instant::now() + DEADLINE;
    while server.counters().allocations.load(Relaxed) > 0 {
        assert!(tokio::time::Instant::now() < deadline);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    while UdpSocket::bind(at).await.is_err() {
        assert!(tokio::time::Instant::now() < deadline, "its port is free");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(code(&raw.ask(METHOD_REFRESH, vec![]).await), 437);
}

#[tokio::test]
async fn what_is_not_offered_is_refused_by_its_code() {
    let server = server(Some(turn()));
    let raw = Raw::new(&server, issue("alice")).await;
    let asks = [
        (vec![], 400),
        (vec![any(0x0019, &[6, 0, 0, 0])], 442),
        (vec![udp(), any(0x0018, &[0x80])], 508),
        (vec![udp(), any(0x0022, &[1; 8])], 508),
        (vec![udp(), any(0x0017, &[2, 0, 0, 0])], 440),
        (vec![udp(), any(0x0017, &[9, 0, 0, 0])], 440),
        (vec![udp(), any(0x001A, &[])], 420),
        (vec![udp(), any(0x7777, &[1])], 420),
    ];
    for (attributes, expected) in asks {
        assert_eq!(code(&raw.ask(METHOD_ALLOCATE, attributes).await), expected);
    }
    let even = raw.ask(METHOD_ALLOCATE, vec![udp(), any(0x0018, &[0]), any(0x8000, &[1])]).await;
    assert_eq!((code(&even), relayed(&even).port() % 2), (0, 0));
    assert_eq!(code(&raw.ask(METHOD_CREATE_PERMISSION, vec![]).await), 400);
    assert_eq!(code(&raw.ask(METHOD_CHANNEL_BIND, vec![any(0x000C, &[0x30, 0, 0, 0])]).await), 400);
}

#[tokio::test]
async fn closing_ends_all_and_frees_the_ports() {
    // Nobody else on this machine takes ports of this address.
    let server = start("127.77.0.1:0", Some(turn()), 10_000);
    let (addr, raw) = (server.addr(), Raw::new(&server, issue("alice")).await);
    assert_eq!(raw.allocate().await, 0);
    soon(server.close()).await;
    assert_eq!(server.counters().allocations.load(Relaxed), 0);
    drop(server);
    let deadline = tokio::time::Instant::now() + DEADLINE;
    while UdpSocket::bind(addr).await.is_err() {
        assert!(tokio::time::Instant::now() < deadline);
        tokio::task::yield_now().await;
    }
    std::net::TcpListener::bind(addr).unwrap();
}
