//! Join, publish and request.

use crate::backend::{Act, Backend, HOOK_SECRET, OLD_SECRET, hub, verified, yes};
use crate::common::Ws;
use crosspoint::Running;
use serde_json::{Value, json};
use tokio::sync::watch;

/// Connects as this user.
pub async fn user(hub: &Running, name: &str) -> Ws {
    Ws::hello(hub, json!({"version": 1, "user": name, "info": {"name": name}})).await.0
}

/// Sends a frame with an id; the answer's type and data.
pub async fn ask(ws: &mut Ws, mut frame: Value) -> (String, Value) {
    let id = crosspoint_hub::random_id();
    frame["id"] = id.as_str().into();
    ws.send(frame).await;
    answer(ws, &id).await
}

pub async fn answer(ws: &mut Ws, id: &str) -> (String, Value) {
    loop {
        let frame = ws.next().await;
        assert!(!frame.is_null(), "the connection ended before the answer");
        if matches!(frame["type"].as_str(), Some("hub:reply" | "hub:error")) && frame["id"] == id {
            return (frame["type"].as_str().unwrap().into(), frame["data"].clone());
        }
    }
}

/// The code of an answer that must be an error.
pub fn code((kind, data): &(String, Value)) -> &str {
    assert_eq!(kind, "hub:error", "{data}");
    data["code"].as_str().unwrap()
}

pub fn join(room: &str) -> Value {
    json!({"type": "hub:join", "room": room})
}

pub fn text(room: &str, text: &str) -> Value {
    json!({"type": "message", "room": room, "data": {"text": text}})
}

#[tokio::test]
async fn the_backend_lets_in_refuses_and_restricts() {
    let backend = Backend::start(|call| match call.data()["room"].as_str().unwrap() {
        "join:secret" => Act::Json(200, json!({"allow": false, "message": "Members only"})),
        "join:banned" => Act::Json(200, json!({"allow": false, "code": "banned", "retry_after_ms": 5000})),
        "join:odd" => Act::Json(200, json!({"allow": false, "code": "bye"})),
        "join:quiet" => Act::Json(200, json!({"allow": true, "deny": ["publish"]})),
        _ => yes(),
    })
    .await;
    let hub = hub(&backend, |_| {}).await;
    let mut ws = user(&hub, "alice").await;

    assert_eq!(ask(&mut ws, join("join:1")).await.0, "hub:reply");
    let call = backend.to("/join").remove(0);
    assert_eq!(call.body["type"], "join");
    let data = call.data();
    assert_eq!((&data["room"], &data["user"]), (&json!("join:1"), &json!("alice")));
    assert_eq!((&data["transport"], &data["remote"]), (&json!("websocket"), &json!("127.0.0.1")));
    assert_eq!(data["info"], json!({"name": "alice"}));
    assert!(data["session"].as_str().is_some_and(|s| s.len() == 24));

    for kind in ["hub:presence", "hub:history"] {
        let answer = ask(&mut ws, json!({"type": kind, "room": "join:secret"})).await;
        assert_eq!(code(&answer), "not_joined", "{kind}: what it hasn't let in it lets nobody read");
        let answer = ask(&mut ws, json!({"type": kind, "room": "join:1"})).await;
        assert!(answer.0 == "hub:reply" || code(&answer) == "bad_request", "{kind}: {answer:?}");
    }
    let refused = ask(&mut ws, join("join:secret")).await;
    assert_eq!((code(&refused), &refused.1["message"]), ("forbidden", &json!("Members only")));
    let banned = ask(&mut ws, join("join:banned")).await;
    assert_eq!((code(&banned), &banned.1["retry_after_ms"]), ("banned", &json!(5000)));
    assert_eq!(code(&ask(&mut ws, join("join:odd")).await), "forbidden", "not every code is a refusal");

    assert_eq!(ask(&mut ws, text("join:1", "a")).await.0, "hub:reply");
    assert_eq!(ask(&mut ws, join("join:quiet")).await.0, "hub:reply");
    assert_eq!(code(&ask(&mut ws, text("join:quiet", "a")).await), "forbidden");

    let asked = backend.calls().len();
    assert_eq!(ask(&mut ws, join("other")).await.0, "hub:reply");
    assert_eq!(backend.calls().len(), asked, "only namespaces with the hook ask");
}

#[tokio::test]
async fn who_is_refused_on_a_second_join_is_out() {
    let backend = Backend::start(|_| yes()).await;
    let hub = hub(&backend, |_| {}).await;
    let (mut alice, mut bob) = (user(&hub, "alice").await, user(&hub, "bob").await);
    for ws in [&mut alice, &mut bob] {
        assert_eq!(ask(ws, join("join:1")).await.0, "hub:reply");
    }
    backend.script(|_| Act::Json(200, json!({"allow": false})));
    assert_eq!(code(&ask(&mut alice, join("join:1")).await), "forbidden");
    let state = json!({"type": "hub:state", "room": "join:1", "data": {}});
    assert_eq!(code(&ask(&mut alice, state).await), "not_joined");
    let (_, data) = ask(&mut bob, json!({"type": "hub:presence", "room": "join:1"})).await;
    let users: Vec<_> = data["members"].as_array().unwrap().iter().map(|m| m["user"].clone()).collect();
    assert_eq!(users, ["bob"]);
}

#[tokio::test]
async fn the_backend_rewrites_and_refuses_what_is_published() {
    let backend = Backend::start(|call| match call.data()["data"]["text"].as_str() {
        Some("damn") => Act::Json(200, json!({"allow": true, "type": "cleaned", "data": {"text": "****"}})),
        Some("spam") => Act::Json(200, json!({"allow": false, "code": "muted", "message": "No spam"})),
        Some("null") => Act::Json(200, json!({"allow": true, "data": null})),
        Some("bytes") => Act::Json(200, json!({"allow": true, "data64": "AQID"})),
        Some("hub") => Act::Json(200, json!({"allow": true, "type": "hub:reply"})),
        _ => yes(),
    })
    .await;
    let hub = hub(&backend, |_| {}).await;
    let (mut alice, mut bob) = (user(&hub, "alice").await, user(&hub, "bob").await);
    for ws in [&mut alice, &mut bob] {
        assert_eq!(ask(ws, join("publish:1")).await.0, "hub:reply");
    }
    let refused = ask(&mut alice, text("publish:1", "spam")).await;
    assert_eq!((code(&refused), &refused.1["message"]), ("muted", &json!("No spam")));
    assert_eq!(code(&ask(&mut alice, text("publish:1", "hub")).await), "unavailable");
    for said in ["hello", "damn", "null", "bytes"] {
        assert_eq!(ask(&mut alice, text("publish:1", said)).await.0, "hub:reply");
    }
    let mut seen = vec![];
    // WebSocket brings bytes as a binary message, which this client passes over.
    while seen.len() < 3 {
        let frame = bob.next().await;
        assert!(!frame.is_null(), "the connection ended after {seen:?}");
        if frame["room"] == "publish:1" && frame["offset"].is_u64() {
            seen.push((frame["type"].clone(), frame["data"].clone()));
        }
    }
    assert_eq!(seen[0].1, json!({"text": "hello"}));
    assert_eq!((&seen[1].0, &seen[1].1), (&json!("cleaned"), &json!({"text": "****"})));
    assert_eq!((&seen[2].0, &seen[2].1), (&json!("message"), &Value::Null));
    let (_, page) = ask(&mut bob, json!({"type": "hub:history", "room": "publish:1"})).await;
    assert_eq!(page["events"][3]["data64"], "AQID", "{page}");
    let call = &backend.to("/publish")[0];
    assert_eq!((&call.data()["type"], &call.data()["room"]), (&json!("message"), &json!("publish:1")));
    assert!(call.data()["id"].is_string());
}

#[tokio::test]
async fn a_slow_hook_holds_its_session_and_nobody_else() {
    let (open, gate) = watch::channel(false);
    let backend = Backend::start(move |call| match call.data()["data"]["text"].as_str() {
        Some("slow") => Act::Held(gate.clone(), json!({"allow": true})),
        _ => yes(),
    })
    .await;
    let hub = hub(&backend, |c| c.hooks.timeout_ms = 60_000).await;
    let (mut alice, mut bob) = (user(&hub, "alice").await, user(&hub, "bob").await);
    for ws in [&mut alice, &mut bob] {
        assert_eq!(ask(ws, join("publish:1")).await.0, "hub:reply");
        assert_eq!(ask(ws, join("plain")).await.0, "hub:reply");
    }
    for frame in [text("publish:1", "slow"), text("publish:1", "second"), text("plain", "third")] {
        alice.send(frame).await;
    }
    backend.wait(|calls| calls.iter().any(|c| c.data()["data"]["text"] == "slow")).await;
    for room in ["publish:1", "plain"] {
        let mut frame = text(room, "bob's");
        frame["echo"] = false.into();
        assert_eq!(ask(&mut bob, frame).await.0, "hub:reply");
    }
    let asked = backend.to("/publish").iter().filter(|c| c.data()["user"] == "alice").count();
    assert_eq!(asked, 1, "what came later waits");
    open.send_replace(true);
    let mut said = vec![];
    while said.len() < 3 {
        let frame = bob.next().await;
        assert!(!frame.is_null(), "the connection ended after {said:?}");
        if frame["type"] == "message" {
            said.push(frame["data"]["text"].as_str().unwrap().to_string());
        }
    }
    assert_eq!(said, ["slow", "second", "third"]);
}

#[tokio::test]
async fn the_backend_answers_requests() {
    let backend = Backend::start(|call| match call.data()["type"].as_str().unwrap() {
        "price" => Act::Json(200, json!({"data": {"euros": 12, "for": call.data()["data"]}})),
        "broke" => Act::Json(200, json!({"error": {"code": "no_money", "message": "Sorry"}})),
        "nothing" => Act::Json(200, json!({"answer": 1})),
        "note" => Act::Text(200, String::new()),
        other => panic!("nobody sends {other}"),
    })
    .await;
    let hub = hub(&backend, |_| {}).await;
    let mut ws = user(&hub, "alice").await;
    for to in ["backend", "service:billing", "service:bot-7"] {
        let (kind, data) = ask(&mut ws, json!({"type": "price", "to": to, "data": ["tea"]})).await;
        assert_eq!((kind.as_str(), data), ("hub:reply", json!({"euros": 12, "for": ["tea"]})), "{to}");
        let call = backend.to("/request").pop().unwrap();
        assert_eq!((&call.data()["to"], &call.data()["user"]), (&json!(to), &json!("alice")));
    }
    let failed = ask(&mut ws, json!({"type": "broke", "to": "backend"})).await;
    assert_eq!((code(&failed), &failed.1["message"]), ("no_money", &json!("Sorry")));
    assert_eq!(code(&ask(&mut ws, json!({"type": "nothing", "to": "backend"})).await), "unavailable");
    assert_eq!(code(&ask(&mut ws, json!({"type": "price", "to": "service:other"})).await), "not_found");

    let asked = backend.calls().len();
    for _ in 0..2 {
        ws.send(json!({"type": "price", "to": "backend", "id": "once", "data": 1})).await;
        let (kind, data) = answer(&mut ws, "once").await;
        assert_eq!((kind.as_str(), data), ("hub:reply", json!({"euros": 12, "for": 1})));
    }
    assert_eq!(backend.calls().len(), asked + 1, "a repetition gets the first answer");

    ws.send(json!({"type": "note", "to": "backend", "data": "no answer wanted"})).await;
    backend.wait(|calls| calls.iter().any(|c| c.data()["type"] == "note" && c.data()["id"].is_null())).await;
}

#[tokio::test]
async fn a_request_holds_nothing_up_and_ends_in_its_own_time() {
    let backend = Backend::start(|call| match call.path.as_str() {
        "/request" => Act::Hang,
        _ => yes(),
    })
    .await;
    let hub = hub(&backend, |c| c.hooks.timeout_ms = 60_000).await;
    let mut ws = user(&hub, "alice").await;
    ws.send(json!({"type": "price", "to": "backend", "id": "slow", "timeout_ms": 200})).await;
    assert_eq!(ask(&mut ws, join("plain")).await.0, "hub:reply");
    assert_eq!(code(&answer(&mut ws, "slow").await), "timeout");
}

#[tokio::test]
async fn while_secrets_change_both_are_good() {
    let backend = Backend::start(|_| yes()).await;
    let hub = hub(&backend, |c| c.hooks.secrets = vec![HOOK_SECRET.into(), OLD_SECRET.into()]).await;
    let mut ws = user(&hub, "alice").await;
    assert_eq!(ask(&mut ws, join("join:1")).await.0, "hub:reply");
    let call = backend.to("/join").remove(0);
    assert!(verified(&call.headers, &call.raw, HOOK_SECRET));
    assert!(verified(&call.headers, &call.raw, OLD_SECRET));
    assert!(!verified(&call.headers, b"{}", OLD_SECRET));
}

#[tokio::test]
async fn one_session_does_not_keep_the_backend_from_others() {
    let (open, gate) = watch::channel(false);
    let backend = Backend::start(move |call| match call.path.as_str() {
        "/all" if call.body["type"] == "request" => Act::Held(gate.clone(), json!({"data": 1})),
        _ => yes(),
    })
    .await;
    let hub = hub(&backend, |c| {
        (c.hooks.timeout_ms, c.hooks.concurrency) = (60_000, 17);
        (c.hooks.request.url, c.hooks.join.url) = (Some(backend.url("/all")), Some(backend.url("/all")));
    })
    .await;
    let (mut alice, mut bob) = (user(&hub, "alice").await, user(&hub, "bob").await);
    for n in 0..8 {
        let id = format!("r-{n}");
        alice.send(json!({"type": "price", "to": "backend", "id": id, "timeout_ms": 1})).await;
        assert_eq!(code(&answer(&mut alice, &id).await), "timeout");
        alice.send(json!({"type": "note", "to": "backend"})).await;
    }
    let refused = ask(&mut alice, json!({"type": "price", "to": "backend"})).await;
    assert_eq!(code(&refused), "rate_limited", "who waits no more has asked all the same");
    assert!(refused.1["retry_after_ms"].is_u64(), "{refused:?}");
    alice.send(json!({"type": "note", "to": "backend"})).await;
    assert_eq!(alice.find("hub:error").await["data"]["code"], "rate_limited");
    assert_eq!(
        ask(&mut alice, json!({"type": "price", "to": "service:bot-7"})).await.1["code"],
        "rate_limited"
    );

    backend.wait(|calls| calls.len() == 16).await;
    for n in 0..2 {
        bob.send(json!({"type": "price", "to": "backend", "id": format!("b-{n}")})).await;
    }
    backend.wait(|calls| calls.len() == 17).await;
    assert_eq!(ask(&mut bob, join("join:1")).await.0, "hub:reply", "requests take nothing from other hooks");
    open.send_replace(true);
    for n in 0..2 {
        assert_eq!(answer(&mut bob, &format!("b-{n}")).await.0, "hub:reply");
    }
    while ask(&mut alice, json!({"type": "price", "to": "backend"})).await.0 != "hub:reply" {}
}
