//! What operators see of how clients get here.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{PATIENCE, Ws, api, dev, get, post, secured, send, token};
use crosspoint::Running;
use serde_json::{Value, json};

/// The row of a transport.
async fn row(hub: &Running, transport: &str) -> Value {
    let all = api(hub, "GET", "/api/v1/transports", &Value::Null).await.json();
    let rows = all["transports"].as_array().unwrap();
    rows.iter().find(|r| r["transport"] == transport).unwrap_or_else(|| panic!("{transport}: {all}")).clone()
}

/// Waits until it is as it should be.
async fn becomes(hub: &Running, transport: &str, pointer: &str, value: Value) {
    let looks = async {
        while row(hub, transport).await.pointer(pointer) != Some(&value) {
            tokio::task::yield_now().await;
        }
    };
    if tokio::time::timeout(PATIENCE, looks).await.is_err() {
        panic!("{pointer} is not {value}: {}", row(hub, transport).await);
    }
}

fn report(outcomes: &[(&str, &str)], more: Value) -> Value {
    let attempts: Vec<_> =
        outcomes.iter().map(|(t, o)| json!({"transport": t, "outcome": o, "ms": 40})).collect();
    let mut data = json!({"attempts": attempts});
    data.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    json!({"type": "hub:report", "data": data})
}

#[tokio::test]
async fn a_report_is_counted_once_per_welcomed_link() {
    let hub = dev().await;
    let (mut ws, welcome) = Ws::hello(&hub, json!({"version": 1, "user": "alice"})).await;
    assert_eq!(welcome["reports"], true);
    let more = json!({"connect_ms": 120, "first_ms": 180, "cause": "up", "from": "sse"});
    let told = report(&[("sse", "timeout"), ("websocket", "won"), ("sse-poll", "overtaken")], more);
    for _ in 0..3 {
        ws.send(told.clone()).await;
    }
    // Its answer shows that what came before has been read, and that reports are not counted.
    ws.send(json!({"type": "hub:ping", "data": {"t": 1}})).await;
    assert_eq!(ws.find("hub:pong").await["data"]["received"], 0);
    let websocket = row(&hub, "websocket").await;
    let reported = &websocket["reported"];
    assert_eq!((&reported["attempts"], &reported["wins"]), (&json!(1), &json!(1)));
    assert_eq!(reported["connect_ms"]["count"], 1);
    assert_eq!(reported["first_ms"]["sum"], 180);
    assert_eq!(row(&hub, "sse").await["reported"]["failures"], json!({"timeout": 1}));
    assert_eq!(row(&hub, "sse-poll").await["reported"]["overtaken"], 1);
    let all = api(&hub, "GET", "/api/v1/transports", &Value::Null).await.json();
    let moved = json!([{"from": "sse", "to": "websocket", "cause": "up", "direction": "up", "count": 1}]);
    assert_eq!(all["moves"], moved);
    let metrics = get(&hub, "/metrics").await;
    for line in [
        "crosspoint_links{transport=\"websocket\"} 1",
        "crosspoint_transport_links_opened_total{transport=\"websocket\"} 1",
        "crosspoint_client_attempts_total{transport=\"sse\",outcome=\"timeout\"} 1",
        "crosspoint_client_attempts_total{transport=\"websocket\",outcome=\"won\"} 1",
        "crosspoint_client_connect_seconds_bucket{transport=\"websocket\",le=\"0.1\"} 0",
        "crosspoint_client_connect_seconds_bucket{transport=\"websocket\",le=\"0.2\"} 1",
        "crosspoint_client_connect_seconds_sum{transport=\"websocket\"} 0.12",
        "crosspoint_client_first_message_seconds_count{transport=\"websocket\"} 1",
        "crosspoint_client_moves_total{from=\"sse\",to=\"websocket\",cause=\"up\",direction=\"up\"} 1",
    ] {
        assert!(metrics.text().lines().any(|l| l == line), "{line}\n{}", metrics.text());
    }
}

#[tokio::test]
async fn nothing_a_client_says_makes_a_new_label_or_ends_its_link() {
    let hub = dev().await;
    let reported = |line: &&str| line.starts_with("crosspoint_client_");
    let series = async |hub: &Running| get(hub, "/metrics").await.text().lines().filter(reported).count();
    let (mut ws, _) = Ws::hello(&hub, json!({"version": 1, "user": "mallory"})).await;
    let odd: Vec<_> = (0..500).map(|n| (format!("t\"{n}\n"), format!("o{n}"))).collect();
    let odd: Vec<_> = odd.iter().map(|(t, o)| (t.as_str(), o.as_str())).collect();
    ws.send(report(&odd, json!({"cause": "\u{7}", "from": "x".repeat(300), "connect_ms": u64::MAX}))).await;
    ws.send(json!({"type": "hub:ping"})).await;
    ws.find("hub:pong").await;
    assert_eq!(row(&hub, "other").await["reported"]["failures"], json!({"other": 8}));
    let before = series(&hub).await;
    for data in
        [json!(null), json!("x"), json!({"attempts": {"a": 1}}), json!({"attempts": [{"outcome": 1}]})]
    {
        let (mut ws, _) = Ws::hello(&hub, json!({"version": 1, "user": "mallory"})).await;
        ws.send(json!({"type": "hub:report", "data": data})).await;
        ws.send(json!({"type": "hub:ping"})).await;
        ws.find("hub:pong").await;
    }
    assert_eq!(series(&hub).await, before);
    let text = get(&hub, "/metrics").await;
    assert!(text.text().lines().all(|l| !l.contains("t\\\"") && l.len() < 200), "{}", text.text());
}

#[tokio::test]
async fn the_hub_says_how_links_ended() {
    let hub = secured().await;
    let hello = json!({"version": 1, "token": token("alice")});
    let (mut one, _) = Ws::hello(&hub, hello.clone()).await;
    one.send(json!({"type": "hub:bye"})).await;
    becomes(&hub, "websocket", "/closed/bye", json!(1)).await;
    let (two, _) = Ws::hello(&hub, hello.clone()).await;
    drop(two);
    becomes(&hub, "websocket", "/closed/gone", json!(1)).await;
    let mut three = Ws::connect(&hub, &[]).await.unwrap();
    three.send(json!({"type": "hub:hello", "data": {"version": 1, "token": "x.y.z"}})).await;
    assert_eq!(three.find("hub:close").await["data"]["code"], "unauthorized");
    becomes(&hub, "websocket", "/closed/unauthorized", json!(1)).await;
    becomes(&hub, "websocket", "/refused", json!(1)).await;
    let (mut four, welcome) = Ws::hello(&hub, hello).await;
    let resume =
        json!({"version": 1, "session": welcome["session"], "resume": welcome["resume"], "received": 0});
    let (mut five, _) = Ws::hello(&hub, resume).await;
    assert_eq!(four.find("hub:close").await["data"]["code"], "replaced");
    becomes(&hub, "websocket", "/closed/replaced", json!(1)).await;
    becomes(&hub, "websocket", "/resumes", json!(1)).await;
    five.send(json!({"type": "hub:nonsense", "id": "x"})).await;
    five.find("hub:error").await;
    becomes(&hub, "websocket", "/links", json!(1)).await;
    assert_eq!(row(&hub, "websocket").await["opened"], 5);
}

#[tokio::test]
async fn the_list_is_for_who_has_the_key() {
    let hub = secured().await;
    for path in ["/api/v1/transports", "/api/v1/drain"] {
        assert_eq!(get(&hub, path).await.fault(), (401, "unauthorized".into()), "{path}");
    }
    let answer = send(&hub, "DELETE", "/api/v1/transports", &[], "").await;
    assert_eq!(answer.status, 405);
}

#[tokio::test]
async fn the_network_has_a_name_that_follows_the_clients_address() {
    let hub = common::start(|c| {
        c.auth.jwt_secret = Some(common::SECRET.into());
        c.trusted_proxies = serde_json::from_value(json!(["127.0.0.1"])).unwrap();
        c.dev = true;
    })
    .await;
    let ask = json!({"version": 1, "transports": ["websocket"]});
    let name = async |address: &str| {
        let headers = [("x-forwarded-for", address)];
        let answer = send(&hub, "POST", "/negotiate", &headers, &ask.to_string()).await.json();
        answer["network"].as_str().unwrap().to_string()
    };
    assert_eq!(name("198.51.100.1").await, name("198.51.100.2").await);
    assert_ne!(name("198.51.100.1").await, name("198.51.101.1").await);
    assert_eq!(name("2001:db8::1").await, name("2001:db8:0:9::1").await);
    assert!(!name("198.51.100.1").await.contains("198"), "it says nothing about the address");
    let direct = post(&hub, "/negotiate", &ask).await.json();
    assert_ne!(direct["network"], name("198.51.100.1").await);
}
