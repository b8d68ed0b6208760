//! Going where the hub sends its clients, and coming back.

use crate::support::*;
use crosspoint::Running;
use crosspoint_client::{Client, Code, Options, PublishOptions, State, Transport};
use crosspoint_hub::Drain;
use std::time::Duration;

fn to(there: &str) -> Drain {
    Drain { within: Duration::ZERO, address: Some(there.into()), spread: None }
}

async fn sent_to(hub: &Running, there: &str) {
    within(hub.hub().drain(to(there))).await;
}

async fn is_at(hub: &Running) {
    within(async {
        while hub.hub().stats().links == 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

async fn back(client: &Client, reconnects: u64) {
    within(client.status_where(|s| s.state == State::Connected && client.counts().reconnects >= reconnects))
        .await
        .unwrap();
}

#[tokio::test]
async fn a_client_goes_where_it_is_sent_and_comes_back_when_nobody_is_there() {
    for by in Transport::ALL {
        println!("by {by}");
        let (home, other) = (hub().await, hub().await);
        let (alice, mut a) = joined(options(&home, "alice", by), CHAT).await;
        sent_to(&home, &other.url()).await;
        back(&alice, 1).await;
        assert_eq!(home.hub().stats().links, 0);
        alice.publish(CHAT, "msg", "there", PublishOptions::default()).await.unwrap();
        assert_eq!(text(&*frame(&mut a, "msg").await), "there");
        home.hub().end_drain();
        other.shutdown().await;
        back(&alice, 2).await;
        is_at(&home).await;
        alice.publish(CHAT, "msg", "home", PublishOptions::default()).await.unwrap();
        assert_eq!(text(&*frame(&mut a, "msg").await), "home");
    }
}

#[tokio::test]
async fn newcomers_are_sent_on_as_well() {
    let (closed, open) = (hub().await, hub().await);
    sent_to(&closed, &open.url()).await;
    let (_alice, _events) = joined(any(&closed.url(), "alice"), CHAT).await;
    assert_eq!((closed.hub().stats().sessions_opened, open.hub().stats().sessions_opened), (0, 1));
    // Without negotiation the refusal of the link says it.
    for by in Transport::OVER_TCP {
        let direct = Options { negotiate: false, ..options(&closed, "bob", by) };
        let (_bob, _events) = joined(direct, CHAT).await;
    }
    assert_eq!(open.hub().stats().sessions_opened, 4);
}

#[tokio::test]
async fn hubs_that_send_a_client_round_in_circles_are_not_asked_in_a_tight_loop() {
    let (one, two) = (hub().await, hub().await);
    sent_to(&one, &two.url()).await;
    sent_to(&two, &one.url()).await;
    let alice = Client::connect(any(&one.url(), "alice"));
    within(alice.status_where(|s| s.fault.as_ref().is_some_and(|f| f.code == Code::Shutdown))).await.unwrap();
    tokio::time::sleep(Duration::from_millis(500)).await;
    let asked = one.hub().stats().refused + two.hub().stats().refused;
    assert!(asked < 30, "{asked}");
    two.hub().end_drain();
    alice.ready().await.unwrap();
    assert_eq!(two.hub().stats().sessions, 1);
}

#[tokio::test]
async fn who_does_not_want_to_be_sent_away_is_not() {
    let (closed, open) = (hub().await, hub().await);
    sent_to(&closed, &open.url()).await;
    let alice = Client::connect(Options { redirect: false, ..any(&closed.url(), "alice") });
    within(alice.status_where(|s| s.fault.is_some())).await.unwrap();
    closed.hub().end_drain();
    alice.ready().await.unwrap();
    assert_eq!((closed.hub().stats().sessions_opened, open.hub().stats().sessions_opened), (1, 0));
}
