//! Networks that break what passes through them.

use crate::load::under_load;
use crate::support::*;
use crosspoint::Running;
use crosspoint_client::{Client, Options, PublishOptions, Transport};
use crosspoint_tests::proxy::{self, Accept, Action, End, FaultProxy, Lane, Match, Rules, Select};
use std::time::Duration;

/// A hub behind a proxy that does this, and the proxy's URL.
async fn behind(rules: Rules) -> (Running, FaultProxy, String) {
    let hub = hub().await;
    let proxy = FaultProxy::start(proxy::Options::new(hub.addr())).await.unwrap();
    proxy.set(rules).await.unwrap();
    let url = format!("http://{}", proxy.address());
    (hub, proxy, url)
}

async fn settles_on(rules: Rules, transport: Transport) {
    let (_hub, _proxy, url) = behind(rules.clone()).await;
    let (client, mut events) = joined(any(&url, "alice"), CHAT).await;
    assert_eq!(client.status().transport, Some(transport), "{rules:?}");
    client.publish(CHAT, "msg", "through", PublishOptions::default()).await.unwrap();
    assert_eq!(text(&*frame(&mut events, "msg").await), "through");
}

#[tokio::test]
async fn a_broken_websocket_gives_way_to_a_stream() {
    for action in [
        Action::SilentAfter101,
        Action::StripUpgrade,
        Action::Hang,
        Action::ResetAfter101 { bytes: 0 },
        Action::Respond { status: 403 },
        Action::Refuse { with: End::Reset },
    ] {
        settles_on(Rules::http(Match::upgrade(), action), Transport::Sse).await;
    }
}

#[tokio::test]
async fn held_back_answers_give_way_to_polls() {
    let buffering = Rules::http(Match::upgrade(), Action::StripUpgrade);
    settles_on(buffering.and_http(Match::any(), Action::BufferResponse), Transport::SsePoll).await;
}

#[tokio::test]
async fn a_slow_network_alone_changes_nothing() {
    settles_on(Rules::both(Lane::delay(400)), Transport::WebSocket).await;
}

#[tokio::test]
async fn a_black_hole_is_left_after_one_and_a_half_heartbeats() {
    let mut config = config();
    config.limits.heartbeat_ms = 400;
    let hub = start(config).await;
    let proxy = FaultProxy::start(proxy::Options::new(hub.addr())).await.unwrap();
    let (client, _events) = joined(any(&format!("http://{}", proxy.address()), "alice"), CHAT).await;
    let connection = proxy.connections().iter().find(|c| c.upgraded).unwrap().connection;
    assert!(proxy.set_for(connection, Some(Rules::both(Lane::swallow()))));
    let published = client.publish(CHAT, "msg", "into the dark", PublishOptions::default());
    within(published).await.unwrap();
    assert_eq!((client.counts().reconnects, client.counts().resumes), (1, 1));
    // What fell silent is not the first choice any more.
    assert_eq!(client.status().transport, Some(Transport::Sse));
}

#[tokio::test]
async fn every_third_answer_dropped_changes_no_count() {
    for by in [Transport::Sse, Transport::SsePoll] {
        println!("by {by}");
        let lossy = Rules::http(Match::post("/sse/").every(3), Action::DropResponse { with: End::Reset });
        let (hub, proxy, url) = behind(lossy).await;
        let options = Options { transports: vec![by], ..any(&url, "alice") };
        under_load(options, &hub.url(), |alice: Client| async move {
            let enough = async {
                while proxy.log().count(|e| matches!(e, proxy::Event::ResponseDropped { .. })) < 20 {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            };
            within(enough).await;
            proxy.set(Rules::default()).await.unwrap();
            assert_eq!(alice.counts().reconnects, 0);
            // The link lives until the reader is done.
            tokio::spawn(async move {
                std::future::pending::<()>().await;
                drop(proxy);
            });
        })
        .await;
    }
}

#[tokio::test]
async fn requests_that_come_twice_have_one_effect() {
    let twice = Rules::http(Match::post("/sse/"), Action::Duplicate);
    for by in [Transport::Sse, Transport::SsePoll] {
        let (hub, _proxy, url) = behind(twice.clone()).await;
        println!("by {by}");
        let options = Options { transports: vec![by], ..any(&url, "alice") };
        under_load(options, &hub.url(), |_| tokio::time::sleep(Duration::from_millis(500))).await;
    }
}

#[tokio::test]
async fn resets_and_refusals_are_survived() {
    let (hub, proxy, url) = behind(Rules::default()).await;
    under_load(any(&url, "alice"), &hub.url(), |alice: Client| async move {
        for n in 1..=5 {
            proxy.set(Rules { accept: Accept::Refuse, ..Rules::default() }).await.unwrap();
            proxy.cut(&Select::all(), End::Reset, End::Keep).await;
            within(alice.status_where(|s| s.transport.is_none())).await.unwrap();
            proxy.set(Rules::default()).await.unwrap();
            within(alice.status_where(|_| alice.counts().reconnects == n)).await.unwrap();
        }
        tokio::spawn(async move {
            std::future::pending::<()>().await;
            drop(proxy);
        });
    })
    .await;
}
