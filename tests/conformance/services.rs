//! What a service needs to know of its clients, and may do for them.

use crate::support::*;
use crosspoint::Running;
use crosspoint::auth::jwt::Claims;
use crosspoint_core::Code;
use serde_json::{Value, json};

async fn service(by: Adapter, hub: &Running) -> Link {
    let grant = Claims {
        sub: "backend".into(),
        services: Some(vec!["io".into()]),
        publish_unjoined: Some(true),
        ..Claims::default()
    };
    let (mut link, _) = by.hello(hub, json!({"version": 1, "token": sign(&grant)})).await;
    link.ask(json!({"type": "hub:attach", "data": {"service": "io"}})).await;
    link
}

async fn user(by: Adapter, hub: &Running, name: &str) -> (Link, Value) {
    let (link, welcome) = by.hello(hub, json!({"version": 1, "token": token(name)})).await;
    (link, welcome["session"].clone())
}

pub(crate) async fn who_watches_a_session_is_told_of_its_end(by: Adapter) {
    let hub = secured().await;
    let mut io = service(by, &hub).await;
    let watch = |session: &Value| json!({"type": "hub:watch", "data": {"session": session}});
    io.fails(watch(&json!("nobody")), Code::NotFound).await;
    io.fails(json!({"type": "hub:watch", "data": {}}), Code::BadRequest).await;
    for to in Adapter::ALL {
        let (mut alice, session) = user(to, &hub, "alice").await;
        let (mut bob, bobs) = user(to, &hub, "bob").await;
        for session in [&session, &session, &bobs] {
            assert_eq!(io.ask(watch(session)).await["data"], json!({}));
        }
        let unwatch = json!({"type": "hub:unwatch", "data": {"session": bobs}});
        assert_eq!(io.ask(unwatch).await["data"], json!({}));
        bob.send(json!({"type": "hub:bye"})).await;
        alice.send(json!({"type": "hub:bye"})).await;
        let told = io.next().await;
        assert_eq!(told.kind(), "hub:ended");
        assert_eq!(told["data"], json!({"session": session, "user": "alice", "code": "bye"}));
        io.fails(watch(&session), Code::NotFound).await;
    }
    let mute = Claims { sub: "mute".into(), direct: Some(false), ..Claims::default() };
    let (mut mute, welcome) = by.hello(&hub, json!({"version": 1, "token": sign(&mute)})).await;
    mute.fails(watch(&welcome["session"]), Code::Forbidden).await;
}

pub(crate) async fn a_service_publishes_for_a_session(by: Adapter) {
    let hub = secured().await;
    let mut io = service(by, &hub).await;
    let (mut alice, alices) = user(by, &hub, "alice").await;
    let (mut bob, bobs) = user(by, &hub, "bob").await;
    alice.join("r", json!({})).await;
    bob.join("r", json!({})).await;
    let say = |n: u32, from: &Value| json!({"type": "say", "room": "r", "data": n, "from": {"session": from}, "echo": false});
    for volatile in [false, true] {
        let mut frame = say(1, &alices);
        if volatile {
            frame["volatile"] = json!(true);
        }
        io.send(frame).await;
        let event = bob.next().await;
        assert_eq!((event.kind(), event.number()), ("say", 1));
        assert_eq!(event["from"], json!({"user": "alice", "session": alices}));
    }
    // Nobody else may: it is their own event, which the session named receives.
    bob.send(say(2, &alices)).await;
    let event = alice.next().await;
    assert_eq!((event.number(), &event["from"]), (2, &json!({"user": "bob", "session": bobs})));
    // Nor for who isn't there.
    io.send(say(3, &json!("gone"))).await;
    for link in [&mut alice, &mut bob] {
        let event = link.next().await;
        assert_eq!((event.number(), &event["from"]["user"]), (3, &json!("backend")));
    }
}

pub(crate) async fn direct_messages_and_answers_follow_the_events_before_them(by: Adapter) {
    let hub = secured().await;
    let mut io = service(by, &hub).await;
    let (mut alice, session) = user(by, &hub, "alice").await;
    alice.join("r", json!({})).await;
    let to = format!("session:{}", session.as_str().unwrap());
    alice.send(json!({"type": "ask", "to": "service:io", "id": "a"})).await;
    let asked = io.next().await;
    let mut frames = vec![];
    for n in 0..10 {
        frames.push(json!({"type": "event", "room": "r", "data": n}));
        frames.push(json!({"type": "message", "to": to, "data": n}));
        frames.push(json!({"type": "event", "room": "r", "data": n}));
        frames.push(json!({"type": "message", "to": "user:alice", "data": n}));
    }
    frames.push(json!({"type": "event", "room": "r", "data": 10}));
    frames.push(json!({"type": "hub:answer", "request": asked["request"], "data": 10}));
    assert!(io.try_send_all(&frames).await.is_ok());
    for n in 0..10 {
        for kind in ["event", "message", "event", "message"] {
            let got = alice.next().await;
            assert_eq!((got.kind(), got.number()), (kind, n));
        }
    }
    assert_eq!(alice.next().await.kind(), "event");
    assert_eq!(alice.next().await.kind(), "hub:reply");
}
