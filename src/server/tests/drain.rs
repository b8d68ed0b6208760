//! Shutting down: clients are asked to move, then told; nobody new gets in; connections end.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{PATIENCE, Ws, api, dev, get, post, secured, start, token};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

#[tokio::test]
async fn clients_are_asked_to_move_and_then_told_why() {
    let hub = start(|c| c.shutdown.drain_ms = 300).await;
    let (mut ws, _) = Ws::hello(&hub, json!({"version": 1, "user": "alice"})).await;
    let addr = hub.addr();
    let stopping = tokio::spawn(hub.shutdown());
    let asked = ws.find("hub:move").await;
    assert_eq!((&asked["data"]["reason"], &asked["data"]["within_ms"]), (&json!("shutdown"), &json!(300)));
    let told = ws.find("hub:close").await;
    assert_eq!((&told["data"]["code"], &told["data"]["retry"]), (&json!("shutdown"), &json!("now")));
    assert!(told["data"]["retry_after_ms"].as_u64().unwrap() <= 500);
    assert!(ws.next().await.is_null());
    tokio::time::timeout(PATIENCE, stopping).await.unwrap().unwrap();
    assert!(TcpStream::connect(addr).await.is_err());
}

#[tokio::test]
async fn while_draining_nobody_new_gets_in_but_requests_are_answered() {
    let hub = std::sync::Arc::new(start(|c| c.shutdown.drain_ms = 60_000).await);
    let (mut ws, _) = Ws::hello(&hub, json!({"version": 1, "user": "alice"})).await;
    let draining = hub.clone();
    let drain = tokio::spawn(async move { draining.drain().await });
    ws.find("hub:move").await;
    assert_eq!(get(&hub, "/healthz").await.status, 200);
    assert_eq!(get(&hub, "/readyz").await.fault(), (503, "shutdown".into()));
    let ask = json!({"version": 1, "transports": []});
    let refused = post(&hub, "/negotiate", &ask).await;
    assert_eq!(refused.fault(), (503, "shutdown".into()));
    assert!(refused.json()["error"]["retry_after_ms"].as_u64().unwrap() <= 500);
    assert!(refused.header("retry-after").parse::<u64>().unwrap() <= 1);
    assert_eq!(post(&hub, "/sse", &json!({})).await.fault(), (503, "shutdown".into()));
    assert!(get(&hub, "/rooms/r/events").await.text().contains("\"code\":\"shutdown\""));
    assert_eq!(Ws::connect(&hub, &[]).await.err().map(|s| s.as_u16()), Some(503));
    let done = post(&hub, "/api/v1/rooms/chat:1/events", &json!({"type": "m"})).await;
    assert_eq!(done.status, 200);
    // The last client goes: nothing is left to wait for.
    drop(ws);
    tokio::time::timeout(PATIENCE, drain).await.unwrap().unwrap();
}

#[tokio::test]
async fn streams_and_idle_connections_end() {
    let hub = dev().await;
    let mut stream = TcpStream::connect(hub.addr()).await.unwrap();
    stream.write_all(b"GET /rooms/chat:1/events HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    let mut idle = TcpStream::connect(hub.addr()).await.unwrap();
    idle.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    let silent = TcpStream::connect(hub.addr()).await.unwrap();
    let mut buffer = [0; 512];
    assert!(stream.read(&mut buffer).await.unwrap() > 0 && idle.read(&mut buffer).await.unwrap() > 0);
    tokio::time::timeout(PATIENCE, hub.shutdown()).await.expect("it ends");
    let mut rest = String::new();
    for connection in [&mut stream, &mut idle, &mut { silent }] {
        let _ = tokio::time::timeout(PATIENCE, connection.read_to_string(&mut rest)).await.expect("they end");
    }
    assert!(rest.contains("event: close\n") && rest.contains("\"code\":\"shutdown\""), "{rest}");
}

#[tokio::test]
async fn those_who_are_sent_away_come_back_spread() {
    let hub = start(|c| {
        c.shutdown.drain_ms = 0;
        c.drain.spread_ms = 3_600_000;
    })
    .await;
    let mut clients = vec![];
    for n in 0..20 {
        clients.push(Ws::hello(&hub, json!({"version": 1, "user": format!("u{n}")})).await.0);
    }
    hub.drain().await;
    let mut told = vec![];
    for ws in &mut clients {
        told.push(ws.find("hub:close").await["data"]["retry_after_ms"].as_u64().unwrap());
    }
    told.sort_unstable();
    told.dedup();
    assert!(told.len() > 10 && told[told.len() - 1] <= 3_600_000, "{told:?}");
}

#[tokio::test]
async fn a_drain_with_an_address_sends_everybody_there() {
    let hub = secured().await;
    let there = "https://hub-2.example.com/rt";
    let hello = json!({"version": 1, "token": token("alice")});
    let (mut ws, _) = Ws::hello(&hub, hello.clone()).await;
    let begun = api(&hub, "POST", "/api/v1/drain", &json!({"address": there, "within_ms": 20})).await.json();
    assert_eq!((&begun["draining"], &begun["address"]), (&json!(true), &json!(there)));
    let told = ws.find("hub:close").await["data"].clone();
    assert_eq!(
        (&told["code"], &told["retry"], &told["address"]),
        (&json!("shutdown"), &json!("now"), &json!(there))
    );
    assert!(ws.next().await.is_null());
    let ask = json!({"version": 1, "transports": []});
    let refused = post(&hub, "/negotiate", &ask).await;
    assert_eq!((refused.status.as_u16(), &refused.json()["error"]["address"]), (503, &json!(there)));
    assert_eq!(get(&hub, "/readyz").await.status, 503);
    let now = api(&hub, "GET", "/api/v1/drain", &json!(null)).await.json();
    assert_eq!((&now["draining"], &now["sessions"]), (&json!(true), &json!(0)));
    // Maintenance is over.
    let over = api(&hub, "DELETE", "/api/v1/drain", &json!(null)).await.json();
    assert_eq!((&over["draining"], &over["address"]), (&json!(false), &json!(null)));
    Ws::hello(&hub, hello).await;
    assert_eq!(get(&hub, "/readyz").await.status, 200);
}

#[tokio::test]
async fn a_drain_that_is_ended_leaves_those_who_are_still_here() {
    let hub = secured().await;
    let (mut ws, _) = Ws::hello(&hub, json!({"version": 1, "token": token("alice")})).await;
    api(&hub, "POST", "/api/v1/drain", &json!({"within_ms": 86_400_000})).await;
    assert_eq!(ws.find("hub:move").await["data"]["within_ms"], 86_400_000);
    api(&hub, "DELETE", "/api/v1/drain", &json!(null)).await;
    ws.join("room").await;
    for wrong in [
        json!({"address": "hub-2"}),
        json!({"address": "ftp://hub-2"}),
        json!({"address": "https://u:p@hub-2"}),
        json!({"within_ms": -1}),
        json!({"within_ms": 86_400_001}),
        json!({"adress": "https://hub-2"}),
    ] {
        let answer = api(&hub, "POST", "/api/v1/drain", &wrong).await;
        assert_eq!(answer.fault(), (400, "bad_request".into()), "{wrong}");
    }
    assert!(hub.hub().takes_clients().is_ok());
}
