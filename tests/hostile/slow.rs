//! Readers that don't read.

use crate::siege::siege;
use crate::wire::{Ws, frame, narrow, within};
use crosspoint_client::raw;
use crosspoint_client::{Client, JoinOptions, Options, Transport};
use futures_util::future::join_all;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::AsyncWriteExt as _;
use tokio::sync::watch;

const EVENTS: u64 = 1_200;

async fn flooded(addr: SocketAddr, room: &'static str) {
    // Ten of each kind, in the room, and none reads a byte.
    let mut deaf = vec![];
    let join = format!(r#"{{"type":"hub:join","room":"{room}"}}"#);
    let hello = r#"{"type":"hub:hello","data":{"version":1,"user":"eve"}}"#;
    for _ in 0..10 {
        let mut ws = Ws::narrow(addr, "eve").await;
        ws.send(&frame(1, join.as_bytes())).await;
        deaf.push(ws.0);
        let mut stream = narrow(addr).await;
        let body = format!(r#"{{"frames":[{hello},{join}]}}"#);
        let head = format!("POST /sse HTTP/1.1\r\nhost: {addr}\r\ncontent-length: {}\r\n\r\n", body.len());
        stream.write_all((head + &body).as_bytes()).await.unwrap();
        deaf.push(stream);
        let mut plain = narrow(addr).await;
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
        let (seen, progress) = watch::channel(0);
        let reader = tokio::spawn(async move {
            for n in 0..EVENTS {
                let frame = within(events.next_frame()).await.unwrap();
                assert_eq!(frame.kind, "n", "{}", frame.encode_text());
                assert_eq!(frame.parse::<(u64, String)>().unwrap().0, n);
                seen.send_replace(n + 1);
            }
            assert_eq!((client.counts().gaps, client.counts().reconnects), (0, 0));
            client.close().await;
        });
        readers.push((reader, progress));
    }
    let url = format!("http://{addr}/api/v1/rooms/{room}/events");
    for batch in 0..EVENTS / 20 {
        let event = |n: u64| json!({"type": "n", "data": (batch * 20 + n, "x".repeat(10_000))});
        let body = serde_json::to_vec(&(0..20).map(event).collect::<Vec<_>>()).unwrap();
        let answer = raw::request(http::Method::POST, &url, &[], body).await.unwrap();
        assert_eq!(answer.status, 200);
        // A room without history may leave behind who is too slow: those who read are waited for.
        for (_, progress) in &mut readers {
            within(progress.wait_for(|n| *n >= (batch + 1) * 20)).await.expect("a reader failed");
        }
    }
    for (reader, _) in readers {
        reader.await.unwrap();
    }
    // One of them begins to read: there is what it had room for, one gap, and what the history still has.
    let mut awakened = Ws(deaf.swap_remove(0));
    let (mut received, mut next, mut gap, mut resumed) = (0, 0, false, false);
    while !gap || (room.starts_with("chat:") && next < EVENTS) {
        let (_, text) = awakened.next().await.expect("it is still there");
        let got: Value = serde_json::from_slice(&text).unwrap();
        match got["type"].as_str().unwrap() {
            "n" => {
                let n = got["data"][0].as_u64().unwrap();
                assert!(n == next || (gap && next < n && !resumed), "{n} after {next}");
                (next, resumed) = (n + 1, gap);
            }
            "hub:gap" => assert!(!std::mem::replace(&mut gap, true), "a second gap"),
            _ => continue,
        }
        received += 1;
        let ack = format!(r#"{{"type":"hub:ack","data":{{"received":{received}}}}}"#);
        awakened.send(&frame(1, ack.as_bytes())).await;
    }
    assert!(next > 0 && received < EVENTS);
    drop(deaf);
}

/// What thirty outboxes of 1 MiB may hold at once, the history, and as much again, KiB.
const RSS_MAX: u64 = 160 << 10;

#[tokio::test]
async fn others_get_everything() {
    let settings = ["limits.resume_ms=300", "limits.post_bytes_max=1000000"];
    let (stored, live) = tokio::join!(
        siege(&settings, |addr| flooded(addr, "chat:flood")),
        siege(&settings, |addr| flooded(addr, "flood")),
    );
    for hub in [stored, live] {
        assert!(hub.rss() < RSS_MAX, "{}", hub.rss());
        let gaps = hub.metrics().await["crosspoint_gaps_total"];
        assert!((2..=60).contains(&gaps), "one for each that fell behind, not for each event: {gaps}");
    }
}

async fn unread(addr: SocketAddr) {
    let kinds = [
        frame(9, &[b'p'; 125]),
        frame(1, br#"{"type":"hub:ping","data":{"t":1}}"#),
        frame(1, br#"{"type":"hub:nonsense","id":"x"}"#),
    ];
    let links = kinds.iter().cycle().take(12).map(|kind| async move {
        let mut ws = Ws::narrow(addr, "eve").await;
        let many = kind.repeat(1_000);
        // Until the hub stops reading, or ends the session: 100 MB would not fit anywhere.
        let write = async {
            for _ in 0..1_000 {
                ws.send(&many).await;
            }
        };
        let _ = tokio::time::timeout(Duration::from_secs(2), write).await;
    });
    join_all(links).await;
}

#[tokio::test]
async fn answers_that_nobody_reads_are_bounded() {
    let hub = siege(&["limits.resume_ms=300", "limits.heartbeat_ms=4000"], unread).await;
    assert!(hub.rss() < RSS_MAX, "{}", hub.rss());
}
