//! A ticket is good once, where it was given out.

use crate::support::{Adapter, Http, SECRET, Version, start, token};
use crosspoint::Running;
use crosspoint_hub::TicketBinding;
use http::Method;
use serde_json::{Value, json};

const PAGE: &str = "https://app.example.com";
const ELSEWHERE: &str = "https://evil.example.com";

async fn bound(binding: TicketBinding) -> Running {
    start(|c| {
        c.auth.jwt_secret = Some(SECRET.into());
        c.auth.ticket_binding = binding;
        c.origins.allowed = serde_json::from_value(json!([PAGE, ELSEWHERE])).unwrap();
        c.trusted_proxies = serde_json::from_value(json!(["127.0.0.1"])).unwrap();
    })
    .await
}

/// The hello of a ticket that was given out to this page, at this address.
async fn hello(hub: &Running, origin: &str, address: &str) -> Value {
    let bearer = format!("Bearer {}", token("alice"));
    let headers = [("authorization", bearer.as_str()), ("origin", origin), ("x-forwarded-for", address)];
    let ask = json!({"version": 1, "transports": ["websocket"]}).to_string();
    let answer =
        Http::new(hub.addr(), Version::H1).await.send(Method::POST, "/negotiate", &headers, ask).await;
    assert_eq!(answer.status, 200);
    json!({"version": 1, "ticket": answer.json().await["ticket"]})
}

async fn comes_in(hub: &Running, by: Adapter, origin: &str, address: &str, hello: &Value) -> bool {
    let headers = [("origin", origin), ("x-forwarded-for", address)];
    match by.try_hello_with(hub, &headers, hello.clone(), vec![]).await {
        Ok((_, welcome)) => welcome["user"] == "alice",
        Err(refused) => {
            assert_eq!(refused.fault["code"], "unauthorized", "{refused:?}");
            false
        }
    }
}

#[tokio::test]
async fn a_stolen_ticket_is_useless_elsewhere_and_stays_good_for_its_owner() {
    let hub = bound(TicketBinding::Network).await;
    for by in [Adapter::WebSocket, Adapter::Stream, Adapter::StreamH2, Adapter::Poll] {
        let hello = hello(&hub, PAGE, "192.0.2.7").await;
        assert!(!comes_in(&hub, by, PAGE, "198.51.100.1", &hello).await, "{by:?}: another network");
        assert!(!comes_in(&hub, by, ELSEWHERE, "192.0.2.7", &hello).await, "{by:?}: another page");
        assert!(comes_in(&hub, by, PAGE, "192.0.2.200", &hello).await, "{by:?}: its owner");
    }
    let hello = hello(&hub, PAGE, "2001:db8:1::1").await;
    assert!(!comes_in(&hub, Adapter::WebSocket, PAGE, "2001:db8:2::1", &hello).await);
    // WebTransport, by UDP, from this machine's own IPv4 address: HTTP came by IPv6.
    assert!(!comes_in(&hub, Adapter::WebTransport, ELSEWHERE, "", &hello).await);
    assert!(comes_in(&hub, Adapter::WebTransport, PAGE, "", &hello).await);
    hub.shutdown().await;
}

#[tokio::test]
async fn webrtc_knows_where_its_offer_came_from() {
    let hub = bound(TicketBinding::Network).await;
    let hello = hello(&hub, PAGE, "192.0.2.7").await;
    assert!(!comes_in(&hub, Adapter::WebRtc, ELSEWHERE, "192.0.2.7", &hello).await);
    assert!(comes_in(&hub, Adapter::WebRtc, PAGE, "192.0.2.7", &hello).await);
    hub.shutdown().await;
}

#[tokio::test]
async fn the_binding_is_as_configured() {
    let hub = bound(TicketBinding::Address).await;
    let hello_of = async |hub: &Running| hello(hub, PAGE, "192.0.2.7").await;
    let hello = hello_of(&hub).await;
    assert!(!comes_in(&hub, Adapter::Stream, PAGE, "192.0.2.8", &hello).await);
    assert!(!comes_in(&hub, Adapter::Stream, PAGE, "2001:db8::1", &hello).await);
    assert!(comes_in(&hub, Adapter::Stream, PAGE, "192.0.2.7", &hello).await);
    hub.shutdown().await;

    let hub = bound(TicketBinding::None).await;
    let hello = hello_of(&hub).await;
    assert!(comes_in(&hub, Adapter::Stream, ELSEWHERE, "198.51.100.1", &hello).await);
    hub.shutdown().await;
}

#[tokio::test]
async fn a_replayed_ticket_is_unauthorized() {
    let hub = bound(TicketBinding::Network).await;
    let hello = hello(&hub, PAGE, "192.0.2.7").await;
    let headers = [("origin", PAGE), ("x-forwarded-for", "192.0.2.7")];
    let (mut link, _) =
        Adapter::WebSocket.try_hello_with(&hub, &headers, hello.clone(), vec![]).await.expect("a session");
    link.send(json!({"type": "hub:join", "room": "r", "id": "j"})).await;
    assert_eq!(link.next().await.kind(), "hub:reply");
    for by in [Adapter::WebSocket, Adapter::Stream, Adapter::Poll] {
        assert!(!comes_in(&hub, by, PAGE, "192.0.2.7", &hello).await, "{by:?}");
    }
    hub.shutdown().await;
}
