//! Messages that are wrong.

use crate::support::*;
use crosspoint_core::Code;
use serde_json::{Value, json};

/// Valid JSON, but no frames.
fn no_frames() -> Vec<Value> {
    vec![
        json!(7),
        json!("text"),
        json!([]),
        json!(["n", CHAT]),
        json!({"n": {}}),
        json!({"data": 1}),
        json!({"type": 1}),
        json!({"type": ""}),
        json!({"type": "x".repeat(129)}),
        json!({"type": "n", "room": 5}),
        json!({"type": "n", "room": ""}),
        json!({"type": "n", "room": "r".repeat(257)}),
        json!({"type": "n", "room": CHAT, "id": 7}),
        json!({"type": "n", "room": CHAT, "id": "a\nb"}),
        json!({"type": "n", "room": CHAT, "id": "x".repeat(65)}),
        json!({"type": "n", "to": "x".repeat(301)}),
        json!({"type": "n", "room": CHAT, "data64": "*"}),
        json!({"type": "n", "room": CHAT, "echo": "no"}),
    ]
}

pub(crate) async fn bad_frames_are_counted_and_answered(by: Adapter) {
    let hub = open().await;
    let mut bob = Adapter::WebSocket.joined(&hub, "bob", CHAT).await;
    let mut link = by.joined(&hub, "alice", CHAT).await;
    for (n, bad) in no_frames().into_iter().enumerate() {
        link.send(bad.clone()).await;
        let got = link.next().await;
        assert_eq!((got.kind(), &got["data"]["code"]), ("hub:error", &json!("bad_frame")), "{bad}");
        assert!(got.json.get("id").is_none());
        assert_eq!(link.sent as usize, n + 2, "each has a place in the sequence");
    }
    link.send(json!({"type": "n", "room": CHAT, "data": 1})).await;
    assert_eq!(link.next().await.number(), 1);
    assert_eq!(bob.next().await.number(), 1);
    link.send(json!({"type": "hub:ping"})).await;
    assert_eq!(link.find("hub:pong").await["data"]["received"], link.sent);
    assert_eq!(hub.hub().stats().bad_frames as usize, no_frames().len());
}

pub(crate) async fn names_that_do_not_fit_are_answered_by_id(by: Adapter) {
    let hub = open().await;
    let mut link = by.joined(&hub, "alice", CHAT).await;
    for bad in [
        json!({"type": "x".repeat(129), "room": CHAT, "id": "1"}),
        json!({"type": "n", "room": "r".repeat(257), "id": "2"}),
        json!({"type": "hub:join", "room": "a\nb", "id": "3"}),
        json!({"type": "n", "to": "x".repeat(301), "id": "4"}),
    ] {
        link.send(bad.clone()).await;
        let got = link.next().await;
        assert_eq!((got.kind(), &got["data"]["code"]), ("hub:error", &json!("bad_request")), "{bad}");
        assert_eq!(got.json["id"], bad["id"]);
    }
    link.send(json!({"type": "hub:ping"})).await;
    assert_eq!(link.find("hub:pong").await["data"]["received"], link.sent);
}

pub(crate) async fn too_many_bad_frames_close_the_link_and_not_the_session(by: Adapter) {
    let hub = start(|c| c.limits.bad_frames_max = 3).await;
    let (mut link, welcome) = by.hello(&hub, hello("alice")).await;
    assert_eq!(welcome["limits"]["bad_frames_max"], 3);
    for _ in 0..3 {
        link.send(json!(7)).await;
        assert_eq!(link.next().await["data"]["code"], "bad_frame");
    }
    link.provoke(json!(7)).await;
    link.ends_with(Code::BadFrame).await;
    let (mut link, next) = by.hello(&hub, again(&welcome, 3)).await;
    assert_eq!((&next["resumed"], &next["received"]), (&json!(true), &json!(3)));
    link.join(CHAT, json!({})).await;
}

pub(crate) async fn a_link_that_begins_with_nonsense_is_closed(by: Adapter) {
    let hub = open().await;
    let mut link = by.probe(&hub).await;
    link.provoke(json!([1, 2])).await;
    link.ends_with(Code::BadFrame).await;
    stats(&hub, |s| s.links == 0 && s.sessions == 0).await;
}

pub(crate) async fn link_frames_of_the_hub_may_not_be_said(by: Adapter) {
    for kind in ["hub:welcome", "hub:move", "hub:close"] {
        let hub = open().await;
        let mut link = by.user(&hub, "alice").await;
        link.provoke(json!({"type": kind, "data": {}})).await;
        link.ends_with(Code::BadRequest).await;
    }
}

pub(crate) async fn a_beat_of_another_shape_closes_the_link(by: Adapter) {
    for data in [json!({"received": "1"}), json!({"received": -1}), json!("text")] {
        let hub = open().await;
        let mut link = by.user(&hub, "alice").await;
        link.provoke(json!({"type": "hub:ack", "data": data})).await;
        link.ends_with(Code::BadFrame).await;
    }
}

pub(crate) async fn frames_up_to_the_limit_pass_and_larger_ones_do_not(by: Adapter) {
    let hub = start(|c| c.limits.frame_bytes_max = 2_000).await;
    let (mut link, welcome) = by.hello(&hub, hello("alice")).await;
    assert_eq!(welcome["limits"]["frame_bytes_max"], 2_000);
    link.join(CHAT, json!({})).await;
    let of = |size: usize| {
        let empty = json!({"type": "n", "room": CHAT, "data": ""}).to_string().len();
        json!({"type": "n", "room": CHAT, "data": "x".repeat(size - empty)})
    };
    link.send(of(2_000)).await;
    assert_eq!(link.next().await.kind(), "n");
    link.refused(of(2_001)).await.assert(by, Code::FrameTooLarge);
    let (mut link, next) = by.hello(&hub, again(&welcome, link.received)).await;
    assert_eq!((&next["resumed"], &next["received"]), (&json!(true), &json!(2)));
    link.send(of(100)).await;
    assert_eq!(link.next().await.kind(), "n");
    assert_eq!(hub.hub().stats().published, 2);
}

pub(crate) async fn unknown_types_fail(by: Adapter) {
    let hub = open().await;
    let mut link = by.user(&hub, "alice").await;
    for kind in ["hub:nonsense", "hub:", "hub:bad", "hub:reply", "hub:gap", "hub:JOIN"] {
        link.fails(json!({"type": kind}), Code::UnknownType).await;
        link.send(json!({"type": kind})).await;
        let got = link.next().await;
        assert_eq!((got.kind(), &got["data"]["code"]), ("hub:error", &json!("unknown_type")));
        assert_eq!(got["data"]["of"], kind);
        assert!(got.json.get("id").is_none());
    }
}

pub(crate) async fn wrong_shapes_fail_and_say_where(by: Adapter) {
    let hub = open().await;
    let mut link = by.joined(&hub, "alice", CHAT).await;
    for frame in [
        json!({"type": "nowhere"}),
        json!({"type": "hub:join"}),
        json!({"type": "hub:leave"}),
        json!({"type": "hub:join", "room": "chat:other", "data": []}),
        json!({"type": "hub:join", "room": "chat:other", "data": {"since": 5}}),
        json!({"type": "hub:join", "room": "chat:other", "data": {"since": "x"}}),
        json!({"type": "hub:join", "room": "chat:other", "data": {"history": -1}}),
        json!({"type": "hub:join", "room": "chat:other", "data": {"state": [1]}}),
        json!({"type": "hub:history", "room": LOBBY}),
        json!({"type": "hub:history", "room": CHAT, "data": {"limit": "all"}}),
        json!({"type": "hub:state", "room": CHAT, "data": 5}),
        json!({"type": "hub:attach"}),
        json!({"type": "hub:attach", "data": {"service": 5}}),
        json!({"type": "hub:refresh", "data": {}}),
        json!({"type": "hub:answer"}),
        json!({"type": "n", "to": "alice"}),
        json!({"type": "n", "to": "room:x"}),
    ] {
        link.fails(frame, Code::BadRequest).await;
    }
    // The session is unharmed and still in its room.
    link.send(json!({"type": "n", "room": CHAT, "data": 1})).await;
    assert_eq!(link.find("n").await.number(), 1);
    // Who joins again and fails is not in the room any more: both ends agree on that.
    link.fails(json!({"type": "hub:join", "room": CHAT, "data": {"since": "x"}}), Code::BadRequest).await;
    link.fails(json!({"type": "hub:leave", "room": CHAT}), Code::NotJoined).await;
}
