//! Limits of rates: what a client is told, whatever carries it.

use crate::support::*;
use crosspoint::Running;
use crosspoint_core::Code;
use crosspoint_hub::Rates;
use serde_json::{Value, json};

async fn limited(edit: impl FnOnce(&mut Rates)) -> Running {
    start(|c| {
        c.rates.burst_ms = 1_000;
        edit(&mut c.rates);
    })
    .await
}

fn said(n: u64) -> Value {
    json!({"type": "n", "room": CHAT, "id": format!("m{n}"), "data": n})
}

pub(crate) async fn a_frame_too_many_is_answered_and_counted(by: Adapter) {
    let hub = limited(|r| r.session.publishes_per_s = 5).await;
    let mut bob = Adapter::WebSocket.joined(&hub, "bob", CHAT).await;
    let mut link = by.joined(&hub, "alice", CHAT).await;
    for n in 0..20 {
        link.send(said(n)).await;
    }
    let (mut stored, mut refused, mut echoes) = (vec![], 0, 0);
    while stored.len() + refused < 20 || echoes < stored.len() {
        let got = link.next().await;
        match got.kind() {
            "hub:reply" => stored.push(got["id"].as_str().unwrap().to_string()),
            "hub:error" => {
                refused += 1;
                let fault = &got["data"];
                assert_eq!((&fault["code"], &fault["retry"]), (&json!("rate_limited"), &json!("backoff")));
                assert!((1..=200).contains(&fault["retry_after_ms"].as_u64().unwrap()), "{fault}");
            }
            _ => echoes += 1,
        }
    }
    assert!(stored.len() >= 5 && refused > 0, "{stored:?}");
    for id in stored {
        assert_eq!(bob.find("n").await["id"], json!(id), "what was not refused came, in order");
    }
    link.send(json!({"type": "hub:ping"})).await;
    assert_eq!(link.find("hub:pong").await["data"]["received"], link.sent);
}

pub(crate) async fn a_refused_frame_may_come_again(by: Adapter) {
    let hub = limited(|r| r.session.publishes_per_s = 2).await;
    let mut link = by.joined(&hub, "alice", CHAT).await;
    let mut tries = 0;
    for n in 0..4 {
        loop {
            tries += 1;
            let mut frame = said(n);
            frame["echo"] = json!(false);
            link.send(frame).await;
            let answer = link.next().await;
            if answer.kind() == "hub:reply" {
                assert_eq!(answer["data"]["offset"], json!(n + 1), "each is stored once");
                break;
            }
            let ms = answer["data"]["retry_after_ms"].as_u64().expect("the time to wait");
            tokio::time::sleep(std::time::Duration::from_millis(ms)).await;
        }
    }
    assert!(tries > 4, "two at once, two a second");
}

pub(crate) async fn volatile_frames_too_many_are_dropped(by: Adapter) {
    let hub = limited(|r| r.session.publishes_per_s = 3).await;
    let mut link = by.joined(&hub, "alice", LOBBY).await;
    for n in 0..30 {
        link.send(json!({"type": "v", "room": LOBBY, "volatile": format!("{n}"), "data": n})).await;
    }
    link.send(json!({"type": "hub:ping"})).await;
    link.find("hub:pong").await;
    let stats = stats(&hub, |s| s.rate_dropped > 0).await;
    assert_eq!((stats.rate_limited, stats.sessions), (0, 1));
}

pub(crate) async fn who_goes_on_and_on_is_let_go(by: Adapter) {
    let hub = limited(|r| (r.session.frames_per_s, r.refused_max) = (1, 2)).await;
    let mut link = by.user(&hub, "alice").await;
    for n in 0..8 {
        link.provoke(said(n)).await;
    }
    link.ends_with(Code::RateLimited).await;
    stats(&hub, |s| s.sessions == 0).await;
    assert!(hub.metric("rate_paused_total").await >= 1);
}

pub(crate) async fn a_user_comes_in_so_often_and_so_many_times(by: Adapter) {
    let hub = limited(|r| r.user.sessions_max = 1).await;
    let _first = by.user(&hub, "alice").await;
    let refused = by.try_hello(&hub, hello("alice")).await;
    refused.err().expect("one session at once").assert(by, Code::RateLimited);
    by.user(&hub, "bob").await;
    let hub = limited(|r| r.user.connects_per_s = 2).await;
    let mut refused = None;
    for _ in 0..50 {
        refused = by.try_hello(&hub, hello("alice")).await.err();
        if refused.is_some() {
            break;
        }
    }
    refused.expect("two a second").assert(by, Code::RateLimited);
}

pub(crate) async fn what_is_published_fits_its_schema(by: Adapter) {
    let path =
        std::env::temp_dir().join(format!("crosspoint-conformance-{}-{by:?}.json", std::process::id()));
    let schema = json!({"type": "object", "required": ["text"], "properties": {"text": {"maxLength": 5}}});
    std::fs::write(&path, schema.to_string()).unwrap();
    let hub = start(|c| {
        c.namespaces[1].schemas = [("msg".to_string(), path.to_str().unwrap().to_string())].into();
        c.namespaces[1].schemas_strict = true;
    })
    .await;
    std::fs::remove_file(&path).unwrap();
    let mut link = by.joined(&hub, "alice", CHAT).await;
    let msg = |data: Value| json!({"type": "msg", "room": CHAT, "id": "1", "data": data, "echo": false});
    link.send(msg(json!({"text": "too long"}))).await;
    let fault = link.next().await["data"].clone();
    assert_eq!(fault["code"], "bad_request");
    assert!(fault["message"].as_str().unwrap().contains("at /text: "), "{fault}");
    link.send(json!({"type": "other", "room": CHAT, "id": "1"})).await;
    assert_eq!(link.next().await["data"]["code"], "bad_request");
    link.send(json!({"type": "other", "room": LOBBY, "to": "user:alice", "id": "2"})).await;
    assert_eq!(link.find("hub:reply").await["data"]["delivered"], 1, "direct messages are not checked");
    link.send(msg(json!({"text": "short"}))).await;
    assert_eq!(link.find("hub:reply").await["data"]["offset"], 1);
}
