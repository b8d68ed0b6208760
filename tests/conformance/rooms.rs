//! Joining, publishing, leaving.

use crate::support::*;
use crosspoint_core::Code;
use serde_json::json;

pub(crate) async fn an_event_has_its_fields(by: Adapter) {
    let hub = open().await;
    let (mut alice, welcome) = by.hello(&hub, hello("alice")).await;
    let mut bob = by.joined(&hub, "bob", CHAT).await;
    let joined = alice.join(CHAT, json!({})).await;
    assert_eq!(joined["room"], CHAT);
    let position = joined["position"].as_str().unwrap();
    assert!(joined.get("recovered").is_none() && joined.get("members").is_none());
    let (epoch, start) = position.split_once('.').unwrap();
    assert_eq!(start, "0.");
    let data = json!({"text": "héllo \u{1f600}", "list": [1.5, null, {"a": "\n"}]});
    alice.send(json!({"type": "msg", "room": CHAT, "id": "m1", "data": data, "from": {"user": "eve"}, "offset": 99}))
        .await;
    let reply = alice.reply("m1").await["data"].clone();
    assert_eq!((&reply["id"], &reply["offset"]), (&json!("m1"), &json!(1)));
    assert_eq!(reply["position"], format!("{epoch}.1.m1"));
    assert!(reply.get("duplicate").is_none());
    let event = bob.next().await;
    assert_eq!(
        event.json,
        json!({"type": "msg", "room": CHAT, "id": "m1", "data": data, "offset": 1, "ts": reply["ts"],
            "from": {"user": "alice", "session": welcome["session"]}})
    );
    if matches!(by, Adapter::Stream | Adapter::StreamH2) {
        assert_eq!(event.id_line.as_deref(), reply["position"].as_str());
    }
    assert!(reply["ts"].as_u64().unwrap() > 1_600_000_000_000);
}

pub(crate) async fn a_room_without_history_has_no_positions(by: Adapter) {
    let hub = open().await;
    let mut alice = by.user(&hub, "alice").await;
    let joined = alice.join(LOBBY, json!({"since": "e.5.x", "history": 9})).await;
    assert_eq!(joined, json!({"room": LOBBY}));
    alice.send(json!({"type": "msg", "room": LOBBY, "id": "m1"})).await;
    // Their order isn't promised.
    let (one, two) = (alice.next().await, alice.next().await);
    let (event, reply) = if one.kind() == "msg" { (one, two) } else { (two, one) };
    assert!(event.json.get("offset").is_none() && event.json.get("data").is_none() && event["ts"].is_u64());
    assert!(reply["data"].get("offset").is_none() && reply["data"].get("position").is_none());
    assert_eq!((&event["id"], &reply["data"]["id"]), (&json!("m1"), &json!("m1")));
}

pub(crate) async fn without_an_id_the_hub_gives_one_and_no_reply(by: Adapter) {
    let hub = open().await;
    let mut alice = by.joined(&hub, "alice", CHAT).await;
    for _ in 0..2 {
        alice.send(json!({"type": "msg", "room": CHAT})).await;
    }
    let (one, two) = (alice.next().await, alice.next().await);
    assert_eq!((one.kind(), two.kind()), ("msg", "msg"), "no reply comes between");
    assert!(one["id"].is_string() && one["id"] != two["id"]);
}

pub(crate) async fn a_publisher_may_do_without_the_echo(by: Adapter) {
    let hub = open().await;
    let mut alice = by.joined(&hub, "alice", CHAT).await;
    let mut other = by.joined(&hub, "alice", CHAT).await;
    for (n, echo) in [(1, json!(false)), (2, json!(true))] {
        alice.send(json!({"type": "n", "room": CHAT, "data": n, "echo": echo})).await;
    }
    assert_eq!(alice.next().await.number(), 2);
    assert_eq!((other.next().await.number(), other.next().await.number()), (1, 2));
}

pub(crate) async fn a_repeated_publish_is_stored_once(by: Adapter) {
    let hub = open().await;
    let mut alice = by.joined(&hub, "alice", CHAT).await;
    let event = json!({"type": "n", "room": CHAT, "id": "once", "data": 1});
    alice.send(event.clone()).await;
    let first = alice.reply("once").await["data"].clone();
    for to in Adapter::ALL {
        // The same user, another session, another transport.
        let mut again = to.joined(&hub, "alice", CHAT).await;
        again.send(event.clone()).await;
        let reply = again.reply("once").await["data"].clone();
        assert_eq!((&reply["offset"], &reply["duplicate"]), (&first["offset"], &json!(true)));
        assert_eq!((&reply["position"], &reply["ts"]), (&first["position"], &first["ts"]));
    }
    // Another user's id is another's.
    let mut bob = by.joined(&hub, "bob", CHAT).await;
    bob.send(event).await;
    assert_eq!(bob.reply("once").await["data"]["offset"], 2);
    assert_eq!((hub.hub().stats().published, hub.hub().stats().duplicates), (2, Adapter::ALL.len() as u64));
}

pub(crate) async fn one_leaves_and_hears_no_more(by: Adapter) {
    let hub = open().await;
    let mut alice = by.joined(&hub, "alice", CHAT).await;
    assert_eq!(alice.ask(json!({"type": "hub:leave", "room": CHAT})).await["data"], json!({}));
    alice.fails(json!({"type": "hub:leave", "room": CHAT}), Code::NotJoined).await;
    publish(&hub, CHAT, 1).await;
    alice.join(LOBBY, json!({})).await;
    publish(&hub, LOBBY, 2).await;
    assert_eq!(alice.next().await.number(), 2);
    stats(&hub, |s| s.rooms == 1).await;
}

pub(crate) async fn joining_again_begins_anew(by: Adapter) {
    let hub = open().await;
    let mut alice = by.joined(&hub, "alice", CHAT).await;
    publish(&hub, CHAT, 1).await;
    assert_eq!(alice.next().await.number(), 1);
    assert!(alice.join(CHAT, json!({"history": 5, "presence": true})).await["members"].is_array());
    assert_eq!(alice.find("n").await.number(), 1);
    publish(&hub, CHAT, 2).await;
    assert_eq!(alice.find("n").await.number(), 2);
    publish(&hub, CHAT, 3).await;
    assert_eq!(alice.find("n").await.number(), 3, "it is one membership, not two");
}

pub(crate) async fn rooms_have_a_number(by: Adapter) {
    let hub = start(|c| (c.limits.rooms_max, c.limits.hub_rooms_max) = (3, 4)).await;
    let mut alice = by.user(&hub, "alice").await;
    for room in ["a", "b", "c"] {
        alice.join(room, json!({})).await;
    }
    alice.fails(json!({"type": "hub:join", "room": "d"}), Code::LimitExceeded).await;
    alice.join("c", json!({})).await;
    let mut bob = by.joined(&hub, "bob", "d").await;
    bob.fails(json!({"type": "hub:join", "room": "e"}), Code::Unavailable).await;
    alice.ask(json!({"type": "hub:leave", "room": "a"})).await;
    bob.join("e", json!({})).await;
}

pub(crate) async fn volatile_events_leave_no_trace(by: Adapter) {
    let hub = open().await;
    let mut alice = by.joined(&hub, "alice", CHAT).await;
    let mut bob = by.joined(&hub, "bob", CHAT).await;
    for volatile in [json!(true), json!("cursor")] {
        alice.send(json!({"type": "v", "room": CHAT, "id": "v", "volatile": volatile, "data": 1})).await;
        let got = bob.next().await;
        assert_eq!((got.kind(), &got["volatile"], got.number()), ("v", &volatile, 1));
        assert!(got.json.get("offset").is_none() && !got.counted());
        assert_eq!(alice.next().await.kind(), "v", "an echo, and no reply");
    }
    alice.send(json!({"type": "v", "room": "elsewhere", "volatile": true})).await;
    alice.send(json!({"type": "n", "room": CHAT, "data": 2})).await;
    assert_eq!((alice.next().await.number(), bob.next().await["offset"].clone()), (2, json!(1)));
}
