//! Connections that begin and don't go on.

use crate::siege::siege;
use crate::wire::{Answer, Ws, frame, within};
use futures_util::future::join_all;
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

async fn begun(addr: SocketAddr, bytes: &str) -> TcpStream {
    let mut socket = TcpStream::connect(addr).await.unwrap();
    socket.write_all(bytes.as_bytes()).await.unwrap();
    socket
}

/// Sends a byte now and then, as slowly as the hub lets it; `true` if the hub ends it.
async fn trickle(mut socket: TcpStream) -> Vec<u8> {
    let mut seen = vec![];
    let mut buffer = [0; 1024];
    within(async {
        loop {
            tokio::select! {
                read = socket.read(&mut buffer) => match read {
                    Ok(n) if n > 0 => seen.extend_from_slice(&buffer[..n]),
                    _ => return,
                },
                () = tokio::time::sleep(std::time::Duration::from_millis(100)) => {
                    if socket.write_all(b"x").await.is_err() {
                        return;
                    }
                }
            }
        }
    })
    .await;
    seen
}

async fn slowloris(addr: SocketAddr) {
    let mut all = vec![];
    for n in 0..120 {
        let bytes = match n % 6 {
            0 => String::new(),
            1 => "G".into(),
            2 => format!("GET /healthz HTTP/1.1\r\nhost: {addr}\r\nx-slow: "),
            3 => format!("POST /negotiate HTTP/1.1\r\nhost: {addr}\r\ncontent-length: 9999\r\n\r\n{{"),
            4 => format!(
                "POST /api/v1/rooms/r/events HTTP/1.1\r\nhost: {addr}\r\ncontent-length: 9999\r\n\r\n"
            ),
            _ => "PRI * HTTP/2.0\r\n\r\nSM\r".into(),
        };
        all.push(trickle(begun(addr, &bytes).await));
    }
    for (n, seen) in join_all(all).await.into_iter().enumerate() {
        let seen = String::from_utf8_lossy(&seen);
        assert!(!matches!(n % 6, 3 | 4) || seen.starts_with("HTTP/1.1 504"), "{n}: {seen}");
    }
}

#[tokio::test]
async fn heads_and_bodies_have_their_time() {
    siege(&["http.header_ms=700", "http.request_ms=700"], slowloris).await;
}

/// Bodies that open links or go up by them have ten seconds.
#[tokio::test]
async fn bodies_of_links_have_their_time() {
    let hub = crate::hub::Hub::start(&[]);
    let addr = hub.addr;
    let opened = Answer::of(addr, "POST", "/sse", &[], br#"{"mode":"poll"}"#).await;
    let opened: serde_json::Value = serde_json::from_str(&opened.body).unwrap();
    let link = format!("/sse/{}", opened["link"].as_str().unwrap());
    let slow = [("/sse", "hello_timeout"), (&link, "heartbeat_timeout")].into_iter().cycle().take(40);
    join_all(slow.map(|(path, code)| async move {
        let head = format!("POST {path} HTTP/1.1\r\nhost: {addr}\r\ncontent-length: 9999\r\n\r\n{{");
        let seen = trickle(begun(addr, &head).await).await;
        let seen = String::from_utf8(seen).unwrap();
        assert!(seen.starts_with("HTTP/1.1 408") && seen.contains(code), "{seen}");
    }))
    .await;
    hub.metric("links{transport=\"sse\"}", |n| n == 0).await;
    hub.metric("http_connections", |n| n == 1).await;
}

async fn no_hello(addr: SocketAddr) {
    let mut links = vec![];
    for _ in 0..150 {
        links.push(Ws::open(addr).await);
    }
    let mut streams = vec![];
    for _ in 0..50 {
        let head = format!("POST /sse HTTP/1.1\r\nhost: {addr}\r\ncontent-length: 2\r\n\r\n{{}}");
        streams.push(begun(addr, &head).await);
    }
    let mut codes = vec![];
    for ws in &mut links {
        codes.push(ws.closed().await.0);
    }
    // As many as may wait do so for their time, the others are refused at once.
    assert_eq!(codes.iter().filter(|c| **c == 4408).count(), 100, "{codes:?}");
    assert_eq!(codes.iter().filter(|c| **c == 4503).count(), 50, "{codes:?}");
    for stream in &mut streams {
        let answer = Answer::read(stream).await;
        assert_eq!((answer.status, &*answer.code()), (503, "unavailable"));
    }
}

#[tokio::test]
async fn links_without_hello_are_bounded_in_number_and_time() {
    siege(&["limits.hello_ms=1500", "limits.links_waiting_max=100", "http.header_ms=500"], no_hello).await;
}

async fn come_and_go(addr: SocketAddr) {
    let hello = r#"{"type":"hub:hello","data":{"version":1,"user":"eve"}}"#;
    let body = format!(r#"{{"frames":[{hello},{{"type":"hub:join","room":"r"}}]}}"#);
    for batch in 0..30 {
        let some = (0..50).map(|n| {
            let body = body.clone();
            async move {
                match (batch + n) % 5 {
                    0 => drop(TcpStream::connect(addr).await.unwrap()),
                    1 => drop(begun(addr, "GET /ws HTTP/1.1\r\n").await),
                    2 => drop(Ws::open(addr).await),
                    3 => Ws::open(addr).await.send(&frame(1, hello.as_bytes())).await,
                    _ => {
                        let len = body.len();
                        let head =
                            format!("POST /sse HTTP/1.1\r\nhost: {addr}\r\ncontent-length: {len}\r\n\r\n");
                        drop(begun(addr, &(head + &body)).await);
                    }
                }
            }
        });
        join_all(some).await;
    }
}

#[tokio::test]
async fn thousands_come_and_go() {
    siege(&["limits.resume_ms=300"], come_and_go).await;
}
