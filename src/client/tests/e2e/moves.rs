//! Moves by request, by prohibition, and those that can't be.

use crate::support::*;
use crosspoint_client::{ClientEvent, Code, PublishOptions, State, Transport};
use crosspoint_tests::proxy::{self, Action, FaultProxy, Match, Rules};

fn transport(event: ClientEvent) -> Option<(Transport, Option<Transport>, &'static str)> {
    match event {
        ClientEvent::Transport { transport, previous, cause, .. } => Some((transport, previous, cause)),
        _ => None,
    }
}

#[tokio::test]
async fn a_move_is_told_and_keeps_the_session() {
    let hub = hub().await;
    let (client, mut events) = connect(any(&hub.url(), "alice")).await;
    assert_eq!(event(&mut events, transport).await, (Transport::WebSocket, None, "connect"));
    let session = client.status().session;
    within(client.move_to(Transport::Sse)).await.unwrap();
    let told = event(&mut events, transport).await;
    assert_eq!(told, (Transport::Sse, Some(Transport::WebSocket), "manual"));
    within(client.move_to(Transport::Sse)).await.unwrap();
    assert_eq!(event(&mut events, transport).await.1, Some(Transport::Sse));
    assert_eq!((client.status().session, client.counts().moves), (session, 2));
}

#[tokio::test]
async fn the_session_moves_up_when_the_better_transport_works_again() {
    let hub = hub().await;
    let proxy = FaultProxy::start(proxy::Options::new(hub.addr())).await.unwrap();
    proxy.set(Rules::http(Match::upgrade(), Action::StripUpgrade)).await.unwrap();
    let (client, mut events) = connect(any(&format!("http://{}", proxy.address()), "alice")).await;
    assert_eq!(event(&mut events, transport).await, (Transport::Sse, None, "connect"));
    proxy.set(Rules::default()).await.unwrap();
    let up = (Transport::WebSocket, Some(Transport::Sse), "up");
    assert_eq!(event(&mut events, transport).await, up);
    assert_eq!(client.counts().reconnects, 0);
}

#[tokio::test]
async fn a_forbidden_transport_is_left_and_not_taken_again() {
    let hub = hub().await;
    let (client, mut events) = connect(any(&hub.url(), "alice")).await;
    event(&mut events, transport).await;
    client.allow(&[Transport::Sse, Transport::SsePoll]).await.unwrap();
    assert_eq!(event(&mut events, transport).await.0, Transport::Sse);
    let refused = client.move_to(Transport::WebSocket).await.unwrap_err();
    assert_eq!(refused.code, Code::BadRequest);
    client.kill_link().await.unwrap();
    assert_eq!(event(&mut events, transport).await, (Transport::Sse, Some(Transport::Sse), "lost"));
}

#[tokio::test]
async fn a_move_that_fails_leaves_the_session_where_it_is() {
    let hub = hub().await;
    let (client, _events) = joined(options(&hub, "alice", Transport::WebSocket), CHAT).await;
    client.allow(&[Transport::WebSocket]).await.unwrap();
    assert!(client.move_to(Transport::Sse).await.is_err());
    // Another move overtakes the first.
    let (first, second) =
        tokio::join!(client.move_to(Transport::WebSocket), client.move_to(Transport::WebSocket));
    assert_eq!(first.unwrap_err().code, Code::Replaced);
    second.unwrap();
    assert_eq!(client.status().state, State::Connected);
    client.publish(CHAT, "msg", "still here", PublishOptions::default()).await.unwrap();
    assert_eq!(client.counts().reconnects, 0);
}

#[tokio::test]
async fn the_hub_can_ask_for_another_link() {
    let hub = hub().await;
    let (client, mut events) = connect(any(&hub.url(), "alice")).await;
    event(&mut events, transport).await;
    let ask = crosspoint_client::Frame::with(
        "hub:move",
        &serde_json::json!({"reason": "test", "to": "sse", "within_ms": 1000}),
    );
    let session = client.status().session.unwrap();
    assert!(hub.hub().send_to_session(&session, &ask).await.unwrap());
    assert_eq!(event(&mut events, transport).await, (Transport::Sse, Some(Transport::WebSocket), "asked"));
}
