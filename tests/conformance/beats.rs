//! Signs of life that are no frames.

use crate::support::*;
use serde_json::{Value, json};

const BEAT: &str = "{}";

fn hello_with(beat_ms: Value) -> Value {
    let mut data = hello("alice");
    data["beat_ms"] = beat_ms;
    data
}

pub(crate) async fn the_pace_is_agreed_and_changed(by: Adapter) {
    let hub = open().await;
    for (asked, in_force) in [(json!(null), 0), (json!(0), 0), (json!(1), 2_500), (json!(9_000), 9_000)] {
        let data = if asked.is_null() { hello("alice") } else { hello_with(asked.clone()) };
        let (mut alice, welcome) = by.hello(&hub, data).await;
        assert_eq!(welcome["beat_ms"], in_force, "{asked}");
        for (asked, in_force) in [(6_000, 6_000), (10, 2_500), (0, 0)] {
            alice.send(json!({"type": "hub:ping", "data": {"beat_ms": asked}})).await;
            assert_eq!(alice.find("hub:pong").await["data"]["beat_ms"], in_force, "{asked}");
        }
        alice.send(json!({"type": "hub:ping", "data": {"t": 1}})).await;
        assert_eq!(alice.find("hub:pong").await["data"].get("beat_ms"), None);
    }
    let without = start(|c| c.limits.beat_ms = 0).await;
    assert_eq!(by.hello(&without, hello_with(json!(5_000))).await.1["beat_ms"], 0);
}

pub(crate) async fn beats_count_nothing_and_show_that_the_link_lives(by: Adapter) {
    let hub = start(|c| (c.limits.beat_ms, c.limits.heartbeat_ms) = (20, 400)).await;
    let (mut alice, _) = by.hello(&hub, hello_with(json!(20))).await;
    for _ in 0..30 {
        alice.send(json!({})).await;
        // Streams beat by themselves, polls are answered anyway.
        if by != Adapter::Poll {
            assert_eq!(alice.next_any().await.kind(), BEAT);
        }
    }
    alice.send(json!({})).await;
    alice.join(CHAT, json!({})).await;
    alice.send(json!({"type": "hub:ping"})).await;
    assert_eq!(alice.find("hub:pong").await["data"]["received"], 1);
    assert_eq!(hub.hub().stats().bad_frames, 0);
}

pub(crate) async fn a_beat_before_the_hello_means_nothing(by: Adapter) {
    let hub = open().await;
    let mut link = by.probe(&hub).await;
    link.send(json!({})).await;
    link.send(json!({"type": "hub:ping", "data": {"t": 4}})).await;
    let pong = link.next_any().await;
    assert_eq!((pong.kind(), &pong["data"]["received"]), ("hub:pong", &Value::Null));
    link.send(json!({"type": "hub:hello", "data": hello("alice")})).await;
    assert_eq!(link.next_any().await.kind(), "hub:welcome");
}
