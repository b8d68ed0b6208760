//! Networks that lose UDP, or stop to carry it in the middle.

use crate::scene::{Scene, within};
use crosspoint_client::Transport::{self, Sse, WebSocket, WebTransport};
use crosspoint_tests::udp::Packets;
use std::time::{Duration, Instant};

/// A session is to be elsewhere so long after its path died, with the defaults (issue of reach: 5 s).
const NOTICED_WITHIN: Duration = Duration::from_secs(5);

async fn cut(up: Packets, down: Packets, below: Transport) {
    println!("{up:?}, {down:?}");
    let scene = Scene::over_udp(&[WebTransport, below]).await;
    scene.move_to(WebTransport).await;
    scene.flows(50).await;
    let began = Instant::now();
    scene.udp().set(up, down);
    within(scene.alice.status_where(|s| s.transport == Some(below))).await.unwrap();
    let took = began.elapsed();
    println!("elsewhere after {took:?}");
    assert!(took < NOTICED_WITHIN, "{took:?}");
    scene.flows(50).await;
    scene.end().await;
}

#[tokio::test]
async fn a_session_is_elsewhere_within_five_seconds_when_udp_is_cut_off() {
    tokio::join!(
        cut(Packets::Drop, Packets::Drop, WebSocket),
        cut(Packets::Drop, Packets::Drop, Sse),
        cut(Packets::Pass, Packets::Drop, WebSocket),
        cut(Packets::Drop, Packets::Pass, WebSocket),
    );
}

#[tokio::test]
async fn moves_under_traffic_lose_and_double_nothing() {
    let scene = Scene::over_udp(&[WebTransport, WebSocket, Sse]).await;
    scene.moves(&[WebTransport, WebSocket, WebTransport, Sse]).await;
    scene.end().await;
}

#[tokio::test]
async fn lost_packets_cost_time_and_no_messages() {
    let scene = Scene::over_udp(&[WebTransport, WebSocket]).await;
    scene.move_to(WebTransport).await;
    scene.udp().set(Packets::Lose { every: 20 }, Packets::Lose { every: 17 });
    scene.flows(300).await;
    assert!(scene.udp().counts().1 > 5, "{:?}", scene.udp().counts());
    assert_eq!(scene.alice.status().transport, Some(WebTransport));
    scene.end().await;
}

#[tokio::test]
async fn where_udp_is_dead_nobody_is_hurt_by_looking() {
    let scene = Scene::over_udp(&[WebTransport, WebSocket]).await;
    scene.udp().set(Packets::Drop, Packets::Drop);
    assert_eq!(scene.alice.status().transport, Some(WebSocket), "the way in needs no UDP");
    // It has looked, in vain.
    within(async {
        while scene.udp().counts().1 < 3 {
            scene.flows(10).await;
        }
    })
    .await;
    assert!(scene.alice.move_to(WebTransport).await.is_err());
    scene.flows(50).await;
    assert_eq!(scene.alice.status().transport, Some(WebSocket));
    assert_eq!((scene.alice.counts().reconnects, scene.alice.counts().moves), (0, 0));
    scene.end().await;
}

#[tokio::test]
async fn a_session_moves_up_by_itself() {
    let scene = Scene::over_udp(&[WebTransport, WebSocket]).await;
    within(scene.alice.status_where(|s| s.transport == Some(WebTransport))).await.unwrap();
    scene.flows(50).await;
    assert_eq!((scene.alice.counts().reconnects, scene.alice.counts().moves), (0, 1));
    scene.end().await;
}
