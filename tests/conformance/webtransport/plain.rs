//! Clients without a hello.

use crate::support::*;
use serde_json::json;

#[tokio::test]
async fn a_plain_client_lives_as_long_as_quic_hears_from_it() {
    let hub = start(|c| c.limits.heartbeat_ms = 700).await;
    let mut plain = Adapter::WebTransport.probe(&hub).await;
    plain.send(json!({"type": "hub:join", "room": CHAT, "id": "j"})).await;
    assert_eq!(plain.reply("j").await.kind(), "hub:reply");
    // This one is asked once in a heartbeat, so it knows the time.
    let mut bob = Adapter::WebSocket.joined(&hub, "bob", CHAT).await;
    for _ in 0..5 {
        bob.find("hub:ping").await;
    }
    bob.send(json!({"type": "n", "room": CHAT, "data": 1})).await;
    assert_eq!(plain.next().await.number(), 1, "it has said nothing meanwhile");
    drop(plain);
    stats(&hub, |s| s.links == 1 && s.sessions == 1 && s.heartbeat_timeouts == 0).await;
}
