//! Tokens that count no more before their end.

use crate::support::*;
use crosspoint::auth::jwt::Claims;
use crosspoint_core::Code;
use crosspoint_hub::Revocation;
use serde_json::{Value, json};

fn named(user: &str, id: &str) -> Claims {
    Claims { sub: user.into(), jti: Some(id.into()), exp: Some(unix_s() + 600.0), ..Claims::default() }
}

fn with(token: &str) -> Value {
    json!({"version": 1, "token": token})
}

pub(crate) async fn a_revoked_token_ends_its_sessions_and_opens_none(by: Adapter) {
    let hub = secured().await;
    let (revoked, other) = (sign(&named("alice", "a")), sign(&named("alice", "b")));
    let (mut alice, welcome) = by.hello(&hub, with(&revoked)).await;
    let (mut stays, _) = by.hello(&hub, with(&other)).await;
    let by_id = Revocation { token_id: Some("a".into()), ..Revocation::default() };
    assert_eq!(hub.hub().revoke(&by_id), Ok(1));
    alice.ends_with(Code::TokenRevoked).await;
    by.try_hello(&hub, with(&revoked)).await.err().expect("refused").assert(by, Code::TokenRevoked);
    by.try_hello(&hub, again(&welcome, 0)).await.err().expect("refused").assert(by, Code::SessionExpired);
    let refresh = json!({"type": "hub:refresh", "data": {"token": revoked}});
    stays.fails(refresh, Code::TokenRevoked).await;
    let room = sign(&Claims { room: Some(CHAT.into()), ..named("alice", "a") });
    stays.fails(json!({"type": "hub:join", "room": CHAT, "data": {"token": room}}), Code::TokenRevoked).await;
    stays.join(CHAT, json!({})).await;
}

pub(crate) async fn a_users_old_tokens_are_revoked_and_the_new_ones_are_not(by: Adapter) {
    let hub = secured().await;
    let at = unix_s() - 100.0;
    let issued = |iat: f64| sign(&Claims { iat: Some(iat), ..named("alice", "a") });
    let (mut old, _) = by.hello(&hub, with(&issued(at - 1.0))).await;
    let (mut new, _) = by.hello(&hub, with(&issued(at))).await;
    let before = Some(at as u64);
    let of_user =
        Revocation { user: Some("alice".into()), issued_before_unix_s: before, ..Revocation::default() };
    assert_eq!(hub.hub().revoke(&of_user), Ok(1));
    old.ends_with(Code::TokenRevoked).await;
    by.try_hello(&hub, with(&issued(at - 2.0))).await.err().expect("refused").assert(by, Code::TokenRevoked);
    new.join(CHAT, json!({})).await;
    hub.hub().revoke(&Revocation { issued_before_unix_s: None, ..of_user }).unwrap();
    new.ends_with(Code::TokenRevoked).await;
    by.try_hello(&hub, with(&token("alice"))).await.err().expect("refused").assert(by, Code::TokenRevoked);
    by.hello(&hub, with(&token("bob"))).await;
}

pub(crate) async fn what_is_revoked_for_a_room_ends_there(by: Adapter) {
    let hub = secured().await;
    let narrow = Claims { join: Some(vec![LOBBY.into()]), ..named("alice", "a") };
    let (mut alice, _) = by.hello(&hub, with(&sign(&narrow))).await;
    let room = sign(&Claims { room: Some(CHAT.into()), ..named("alice", "room") });
    let join = json!({"type": "hub:join", "room": CHAT, "data": {"token": room}});
    assert_eq!(alice.ask(join.clone()).await.kind(), "hub:reply");
    let by_id = Revocation { token_id: Some("room".into()), ..Revocation::default() };
    assert_eq!(hub.hub().revoke(&by_id), Ok(0));
    let removed = alice.find("hub:removed").await;
    assert_eq!(
        (&removed["data"]["reason"], &removed["data"]["code"]),
        (&json!("revoked"), &json!("token_revoked"))
    );
    alice.fails(join, Code::TokenRevoked).await;
    alice.join(LOBBY, json!({})).await;
}
