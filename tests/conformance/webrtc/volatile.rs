//! Volatile frames, on a channel that may lose them; and what is longer than a channel's message.

use crate::support::*;
use serde_json::{Value, json};

const BY: Adapter = Adapter::WebRtc;

fn cursor(n: u64) -> Value {
    json!({"type": "cursor", "room": CHAT, "volatile": true, "echo": false, "data": n})
}

#[tokio::test]
async fn volatile_frames_have_a_channel_of_their_own() {
    let hub = open().await;
    let alice = BY.joined(&hub, "alice", CHAT).await;
    let mut bob = BY.joined(&hub, "bob", CHAT).await;
    for n in 1..=20 {
        alice.rtc().losable(&cursor(n)).await;
        let got = bob.next().await;
        assert_eq!((got.kind(), got.number(), got.counted()), ("cursor", n, false));
    }
    assert_eq!((bob.rtc().losables(), hub.metric("webrtc_volatile_out_total").await), (20, 20));
}

#[tokio::test]
async fn what_one_packet_does_not_hold_takes_the_other_channel() {
    let hub = open().await;
    let mut alice = BY.joined(&hub, "alice", CHAT).await;
    let mut bob = BY.joined(&hub, "bob", CHAT).await;
    let mut large = cursor(1);
    large["data"] = "x".repeat(5_000).into();
    alice.send(large).await;
    assert_eq!(bob.next().await["data"].as_str().unwrap().len(), 5_000);
    assert_eq!(bob.rtc().losables(), 0);
    // Bytes are text there, as in a frame without binary messages.
    alice.send_bytes(json!({"type": "cursor", "room": CHAT, "volatile": true}), b"\0raw").await;
    let got = bob.next().await;
    assert_eq!((got.bytes.as_deref(), bob.rtc().losables()), (Some(&b"\0raw"[..]), 1));
}

#[tokio::test]
async fn nothing_else_can_be_said_there() {
    let hub = open().await;
    let mut alice = BY.joined(&hub, "alice", CHAT).await;
    let before = hub.hub().stats().bad_frames;
    for what in [json!({"type": "hub:bye"}), json!({"type": "n", "room": CHAT, "data": 1}), json!("nonsense")]
    {
        alice.rtc().losable(&what).await;
    }
    stats(&hub, |s| s.bad_frames == before + 3).await;
    alice.send(json!({"type": "n", "room": CHAT, "data": 2})).await;
    assert_eq!(alice.next().await.number(), 2);
}

#[tokio::test]
async fn long_frames_go_in_parts_both_ways() {
    let hub = start(|c| c.limits.frame_bytes_max = 200_000).await;
    let mut alice = BY.joined(&hub, "alice", CHAT).await;
    let mut bob = Adapter::WebSocket.joined(&hub, "bob", CHAT).await;
    for len in [60_000, 65_536, 70_000, 190_000] {
        let text = "x".repeat(len);
        alice.send(json!({"type": "n", "room": CHAT, "data": text})).await;
        assert_eq!(bob.next().await["data"].as_str().unwrap().len(), len);
        assert_eq!(alice.next().await["data"].as_str().unwrap().len(), len);
        bob.send_bytes(json!({"type": "b", "room": CHAT}), &vec![7; len]).await;
        assert_eq!(alice.next().await.bytes.unwrap().len(), len);
        assert_eq!(bob.next().await.bytes.unwrap().len(), len);
    }
}
