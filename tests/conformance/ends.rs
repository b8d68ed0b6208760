//! How sessions and links end.

use crate::support::*;
use crosspoint_core::Code;
use serde_json::json;

pub(crate) async fn a_goodbye_ends_the_session_at_once(by: Adapter) {
    let hub = open().await;
    let mut bob = Adapter::WebSocket.joined(&hub, "bob", CHAT).await;
    let (mut alice, welcome) = by.hello(&hub, hello("alice")).await;
    alice.join(CHAT, json!({})).await;
    // What was sent before it still counts.
    let frames = [json!({"type": "n", "room": CHAT, "data": 1, "echo": false}), json!({"type": "hub:bye"})];
    alice.try_send_all(&frames).await.expect("taken");
    assert_eq!(bob.find("n").await.number(), 1);
    alice.ends_with(Code::Bye).await;
    stats(&hub, |s| s.sessions == 1 && s.links == 1).await;
    let refused = by.try_hello(&hub, again(&welcome, 1)).await;
    refused.err().expect("refused").assert(by, Code::SessionExpired);
}

pub(crate) async fn a_backend_can_end_a_session(by: Adapter) {
    let hub = open().await;
    let (mut alice, welcome) = by.hello(&hub, hello("alice")).await;
    let path = format!("/api/v1/sessions/{}", welcome["session"].as_str().unwrap());
    let http = Http::new(hub.addr(), Version::H1).await;
    assert_eq!(http.send(http::Method::DELETE, &path, &[], "").await.status, 200);
    alice.ends_with(Code::Forbidden).await;
    stats(&hub, |s| s.sessions == 0).await;
}

pub(crate) async fn a_quiet_client_is_asked(by: Adapter) {
    let hub = start(|c| c.limits.heartbeat_ms = 1_000).await;
    let mut alice = by.joined(&hub, "alice", CHAT).await;
    for _ in 0..4 {
        assert_eq!(alice.find("hub:ping").await["data"]["received"], 1);
    }
    assert_eq!(hub.hub().stats().heartbeat_timeouts, 0);
}

pub(crate) async fn a_silent_link_is_given_up_and_not_its_session(by: Adapter) {
    let hub = start(|c| c.limits.heartbeat_ms = 150).await;
    let (mut alice, welcome) = by.hello(&hub, hello("alice")).await;
    alice.join(CHAT, json!({})).await;
    alice.fall_silent();
    stats(&hub, |s| s.heartbeat_timeouts == 1).await;
    publish(&hub, CHAT, 1).await;
    let (mut alice, _) = by.hello(&hub, again(&welcome, alice.received)).await;
    assert_eq!(alice.next().await.number(), 1);
    assert_eq!(hub.hub().stats().sessions, 1);
}

pub(crate) async fn a_hub_that_ends_asks_to_move_and_then_closes(by: Adapter) {
    let hub = open().await;
    let mut alice = by.joined(&hub, "alice", CHAT).await;
    let drained = async {
        let asked = alice.next().await;
        assert_eq!(asked.kind(), "hub:move");
        assert_eq!(
            (&asked["data"]["reason"], &asked["data"]["within_ms"]),
            (&json!("shutdown"), &json!(200))
        );
        // It still works.
        alice.send(json!({"type": "n", "room": CHAT, "data": 1})).await;
        assert_eq!(alice.next().await.number(), 1);
        for other in Adapter::ALL {
            let refused = other.try_hello(&hub, hello("bob")).await.err().expect("refused");
            match other {
                // A session that is refused would not say why.
                Adapter::WebTransport => refused.assert(other, Code::Shutdown),
                _ => assert_eq!(refused.status, 503, "{other:?}"),
            }
        }
        let ready = Http::new(hub.addr(), Version::H1).await;
        assert_eq!(ready.send(http::Method::GET, "/readyz", &[], "").await.status, 503);
        alice.ends_with(Code::Shutdown).await;
    };
    tokio::join!(hub.drain(), drained);
    assert_eq!((hub.hub().stats().sessions, hub.hub().stats().links), (0, 0));
}
