//! Tokens that count no more before their end.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use crosspoint_core::{Code, Grant, LinkInfo};
use crosspoint_hub::{Hub, Revocation, Whom};
use serde_json::{Value, json};
use std::sync::Arc;
use support::*;

fn grant(user: &str, id: &str, issued: u64) -> Value {
    json!({"user": user, "join": ["*"], "token_id": id, "issued_unix_s": issued, "expires_unix_s": unix_s(600)})
}

fn by_id(id: &str) -> Revocation {
    Revocation { token_id: Some(id.into()), ..Revocation::default() }
}

fn of_user(user: &str, before: Option<u64>) -> Revocation {
    Revocation { user: Some(user.into()), issued_before_unix_s: before, ..Revocation::default() }
}

async fn is_refused(hub: &Arc<Hub>, hello: Value, code: Code) {
    let link = Link::open(hub);
    link.send(json!({"type": "hub:hello", "data": hello}));
    link.ends_with(code).await;
}

#[tokio::test]
async fn a_revoked_token_ends_its_sessions_and_is_good_for_nothing() {
    let hub = hub(config());
    let revoked = grant("alice", "a", unix_s(-5));
    let (alice, welcome) = Link::granted(&hub, revoked.clone()).await;
    let (parked, parked_welcome) = Link::granted(&hub, revoked.clone()).await;
    parked.cut();
    let (other, _) = Link::granted(&hub, grant("alice", "b", unix_s(-5))).await;
    let ticket = hub.ticket(serde_json::from_value::<Grant>(revoked.clone()).unwrap()).unwrap();
    assert_eq!(hub.revoke(&by_id("a")), Ok(2));
    alice.ends_with(Code::TokenRevoked).await;
    let token = token(revoked.clone());
    is_refused(&hub, json!({"version": 1, "token": token}), Code::TokenRevoked).await;
    is_refused(&hub, json!({"version": 1, "ticket": ticket}), Code::TokenRevoked).await;
    let again =
        |welcome: &Value| json!({"version": 1, "session": welcome["session"], "resume": welcome["resume"]});
    is_refused(&hub, again(&welcome), Code::SessionExpired).await;
    is_refused(&hub, again(&parked_welcome), Code::SessionExpired).await;
    other.fails(json!({"type": "hub:refresh", "data": {"token": token}}), Code::TokenRevoked).await;
    other
        .fails(json!({"type": "hub:join", "room": "lobby", "data": {"token": token}}), Code::TokenRevoked)
        .await;
    let info =
        LinkInfo { grant: Some(Arc::new(serde_json::from_value(revoked).unwrap())), ..LinkInfo::default() };
    let plain = Link::open_with(&hub, info);
    plain.send(json!({"type": "hub:join", "room": "lobby"}));
    plain.ends_with(Code::TokenRevoked).await;
    assert_eq!(hub.revocations(), [by_id("a")], "until nobody knows when");
}

#[tokio::test]
async fn a_revocation_outlives_the_end_that_a_backend_gave_a_session() {
    let hub = hub(config());
    let (alice, _) = Link::granted(&hub, grant("alice", "a", unix_s(-5))).await;
    hub.extend(Whom::User("alice"), unix_s(2)).unwrap();
    assert_eq!(hub.revoke(&by_id("a")), Ok(1));
    alice.ends_with(Code::TokenRevoked).await;
    assert_eq!(hub.revocations()[0].until_unix_s, None, "the token lives longer than the session would have");
}

#[tokio::test]
async fn a_user_is_revoked_with_all_tokens_or_with_the_old_ones() {
    let hub = hub(config());
    let at = unix_s(-100);
    let (old, _) = Link::granted(&hub, grant("alice", "a", at - 1)).await;
    let (new, _) = Link::granted(&hub, grant("alice", "b", at)).await;
    let (bob, _) = Link::granted(&hub, grant("bob", "c", at - 1)).await;
    assert_eq!(hub.revoke(&of_user("alice", Some(at))), Ok(1));
    old.ends_with(Code::TokenRevoked).await;
    let refused = json!({"version": 1, "token": token(grant("alice", "d", at - 1))});
    is_refused(&hub, refused, Code::TokenRevoked).await;
    Link::granted(&hub, grant("alice", "e", at)).await;
    assert_eq!(hub.revoke(&of_user("alice", None)), Ok(2));
    new.ends_with(Code::TokenRevoked).await;
    let refused = json!({"version": 1, "token": token(grant("alice", "f", unix_s(0)))});
    is_refused(&hub, refused, Code::TokenRevoked).await;
    assert_eq!((bob.closed(), hub.stats().sessions), (None, 1));
}

#[tokio::test]
async fn a_revoked_room_token_ends_the_room_alone() {
    let hub = hub(config());
    let (alice, _) = Link::granted(&hub, grant("alice", "a", unix_s(0))).await;
    let narrow = json!({"user": "bob", "join": ["lobby"]});
    let (bob, _) = Link::granted(&hub, narrow).await;
    let join = |user: &str| {
        let room = json!({"user": user, "join": ["chat:1"], "token_id": format!("room-{user}")});
        json!({"type": "hub:join", "room": "chat:1", "data": {"token": token(room)}})
    };
    alice.reply(join("alice")).await;
    bob.reply(join("bob")).await;
    bob.reply(json!({"type": "hub:join", "room": "lobby"})).await;
    assert_eq!((hub.revoke(&by_id("room-alice")), hub.revoke(&by_id("room-bob"))), (Ok(0), Ok(0)));
    let removed = data(&bob.until("hub:removed").await);
    assert_eq!((&removed["reason"], &removed["code"]), (&json!("revoked"), &json!("token_revoked")));
    alice.reply(json!({"type": "n", "room": "chat:1"})).await;
    bob.reply(json!({"type": "n", "room": "lobby"})).await;
    assert_eq!(alice.data_of("hub:removed"), Vec::<Value>::new());
    bob.fails(join("bob"), Code::TokenRevoked).await;
}

#[tokio::test]
async fn what_is_remembered_is_bounded_and_has_an_end() {
    let mut config = config();
    config.limits.revocations_max = 2;
    let hub = hub(config);
    let until = |id: &str, s: i64| Revocation { until_unix_s: Some(unix_s(s)), ..by_id(id) };
    hub.revoke(&until("a", 2)).unwrap();
    hub.revoke(&by_id("b")).unwrap();
    assert_eq!(hub.revoke(&by_id("c")).unwrap_err().code, Code::LimitExceeded);
    assert_eq!(hub.revoke(&Revocation::default()).unwrap_err().code, Code::BadRequest);
    let over = async {
        while hub.revoke(&by_id("c")).is_err() {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(10), over).await.unwrap();
    Link::granted(&hub, grant("alice", "a", unix_s(0))).await;
    assert_eq!(hub.revocations().len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_slips_in_while_a_token_is_revoked() {
    let mut config = config();
    config.limits.connects_per_s = 0;
    let hub = hub(config);
    for round in 0..300 {
        let id = format!("t{round}");
        let (coming, token) = (hub.clone(), token(grant("alice", &id, unix_s(0))));
        let come = tokio::task::spawn_blocking(move || Link::with_token(&coming, &token, &[]));
        let revoking = hub.clone();
        let revoke = tokio::task::spawn_blocking(move || revoking.revoke(&by_id(&id)));
        let (come, revoke) = tokio::join!(come, revoke);
        revoke.unwrap().unwrap();
        come.unwrap().0.ends_with(Code::TokenRevoked).await;
        assert_eq!(hub.stats().sessions, 0, "round {round}");
    }
}
