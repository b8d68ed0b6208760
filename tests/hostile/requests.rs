//! HTTP requests that are too large, wrong, or without the right to be made.

use crate::hub::SECRET;
use crate::siege::siege;
use crate::wire::{Answer, Random, within};
use std::net::SocketAddr;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

async fn post(addr: SocketAddr, path: &str, body: &[u8]) -> (u16, String) {
    let answer = Answer::of(addr, "POST", path, &[], body).await;
    (answer.status, answer.code())
}

async fn too_large(addr: SocketAddr) {
    let opened = Answer::of(addr, "POST", "/sse", &[], br#"{"mode":"poll"}"#).await;
    let opened: serde_json::Value = serde_json::from_str(&opened.body).unwrap();
    let link = format!("/sse/{}", opened["link"].as_str().unwrap());
    for size in [(256 << 10) + 1, 1 << 20, 8 << 20] {
        let body = vec![b' '; size];
        for path in ["/sse", &link, "/negotiate", "/api/v1/rooms/r/events"] {
            let (status, code) = post(addr, path, &body).await;
            // Of what goes on for too long the hub stops reading, and the answer may get lost in the reset.
            let lost = status == 0 && size == 8 << 20;
            assert!(lost || (status, &*code) == (413, "frame_too_large"), "{path} {size}: {status} {code}");
        }
    }
    // A body without an end.
    let mut socket = TcpStream::connect(addr).await.unwrap();
    let head = format!("POST /sse HTTP/1.1\r\nhost: {addr}\r\ntransfer-encoding: chunked\r\n\r\n");
    socket.write_all(head.as_bytes()).await.unwrap();
    let chunk = format!("10000\r\n{}\r\n", "x".repeat(0x10000));
    within(async { while socket.write_all(chunk.as_bytes()).await.is_ok() {} }).await;
    // Heads and addresses.
    let long = format!("x-long: {}", "x".repeat(64 << 10));
    let answer = Answer::of(addr, "GET", "/healthz", &[&long], b"").await;
    assert!(matches!(answer.status, 0 | 431), "{answer:?}");
    let answer = Answer::of(addr, "GET", &format!("/rooms/{}/events", "r".repeat(300)), &[], b"").await;
    assert_eq!((answer.status, &*answer.code()), (400, "bad_request"));
    // The probe has no hello to come: it need not wait for its timeout.
    let body = format!(r#"{{"key":"{}","frames":[7]}}"#, opened["key"].as_str().unwrap());
    assert_eq!(
        post(
            addr,
            &link,
            body.replace("[7]", "[{\"type\":\"hub:hello\",\"data\":{\"version\":0}}]").as_bytes()
        )
        .await
        .0,
        426
    );
}

#[tokio::test]
async fn bodies_beyond_the_limit_are_refused() {
    siege(&["limits.hello_ms=1000"], too_large).await;
}

async fn without_right(addr: SocketAddr) {
    let mut random = Random(3);
    for n in 0..150 {
        let guess: String = random.bytes(16).iter().map(|b| format!("{b:02x}")).collect();
        let hello = |what: &str| {
            format!(r#"{{"frames":[{{"type":"hub:hello","data":{{"version":1,"{what}":"{guess}"}}}}]}}"#)
        };
        let (path, body, expected) = match n % 5 {
            0 => ("/sse", hello("ticket"), (401, "unauthorized")),
            1 => ("/sse", hello("token"), (401, "unauthorized")),
            2 => ("/api/v1/sessions/x/events", "{}".into(), (400, "bad_request")),
            3 => ("/sse/0123", format!(r#"{{"key":"{guess}"}}"#), (404, "not_found")),
            _ => ("/negotiate", "[".repeat(10_000), (400, "bad_request")),
        };
        let (status, code) = post(addr, path, body.as_bytes()).await;
        assert_eq!((status, &*code), expected, "{path} {body:.80}");
        let bearer = format!("authorization: Bearer {guess}");
        let answer = Answer::of(addr, "POST", "/negotiate", &[&bearer], br#"{"version":1}"#).await;
        assert_eq!((answer.status, &*answer.code()), (401, "unauthorized"));
        let answer = Answer::of(addr, "GET", "/rooms/r/events", &[&bearer], b"").await;
        assert_eq!((answer.status, &*answer.code()), (401, "unauthorized"));
    }
}

#[tokio::test]
async fn guesses_get_nowhere() {
    // Open, so that the bystanders need no token; with a secret, so that there is something to guess.
    let secret = format!("auth.jwt_secret={SECRET}");
    siege(&["dev=true", &secret], without_right).await;
}
