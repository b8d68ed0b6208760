//! Bulk: large payloads on a link of their own, wherever the session is.

use crate::support::*;
use crosspoint::Running;
use crosspoint_client::{Client, Code, Events, Options, Transport};
use futures_util::future::join_all;

/// A client whose session this transport carries.
async fn by(hub: &Running, user: &str, transport: Transport) -> (Client, Events) {
    let transports = vec![Transport::WebSocket, Transport::Sse, Transport::SsePoll, Transport::WebTransport];
    let options = Options { transports, auto_upgrade: false, ..any(&hub.url(), user) };
    let (client, events) = connect(options).await;
    within(client.move_to(transport)).await.unwrap();
    (client, events)
}

fn to(client: &Client) -> String {
    format!("session:{}", client.status().session.unwrap())
}

fn piece(n: u32, size: usize) -> Vec<u8> {
    [&n.to_be_bytes()[..], &vec![n as u8; size]].concat()
}

async fn receives(events: &mut Events, count: u32, size: usize) {
    for n in 0..count {
        let got = frame(events, "piece").await;
        assert!(got.bulk && got.payload.as_deref() == Some(&*piece(n, size)), "piece {n}");
    }
}

async fn sends(client: &Client, to: &str, count: u32, size: usize) {
    let all = (0..count).map(|n| client.send_bulk(to, "piece", piece(n, size)));
    for answer in within(join_all(all)).await {
        answer.unwrap();
    }
}

#[tokio::test]
async fn bytes_arrive_in_order_by_every_transport() {
    for transport in Transport::ALL {
        println!("{transport}");
        let hub = hub().await;
        let (alice, _events) = by(&hub, "alice", transport).await;
        let (bob, mut events) = by(&hub, "bob", transport).await;
        let to = to(&bob);
        tokio::join!(sends(&alice, &to, 60, 30_000), receives(&mut events, 60, 30_000));
        let stats = hub.hub().stats();
        assert_eq!((stats.bulk_frames, stats.bulk_sessions, stats.sessions), (60, 2, 2));
        if transport == Transport::WebTransport {
            assert_eq!(
                hub.hub().sessions(9).iter().filter(|s| s.transport == Some("webtransport")).count(),
                2
            );
            assert_eq!(stats.links, 4, "each a stream of the session's connection");
        }
        alice.close().await;
        bob.close().await;
        assert_eq!(hub.hub().stats().bulk_sessions, 0);
    }
}

#[tokio::test]
async fn bulk_follows_the_session_and_survives_what_it_survives() {
    let hub = hub().await;
    let (alice, _events) = by(&hub, "alice", Transport::WebSocket).await;
    let (bob, mut events) = by(&hub, "bob", Transport::WebTransport).await;
    let to = to(&bob);
    let moving = async {
        for transport in [Transport::WebTransport, Transport::SsePoll, Transport::WebSocket, Transport::Sse] {
            within(alice.move_to(transport)).await.unwrap();
            bob.kill_link().await.unwrap();
            within(bob.status_where(|s| s.transport.is_none())).await.unwrap();
            within(bob.status_where(|s| s.transport.is_some())).await.unwrap();
            within(bob.move_to(transport)).await.unwrap();
        }
    };
    tokio::join!(sends(&alice, &to, 400, 20_000), receives(&mut events, 400, 20_000), moving);
    assert_eq!(hub.hub().stats().bulk_frames, 400);
    assert_eq!(hub.hub().stats().sessions, 2);
}

#[tokio::test]
async fn a_new_session_has_a_new_bulk_session_and_doubles_nothing() {
    let mut config = config();
    config.limits.resume_ms = 200;
    let hub = start(config).await;
    let (alice, _events) = by(&hub, "alice", Transport::WebSocket).await;
    let (bob, mut events) = by(&hub, "bob", Transport::WebSocket).await;
    let to = to(&bob);
    let ending = async {
        let session = alice.status().session.unwrap();
        assert!(hub.hub().end_session(&session, &Code::SessionExpired.into()));
    };
    tokio::join!(sends(&alice, &to, 50, 20_000), receives(&mut events, 50, 20_000), ending);
    assert_eq!(hub.hub().stats().bulk_frames, 50);
}

#[tokio::test]
async fn refusals_have_their_codes() {
    let hub = hub().await;
    let (alice, _events) = by(&hub, "alice", Transport::WebSocket).await;
    let refused = within(alice.send_bulk("session:none", "piece", piece(0, 10))).await.unwrap_err();
    assert_eq!(refused.code, Code::NotFound);
    assert_eq!(
        within(alice.send_bulk("user:alice", "piece", vec![1])).await.unwrap_err().code,
        Code::BadRequest
    );
    assert_eq!(alice.send_bulk("session:none", "hub:x", vec![1]).await.unwrap_err().code, Code::BadRequest);
    let large = alice.send_bulk("session:none", "piece", vec![1; 80_000]).await.unwrap_err();
    assert_eq!(large.code, Code::FrameTooLarge);
    alice.close().await;
    assert_eq!(alice.send_bulk("session:none", "piece", vec![1]).await.unwrap_err().code, Code::Bye);
}
