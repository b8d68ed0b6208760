//! WebSocket clients that know `{type, data}` and nothing of sessions.

use crate::support::*;
use crosspoint_core::Code;
use serde_json::json;

#[tokio::test]
async fn the_first_message_may_be_anything() {
    let hub = start(|c| (c.limits.ack_every, c.limits.ack_delay_ms) = (1, 50)).await;
    let mut bob = Adapter::Stream.joined(&hub, "bob", CHAT).await;
    let mut plain = Adapter::WebSocket.probe(&hub).await;
    plain.send(json!({"type": "hub:join", "room": CHAT, "id": "j"})).await;
    let first = plain.next_any().await;
    assert_eq!((first.kind(), &first["id"]), ("hub:reply", &json!("j")), "no welcome");
    for n in 0..5 {
        plain.send(json!({"type": "n", "room": CHAT, "data": n})).await;
        assert_eq!(plain.next_any().await.number(), n, "no acks between");
        assert_eq!(bob.next().await.number(), n);
    }
    publish(&hub, CHAT, 5).await;
    assert_eq!(plain.next_any().await.number(), 5);
    plain.send_bytes(json!({"type": "file", "room": CHAT}), &[1, 2]).await;
    assert_eq!(bob.next().await.number(), 5);
    assert_eq!(bob.next().await.bytes.as_deref(), Some(&[1, 2][..]));
    assert_eq!(plain.next_any().await.bytes.as_deref(), Some(&[1, 2][..]));
}

#[tokio::test]
async fn a_frame_to_nobody_is_a_bad_request() {
    let hub = open().await;
    let mut plain = Adapter::WebSocket.probe(&hub).await;
    plain.send(json!({"type": "chat", "data": "hello?"})).await;
    let error = plain.next_any().await;
    assert_eq!((&error["data"]["code"], &error["data"]["of"]), (&json!("bad_request"), &json!("chat")));
    plain.send(json!({"type": "hub:ping", "data": {"t": 5}})).await;
    assert_eq!(plain.next_any().await["data"]["t"], 5.0);
}

#[tokio::test]
async fn the_session_ends_with_the_link() {
    let hub = open().await;
    let mut bob = Adapter::WebSocket.user(&hub, "bob").await;
    bob.join(CHAT, json!({"presence": true})).await;
    let mut plain = Adapter::WebSocket.probe(&hub).await;
    plain.send(json!({"type": "hub:join", "room": CHAT})).await;
    stats(&hub, |s| s.sessions == 2).await;
    drop(plain);
    stats(&hub, |s| s.sessions == 1 && s.links == 1).await;
    while bob.find("hub:presence").await["data"].get("leave").is_none() {}
}

#[tokio::test]
async fn the_token_comes_with_the_upgrade() {
    let hub = secured().await;
    let mut nobody = Adapter::WebSocket.probe(&hub).await;
    nobody.provoke(json!({"type": "hub:join", "room": CHAT, "id": "j"})).await;
    nobody.ends_with(Code::Unauthorized).await;
    let bearer = format!("Bearer {}", token("alice"));
    for header in [("authorization", bearer), ("cookie", format!("crosspoint_token={}", token("alice")))] {
        let headers = [(header.0, &*header.1)];
        let mut link = Link::open(Adapter::WebSocket, &hub, &headers, &[]).await.expect("a link");
        let joined = link.join(CHAT, json!({"presence": true})).await;
        assert_eq!(joined["members"][0]["user"], "alice");
    }
}
