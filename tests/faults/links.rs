//! Links that fall silent, half close, or break, under load.

use crate::scene::Scene;
use crosspoint_client::Transport;
use crosspoint_client::Transport::{Sse, SsePoll, WebSocket};
use crosspoint_tests::proxy::{End, Lane, Rules};
use futures_util::future::join_all;

/// Lets this happen to the links of a scene, and expects each time that another link takes over.
async fn silenced(by: Transport, allowed: &[Transport], lane: Rules) {
    println!("by {by}");
    let scene = Scene::start(allowed, Rules::default()).await;
    for n in 1..=2 {
        if scene.alice.status().transport != Some(by) {
            scene.move_to(by).await;
        }
        scene.flows(10).await;
        let all = [scene.connections(true), scene.connections(false)].concat();
        for connection in all {
            scene.proxy.set_for(connection, Some(lane.clone()));
        }
        scene.reconnects(n).await;
        scene.flows(10).await;
    }
    assert_eq!(scene.alice.counts().resumes, scene.alice.counts().reconnects + scene.alice.counts().moves);
    scene.end().await;
}

#[tokio::test]
async fn a_black_hole_is_left_by_another_link() {
    join_all(Transport::OVER_TCP.map(|by| silenced(by, &Transport::OVER_TCP, Rules::both(Lane::swallow()))))
        .await;
}

#[tokio::test]
async fn a_hole_in_one_direction_too() {
    let up = || Rules { up: Lane::swallow(), ..Rules::default() };
    let down = || Rules { down: Lane::swallow(), ..Rules::default() };
    tokio::join!(
        silenced(WebSocket, &[WebSocket], up()),
        silenced(WebSocket, &[WebSocket], down()),
        silenced(Sse, &[Sse], up()),
        silenced(Sse, &[Sse], down()),
    );
}

#[tokio::test]
async fn a_stalled_link_too() {
    let stall = || Rules::both(Lane::stall());
    tokio::join!(silenced(WebSocket, &[WebSocket], stall()), silenced(Sse, &[Sse], stall()));
}

async fn half_open(by: Transport, client: End, upstream: End) {
    println!("by {by}: {client:?}, {upstream:?}");
    let scene = Scene::start(&[by], Rules::default()).await;
    scene.flows(10).await;
    scene.cut(client, upstream).await;
    // A poll or POST on a new connection may do without a new link.
    if by != SsePoll {
        scene.reconnects(1).await;
    }
    scene.flows(20).await;
    scene.end().await;
}

#[tokio::test]
async fn of_which_only_one_end_was_told() {
    for by in Transport::OVER_TCP {
        tokio::join!(
            half_open(by, End::Keep, End::Reset),
            half_open(by, End::Reset, End::Keep),
            half_open(by, End::Keep, End::Keep),
            half_open(by, End::Close, End::Keep),
        );
    }
}

async fn broken_often(by: Transport) {
    let scene = Scene::start(&[by], Rules::default()).await;
    for (bytes, with) in [(8_000, End::Reset), (14_001, End::Close)] {
        let before = scene.proxy.counters().accepted;
        let (up, down) = (Lane::end_after(bytes, with), Lane::end_after(6 * bytes, with));
        scene.set(Rules { up, down, ..Rules::default() }).await;
        while scene.proxy.counters().accepted < before + 4 {
            scene.flows(1).await;
        }
    }
    scene.set(Rules::default()).await;
    scene.flows(20).await;
    scene.end().await;
}

#[tokio::test]
async fn that_break_again_and_again() {
    join_all(Transport::OVER_TCP.map(broken_often)).await;
}

#[tokio::test]
async fn a_slow_line_only_takes_longer() {
    let scene = Scene::start(&[WebSocket], Rules::both(Lane::delay(100))).await;
    for to in [WebSocket, WebSocket, WebSocket] {
        scene.move_to(to).await;
        scene.flows(15).await;
    }
    assert_eq!(scene.alice.counts().reconnects, 0);
    scene.end().await;
}
