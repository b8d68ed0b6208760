//! Messages to users and sessions.

use crate::support::*;
use crosspoint::auth::jwt::Claims;
use crosspoint_core::Code;
use serde_json::json;

pub(crate) async fn a_user_is_reached_in_all_sessions(by: Adapter) {
    let hub = open().await;
    let (mut alice, me) = by.hello(&hub, hello("alice")).await;
    let mut bobs = vec![];
    for to in Adapter::ALL {
        bobs.push(to.user(&hub, "bob").await);
    }
    let reply = alice.ask(json!({"type": "note", "to": "user:bob", "data": {"a": 1}})).await;
    assert_eq!(reply["data"], json!({"delivered": Adapter::ALL.len()}));
    for bob in &mut bobs {
        let got = bob.next().await;
        assert_eq!(
            got.json,
            json!({"type": "note", "data": {"a": 1}, "from": {"user": "alice", "session": me["session"]}})
        );
    }
    alice.fails(json!({"type": "note", "to": "user:nobody"}), Code::NotFound).await;
    alice.send(json!({"type": "note", "to": "user:bob", "data": 2})).await;
    for bob in &mut bobs {
        assert_eq!(bob.next().await.number(), 2);
    }
}

pub(crate) async fn a_session_is_reached_once(by: Adapter) {
    let hub = open().await;
    let mut alice = by.user(&hub, "alice").await;
    let (mut one, welcome) = by.hello(&hub, hello("bob")).await;
    let mut two = by.user(&hub, "bob").await;
    let to = format!("session:{}", welcome["session"].as_str().unwrap());
    alice.send(json!({"type": "note", "to": to, "data": 1})).await;
    alice.send(json!({"type": "note", "to": "user:bob", "data": 2})).await;
    assert_eq!((one.next().await.number(), one.next().await.number()), (1, 2));
    assert_eq!(two.next().await.number(), 2);
    alice.send(json!({"type": "note", "to": "session:none"})).await;
    let error = alice.next().await;
    assert_eq!((&error["data"]["code"], &error["data"]["of"]), (&json!("not_found"), &json!("note")));
}

pub(crate) async fn volatile_messages_are_delivered_uncounted(by: Adapter) {
    let hub = open().await;
    let mut alice = by.user(&hub, "alice").await;
    let (mut bob, welcome) = by.hello(&hub, hello("bob")).await;
    let session = format!("session:{}", welcome["session"].as_str().unwrap());
    for to in ["user:bob", &session] {
        alice.send(json!({"type": "v", "to": to, "volatile": true, "data": 1})).await;
        let got = bob.next().await;
        assert!(got.kind() == "v" && !got.counted(), "{}", got.json);
    }
    alice.send(json!({"type": "v", "to": "user:nobody", "volatile": true, "id": "x"})).await;
    assert_eq!(alice.ask(json!({"type": "n", "to": "user:bob"})).await["data"]["delivered"], 1);
    assert_eq!(bob.received, 0);
}

pub(crate) async fn direct_messages_need_a_grant(by: Adapter) {
    let hub = secured().await;
    let quiet = Claims { direct: Some(false), ..Claims { sub: "alice".into(), ..Claims::default() } };
    let (mut alice, _) = by.hello(&hub, json!({"version": 1, "token": sign(&quiet)})).await;
    for to in ["user:alice", "session:x", "service:y"] {
        alice.fails(json!({"type": "n", "to": to}), Code::Forbidden).await;
    }
}
