//! Shutting down: clients are asked to move, then told; nobody new gets in; connections end.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{PATIENCE, Ws, dev, get, post, start};
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
    assert_eq!(post(&hub, "/negotiate", &ask).await.fault(), (503, "shutdown".into()));
    assert_eq!(post(&hub, "/sse", &json!({})).await.fault(), (503, "shutdown".into()));
    assert_eq!(get(&hub, "/rooms/r/events").await.fault(), (503, "shutdown".into()));
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
