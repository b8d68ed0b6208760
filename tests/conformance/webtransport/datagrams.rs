//! Volatile frames, each as one datagram.

use crate::support::*;
use serde_json::{Value, json};

const BY: Adapter = Adapter::WebTransport;

fn cursor(n: u64) -> Value {
    json!({"type": "cursor", "room": CHAT, "volatile": true, "echo": false, "data": n})
}

#[tokio::test]
async fn volatile_frames_go_as_datagrams_both_ways() {
    let hub = open().await;
    let mut alice = BY.joined(&hub, "alice", CHAT).await;
    let mut bob = BY.joined(&hub, "bob", CHAT).await;
    for n in 1..=20 {
        alice.wt().datagram(&cursor(n));
        let got = bob.next().await;
        assert_eq!((got.kind(), got.number(), got.counted()), ("cursor", n, false));
    }
    assert_eq!((bob.wt().datagrams(), hub.metric("webtransport_datagrams_in_total").await), (20, 20));
    assert_eq!(hub.metric("webtransport_datagrams_out_total").await, 20);
    // Answers and events go on by the stream meanwhile.
    alice.send(json!({"type": "n", "room": CHAT, "data": 1})).await;
    assert_eq!((alice.next().await.number(), bob.next().await.number()), (1, 1));
}

#[tokio::test]
async fn what_does_not_fit_into_a_datagram_takes_the_stream() {
    let hub = open().await;
    let mut alice = BY.joined(&hub, "alice", CHAT).await;
    let mut bob = BY.joined(&hub, "bob", CHAT).await;
    let mut large = cursor(1);
    large["data"] = "x".repeat(5_000).into();
    alice.send(large).await;
    assert_eq!(bob.next().await["data"].as_str().unwrap().len(), 5_000);
    assert_eq!(bob.wt().datagrams(), 0);
    // Bytes are text there, as in a frame without binary messages.
    alice.send_bytes(json!({"type": "cursor", "room": CHAT, "volatile": true}), b"\0raw").await;
    let got = bob.next().await;
    assert_eq!((got.bytes.as_deref(), bob.wt().datagrams()), (Some(&b"\0raw"[..]), 1));
}

#[tokio::test]
async fn nothing_else_can_be_said_by_datagram() {
    let hub = open().await;
    let mut alice = BY.joined(&hub, "alice", CHAT).await;
    let mut bob = BY.joined(&hub, "bob", CHAT).await;
    let before = hub.hub().stats().bad_frames;
    let said = [
        json!({"type": "n", "room": CHAT, "data": 1}),
        json!({"type": "hub:bye"}),
        json!({"type": "hub:bye", "volatile": true}),
        json!({"type": "hub:ack", "data": {"received": 1_000_000}}),
        json!({"type": "hub:leave", "room": CHAT, "id": "l"}),
        json!("nonsense"),
    ];
    for what in &said {
        alice.wt().datagram(what);
    }
    stats(&hub, |s| s.bad_frames == before + said.len() as u64).await;
    alice.send(json!({"type": "n", "room": CHAT, "data": 2})).await;
    assert_eq!((alice.next().await.number(), bob.next().await.number()), (2, 2));
}

#[tokio::test]
async fn a_datagram_before_the_hello_opens_nothing() {
    let hub = open().await;
    let mut link = BY.probe(&hub).await;
    link.send(json!({"type": "hub:ping"})).await;
    assert_eq!(link.next_any().await.kind(), "hub:pong");
    link.wt().datagram(&cursor(1));
    while hub.metric("webtransport_datagrams_in_total").await == 0 {}
    assert_eq!(hub.hub().stats().sessions, 0);
    link.send(json!({"type": "hub:hello", "data": hello("alice")})).await;
    assert_eq!(link.next_any().await.kind(), "hub:welcome");
}

#[tokio::test]
async fn too_many_datagrams_are_dropped_and_nobody_else_notices() {
    let hub = start(|c| c.transports.webtransport.address_datagrams_per_s = 50).await;
    let mut alice = BY.joined(&hub, "alice", CHAT).await;
    let mut bob = Adapter::WebSocket.joined(&hub, "bob", CHAT).await;
    while hub.metric("webtransport_datagrams_dropped_total").await < 500 {
        for n in 0..100 {
            alice.wt().datagram(&cursor(n));
        }
    }
    alice.send(json!({"type": "n", "room": CHAT, "data": "after"})).await;
    while bob.next().await.kind() == "cursor" {}
    assert_eq!(alice.next().await["data"], "after");
}
