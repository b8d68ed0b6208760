//! What a hub that wants tokens says, and what the client makes of it.

use crate::support::*;
use crosspoint_client::{Client, ClientEvent, Code, Fault, Options, State, Token, Transport};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

#[tokio::test]
async fn a_refused_token_closes_the_client() {
    let hub = start(secured()).await;
    for by in Transport::OVER_TCP {
        for negotiate in [true, false] {
            let token = Token::from("not.a.token");
            let client = Client::connect(Options { token, negotiate, ..options(&hub, "alice", by) });
            let mut events = client.events();
            let fault = within(client.ready()).await.unwrap_err();
            assert_eq!(fault.code, Code::Unauthorized, "by {by}, negotiated: {negotiate}");
            let last = event(&mut events, |e| match e {
                ClientEvent::Closed(fault) => Some(fault),
                _ => None,
            });
            assert_eq!(last.await.code, Code::Unauthorized);
            assert!(within(events.next()).await.is_none());
            assert_eq!(client.status().state, State::Closed);
            assert_eq!(client.send("r", "t", "x").unwrap_err().code, Code::Unauthorized);
        }
    }
}

#[tokio::test]
async fn a_provider_is_asked_for_a_better_one() {
    let hub = start(secured()).await;
    let asked = Arc::new(AtomicU32::new(0));
    let counter = asked.clone();
    let token = Token::provider(move || {
        let good = counter.fetch_add(1, Ordering::Relaxed) == 1;
        async move { Ok(if good { crate::tokens::token("alice") } else { "stale".into() }) }
    });
    let client = Client::connect(Options { token, user: None, ..options(&hub, "", Transport::WebSocket) });
    client.ready().await.unwrap();
    assert_eq!(client.status().user.as_deref(), Some("alice"));
    assert_eq!(asked.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn a_provider_that_has_none_is_not_asked_for_ever() {
    let hub = start(secured()).await;
    let token = Token::provider(|| async { Ok("stale".to_string()) });
    let client = Client::connect(Options { token, ..options(&hub, "alice", Transport::Sse) });
    assert_eq!(within(client.ready()).await.unwrap_err().code, Code::Unauthorized);
    let token = Token::provider(|| async { Err(Fault::new(Code::Forbidden, "logged out")) });
    let client = Client::connect(Options { token, ..options(&hub, "alice", Transport::Sse) });
    assert_eq!(within(client.ready()).await.unwrap_err().code, Code::Forbidden);
}

#[tokio::test]
async fn a_ticket_that_is_no_good_is_not_the_end() {
    // Its time is over on the way, as it may be on a slow network, or when the hub is started anew meanwhile.
    let mut config = config();
    config.limits.ticket_ms = 1;
    let hub = start(config).await;
    let alice = Client::connect(options(&hub, "alice", Transport::WebSocket));
    within(async {
        while hub.hub().stats().refused < 3 && alice.status().session.is_none() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_ne!(alice.status().state, State::Closed);
}
