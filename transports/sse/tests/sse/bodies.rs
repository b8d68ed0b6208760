//! Request bodies: too large, too slow, broken off.

use crate::everywhere;
use crate::support::*;
use crosspoint_sse::Config;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

everywhere! {
    async fn a_body_over_the_limit_is_too_large(client, server) {
        let events = client.open(&json!([{"type": "hub:hello"}])).await;
        for size in [(256 << 10) + 1, 500 << 10] {
            for path in ["/sse".to_owned(), format!("/sse/{}", events.link)] {
                let answer = client.post_text(&path, " ".repeat(size)).await;
                assert_eq!((answer.status, answer.code()), (413, "frame_too_large"));
                assert_eq!(answer.body["error"]["retry"], "never");
            }
        }
        assert_eq!(server.sse.links(), 1);
    }

    async fn a_frame_over_the_limit_is_too_large_and_takes_none_along(client, server) {
        let events = client.open(&json!([{"type": "hub:hello"}])).await;
        let frames = json!([{"type": "a", "room": "r"}, {"type": "b", "room": "r", "data": "x".repeat(64 << 10)}]);
        let answer = client.up(&events, 1, &frames).await;
        assert_eq!((answer.status, answer.code()), (413, "frame_too_large"));
        assert!(server.hub.peer(0).await.acted.lock().is_empty());
        let answer = client.post("/sse", &json!({"frames": frames})).await;
        assert_eq!((answer.status, answer.code()), (413, "frame_too_large"));
    }

    async fn a_body_of_the_largest_size_passes(client, _server) {
        let events = client.open(&json!([{"type": "hub:hello"}])).await;
        let frames: Vec<_> = (0..5).map(|_| json!({"type": "a", "room": "r", "data": "x".repeat(51 << 10)})).collect();
        let mut body = json!({"key": events.key, "start": 1, "frames": frames}).to_string();
        assert!(body.len() < 256 << 10, "{}", body.len());
        body.push_str(&" ".repeat((256 << 10) - body.len()));
        let answer = client.post_text(&format!("/sse/{}", events.link), body).await;
        assert_eq!(answer.body, json!({"received": 5}));
    }
}

/// Sends a request as it is and returns the answer's status line, once the other end has closed the connection.
async fn raw(server: &Server, request: &str) -> String {
    let mut socket = connect(server.addr).await;
    socket.write_all(request.as_bytes()).await.expect("sent");
    let mut answer = String::new();
    soon(socket.read_to_string(&mut answer)).await.expect("an answer");
    answer
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_does_not_come_is_given_up() {
    let server = serve_with(Driver::Http1, Config { body_ms: 30, ..config() }).await;
    let events = Client::http1(server.addr).open(&json!([])).await;
    for (path, code) in [("/sse", "hello_timeout"), (&format!("/sse/{}", events.link), "heartbeat_timeout")] {
        let head = format!("POST {path} HTTP/1.1\r\nhost: a\r\ncontent-length: 100\r\n\r\n{{\"frames\"");
        let answer = raw(&server, &head).await;
        assert!(answer.starts_with("HTTP/1.1 408 ") && answer.contains(code), "{answer}");
    }
    assert_eq!(server.sse.links(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_chunked_body_has_the_same_limit() {
    let server = serve(Driver::Http1).await;
    let chunk = format!("8000\r\n{}\r\n", " ".repeat(0x8000));
    let body = chunk.repeat(9);
    let request = format!(
        "POST /sse HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n{body}0\r\n\r\n"
    );
    let answer = raw(&server, &request).await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_breaks_off_has_no_effect() {
    let server = serve(Driver::Http1).await;
    let client = Client::http1(server.addr);
    let events = client.open(&json!([{"type": "hub:hello"}])).await;
    let body = json!({"key": events.key, "start": 1, "frames": [{"type": "a", "room": "r"}]}).to_string();
    let (path, length) = (&events.link, body.len());
    let head = format!("POST /sse/{path} HTTP/1.1\r\nhost: a\r\ncontent-length: {length}\r\n\r\n");
    let mut socket = connect(server.addr).await;
    socket.write_all(format!("{head}{}", &body[..length - 1]).as_bytes()).await.expect("sent");
    socket.shutdown().await.expect("half closed");
    let mut rest = Vec::new();
    let _ = soon(socket.read_to_end(&mut rest)).await;
    assert_eq!(
        client.up(&events, 1, &json!([{"type": "a", "room": "r"}])).await.body,
        json!({"received": 1})
    );
    assert_eq!(*server.hub.peer(0).await.acted.lock(), ["a"]);
}
