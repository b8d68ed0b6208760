//! How peers come and go: offers by HTTP and within sessions, and goodbyes.

use crate::support::*;
use crosspoint_core::Code;
use http::Method;
use serde_json::json;

const BY: Adapter = Adapter::WebRtc;

#[tokio::test]
async fn a_session_offers_by_the_link_it_has_and_moves() {
    let hub = open().await;
    for from in [Adapter::WebSocket, Adapter::Poll] {
        let (mut alice, welcome) = from.hello(&hub, hello("alice")).await;
        alice.join(CHAT, json!({})).await;
        let offered = Offered::new().await;
        let answer = alice.ask(json!({"type": "hub:webrtc", "data": {"sdp": offered.sdp.clone()}})).await;
        let text = |field: &str| answer["data"][field].as_str().expect("a text").to_owned();
        let (rtc, reader) = offered.answered(text("sdp"), text("peer")).await;
        let resume = json!({"type": "hub:hello", "data": again(&welcome, alice.received)});
        let mut moved = Link::by_channel(rtc, reader, &[resume]).await;
        assert_eq!(moved.next_any().await["data"]["resumed"], true, "{from:?}");
        moved.send(json!({"type": "n", "room": CHAT, "data": 1})).await;
        assert_eq!(moved.next().await.number(), 1);
    }
}

#[tokio::test]
async fn offers_that_cannot_be_answered_say_why() {
    let hub = start(|c| c.transports.webrtc.address_peers_max = 1).await;
    let http = Http::new(hub.addr(), Version::H1).await;
    let post = async |kind: &str, body: String| {
        let answer = http.send(Method::POST, "/webrtc", &[("content-type", kind)], body).await;
        (answer.status, answer.json().await["error"]["code"].clone())
    };
    let sdp = Offered::new().await.sdp.clone();
    assert_eq!(post("text/plain", sdp.clone()).await, (400, json!("bad_request")));
    assert_eq!(post("application/sdp", "v=0".into()).await, (400, json!("bad_request")));
    assert_eq!(post("application/sdp", "x".repeat(20_000)).await, (413, json!("frame_too_large")));
    let mut alice = Adapter::WebSocket.user(&hub, "alice").await;
    alice.fails(json!({"type": "hub:webrtc"}), Code::BadRequest).await;
    alice.fails(json!({"type": "hub:webrtc", "data": {"sdp": "v=0"}}), Code::BadRequest).await;
    let _bob = BY.user(&hub, "bob").await;
    assert_eq!(post("application/sdp", sdp.clone()).await, (429, json!("rate_limited")));
    alice.fails(json!({"type": "hub:webrtc", "data": {"sdp": sdp}}), Code::RateLimited).await;
}

#[tokio::test]
async fn a_hub_without_webrtc_says_so() {
    let hub = start(|c| c.transports.webrtc.enabled = false).await;
    let http = Http::new(hub.addr(), Version::H1).await;
    let sdp = Offered::new().await.sdp.clone();
    let answer =
        http.send(Method::POST, "/webrtc", &[("content-type", "application/sdp")], sdp.clone()).await;
    assert_eq!(answer.status, 404);
    let mut alice = Adapter::WebSocket.user(&hub, "alice").await;
    alice.fails(json!({"type": "hub:webrtc", "data": {"sdp": sdp}}), Code::NotFound).await;
}

#[tokio::test]
async fn who_deletes_a_peer_has_said_goodbye() {
    let hub = open().await;
    let mut alice = BY.user(&hub, "alice").await;
    let path = format!("/webrtc/{}", alice.rtc().peer);
    let http = Http::new(hub.addr(), Version::H1).await;
    assert_eq!(http.send(Method::DELETE, "/webrtc/nobody", &[], "").await.status, 404);
    assert_eq!(http.send(Method::DELETE, &path, &[], "").await.status, 200);
    stats(&hub, |s| s.sessions == 0 && s.links == 0).await;
    assert_eq!(alice.end().await, None);
    assert_eq!(http.send(Method::DELETE, &path, &[], "").await.status, 404);
}

#[tokio::test]
async fn a_connection_that_closes_ends_the_link_and_not_the_session() {
    let hub = open().await;
    let (alice, welcome) = BY.hello(&hub, hello("alice")).await;
    alice.rtc().close().await;
    stats(&hub, |s| s.links == 0).await;
    let (_again, next) = BY.hello(&hub, again(&welcome, alice.received)).await;
    assert_eq!(next["resumed"], true);
    assert_eq!((hub.metric("webrtc_peers").await, hub.metric("webrtc_links").await), (1, 1));
}

#[tokio::test]
async fn it_is_offered_last_and_only_as_an_upgrade() {
    let transports = async |preferred: bool| {
        let hub = start(|c| c.transports.webrtc.preferred = preferred).await;
        let ask = json!({"version": 1, "transports": ["webrtc", "websocket", "sse"], "user": "alice"});
        let answer = Http::new(hub.addr(), Version::H1).await.post("/negotiate", &ask).await.json().await;
        let list = answer["transports"].as_array().unwrap().clone();
        let webrtc = list.iter().find(|t| t["name"] == "webrtc").unwrap();
        assert_eq!((&webrtc["upgrade"], &webrtc["url"]), (&json!(true), &json!("/webrtc")));
        list.iter().map(|t| t["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(transports(false).await, ["websocket", "sse", "webrtc"]);
    assert_eq!(transports(true).await, ["webrtc", "websocket", "sse"]);
}
