//! Clients come in one after the other, and everybody who has to wait is told how long.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{Ws, get, post, send, start};
use crosspoint::Running;
use serde_json::{Value, json};

/// One client a second, which these tests are done before.
async fn narrow() -> Running {
    start(|c| c.limits.connects_per_s = 1).await
}

fn waits(fault: &Value) -> u64 {
    assert_eq!((&fault["code"], &fault["retry"]), (&json!("unavailable"), &json!("backoff")), "{fault}");
    fault["retry_after_ms"].as_u64().unwrap()
}

#[tokio::test]
async fn who_comes_too_early_is_told_when_to_come() {
    let hub = narrow().await;
    let ask = json!({"version": 1, "transports": ["websocket"], "user": "alice"});
    let ticket = post(&hub, "/negotiate", &ask).await.json()["ticket"].clone();
    let mut told = vec![];
    for _ in 0..3 {
        let answer = post(&hub, "/negotiate", &ask).await;
        assert_eq!(answer.fault(), (503, "unavailable".into()));
        assert!(answer.header("retry-after").parse::<u64>().unwrap() >= 1);
        told.push(waits(&answer.json()["error"]));
    }
    // By hello.
    let mut ws = Ws::connect(&hub, &[]).await.unwrap();
    ws.send(json!({"type": "hub:hello", "data": {"version": 1, "user": "bob"}})).await;
    told.push(waits(&ws.find("hub:close").await["data"]));
    // Without one.
    let mut plain = Ws::connect(&hub, &[]).await.unwrap();
    plain.send(json!({"type": "hub:join", "room": "r", "id": "1"})).await;
    told.push(waits(&plain.find("hub:close").await["data"]));
    let hello = json!({"type": "hub:hello", "data": {"version": 1, "user": "bob"}});
    let answer = post(&hub, "/sse", &json!({"mode": "stream", "frames": [hello]})).await;
    assert!(answer.header("retry-after").parse::<u64>().unwrap() >= 1);
    told.push(waits(&answer.json()["error"]));
    assert!(told.is_sorted_by(|a, b| a + 500 < *b), "everybody has a time of their own: {told:?}");
    // Who was let in to negotiate is in.
    let (_ws, welcome) = Ws::hello(&hub, json!({"version": 1, "ticket": ticket})).await;
    assert_eq!(welcome["user"], "alice");
}

#[tokio::test]
async fn resumes_wait_as_well_and_tickets_are_let_in() {
    let hub = narrow().await;
    let (mut ws, welcome) = Ws::hello(&hub, json!({"version": 1, "user": "alice"})).await;
    let resume =
        json!({"version": 1, "session": welcome["session"], "resume": welcome["resume"], "received": 0});
    let mut early = Ws::connect(&hub, &[]).await.unwrap();
    early.send(json!({"type": "hub:hello", "data": resume})).await;
    waits(&early.find("hub:close").await["data"]);
    // The link that it would have taken over goes on.
    ws.join("room").await;
    // A wrong secret is told so, and takes nobody's time.
    let mut wrong = Ws::connect(&hub, &[]).await.unwrap();
    let data = json!({"version": 1, "session": welcome["session"], "resume": "x"});
    wrong.send(json!({"type": "hub:hello", "data": data})).await;
    assert_eq!(wrong.find("hub:close").await["data"]["code"], "session_expired");
    let stats = hub.hub().admission();
    assert_eq!((stats.admitted, stats.deferred, stats.peak_100ms), (1, 1, 1));
    assert!(get(&hub, "/metrics").await.text().lines().any(|l| l == "crosspoint_deferred_total 1"));
}

#[tokio::test]
async fn a_browsers_event_stream_is_told_to_come_again() {
    let hub = narrow().await;
    let (_ws, _) = Ws::hello(&hub, json!({"version": 1, "user": "alice"})).await;
    // An error would end an EventSource for good.
    let answer = send(&hub, "GET", "/rooms/chat:1/events", &[("accept", "text/event-stream")], "").await;
    assert_eq!((answer.status.as_u16(), answer.header("content-type")), (200, "text/event-stream"));
    let text = answer.text();
    let retry = text.lines().filter_map(|l| l.strip_prefix("retry: ")).next_back().unwrap();
    assert!(retry.parse::<u64>().unwrap() >= 500, "{text}");
    let close = text.split("event: close\ndata: ").nth(1).unwrap().lines().next().unwrap();
    let close: Value = serde_json::from_str(close).unwrap();
    assert_eq!(waits(&close["data"]), retry.parse::<u64>().unwrap());
}

#[tokio::test]
async fn without_a_limit_everybody_comes_in() {
    let hub = start(|c| c.limits.connects_per_s = 0).await;
    for _ in 0..300 {
        let ask = json!({"version": 1, "transports": ["websocket"], "user": "alice"});
        assert_eq!(post(&hub, "/negotiate", &ask).await.status, 200);
    }
}
