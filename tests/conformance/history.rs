//! Positions, recovery, gaps, slow readers.

use crate::support::*;
use crosspoint::Running;
use serde_json::{Value, json};

async fn fill(hub: &Running, room: &str, n: u64) -> Vec<Value> {
    let mut positions = vec![];
    for n in 1..=n {
        positions.push(publish(hub, room, n).await["position"].clone());
    }
    positions
}

async fn next_numbers(link: &mut Link, range: impl Iterator<Item = u64>) {
    for n in range {
        let got = link.next().await;
        assert_eq!((got.kind(), &got["data"], &got["offset"]), ("n", &json!(n), &json!(n)));
    }
}

pub(crate) async fn what_came_after_a_position_follows_the_reply(by: Adapter) {
    let hub = open().await;
    let positions = fill(&hub, CHAT, 5).await;
    for (at, position) in positions.iter().enumerate() {
        let mut link = by.user(&hub, "alice").await;
        let joined = link.join(CHAT, json!({"since": position})).await;
        assert_eq!((&joined["recovered"], &joined["position"]), (&json!(true), &positions[4]));
        next_numbers(&mut link, at as u64 + 2..=5).await;
    }
    // From the beginning; and then live.
    let epoch = positions[0].as_str().unwrap().split_once('.').unwrap().0;
    let mut link = by.user(&hub, "alice").await;
    assert_eq!(link.join(CHAT, json!({"since": format!("{epoch}.0.")})).await["recovered"], true);
    publish(&hub, CHAT, 6).await;
    next_numbers(&mut link, 1..=6).await;
}

pub(crate) async fn a_position_of_another_history_is_a_gap(by: Adapter) {
    let hub = open().await;
    let positions = fill(&hub, CHAT, 3).await;
    let (epoch, _) = positions[0].as_str().unwrap().split_once('.').unwrap();
    for since in ["another.2.x".to_string(), format!("{epoch}.2.not-this-event"), format!("{epoch}.99.x")] {
        let mut link = by.user(&hub, "alice").await;
        let joined = link.join(CHAT, json!({"since": since})).await;
        assert_eq!(joined["recovered"], false, "{since}");
        let gap = link.next().await;
        assert_eq!((gap.kind(), &gap["room"]), ("hub:gap", &json!(CHAT)));
        assert!(gap["data"]["reason"].is_string() && gap.counted());
        let from: u64 = gap["data"]["position"].as_str().unwrap().split('.').nth(1).unwrap().parse().unwrap();
        publish(&hub, CHAT, 4).await;
        // It goes on from where the gap says, without a hole.
        let head = publish(&hub, CHAT, 5).await["offset"].as_u64().unwrap();
        for offset in from + 1..=head {
            let got = link.next().await;
            assert_eq!((got.kind(), &got["offset"]), ("n", &json!(offset)));
        }
    }
}

pub(crate) async fn what_was_trimmed_is_a_gap(by: Adapter) {
    let hub = open().await;
    let positions = fill(&hub, "short:1", 6).await;
    let mut link = by.user(&hub, "alice").await;
    let joined = link.join("short:1", json!({"since": positions[0]})).await;
    assert_eq!(joined["recovered"], false);
    let gap = link.next().await;
    assert_eq!((gap.kind(), &gap["data"]["position"]), ("hub:gap", &positions[2]));
    next_numbers(&mut link, 4..=6).await;
    let mut link = by.user(&hub, "alice").await;
    assert_eq!(link.join("short:1", json!({"since": positions[2]})).await["recovered"], true);
    next_numbers(&mut link, 4..=6).await;
}

pub(crate) async fn a_room_may_begin_with_its_last_events(by: Adapter) {
    let hub = open().await;
    fill(&hub, CHAT, 5).await;
    let mut link = by.user(&hub, "alice").await;
    assert!(link.join(CHAT, json!({"history": 2})).await.get("recovered").is_none());
    publish(&hub, CHAT, 6).await;
    next_numbers(&mut link, 4..=6).await;
}

pub(crate) async fn history_is_read_in_pages(by: Adapter) {
    let hub = open().await;
    let positions = fill(&hub, CHAT, 9).await;
    let mut link = by.user(&hub, "alice").await;
    for (ask, expected, complete) in [
        (json!({"since": positions[2], "limit": 3}), vec![4, 5, 6], true),
        (json!({"limit": 2}), vec![8, 9], true),
        (json!({"before": 4, "limit": 2}), vec![2, 3], true),
        (json!({"before": 1}), vec![], true),
        (json!({"since": positions[8]}), vec![], true),
    ] {
        let page = link.ask(json!({"type": "hub:history", "room": CHAT, "data": ask})).await["data"].clone();
        let numbers: Vec<u64> =
            page["events"].as_array().unwrap().iter().map(|e| e["data"].as_u64().unwrap()).collect();
        assert_eq!((numbers, &page["complete"]), (expected, &json!(complete)), "{ask}: {page}");
        assert!(page["position"].is_string());
    }
}

/// Fills the outbox of a link that acknowledges nothing; returns how many events came before it was full.
async fn overfill(hub: &Running, link: &mut Link, session: &Value, room: &str) -> u64 {
    for n in 1..=40 {
        publish(hub, room, json!({"n": n, "fill": "x".repeat(200)})).await;
    }
    // Direct messages have room of their own: behind this one nothing waits.
    let mut bob = Adapter::WebSocket.user(hub, "bob").await;
    bob.send(json!({"type": "marker", "to": format!("session:{}", session.as_str().unwrap())})).await;
    for n in 1.. {
        let got = link.next().await;
        if got.kind() == "marker" {
            return n - 1;
        }
        assert_eq!(got["data"]["n"], n);
    }
    0
}

pub(crate) async fn a_slow_reader_gets_the_rest_from_history(by: Adapter) {
    let hub = start(|c| c.limits.outbox_bytes_max = 8_000).await;
    let (mut link, welcome) = by.hello(&hub, hello("alice")).await;
    link.join(CHAT, json!({})).await;
    let came = overfill(&hub, &mut link, &welcome["session"], CHAT).await;
    assert!((1..40).contains(&came), "{came}");
    for n in came + 1..=40 {
        link.ack().await;
        let got = link.next().await;
        assert_eq!((&got["data"]["n"], &got["offset"]), (&json!(n), &json!(n)));
    }
    link.ack().await;
    publish(&hub, CHAT, 41).await;
    assert_eq!(link.next().await.number(), 41);
    assert_eq!((hub.hub().stats().gaps, hub.hub().stats().slow_consumers), (0, 0));
}

pub(crate) async fn a_slow_reader_without_history_gets_one_gap(by: Adapter) {
    let hub = start(|c| c.limits.outbox_bytes_max = 8_000).await;
    let (mut link, welcome) = by.hello(&hub, hello("alice")).await;
    link.join(LOBBY, json!({})).await;
    let came = overfill(&hub, &mut link, &welcome["session"], LOBBY).await;
    assert!((1..40).contains(&came), "{came}");
    link.ack().await;
    let gap = link.next().await;
    assert_eq!((gap.kind(), &gap["room"]), ("hub:gap", &json!(LOBBY)));
    assert_eq!(gap["data"]["reason"], "slow_consumer");
    publish(&hub, LOBBY, 41).await;
    assert_eq!(link.next().await.number(), 41);
    assert_eq!(hub.hub().stats().gaps, 1);
}

pub(crate) async fn who_reads_nothing_at_all_is_sent_away(by: Adapter) {
    let hub = start(|c| c.limits.outbox_bytes_max = 4_000).await;
    let (mut link, welcome) = by.hello(&hub, hello("alice")).await;
    let to = format!("session:{}", welcome["session"].as_str().unwrap());
    let mut bob = Adapter::WebSocket.user(&hub, "bob").await;
    while hub.hub().stats().slow_consumers == 0 {
        bob.send(json!({"type": "n", "to": to, "data": "x".repeat(500)})).await;
        tokio::task::yield_now().await;
    }
    link.ends_with(crosspoint_core::Code::SlowConsumer).await;
    stats(&hub, |s| s.sessions == 1).await;
}
