//! An uplink of POSTs whose answers get lost, that come twice, or that wait, while the session moves.

use crate::scene::{Scene, within};
use crosspoint_client::Transport;
use crosspoint_client::Transport::{Sse, SsePoll, WebSocket};
use crosspoint_tests::proxy::{Action, End, Event, Match, Rules};

async fn moves_under(rules: Rules, fault: impl Fn(&Event) -> bool, at_least: usize) {
    // Two answers lost in a row, and the waits between, are no silence to die of.
    let scene = Scene::patient(&Transport::OVER_TCP, rules).await;
    scene.moves(&[Sse, WebSocket, SsePoll, Sse, SsePoll, WebSocket]).await;
    scene.move_to(Sse).await;
    while scene.proxy.log().count(&fault) < at_least {
        scene.flows(1).await;
    }
    assert_eq!(scene.alice.counts().reconnects, 0, "no fault costs a link");
    scene.end().await;
}

#[tokio::test]
async fn every_third_answer_lost_while_transports_move() {
    let lost = |e: &Event| matches!(e, Event::ResponseDropped { .. });
    let under = |with| {
        let rules = Rules::http(Match::post("/sse/").every(3), Action::DropResponse { with });
        moves_under(rules, lost, 40)
    };
    tokio::join!(under(End::Reset), under(End::Close));
}

#[tokio::test]
async fn every_post_twice_while_transports_move() {
    let rules = Rules::http(Match::post("/sse/"), Action::Duplicate);
    moves_under(rules, |e| matches!(e, Event::Duplicated), 100).await;
}

#[tokio::test]
async fn every_second_post_held_while_transports_move() {
    let hold = Action::Hold { overtaken_by: 1, at_most_ms: 40 };
    let rules = Rules::http(Match::post("/sse/").every(2), hold);
    moves_under(rules, |e| matches!(e, Event::Released { .. }), 40).await;
}

#[tokio::test]
async fn posts_refused_or_unanswered_are_sent_again() {
    let scene = Scene::start(&[Sse], Rules::default()).await;
    for action in [
        Action::Refuse { with: End::Reset },
        Action::Respond { status: 502 },
        Action::CutResponse { bytes: 3, with: End::Reset },
    ] {
        scene.set(Rules::http(Match::post("/sse/").every(2), action.clone())).await;
        let before = scene.proxy.counters().faults;
        while scene.proxy.counters().faults < before + 20 {
            scene.flows(1).await;
        }
    }
    scene.set(Rules::default()).await;
    within(scene.alice.status_where(|s| s.transport.is_some())).await.unwrap();
    scene.end().await;
}
