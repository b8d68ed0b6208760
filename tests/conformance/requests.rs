//! Requests, and services that answer them.

use crate::support::*;
use crosspoint::auth::jwt::Claims;
use crosspoint_core::Code;
use serde_json::{Value, json};

fn session(welcome: &Value) -> String {
    format!("session:{}", welcome["session"].as_str().unwrap())
}

pub(crate) async fn a_request_gets_its_answer(by: Adapter) {
    let hub = open().await;
    let (mut alice, me) = by.hello(&hub, hello("alice")).await;
    for to in Adapter::ALL {
        let (mut bob, welcome) = to.hello(&hub, hello("bob")).await;
        let id = format!("r-{to:?}");
        alice.send(json!({"type": "add", "to": session(&welcome), "id": id, "data": [1, 2]})).await;
        let asked = bob.next().await;
        assert_eq!((asked.kind(), &asked["data"]), ("add", &json!([1, 2])));
        assert_eq!(asked["from"], json!({"user": "alice", "session": me["session"]}));
        assert!(asked["request"].is_string() && asked.json.get("id").is_none());
        bob.send(json!({"type": "hub:answer", "request": asked["request"], "data": 3})).await;
        let reply = alice.reply(&id).await;
        assert_eq!((reply.kind(), reply.number()), ("hub:reply", 3));

        alice.send(json!({"type": "add", "to": session(&welcome), "id": id + "e"})).await;
        let asked = bob.next().await;
        let error = json!({"code": "busy", "message": "later"});
        bob.send(json!({"type": "hub:answer", "request": asked["request"], "error": error})).await;
        let got = alice.next().await;
        assert_eq!((got.kind(), &got["data"]["code"]), ("hub:error", &json!("busy")));
        assert_eq!(got["data"]["message"], "later");
    }
}

pub(crate) async fn a_repeated_request_is_asked_once(by: Adapter) {
    let hub = open().await;
    let mut alice = by.user(&hub, "alice").await;
    let (mut bob, welcome) = by.hello(&hub, hello("bob")).await;
    let ask = json!({"type": "add", "to": session(&welcome), "id": "r"});
    alice.send(ask.clone()).await;
    alice.send(ask.clone()).await;
    let asked = bob.next().await;
    bob.send(json!({"type": "hub:answer", "request": asked["request"], "data": 3})).await;
    assert_eq!(alice.reply("r").await.number(), 3);
    alice.send(ask).await;
    assert_eq!(alice.reply("r").await.number(), 3);
    alice.send(json!({"type": "note", "to": session(&welcome)})).await;
    assert_eq!(bob.next().await.kind(), "note");
    assert_eq!(hub.hub().stats().requests, 1);
}

pub(crate) async fn nobody_answers_for_another(by: Adapter) {
    let hub = open().await;
    let mut alice = by.user(&hub, "alice").await;
    let (mut bob, welcome) = by.hello(&hub, hello("bob")).await;
    let mut eve = by.user(&hub, "eve").await;
    alice.send(json!({"type": "add", "to": session(&welcome), "id": "r"})).await;
    let asked = bob.next().await;
    eve.send(json!({"type": "hub:answer", "request": asked["request"], "data": "forged"})).await;
    eve.join(LOBBY, json!({})).await;
    bob.send(json!({"type": "hub:answer", "request": asked["request"], "data": "real"})).await;
    bob.send(json!({"type": "hub:answer", "request": asked["request"], "data": "late"})).await;
    assert_eq!(alice.reply("r").await["data"], "real");
}

pub(crate) async fn a_request_without_answer_ends(by: Adapter) {
    let hub = open().await;
    let mut alice = by.user(&hub, "alice").await;
    let (bob, welcome) = by.hello(&hub, hello("bob")).await;
    alice.fails(json!({"type": "add", "to": session(&welcome), "timeout_ms": 50}), Code::Timeout).await;
    alice.send(json!({"type": "add", "to": session(&welcome), "id": "r"})).await;
    stats(&hub, |s| s.requests == 2).await;
    let mut bob = bob;
    bob.send(json!({"type": "hub:bye"})).await;
    assert_eq!(alice.reply("r").await["data"]["code"], "not_found");
    alice.fails(json!({"type": "add", "to": session(&welcome)}), Code::NotFound).await;
    alice.fails(json!({"type": "add", "to": "service:none"}), Code::NotFound).await;
    assert_eq!(hub.hub().stats().request_timeouts, 1);
}

pub(crate) async fn requests_under_way_have_a_number(by: Adapter) {
    let hub = start(|c| c.limits.requests_max = 2).await;
    let mut alice = by.user(&hub, "alice").await;
    let (mut bob, welcome) = by.hello(&hub, hello("bob")).await;
    for id in ["1", "2"] {
        alice.send(json!({"type": "add", "to": session(&welcome), "id": id})).await;
    }
    alice.fails(json!({"type": "add", "to": session(&welcome)}), Code::RateLimited).await;
    let asked = bob.next().await;
    bob.send(json!({"type": "hub:answer", "request": asked["request"]})).await;
    assert_eq!(alice.reply("1").await["data"], Value::Null);
    alice.send(json!({"type": "add", "to": session(&welcome), "id": "4"})).await;
    assert_eq!((bob.next().await.kind(), bob.next().await.kind()), ("add", "add"));
}

pub(crate) async fn a_service_keeps_its_askers(by: Adapter) {
    let hub = secured().await;
    let grant = Claims { sub: "sfu".into(), services: Some(vec!["sfu:*".into()]), ..Claims::default() };
    let backend = json!({"version": 1, "token": sign(&grant)});
    let attach = |service: &str| json!({"type": "hub:attach", "data": {"service": service}});
    let mut services = vec![];
    for to in Adapter::ALL {
        let (mut link, _) = to.hello(&hub, backend.clone()).await;
        link.fails(attach("other"), Code::Forbidden).await;
        assert_eq!(link.ask(attach("sfu:1")).await["data"], json!({}));
        services.push(link);
    }
    let (mut alice, _) = by.hello(&hub, json!({"version": 1, "token": token("alice")})).await;
    alice.fails(attach("sfu:1"), Code::Forbidden).await;
    // All of one asker's requests go to one of them.
    for n in 0..4 {
        alice.send(json!({"type": "offer", "to": "service:sfu:1", "id": format!("o{n}"), "data": n})).await;
    }
    let (mut at, mut asked) = (0, vec![]);
    {
        let waiting = services.iter_mut().map(|s| Box::pin(s.next()));
        let (got, index, _) = futures_util::future::select_all(waiting).await;
        at += index;
        asked.push(got);
    }
    for _ in 1..4 {
        asked.push(services[at].next().await);
    }
    for (n, asked) in asked.iter().enumerate() {
        assert_eq!(asked.number(), n as u64);
        services[at].send(json!({"type": "hub:answer", "request": asked["request"], "data": n})).await;
    }
    for n in 0..4 {
        assert_eq!(alice.reply(&format!("o{n}")).await.number(), n);
    }
    // The next one takes over; when all are gone there is nobody.
    for mut gone in services {
        gone.ask(json!({"type": "hub:detach", "data": {"service": "sfu:1"}})).await;
    }
    alice.fails(json!({"type": "offer", "to": "service:sfu:1"}), Code::NotFound).await;
}
