//! Notifications: what is told, in which order, and what of it survives a backend that doesn't.

use crate::asks::{ask, join, text, user};
use crate::backend::{Act, Backend, HOOK_SECRET, configure, hub, told, yes};
use crate::common::{Ws, get, post, start};
use crosspoint::Running;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};

/// Those of this room (or without a room), shortened.
fn story(told: &[Value], room: Option<&str>) -> Vec<String> {
    let of = |n: &&Value| n["room"].as_str() == room;
    let short = |n: &Value| {
        let mut line = n["type"].as_str().unwrap().to_string();
        for field in ["user", "reason"] {
            if let Some(value) = n[field].as_str() {
                line = format!("{line} {value}");
            }
        }
        match n["event"]["data"]["text"].as_str() {
            Some(text) => format!("{line} {text}"),
            None => line,
        }
    };
    told.iter().filter(of).map(short).collect()
}

/// The notifications without repetitions, which must be the same things again.
fn once(told: &[Value]) -> Vec<Value> {
    let mut seen: BTreeMap<String, Value> = BTreeMap::new();
    let mut first = vec![];
    for n in told {
        let id = n["id"].as_str().unwrap().to_string();
        match seen.get(&id) {
            Some(before) => assert_eq!(before, n, "the same id is the same thing"),
            None => {
                seen.insert(id, n.clone());
                first.push(n.clone());
            }
        }
    }
    first
}

/// Each stream's numbers in the order in which they came first.
fn numbers(told: &[Value]) -> BTreeMap<String, Vec<u64>> {
    let mut streams: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for n in told {
        streams.entry(n["stream"].as_str().unwrap().into()).or_default().push(n["seq"].as_u64().unwrap());
    }
    streams
}

async fn metric(hub: &Running, name: &str) -> u64 {
    let metrics = get(hub, "/metrics").await.text().to_string();
    let line = metrics.lines().find(|l| l.strip_prefix(name).is_some_and(|rest| rest.starts_with(' ')));
    line.and_then(|l| l.rsplit(' ').next()).unwrap_or_else(|| panic!("{name}: {metrics}")).parse().unwrap()
}

#[tokio::test]
async fn the_life_of_a_room_is_told_in_order() {
    let backend = Backend::start(|_| yes()).await;
    let hub = hub(&backend, |_| {}).await;
    let (mut alice, mut bob) = (user(&hub, "alice").await, user(&hub, "bob").await);
    assert_eq!(ask(&mut alice, join("told:1")).await.0, "hub:reply");
    assert_eq!(ask(&mut bob, join("told:1")).await.0, "hub:reply");
    assert_eq!(ask(&mut alice, text("told:1", "hello")).await.0, "hub:reply");
    let volatile = json!({"type": "typing", "room": "told:1", "volatile": true});
    alice.send(volatile).await;
    assert_eq!(ask(&mut alice, json!({"type": "hub:leave", "room": "told:1"})).await.0, "hub:reply");
    let body = json!({"type": "message", "data": {"text": "from the backend"}});
    assert_eq!(post(&hub, "/api/v1/rooms/told%3A1/events", &body).await.status, 200);
    bob.send(json!({"type": "hub:bye"})).await;
    let calls = backend
        .wait(|calls| {
            let told = told(calls);
            told.iter().any(|n| n["type"] == "member_left" && n["user"] == "bob")
                && told.iter().any(|n| n["type"] == "session_ended")
        })
        .await;
    let told = told(&calls);
    let expected = [
        "room_occupied",
        "member_joined alice",
        "member_joined bob",
        "message_stored hello",
        "member_left alice left",
        "message_stored from the backend",
        "room_vacated",
        "member_left bob bye",
    ];
    assert_eq!(story(&told, Some("told:1")), expected);
    assert_eq!(story(&told, None), ["session_ended bob bye"]);
    let room: Vec<_> = told.iter().filter(|n| n["room"] == "told:1").cloned().collect();
    assert_eq!(numbers(&room).into_values().collect::<Vec<_>>(), [(1..=8).collect::<Vec<u64>>()]);
    let joined = &room[1];
    assert_eq!(joined["info"], json!({"name": "alice"}));
    let stored = &room[3]["event"];
    assert_eq!((&stored["offset"], &stored["from"]["user"]), (&json!(1), &json!("alice")));
    assert!(room.iter().all(|n| n["ts"].is_u64() && n["id"].is_string()));
    assert!(calls.iter().filter(|c| c.path == "/notify").all(|c| c.body["type"] == "notifications"));
}

#[tokio::test]
async fn rooms_whose_namespace_says_nothing_are_not_told_of() {
    let backend = Backend::start(|_| yes()).await;
    let hub = hub(&backend, |c| c.hooks.notify.sessions = false).await;
    let mut alice = user(&hub, "alice").await;
    for room in ["other", "join:1", "publish:1"] {
        assert_eq!(ask(&mut alice, join(room)).await.0, "hub:reply");
        assert_eq!(ask(&mut alice, text(room, "a")).await.0, "hub:reply");
    }
    assert_eq!(ask(&mut alice, join("told:last")).await.0, "hub:reply");
    alice.send(json!({"type": "hub:bye"})).await;
    let seen = backend.wait(|calls| told(calls).iter().any(|n| n["type"] == "member_left")).await;
    assert!(told(&seen).iter().all(|n| n["room"] == "told:last"), "{seen:?}");
}

const ROOMS: usize = 5;
const MESSAGES: usize = 200;

#[tokio::test]
async fn nothing_is_lost_while_the_backend_restarts_and_fails() {
    let turn = AtomicUsize::new(0);
    // Of the requests that it gets, it takes some and says so, takes some and doesn't, and breaks some off.
    let backend = Backend::start(move |_| match turn.fetch_add(1, Ordering::Relaxed) % 4 {
        0 => Act::Json(500, Value::Null),
        1 => Act::Break,
        _ => Act::Json(200, json!({})),
    })
    .await;
    let hub = hub(&backend, |c| {
        (c.hooks.notify.batch_max, c.hooks.notify.lanes, c.hooks.timeout_ms) = (7, 3, 500);
        (c.hooks.breaker_failures, c.hooks.breaker_open_ms) = (3, 20);
    })
    .await;
    let mut clients: Vec<Ws> = vec![];
    for n in 0..ROOMS {
        let mut ws = user(&hub, &format!("user-{n}")).await;
        assert_eq!(ask(&mut ws, join(&format!("told:{n}"))).await.0, "hub:reply");
        clients.push(ws);
    }
    for m in 0..MESSAGES {
        for (n, ws) in clients.iter_mut().enumerate() {
            assert_eq!(ask(ws, text(&format!("told:{n}"), &m.to_string())).await.0, "hub:reply");
        }
        match m {
            60 => backend.down(true),
            120 => {
                assert!(metric(&hub, "crosspoint_notifications_waiting").await > 0);
                backend.down(false);
            }
            _ => {}
        }
    }
    for ws in &mut clients {
        ws.send(json!({"type": "hub:bye"})).await;
    }
    // Occupied, joined, left and vacated of each room, and the end of each session.
    let all = ROOMS * (MESSAGES + 5);
    let distinct = |told: &[Value]| told.iter().map(|n| n["id"].to_string()).collect::<BTreeSet<_>>().len();
    let calls = backend.wait(|calls| distinct(&told(calls)) >= all).await;
    let told = told(&calls);
    assert!(told.len() > all, "some came twice");
    let first = once(&told);
    assert_eq!(first.len(), all);
    for seqs in numbers(&first).values() {
        assert_eq!(*seqs, (1..=seqs.len() as u64).collect::<Vec<_>>());
    }
    for n in 0..ROOMS {
        let room = format!("told:{n}");
        let mut expected = vec!["room_occupied".to_string(), format!("member_joined user-{n}")];
        expected.extend((0..MESSAGES).map(|m| format!("message_stored {m}")));
        expected.extend(["room_vacated".to_string(), format!("member_left user-{n} bye")]);
        assert_eq!(story(&first, Some(&room)), expected);
    }
    // Repetitions are of whole requests, with the same name.
    let mut bodies: BTreeMap<String, Value> = BTreeMap::new();
    for call in calls.iter().filter(|c| c.path == "/notify") {
        let before = bodies.entry(call.id.clone()).or_insert_with(|| call.body.clone());
        assert_eq!(*before, call.body);
    }
    while metric(&hub, "crosspoint_notifications_waiting").await > 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(metric(&hub, "crosspoint_notifications_delivered_total").await, all as u64);
    assert_eq!(metric(&hub, "crosspoint_notifications_lost_total{reason=\"overflow\"}").await, 0);
    assert_eq!(metric(&hub, "crosspoint_notifications_waiting_bytes").await, 0);
}

#[tokio::test]
async fn what_does_not_fit_is_counted_and_leaves_a_gap() {
    let backend = Backend::start(|_| yes()).await;
    backend.down(true);
    let hub = hub(&backend, |c| c.hooks.notify.queue_max = 10).await;
    let body = |n: usize| json!({"type": "message", "data": {"text": n.to_string()}});
    for n in 0..50 {
        assert_eq!(post(&hub, "/api/v1/rooms/told%3A1/events", &body(n)).await.status, 200);
    }
    assert_eq!(metric(&hub, "crosspoint_notifications_lost_total{reason=\"overflow\"}").await, 40);
    assert_eq!(metric(&hub, "crosspoint_notifications_waiting").await, 10);
    backend.down(false);
    backend.wait(|calls| told(calls).len() == 10).await;
    while metric(&hub, "crosspoint_notifications_waiting").await > 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(post(&hub, "/api/v1/rooms/told%3A1/events", &body(50)).await.status, 200);
    let calls = backend.wait(|calls| told(calls).len() == 11).await;
    let seqs: Vec<u64> = told(&calls).iter().map(|n| n["seq"].as_u64().unwrap()).collect();
    assert_eq!(seqs, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 51]);
}

#[tokio::test]
async fn what_is_too_old_is_given_up() {
    let backend = Backend::start(|_| Act::Json(500, Value::Null)).await;
    let hub = hub(&backend, |c| c.hooks.notify.keep_ms = 1).await;
    let body = json!({"type": "message", "data": 1});
    assert_eq!(post(&hub, "/api/v1/rooms/told%3A1/events", &body).await.status, 200);
    while metric(&hub, "crosspoint_notifications_lost_total{reason=\"expired\"}").await == 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(metric(&hub, "crosspoint_notifications_waiting").await, 0);
}

#[tokio::test]
async fn a_room_that_waits_does_not_hold_up_another_lane() {
    let backend = Backend::start(|call| {
        let stuck = told(std::slice::from_ref(call)).iter().any(|n| n["room"] == "told:stuck");
        if stuck { Act::Json(500, Value::Null) } else { Act::Json(200, json!({})) }
    })
    .await;
    let hub = hub(&backend, |c| c.hooks.notify.lanes = 64).await;
    let body = json!({"type": "message", "data": 1});
    assert_eq!(post(&hub, "/api/v1/rooms/told%3Astuck/events", &body).await.status, 200);
    for n in 0..20 {
        assert_eq!(post(&hub, &format!("/api/v1/rooms/told%3A{n}/events"), &body).await.status, 200);
    }
    // A few of the twenty may share the lane of the one that is stuck, never most of them.
    let others = |calls: &Vec<crate::backend::Call>| {
        once(&told(calls)).iter().filter(|n| n["room"] != "told:stuck").count()
    };
    backend.wait(|calls| others(calls) >= 10).await;
}

#[tokio::test]
async fn what_waits_is_told_before_the_hub_ends() {
    let backend = Backend::start(|_| yes()).await;
    let hub = start(|c| {
        configure(c, &backend);
        c.hooks.notify.batch_max = 3;
        c.hooks.secrets = vec![HOOK_SECRET.into()];
    })
    .await;
    let mut alice = user(&hub, "alice").await;
    assert_eq!(ask(&mut alice, join("told:1")).await.0, "hub:reply");
    for n in 0..40 {
        assert_eq!(ask(&mut alice, text("told:1", &n.to_string())).await.0, "hub:reply");
    }
    hub.shutdown().await;
    let stored = backend.notifications().iter().filter(|n| n["type"] == "message_stored").count();
    assert_eq!(stored, 40);
}
