//! The first frames of a link.

use crate::support::*;
use crosspoint::auth::jwt::Claims;
use crosspoint_core::{Code, Limits};
use serde_json::json;

pub(crate) async fn the_welcome_says_all(by: Adapter) {
    let hub = open().await;
    let data = json!({"version": 1, "user": "alice", "info": {"name": "Alice"}, "received": 0,
        "client": {"name": "conformance", "version": "1"}, "cause": "connect", "unknown": [1]});
    let (_link, welcome) = by.hello(&hub, data).await;
    let limits = Limits::default();
    for (field, value) in [
        ("version", json!(1)),
        ("user", json!("alice")),
        ("info", json!({"name": "Alice"})),
        ("resumed", json!(false)),
        ("received", json!(0)),
        ("start", json!(1)),
        ("heartbeat_ms", json!(limits.heartbeat_ms)),
        ("resume_ms", json!(limits.resume_ms)),
        ("ack_every", json!(limits.ack_every)),
        ("ack_delay_ms", json!(limits.ack_delay_ms)),
    ] {
        assert_eq!(welcome[field], value, "{field}");
    }
    assert!(welcome.get("reason").is_none());
    for field in ["frame_bytes_max", "post_bytes_max", "rooms_max", "outbox_bytes_max", "bad_frames_max"] {
        assert!(welcome["limits"][field].as_u64().unwrap() > 0, "{field}");
    }
    let (session, resume) = (welcome["session"].as_str().unwrap(), welcome["resume"].as_str().unwrap());
    assert!(!session.is_empty() && resume.len() >= 32 && session != resume);
}

pub(crate) async fn without_a_name_one_is_a_guest(by: Adapter) {
    let hub = open().await;
    let (_a, one) = by.hello(&hub, json!({"version": 1})).await;
    let (_b, two) = by.hello(&hub, json!({"version": 1})).await;
    assert!(!one["user"].as_str().unwrap().is_empty());
    assert_ne!(one["user"], two["user"]);
    assert_ne!(one["session"], two["session"]);
}

pub(crate) async fn other_versions_are_refused(by: Adapter) {
    let hub = open().await;
    for version in [0, 2, 99] {
        let refused = by.try_hello(&hub, json!({"version": version, "user": "alice"})).await;
        refused.err().expect("refused").assert(by, Code::VersionUnsupported);
    }
}

pub(crate) async fn a_hello_of_another_shape_is_refused(by: Adapter) {
    let hub = open().await;
    for data in [json!("text"), json!([1]), json!({"version": "1"}), json!({"version": 1, "user": 5})] {
        let refused = by.try_hello(&hub, data.clone()).await;
        refused.err().unwrap_or_else(|| panic!("{data}")).assert(by, Code::BadRequest);
    }
}

pub(crate) async fn who_has_no_token_is_refused(by: Adapter) {
    let hub = secured().await;
    let expired = Claims { sub: "alice".into(), exp: Some(unix_s() - 10.0), ..Claims::default() };
    for (data, code) in [
        (json!({"version": 1}), Code::Unauthorized),
        (json!({"version": 1, "user": "alice"}), Code::Unauthorized),
        (json!({"version": 1, "token": "a.b.c"}), Code::Unauthorized),
        (json!({"version": 1, "token": token("alice") + "x"}), Code::Unauthorized),
        (json!({"version": 1, "token": sign(&expired)}), Code::TokenExpired),
    ] {
        let refused = by.try_hello(&hub, data).await;
        refused.err().expect("refused").assert(by, code);
    }
    stats(&hub, |s| s.refused == 5 && s.links == 0 && s.sessions == 0).await;
}

pub(crate) async fn a_token_names_the_user(by: Adapter) {
    let hub = secured().await;
    let (_a, welcome) =
        by.hello(&hub, json!({"version": 1, "token": token("alice"), "user": "mallory"})).await;
    assert_eq!(welcome["user"], "alice");
    let bearer = format!("Bearer {}", token("bob"));
    let headers = [("authorization", &*bearer)];
    let (_b, welcome) =
        by.try_hello_with(&hub, &headers, json!({"version": 1}), vec![]).await.expect("a welcome");
    assert_eq!(welcome["user"], "bob");
}

pub(crate) async fn frames_may_follow_a_first_hello_at_once(by: Adapter) {
    let hub = open().await;
    let join = json!({"type": "hub:join", "room": CHAT, "id": "j"});
    let event = json!({"type": "n", "room": CHAT, "id": "p", "data": 1});
    let (mut link, _) =
        by.try_hello_with(&hub, &[], hello("alice"), vec![join, event]).await.expect("a welcome");
    assert_eq!(link.reply("j").await.kind(), "hub:reply");
    assert_eq!(link.reply("p").await["data"]["offset"], 1);
    assert_eq!(link.sent, 2);
}

pub(crate) async fn a_probe_is_answered_and_becomes_a_session(by: Adapter) {
    let hub = open().await;
    let mut link = by.probe(&hub).await;
    for t in [1.5, 2.5] {
        link.send(json!({"type": "hub:ping", "data": {"t": t}})).await;
        let pong = link.next_any().await;
        assert_eq!((pong.kind(), &pong["data"]["t"]), ("hub:pong", &json!(t)));
    }
    assert_eq!((hub.hub().stats().sessions, hub.hub().stats().links_waiting), (0, 1));
    link.send(json!({"type": "hub:hello", "data": hello("alice")})).await;
    let welcome = link.next_any().await;
    assert_eq!((welcome.kind(), &welcome["data"]["user"]), ("hub:welcome", &json!("alice")));
    link.join(CHAT, json!({})).await;
    assert_eq!((hub.hub().stats().sessions, hub.hub().stats().links_waiting), (1, 0));
}

pub(crate) async fn a_hello_on_a_probe_can_be_refused(by: Adapter) {
    let hub = open().await;
    let mut link = by.probe(&hub).await;
    link.provoke(json!({"type": "hub:hello", "data": {"version": 9}})).await;
    link.ends_with(Code::VersionUnsupported).await;
}

pub(crate) async fn a_repeated_hello_means_nothing(by: Adapter) {
    let hub = open().await;
    let (mut link, _) = by.hello(&hub, hello("alice")).await;
    link.send(json!({"type": "hub:hello", "data": hello("bob")})).await;
    let joined = link.join(CHAT, json!({"presence": true})).await;
    assert_eq!(joined["members"][0]["user"], "alice");
    assert_eq!(hub.hub().stats().sessions, 1);
}

pub(crate) async fn a_link_without_hello_is_closed(by: Adapter) {
    let hub = start(|c| c.limits.hello_ms = 100).await;
    let mut link = by.probe(&hub).await;
    link.ends_with(Code::HelloTimeout).await;
    stats(&hub, |s| s.links == 0 && s.links_waiting == 0).await;
}

pub(crate) async fn a_full_hub_says_so(by: Adapter) {
    let hub = start(|c| c.limits.sessions_max = 1).await;
    let _alice = by.user(&hub, "alice").await;
    let refused = by.try_hello(&hub, hello("bob")).await;
    refused.err().expect("refused").assert(by, Code::Unavailable);
}
