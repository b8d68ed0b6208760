//! Too much of what is right.

use crate::siege::siege;
use crate::wire::{Answer, Ws, frame, within};
use futures_util::future::join_all;
use serde_json::{Value, json};
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// Sends texts as fast as they are taken, and reads what comes until so many replies have come.
async fn pipelined(
    ws: Ws,
    texts: impl Iterator<Item = String> + Send + 'static,
    replies: usize,
) -> (usize, usize) {
    let (mut read, mut write) = ws.0.into_split();
    let writing = tokio::spawn(async move {
        let mut batch = vec![];
        for text in texts {
            batch.extend(frame(1, text.as_bytes()));
            if batch.len() > 30_000 {
                write.write_all(&std::mem::take(&mut batch)).await.unwrap();
            }
        }
        write.write_all(&batch).await.unwrap();
        write
    });
    let (mut good, mut bad) = (0, 0);
    let mut held = vec![0; 1 << 16];
    let mut tail = vec![];
    while good + bad < replies {
        let n = within(read.read(&mut held)).await.unwrap();
        assert!(n > 0, "the link ended after {good} and {bad}");
        tail.extend_from_slice(&held[..n]);
        // Whole marks only; the rest waits for more.
        let text = String::from_utf8_lossy(&tail);
        good += text.matches("\"type\":\"hub:reply\"").count();
        bad += text.matches("\"type\":\"hub:error\"").count();
        let keep = tail.len().min(17);
        tail = tail[tail.len() - keep..].to_vec();
    }
    drop(writing.await.unwrap());
    (good, bad)
}

async fn joins(addr: SocketAddr) {
    // A plain client, which needs no acks.
    let ws = Ws::open(addr).await;
    let join = |n: u32| format!(r#"{{"type":"hub:join","room":"room-{n}","id":"{n}"}}"#);
    let (good, bad) = pipelined(ws, (0..100_000).map(join), 100_000).await;
    assert_eq!((good, bad), (256, 100_000 - 256));
    // In and out again, through more rooms than the hub may hold.
    let ws = Ws::open(addr).await;
    let in_and_out = |n: u32| {
        let kind = if n.is_multiple_of(2) { "join" } else { "leave" };
        format!(r#"{{"type":"hub:{kind}","room":"chat:{}","id":"{n}"}}"#, n / 2)
    };
    let (good, bad) = pipelined(ws, (0..20_000).map(in_and_out), 20_000).await;
    // Full at times, for half a second: then others wait for it as well.
    assert_eq!(good + bad, 20_000);
    assert!(good > 2_000, "{good}");
}

#[tokio::test]
async fn a_hundred_thousand_joins() {
    let hub = siege(&["limits.hub_rooms_max=4000"], joins).await;
    assert!(hub.rss() < 160 << 10, "{}", hub.rss());
}

async fn posts(addr: SocketAddr) {
    let hello = json!({"type": "hub:hello", "data": {"version": 1, "user": "eve"}});
    let join = json!({"type": "hub:join", "room": "chat:flood"});
    let body = json!({"mode": "poll", "frames": [hello, join]}).to_string();
    let opened = Answer::of(addr, "POST", "/sse", &[], body.as_bytes()).await;
    let opened: Value = serde_json::from_str(&opened.body).unwrap();
    let path = format!("/sse/{}", opened["link"].as_str().unwrap());
    let path = &*path;
    let key = &opened["key"];
    // Nobody reads the polls: what is published comes back to an outbox that fills.
    let flood = (0..8u64).map(|lane| async move {
        let mut codes = vec![];
        for n in 0..40 {
            let start = 2 + (n * 8 + lane) * 50;
            let frames: Vec<Value> = (0..50)
                .map(|n| json!({"type": "n", "room": "chat:flood", "data": (n, "x".repeat(1_000))}))
                .collect();
            let body = json!({"key": key, "start": start, "frames": frames}).to_string();
            let answer = Answer::of(addr, "POST", path, &[], body.as_bytes()).await;
            codes.push((answer.status, answer.code()));
        }
        codes
    });
    for (status, code) in join_all(flood).await.into_iter().flatten() {
        assert!(matches!((status, &*code), (200, "") | (409, "out_of_order")), "{status} {code}");
    }
    let bye = json!({"key": key, "frames": [{"type": "hub:bye"}]}).to_string();
    assert_eq!(Answer::of(addr, "POST", path, &[], bye.as_bytes()).await.status, 200);
}

#[tokio::test]
async fn posts_without_end() {
    siege(&[], posts).await;
}
