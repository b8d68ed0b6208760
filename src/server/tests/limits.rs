//! Connections that are slow, large, many or silent.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{PATIENCE, get, send, start};
use crosspoint::Running;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

async fn quick() -> Running {
    start(|c| {
        c.http.header_ms = 100;
        c.http.header_bytes_max = 8192;
    })
    .await
}

/// Sends, and reads until the server ends the connection.
async fn exchange(hub: &Running, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(hub.addr()).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut answer = vec![];
    let read = stream.read_to_end(&mut answer);
    // A reset is an end as well.
    let _ = tokio::time::timeout(PATIENCE, read).await.expect("the connection ends");
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn silent_and_slow_connections_end() {
    let hub = quick().await;
    for bytes in
        [&b""[..], b"P", b"PRI * HTTP/2.0\r\n", b"GET / HTT", b"GET / HTTP/1.1\r\nHost: localhost\r\nX-"]
    {
        let answer = exchange(&hub, bytes).await;
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 408"), "{answer}");
    }
    // An idle connection that has been answered ends as well.
    let answer = exchange(&hub, b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    assert_eq!(get(&hub, "/healthz").await.text(), "ok\n");
}

#[tokio::test]
async fn a_stream_outlives_the_time_of_heads() {
    let hub = quick().await;
    let mut stream = TcpStream::connect(hub.addr()).await.unwrap();
    stream.write_all(b"GET /rooms/chat:1/events HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    let mut seen = String::new();
    let mut read = async |until: &str| {
        let mut buffer = [0; 1024];
        while !seen.contains(until) {
            let n = tokio::time::timeout(PATIENCE, stream.read(&mut buffer)).await.unwrap().unwrap();
            assert!(n > 0, "ended before {until}: {seen}");
            seen += std::str::from_utf8(&buffer[..n]).unwrap();
        }
    };
    read("retry:").await;
    // Longer than the time a head has, which is what this is about.
    tokio::time::sleep(Duration::from_millis(300)).await;
    common::post(&hub, "/api/v1/rooms/chat:1/events", &serde_json::json!({"type": "late"})).await;
    read("late").await;
}

#[tokio::test]
async fn heads_have_a_largest_size() {
    let hub = quick().await;
    let large = format!("GET / HTTP/1.1\r\nHost: localhost\r\nX-Large: {}\r\n\r\n", "x".repeat(20_000));
    let answer = exchange(&hub, large.as_bytes()).await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431"), "{answer:.100}");
    let path = format!("/api/v1/rooms/{}/history", "r".repeat(9000));
    let answer = exchange(&hub, format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes()).await;
    assert!(!answer.starts_with("HTTP/1.1 2"), "{answer:.100}");
    assert_eq!(get(&hub, "/healthz").await.text(), "ok\n");
}

#[tokio::test]
async fn a_request_that_never_ends_is_answered() {
    let hub = start(|c| c.http.request_ms = 100).await;
    let head = b"POST /negotiate HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{";
    let mut stream = TcpStream::connect(hub.addr()).await.unwrap();
    stream.write_all(head).await.unwrap();
    let mut answer = [0; 256];
    let n = tokio::time::timeout(PATIENCE, stream.read(&mut answer)).await.unwrap().unwrap();
    assert!(answer[..n].starts_with(b"HTTP/1.1 504"), "{}", String::from_utf8_lossy(&answer[..n]));
}

#[tokio::test]
async fn connections_beyond_the_cap_wait_for_room() {
    let hub = start(|c| c.http.connections_max = 2).await;
    let mut held = vec![];
    for _ in 0..2 {
        let mut stream = TcpStream::connect(hub.addr()).await.unwrap();
        stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
        let mut answer = [0; 512];
        assert!(stream.read(&mut answer).await.unwrap() > 0);
        held.push(stream);
    }
    let waiting = send(&hub, "GET", "/healthz", &[], "");
    tokio::pin!(waiting);
    // It cannot be answered while both places are taken; one poll that isn't ready shows nothing more than that it waits.
    assert!(tokio::time::timeout(Duration::from_millis(100), &mut waiting).await.is_err());
    held.pop();
    assert_eq!(waiting.await.text(), "ok\n");
}

#[tokio::test]
async fn a_websocket_gives_its_place_back() {
    let hub = start(|c| c.http.connections_max = 1).await;
    let mut all = vec![];
    for i in 0..3 {
        let data = serde_json::json!({"version": 1, "user": format!("u{i}")});
        all.push(tokio::time::timeout(PATIENCE, common::Ws::hello(&hub, data)).await.unwrap());
    }
    assert_eq!(hub.hub().stats().sessions, 3);
}
