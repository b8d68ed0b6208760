//! Counted frames, acks, and sessions that go on.

use crate::support::*;
use crosspoint::Running;
use crosspoint_core::Code;
use serde_json::{Value, json};

fn event(n: u64) -> Value {
    json!({"type": "n", "room": CHAT, "data": n})
}

/// The next numbers of events.
async fn numbers(link: &mut Link, how_many: usize) -> Vec<u64> {
    let mut numbers = vec![];
    while numbers.len() < how_many {
        numbers.push(link.find("n").await.number());
    }
    numbers
}

async fn again_by(by: Adapter, hub: &Running, welcome: &Value, received: u64) -> (Link, Value) {
    let (link, next) = by.hello(hub, again(welcome, received)).await;
    assert_eq!((&next["session"], &next["resumed"]), (&welcome["session"], &json!(true)), "{next}");
    (link, next)
}

pub(crate) async fn acks_come_in_time(by: Adapter) {
    let hub = start(|c| (c.limits.ack_every, c.limits.ack_delay_ms) = (4, 100)).await;
    let mut link = by.joined(&hub, "alice", CHAT).await;
    let mut acked = 0;
    for n in 0..8 {
        link.send(event(n)).await;
    }
    while acked < 8 {
        acked = link.find("hub:ack").await["data"]["received"].as_u64().unwrap();
    }
    link.send(event(9)).await;
    // One alone is acknowledged after the delay.
    while acked < link.sent {
        acked = link.find("hub:ack").await["data"]["received"].as_u64().unwrap();
    }
    assert_eq!(acked, 10);
}

pub(crate) async fn a_pong_returns_the_stamp_and_the_count(by: Adapter) {
    let hub = open().await;
    let mut link = by.joined(&hub, "alice", CHAT).await;
    link.send(json!({"type": "hub:ping", "data": {"received": link.received, "t": 12.25}})).await;
    let pong = link.find("hub:pong").await;
    assert_eq!(pong["data"], json!({"received": 1, "t": 12.25}));
}

pub(crate) async fn only_what_counts_is_counted(by: Adapter) {
    let hub = open().await;
    let mut link = by.joined(&hub, "alice", CHAT).await;
    for frame in [
        json!({"type": "v", "room": CHAT, "volatile": true}),
        json!({"type": "v", "room": CHAT, "volatile": "key"}),
        json!({"type": "hub:ack", "data": {"received": 0}}),
        json!({"type": "hub:pong", "data": {}}),
        json!({"type": "hub:ping"}),
        json!({"type": "n", "room": CHAT, "volatile": false, "data": 1}),
        json!({"type": "hub:nonsense"}),
        json!({"type": "nowhere"}),
    ] {
        link.send(frame).await;
    }
    link.send(json!({"type": "hub:ping"})).await;
    loop {
        let pong = link.find("hub:pong").await;
        if pong["data"]["received"] == 4 {
            break;
        }
    }
    assert_eq!(link.sent, 4);
}

pub(crate) async fn a_lost_link_is_resumed_where_it_was(by: Adapter) {
    for to in Adapter::ALL {
        let hub = open().await;
        let (mut link, welcome) = by.hello(&hub, hello("alice")).await;
        link.join(CHAT, json!({})).await;
        publish(&hub, CHAT, 1).await;
        publish(&hub, CHAT, 2).await;
        assert_eq!(numbers(&mut link, 2).await, [1, 2]);
        // Unseen when the link dies.
        publish(&hub, CHAT, 3).await;
        let received = link.received;
        assert_eq!(received, 3, "the join's reply and two events");
        drop(link);
        by.cut(&hub, 0).await;
        publish(&hub, CHAT, 4).await;
        let (mut link, next) = again_by(to, &hub, &welcome, received).await;
        assert_eq!((&next["start"], &next["received"]), (&json!(received + 1), &json!(1)), "{to:?}");
        publish(&hub, CHAT, 5).await;
        assert_eq!(numbers(&mut link, 3).await, [3, 4, 5]);
        let s = hub.hub().stats();
        assert_eq!((s.resumes + s.moves, s.sessions_opened, s.gaps), (1, 1, 0));
    }
}

pub(crate) async fn what_was_not_received_is_sent_again(by: Adapter) {
    let hub = open().await;
    let (mut link, welcome) = by.hello(&hub, hello("alice")).await;
    link.join(CHAT, json!({})).await;
    for n in 1..=5 {
        publish(&hub, CHAT, n).await;
    }
    let mut first = vec![];
    for _ in 0..5 {
        first.push(link.find("n").await.json);
    }
    drop(link);
    // The client may have lost what it read.
    for received in [0, 3] {
        let (mut link, next) = again_by(by, &hub, &welcome, received).await;
        assert_eq!(next["start"], received + 1);
        for n in received + 1..=6 {
            let got = link.next().await;
            match n {
                1 => assert_eq!(got.kind(), "hub:reply"),
                n => assert_eq!(got.json, first[n as usize - 2]),
            }
        }
    }
}

pub(crate) async fn an_ack_ends_the_repetition(by: Adapter) {
    let hub = open().await;
    let (mut link, welcome) = by.hello(&hub, hello("alice")).await;
    link.join(CHAT, json!({})).await;
    publish(&hub, CHAT, 1).await;
    link.find("n").await;
    link.ack().await;
    link.send(json!({"type": "hub:ping"})).await;
    link.find("hub:pong").await;
    // What was acknowledged is gone: the session can't go back behind it, only begin there.
    let (mut link, next) = again_by(by, &hub, &welcome, 0).await;
    assert_eq!(next["start"], 3);
    publish(&hub, CHAT, 2).await;
    assert_eq!(link.next().await.number(), 2);
}

pub(crate) async fn what_was_sent_into_a_dying_link_is_taken_once(by: Adapter) {
    for to in Adapter::ALL {
        let hub = open().await;
        let mut bob = Adapter::WebSocket.joined(&hub, "bob", CHAT).await;
        let (mut link, welcome) = by.hello(&hub, hello("alice")).await;
        link.join(CHAT, json!({})).await;
        for n in 0..20 {
            link.send(event(n)).await;
        }
        drop(link);
        let (mut link, next) = again_by(to, &hub, &welcome, 1).await;
        let received = next["received"].as_u64().unwrap();
        assert!((1..=21).contains(&received), "{received}");
        for n in received - 1..25 {
            link.send(event(n)).await;
        }
        assert_eq!(numbers(&mut bob, 25).await, (0..25).collect::<Vec<_>>());
        assert_eq!(hub.hub().stats().published, 25);
    }
}

pub(crate) async fn a_session_without_its_secret_is_not_resumed(by: Adapter) {
    let hub = open().await;
    let (mut link, welcome) = by.hello(&hub, hello("alice")).await;
    for (session, resume) in [
        (welcome["session"].clone(), json!("wrong")),
        (welcome["session"].clone(), Value::Null),
        (json!("0123"), welcome["resume"].clone()),
    ] {
        let mut data = json!({"version": 1, "session": session, "resume": resume, "received": 0});
        let refused = by.try_hello(&hub, data.clone()).await;
        refused.err().expect("refused").assert(by, Code::SessionExpired);
        // Who says who they are gets a new one, and is told.
        data["user"] = "mallory".into();
        let (_other, new) = by.hello(&hub, data).await;
        assert_eq!((&new["resumed"], &new["reason"]), (&json!(false), &json!("session_expired")));
        assert_eq!((&new["user"], &new["start"]), (&json!("mallory"), &json!(1)));
        assert_ne!(new["session"], welcome["session"]);
    }
    link.join(CHAT, json!({})).await;
}

pub(crate) async fn counts_that_cannot_be_are_refused(by: Adapter) {
    let hub = open().await;
    let (mut link, welcome) = by.hello(&hub, hello("alice")).await;
    let refused = by.try_hello(&hub, again(&welcome, 1_000)).await;
    refused.err().expect("refused").assert(by, Code::SessionExpired);
    link.provoke(json!({"type": "hub:ack", "data": {"received": 1_000}})).await;
    link.ends_with(Code::BadFrame).await;
}

pub(crate) async fn a_session_ends_when_nobody_comes_back(by: Adapter) {
    let hub = start(|c| (c.limits.resume_ms, c.limits.heartbeat_ms) = (150, 1_000)).await;
    let mut bob = Adapter::WebSocket.user(&hub, "bob").await;
    bob.join(CHAT, json!({"presence": true})).await;
    let (mut link, welcome) = by.hello(&hub, hello("alice")).await;
    link.join(CHAT, json!({})).await;
    while bob.find("hub:presence").await["data"]["join"][0]["user"] != "alice" {}
    drop(link);
    assert_eq!(bob.find("hub:presence").await["data"], json!({"leave": ["alice"]}));
    let refused = by.try_hello(&hub, again(&welcome, 1)).await;
    refused.err().expect("refused").assert(by, Code::SessionExpired);
    stats(&hub, |s| s.sessions == 1 && s.users == 1).await;
}
