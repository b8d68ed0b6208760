//! Readers that don't read.

use crate::siege::siege;
use crate::wire::{Ws, frame, within};
use crosspoint_client::raw;
use crosspoint_client::{Client, JoinOptions, Options, Transport};
use serde_json::json;
use std::net::SocketAddr;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpSocket, TcpStream};

const EVENTS: u64 = 1_200;

/// A connection with a receive buffer that is soon full.
async fn small(addr: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    socket.connect(addr).await.unwrap()
}

async fn flooded(addr: SocketAddr, room: &'static str) {
    // Ten of each kind, in the room, and none reads a byte.
    let mut deaf = vec![];
    let join = format!(r#"{{"type":"hub:join","room":"{room}"}}"#);
    let hello = r#"{"type":"hub:hello","data":{"version":1,"user":"eve"}}"#;
    for _ in 0..10 {
        let mut ws = Ws::user(addr, "eve").await;
        ws.send(&frame(1, join.as_bytes())).await;
        deaf.push(ws.0);
        let mut stream = small(addr).await;
        let body = format!(r#"{{"frames":[{hello},{join}]}}"#);
        let head = format!("POST /sse HTTP/1.1\r\nhost: {addr}\r\ncontent-length: {}\r\n\r\n", body.len());
        stream.write_all((head + &body).as_bytes()).await.unwrap();
        deaf.push(stream);
        let mut plain = small(addr).await;
        let head = format!("GET /rooms/{room}/events HTTP/1.1\r\nhost: {addr}\r\n\r\n");
        plain.write_all(head.as_bytes()).await.unwrap();
        deaf.push(plain);
    }
    // Three who read get everything, whatever they read by.
    let mut readers = vec![];
    for by in Transport::ALL {
        let options = Options { transports: vec![by], ..Options::user(format!("http://{addr}"), "reader") };
        let client = Client::connect(options);
        let mut events = client.events();
        client.room(room, JoinOptions::default()).await.unwrap();
        readers.push(tokio::spawn(async move {
            for n in 0..EVENTS {
                let frame = within(events.next_frame()).await.unwrap();
                assert_eq!((&*frame.kind, frame.parse::<(u64, String)>().unwrap().0), ("n", n));
            }
            assert_eq!((client.counts().gaps, client.counts().reconnects), (0, 0));
            client.close().await;
        }));
    }
    let url = format!("http://{addr}/api/v1/rooms/{room}/events");
    for batch in 0..EVENTS / 20 {
        let event = |n: u64| json!({"type": "n", "data": (batch * 20 + n, "x".repeat(10_000))});
        let body = serde_json::to_vec(&(0..20).map(event).collect::<Vec<_>>()).unwrap();
        let answer = raw::request(http::Method::POST, &url, &[], body).await.unwrap();
        assert_eq!(answer.status, 200);
    }
    for reader in readers {
        reader.await.unwrap();
    }
    drop(deaf);
}

/// What thirty outboxes of 1 MiB may hold at once, the history, and as much again, KiB.
const RSS_MAX: u64 = 160 << 10;

#[tokio::test]
async fn others_get_everything_out_of_history() {
    let settings = ["limits.resume_ms=300", "limits.post_bytes_max=1000000"];
    let hub = siege(&settings, |addr| flooded(addr, "chat:flood")).await;
    assert!(hub.rss() < RSS_MAX, "{}", hub.rss());
}

#[tokio::test]
async fn others_get_everything_live() {
    let settings = ["limits.resume_ms=300", "limits.post_bytes_max=1000000"];
    let hub = siege(&settings, |addr| flooded(addr, "flood")).await;
    assert!(hub.rss() < RSS_MAX, "{}", hub.rss());
    assert!(
        hub.metrics().await["crosspoint_gaps_total"] <= 60,
        "one for each that fell behind, not one for each event"
    );
}

async fn pings(addr: SocketAddr) {
    let mut links = vec![];
    for _ in 0..10 {
        links.push(Ws::user(addr, "eve").await);
    }
    let ping = frame(9, &[b'p'; 125]).repeat(100);
    let asked = frame(1, br#"{"type":"hub:ping","data":{"t":1}}"#).repeat(100);
    let nothing = frame(1, br#"{"type":"hub:nonsense","id":"x"}"#).repeat(100);
    for ws in &mut links {
        for bytes in [&ping, &asked, &nothing] {
            // What isn't read any more is no fault: the hub stops reading, too, or ends the session.
            let write = async {
                for _ in 0..60 {
                    ws.send(bytes).await
                }
            };
            let _ = tokio::time::timeout(std::time::Duration::from_millis(400), write).await;
        }
    }
}

#[tokio::test]
async fn answers_that_nobody_reads_are_bounded() {
    let hub = siege(&["limits.resume_ms=300", "limits.heartbeat_ms=4000"], pings).await;
    assert!(hub.rss() < RSS_MAX, "{}", hub.rss());
}
