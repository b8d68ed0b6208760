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

const SFU_KEY: &str = "the-api-key-of-the-sfu";

fn refused(by: Adapter, opened: Result<(Link, Value), Refused>) {
    opened.err().expect("refused").assert(by, Code::Unauthorized);
}

pub(crate) async fn a_service_comes_with_its_key(by: Adapter) {
    const API_KEY: &str = "an-api-key-of-the-http-api";
    let hub = start(|c| {
        c.auth.jwt_secret = Some(SECRET.into());
        c.auth.api_keys = vec![API_KEY.into()];
        let services = json!([{"name": "sfu", "key": SFU_KEY, "join": ["call:*"]}]);
        c.auth.services = serde_json::from_value(services).unwrap();
    })
    .await;
    let attach = |service: &str| json!({"type": "hub:attach", "data": {"service": service}});
    let bearer = format!("Bearer {SFU_KEY}");
    let (mut alice, _) = user(Adapter::WebSocket, &hub, "alice").await;
    for (headers, hello) in [
        (&[][..], json!({"version": 1, "token": SFU_KEY})),
        (&[("authorization", bearer.as_str())][..], json!({"version": 1})),
    ] {
        let (mut sfu, welcome) = by.try_hello_with(&hub, headers, hello, vec![]).await.expect("a welcome");
        assert_eq!(welcome["user"], "service:sfu");
        sfu.fails(attach("io"), Code::Forbidden).await;
        assert_eq!(sfu.ask(attach("sfu")).await["data"], json!({}));
        sfu.fails(json!({"type": "hub:join", "room": LOBBY}), Code::Forbidden).await;
        sfu.ask(json!({"type": "n", "room": "call:1"})).await;

        let id = format!("a{}", headers.len());
        alice
            .send(json!({"type": "produce", "to": "service:sfu", "id": id, "data": {"kind": "audio"}}))
            .await;
        let asked = sfu.find("produce").await;
        assert_eq!((&asked["data"], &asked["from"]["user"]), (&json!({"kind": "audio"}), &json!("alice")));
        sfu.send(json!({"type": "hub:answer", "request": asked["request"], "data": {"id": "p1"}})).await;
        assert_eq!(alice.reply(&id).await["data"], json!({"id": "p1"}));
        let to = format!("session:{}", asked["from"]["session"].as_str().unwrap());
        sfu.send(json!({"type": "new-producer", "to": to})).await;
        let told = alice.find("new-producer").await;
        assert_eq!(told["from"], json!({"user": "service:sfu", "session": welcome["session"]}));
        sfu.send(json!({"type": "hub:bye"})).await;
        stats(&hub, |s| s.services == 0).await;
    }
    // Neither kind of key does what the other is for.
    for wrong in [API_KEY, "the-api-key-of-the-sf", ""] {
        refused(by, by.try_hello(&hub, json!({"version": 1, "token": wrong})).await);
    }
    refused(by, by.try_hello(&hub, json!({"version": 1})).await);
    let http = Http::new(hub.addr(), Version::H1).await;
    for (key, status) in [(SFU_KEY, 401), (API_KEY, 200)] {
        let headers = [("x-api-key", key)];
        assert_eq!(http.send(http::Method::GET, "/api/v1/rooms", &headers, "").await.status, status);
    }
}

/// What waits while the links of either side go, and come back as any others, has its answer.
pub(crate) async fn requests_wait_for_both_sides(by: Adapter) {
    let grant = Claims { sub: "backend".into(), services: Some(vec!["io".into()]), ..Claims::default() };
    let hello = json!({"version": 1, "token": sign(&grant)});
    for to in Adapter::ALL {
        let hub = secured().await;
        let (mut io, io_welcome) = by.hello(&hub, hello.clone()).await;
        io.ask(json!({"type": "hub:attach", "data": {"service": "io"}})).await;
        let alices = json!({"version": 1, "token": token("alice")});
        let (mut alice, welcome) = to.hello(&hub, alices).await;
        let ask = |n: u64| {
            let id = format!("{to:?}-{n}");
            json!({"type": "ask", "to": "service:io", "id": id, "data": n, "timeout_ms": 60_000})
        };
        alice.send(ask(1)).await;
        let first = io.next().await;
        // Asked while the service has no link.
        let received = io.received;
        drop(io);
        by.cut(&hub, 1).await;
        alice.send(ask(2)).await;
        stats(&hub, |s| s.requests_waiting == 2).await;
        let (mut io, _) = by.hello(&hub, again(&io_welcome, received)).await;
        let second = io.next().await;
        assert_eq!((first.number(), second.number()), (1, 2));
        // Answered while the asker has none, and moved while the other one waits.
        let seen = alice.received;
        drop(alice);
        // The service's old poll ends for want of a reader, much later.
        if by != Adapter::Poll {
            to.cut(&hub, 1).await;
        }
        io.send(json!({"type": "hub:answer", "request": first["request"], "data": 1})).await;
        stats(&hub, |s| s.requests_waiting == 1).await;
        let (alice, _) = to.hello(&hub, again(&welcome, seen)).await;
        let (mut moved, next) = by.hello(&hub, again(&welcome, alice.received)).await;
        assert_eq!(next["resumed"], true);
        let (mut io, _) = to.hello(&hub, again(&io_welcome, io.received)).await;
        io.send(json!({"type": "hub:answer", "request": second["request"], "data": 2})).await;
        for n in 1..=2 {
            let reply = moved.next().await;
            assert_eq!((reply.kind(), &reply["id"]), ("hub:reply", &json!(format!("{to:?}-{n}"))));
            assert_eq!(reply.number(), n);
        }
        let s = hub.hub().stats();
        assert_eq!((s.requests, s.request_timeouts, s.requests_waiting, s.sessions), (2, 0, 0, 2));
    }
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
