//! Payloads that are bytes.

use crate::support::*;
use serde_json::json;

/// All there are, and none.
fn payloads() -> Vec<Vec<u8>> {
    vec![vec![], vec![0], (0..=255).collect(), vec![0xff; 3_000], b"{\"type\":\"hub:bye\"}".to_vec()]
}

pub(crate) async fn bytes_come_out_of_any_adapter_as_they_went_in(by: Adapter) {
    let hub = open().await;
    let mut sender = by.joined(&hub, "alice", CHAT).await;
    let mut receivers = vec![];
    for to in Adapter::ALL {
        receivers.push(to.joined(&hub, "bob", CHAT).await);
    }
    for bytes in payloads() {
        let frame = json!({"type": "file", "room": CHAT, "id": format!("f{}", bytes.len())});
        sender.send_bytes(frame.clone(), &bytes).await;
        for link in &mut receivers {
            let got = link.next().await;
            assert_eq!((got.kind(), &got["id"]), ("file", &frame["id"]), "{by:?} → {:?}", link.by);
            assert_eq!(got.bytes.as_deref(), Some(&*bytes));
            assert_eq!(got["data64"].is_string(), !link.by.has_messages());
            assert_eq!((&got["from"]["user"], &got["room"]), (&json!("alice"), &json!(CHAT)));
        }
    }
}

pub(crate) async fn history_keeps_bytes(by: Adapter) {
    let hub = open().await;
    let mut sender = by.joined(&hub, "alice", CHAT).await;
    sender.send_bytes(json!({"type": "file", "room": CHAT}), &[1, 0, 255]).await;
    sender.find("file").await;
    for to in Adapter::ALL {
        let mut late = to.user(&hub, "carol").await;
        late.join(CHAT, json!({"history": 1})).await;
        assert_eq!(late.next().await.bytes.as_deref(), Some(&[1, 0, 255][..]));
        let page = late.ask(json!({"type": "hub:history", "room": CHAT})).await;
        assert_eq!(page["data"]["events"][0]["data64"], "AQD/");
    }
}

pub(crate) async fn bytes_go_to_users_and_sessions(by: Adapter) {
    let hub = open().await;
    let mut sender = by.user(&hub, "alice").await;
    for to in Adapter::ALL {
        let (mut link, welcome) = to.hello(&hub, hello("bob")).await;
        let session = format!("session:{}", welcome["session"].as_str().unwrap());
        for to in ["user:bob", &session] {
            sender.send_bytes(json!({"type": "file", "to": to}), &[9, 8]).await;
            let got = link.next().await;
            assert_eq!((got.kind(), got.bytes.as_deref()), ("file", Some(&[9, 8][..])));
        }
        link.send(json!({"type": "hub:bye"})).await;
        stats(&hub, |s| s.sessions == 1).await;
    }
}
