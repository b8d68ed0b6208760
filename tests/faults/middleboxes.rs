//! Middleboxes that understand one transport and break another.

use crate::scene::Scene;
use crosspoint_client::Transport;
use crosspoint_client::Transport::{Sse, SsePoll, WebSocket};
use crosspoint_tests::proxy::{Action, Event, Match, Rules};

#[tokio::test]
async fn an_upgrade_that_falls_silent_gives_way_to_a_stream() {
    let silent = Rules::http(Match::upgrade(), Action::SilentAfter101);
    let scene = Scene::patient(&Transport::OVER_TCP, silent).await;
    assert_eq!(scene.alice.status().transport, Some(Sse));
    scene.flows(50).await;
    // The opened socket proved nothing: the session stays where it is.
    assert!(scene.alice.move_to(WebSocket).await.is_err());
    scene.flows(50).await;
    assert!(scene.proxy.log().count(|e| matches!(e, Event::Upgraded)) >= 2);
    assert_eq!((scene.alice.status().transport, scene.alice.counts().reconnects), (Some(Sse), 0));
    scene.end().await;
}

#[tokio::test]
async fn a_network_that_turns_bad_is_left_downwards() {
    let scene = Scene::patient(&Transport::OVER_TCP, Rules::default()).await;
    assert_eq!(scene.alice.status().transport, Some(WebSocket));
    scene.flows(20).await;
    scene.set(Rules::http(Match::upgrade(), Action::SilentAfter101)).await;
    scene.alice.kill_link().await.unwrap();
    scene.reconnects(1).await;
    assert_eq!(scene.alice.status().transport, Some(Sse));
    scene.flows(20).await;
    scene
        .set(
            Rules::http(Match::upgrade(), Action::StripUpgrade)
                .and_http(Match::any(), Action::BufferResponse),
        )
        .await;
    scene.alice.kill_link().await.unwrap();
    scene.reconnects(2).await;
    assert_eq!(scene.alice.status().transport, Some(SsePoll));
    scene.flows(20).await;
    scene.set(Rules::default()).await;
    scene.move_to(WebSocket).await;
    scene.flows(20).await;
    scene.end().await;
}

#[tokio::test]
async fn answers_held_back_to_their_end_still_carry_polls() {
    let buffering =
        Rules::http(Match::upgrade(), Action::StripUpgrade).and_http(Match::any(), Action::BufferResponse);
    let scene = Scene::patient(&Transport::OVER_TCP, buffering).await;
    assert_eq!(scene.alice.status().transport, Some(SsePoll));
    scene.flows(100).await;
    assert!(scene.alice.move_to(Sse).await.is_err());
    scene.move_to(SsePoll).await;
    scene.flows(50).await;
    assert!(scene.proxy.log().count(|e| matches!(e, Event::BufferReleased { .. })) > 10);
    scene.end().await;
}
