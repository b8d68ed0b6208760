//! Tokens that end, rooms that the hub takes sessions out of or puts them into, moderation, and hubs that are slow on purpose.

use crate::support::*;
use crate::tokens::{claims, sign};
use crosspoint::auth::jwt::Claims;
use crosspoint::config::Config;
use crosspoint_client::{
    Client, ClientEvent, Code, Events, JoinOptions, Moderate, Moderated, Options, PublishOptions, State,
    Token, Transport,
};
use crosspoint_hub::Revocation;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

fn ends_in(seconds: u64) -> Option<f64> {
    Some((SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs() + seconds) as f64)
}

/// The first of these tokens, then the next ones; the last one goes on being given.
fn one_by_one(tokens: Vec<String>) -> Token {
    let given = AtomicUsize::new(0);
    Token::provider(move || {
        let n = given.fetch_add(1, Ordering::Relaxed).min(tokens.len() - 1);
        let token = tokens[n].clone();
        async { Ok(token) }
    })
}

async fn with_token(hub: &crosspoint::Running, token: impl Into<Token>) -> (Client, Events) {
    let options = options(hub, "", Transport::WebSocket);
    connect(Options { token: token.into(), user: None, ..options }).await
}

#[tokio::test]
async fn told_that_its_token_ends_the_client_gets_another_and_the_session_goes_on() {
    let mut config = secured();
    config.auth.jwt_leeway_s = 0;
    let hub = start(config).await;
    // The hub tells it before it would ask by itself.
    let tokens = [9, 3600].map(|s| sign(&Claims { exp: ends_in(s), ..claims("alice") }));
    let (alice, mut events) = with_token(&hub, one_by_one(tokens.into())).await;
    let session = alice.status().session;
    let left = event(&mut events, |e| match e {
        ClientEvent::TokenExpiring { expires_in_ms } => Some(expires_in_ms),
        _ => None,
    });
    tokio::time::sleep(Duration::from_millis(left.await + 1_500)).await;
    assert!(alice.presence("lobby").await.is_ok());
    assert_eq!((alice.status().session, alice.counts().reconnects), (session, 0));
}

#[tokio::test]
async fn a_revoked_token_is_the_end_or_the_beginning_of_another() {
    let hub = start(secured()).await;
    let revoked = sign(&Claims { jti: Some("lost".into()), ..claims("alice") });
    let (fixed, _f) = with_token(&hub, revoked.clone()).await;
    let (renewing, _r) = with_token(&hub, one_by_one(vec![revoked, sign(&claims("alice"))])).await;
    let before = renewing.status().session;
    hub.hub().revoke(&Revocation { token_id: Some("lost".into()), ..Revocation::default() }).unwrap();
    state(&fixed, State::Closed).await;
    let fault = fixed.status().fault.unwrap();
    assert_eq!(fault.code, Code::Unauthorized);
    assert!(fault.message.starts_with("Authentication error: Invalid token"), "{fault}");
    within(renewing.status_where(|s| s.state == State::Connected && s.session != before)).await.unwrap();
    assert!(renewing.presence("lobby").await.is_ok());
}

#[tokio::test]
async fn a_room_token_that_is_over_is_renewed_and_nothing_is_missed() {
    let hub = start(secured()).await;
    let (alice, _) = with_token(&hub, sign(&claims("alice"))).await;
    alice.room(CHAT, JoinOptions::default()).await.unwrap();
    let nowhere = Claims { join: Some(vec![]), ..claims("bob") };
    let (bob, mut events) = with_token(&hub, sign(&nowhere)).await;
    assert_eq!(bob.room(CHAT, JoinOptions::default()).await.unwrap_err().code, Code::Forbidden);
    let tokens =
        [3, 3600].map(|s| sign(&Claims { room: Some(CHAT.into()), exp: ends_in(s), ..claims("bob") }));
    let token = one_by_one(tokens.into());
    bob.room(CHAT, JoinOptions { token, ..JoinOptions::default() }).await.unwrap();
    let (mut sent, mut heard, mut story) = (0, vec![], vec![]);
    while story.len() < 2 || heard.len() < sent {
        if story.len() < 2 {
            sent += 1;
            alice.publish(CHAT, "n", &sent, PublishOptions::default()).await.unwrap();
        }
        let next = within(events.next()).await.unwrap();
        match next {
            ClientEvent::Frame(frame) if frame.kind == "n" => heard.push(frame.parse::<usize>().unwrap()),
            ClientEvent::Frame(frame) => assert_ne!(frame.kind, "hub:gap"),
            ClientEvent::Removed { reason, returning, .. } => story.push(format!("{reason} {returning}")),
            ClientEvent::Rejoined { room, .. } => story.push(room),
            _ => {}
        }
    }
    assert_eq!(story, ["token true", CHAT]);
    assert_eq!(heard, (1..=sent).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_moderator_mutes_kicks_and_bans() {
    let hub = start(secured()).await;
    let moderator = Claims { moderate: Some(vec!["chat:*".into()]), ..claims("mo") };
    let (mo, mut seen) = with_token(&hub, sign(&moderator)).await;
    let (bob, mut events) = with_token(&hub, sign(&claims("bob"))).await;
    for client in [&mo, &bob] {
        client.room(CHAT, JoinOptions::default()).await.unwrap();
    }
    let refused = bob.moderate(CHAT, Moderate::Mute, "mo", None, None).await.unwrap_err();
    assert_eq!(refused.code, Code::Forbidden);
    let minute = Some(Duration::from_secs(60));
    let until = mo.moderate(CHAT, Moderate::Mute, "bob", minute, Some("caps")).await.unwrap();
    let told: Moderated = frame(&mut events, "hub:moderated").await.parse().unwrap();
    let wanted = Moderated {
        user: "bob".into(),
        action: Moderate::Mute,
        until_ms: until,
        by: Some("mo".into()),
        reason: Some("caps".into()),
    };
    assert_eq!((&told, until.is_some()), (&wanted, true));
    assert_eq!(frame(&mut seen, "hub:moderated").await.parse::<Moderated>().unwrap(), wanted);
    assert_eq!(mo.moderation(CHAT).await.unwrap(), [wanted]);
    let muted = bob.publish(CHAT, "m", "hello", PublishOptions::default()).await.unwrap_err();
    assert!(muted.code == Code::Muted && muted.retry_after_ms.is_some(), "{muted:?}");
    mo.moderate(CHAT, Moderate::Unmute, "bob", None, None).await.unwrap();
    bob.publish(CHAT, "m", "hello", PublishOptions::default()).await.unwrap();

    let removed = |event| match event {
        ClientEvent::Removed { reason, fault, until_ms, returning, .. } => {
            Some((reason, fault.code, until_ms, returning))
        }
        _ => None,
    };
    mo.moderate(CHAT, Moderate::Kick, "bob", None, None).await.unwrap();
    assert_eq!(event(&mut events, removed).await, ("kicked".into(), Code::Forbidden, None, false));
    bob.kill_link().await.unwrap();
    within(bob.status_where(|s| s.state == State::Reconnecting)).await.unwrap();
    state(&bob, State::Connected).await;
    let out = bob.publish(CHAT, "m", "hello", PublishOptions::default()).await.unwrap_err();
    assert_eq!(out.code, Code::NotJoined, "it did not come back by itself");
    bob.room(CHAT, JoinOptions::default()).await.unwrap();
    let until = mo.moderate(CHAT, Moderate::Ban, "bob", minute, None).await.unwrap();
    assert_eq!(event(&mut events, removed).await, ("banned".into(), Code::Banned, until, false));
    assert_eq!(bob.room(CHAT, JoinOptions::default()).await.unwrap_err().code, Code::Banned);
    mo.moderate(CHAT, Moderate::Unban, "bob", None, None).await.unwrap();
    bob.room(CHAT, JoinOptions::default()).await.unwrap();
}

#[tokio::test]
async fn a_backend_puts_a_session_into_a_room() {
    let hub = start(secured()).await;
    let nowhere = Claims { join: Some(vec![]), ..claims("bob") };
    let (bob, mut events) = with_token(&hub, sign(&nowhere)).await;
    assert_eq!(hub.hub().force_join("bob", CHAT, &[], None).await.unwrap(), 1);
    let added = event(&mut events, |e| match e {
        ClientEvent::Added { room, .. } => Some(room),
        _ => None,
    });
    assert_eq!(added.await, CHAT);
    let stored = bob.publish(CHAT, "m", "here", PublishOptions::default()).await.unwrap();
    frame(&mut events, "m").await;
    assert_eq!(bob.position(CHAT).await, stored.position);
}

fn slow() -> Config {
    let mut config = config();
    config.rates.burst_ms = 1_000;
    config.rates.session.publishes_per_s = 10;
    config
}

#[tokio::test]
async fn who_publishes_too_fast_is_held_back_and_nothing_is_lost_or_swapped() {
    let hub = start(slow()).await;
    let (alice, _a) = joined(options(&hub, "alice", Transport::WebSocket), CHAT).await;
    let (_bob, mut events) = joined(options(&hub, "bob", Transport::WebSocket), CHAT).await;
    let all = (0..25).map(|n| {
        let alice = alice.clone();
        async move { alice.publish(CHAT, "n", &n, PublishOptions::default()).await }
    });
    within(futures_util::future::try_join_all(all)).await.unwrap();
    for n in 0..25 {
        assert_eq!(frame(&mut events, "n").await.parse::<u32>().unwrap(), n);
    }
}

#[tokio::test]
async fn who_does_not_want_to_wait_is_told_when_to_come_again() {
    let hub = start(slow()).await;
    let options =
        Options { rate_limited_wait: Duration::ZERO, ..options(&hub, "alice", Transport::WebSocket) };
    let (alice, _a) = joined(options, CHAT).await;
    let all = (0..25).map(|n| {
        let alice = alice.clone();
        async move { alice.publish(CHAT, "n", &n, PublishOptions::default()).await }
    });
    let faults: Vec<_> =
        within(futures_util::future::join_all(all)).await.into_iter().filter_map(Result::err).collect();
    assert!(!faults.is_empty());
    assert!(faults.iter().all(|f| f.code == Code::RateLimited && f.retry_after_ms.is_some()), "{faults:?}");
}

#[tokio::test]
async fn who_goes_on_publishing_too_fast_is_refused_a_few_times_only() {
    let mut config = slow();
    (config.rates.burst_ms, config.rates.session.publishes_per_s) = (100, 100);
    // Else the session would end.
    config.rates.refused_max = 50;
    let hub = start(config).await;
    let (alice, _) = joined(options(&hub, "alice", Transport::WebSocket), CHAT).await;
    let (_bob, mut events) = joined(options(&hub, "bob", Transport::WebSocket), CHAT).await;
    for round in 0..3 {
        let all = (0..50).map(|n| {
            let alice = alice.clone();
            async move { alice.publish(CHAT, "n", &(round * 50 + n), PublishOptions::default()).await }
        });
        within(futures_util::future::try_join_all(all)).await.unwrap();
        let mut heard = vec![];
        while heard.len() < 50 {
            heard.push(frame(&mut events, "n").await.parse::<u32>().unwrap());
        }
        if round == 0 {
            // What was under way when the hub refused the first may have been taken before it.
            heard.sort_unstable();
        }
        assert_eq!(heard, (round * 50..(round + 1) * 50).collect::<Vec<_>>());
    }
    assert_eq!(alice.counts().reconnects, 0);
}
