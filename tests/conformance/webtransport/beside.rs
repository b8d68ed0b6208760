//! The stream beside the first one.

use crate::support::*;
use crosspoint_core::Code;
use serde_json::{Value, json};

const BY: Adapter = Adapter::WebTransport;

fn bulk_for(main: &Value) -> Value {
    json!({"version": 1, "bulk_for": {"session": main["session"], "resume": main["resume"]}})
}

#[tokio::test]
async fn its_end_is_that_of_its_link_only_and_another_may_follow() {
    let hub = open().await;
    let (mut alice, said) = BY.hello(&hub, hello("alice")).await;
    let (mut bulk, bulk_said) = BY.try_hello_beside(&hub, &alice, bulk_for(&said)).await.unwrap();
    assert_eq!(hub.metric("webtransport_bulk_links").await, 1);
    for ending in 0..3 {
        match ending {
            0 => bulk.wt_mut().finish().await,
            1 => bulk.wt_mut().reset(7),
            // The hub's own doing.
            _ => {
                bulk.wt_mut().raw(&[0xff; 4]).await;
                bulk.ends_with(Code::FrameTooLarge).await;
            }
        }
        stats(&hub, |s| s.links == 1).await;
        let resume = again(&bulk_said, bulk.received);
        let (next, resumed) = BY.try_hello_beside(&hub, &alice, resume).await.unwrap();
        assert_eq!(resumed["resumed"], true);
        bulk = next;
    }
    alice.join(CHAT, json!({})).await;
    assert_eq!(hub.hub().stats().sessions, 1);
    assert_eq!(hub.metric("webtransport_strays_total").await, 0);
    alice.wt_mut().finish().await;
    stats(&hub, |s| s.links == 0).await;
}

#[tokio::test]
async fn it_carries_no_session_of_its_own() {
    let hub = open().await;
    let (mut alice, said) = BY.hello(&hub, hello("alice")).await;
    for first in [hello("bob"), again(&said, 0)] {
        let refused = BY.try_hello_beside(&hub, &alice, first).await.map(drop).expect_err("it is refused");
        refused.assert(BY, Code::BadRequest);
        stats(&hub, |s| s.links == 1).await;
    }
    let mut plain = alice.beside(BY, &hub, &[json!({"type": "n", "room": CHAT})]).await.unwrap();
    plain.ends_with(Code::BadRequest).await;
    alice.join(CHAT, json!({})).await;
    assert_eq!(hub.hub().stats().sessions, 1);
}

#[tokio::test]
async fn opening_it_again_and_again_closes_the_session() {
    let hub = start(|c| c.transports.webtransport.address_streams_per_s = 5).await;
    let mut alice = BY.joined(&hub, "alice", CHAT).await;
    let connection = alice.wt().connection.clone();
    let flood = tokio::spawn(async move {
        while let Ok(opening) = connection.open_bi().await {
            let Ok((mut send, _)) = opening.await else { return };
            let _ = send.finish().await;
        }
    });
    alice.ends_with(Code::RateLimited).await;
    within(flood).await.unwrap();
    stats(&hub, |s| s.links == 0).await;
}
