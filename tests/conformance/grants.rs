//! What tokens allow, and until when.

use crate::support::*;
use crosspoint::auth::jwt::Claims;
use crosspoint_core::Code;
use serde_json::json;

fn claims(user: &str) -> Claims {
    Claims { sub: user.into(), ..Claims::default() }
}

pub(crate) async fn a_grant_names_its_rooms(by: Adapter) {
    let hub = secured().await;
    let grant = Claims {
        join: Some(vec!["chat:*".into(), "lobby".into()]),
        publish: Some(vec!["chat:1".into()]),
        ..claims("alice")
    };
    let (mut alice, _) = by.hello(&hub, json!({"version": 1, "token": sign(&grant)})).await;
    for room in [CHAT, "chat:2", LOBBY] {
        alice.join(room, json!({})).await;
    }
    for kind in ["hub:join", "hub:history", "hub:presence"] {
        alice.fails(json!({"type": kind, "room": "secret"}), Code::Forbidden).await;
    }
    alice.fails(json!({"type": "n", "room": "chat:2"}), Code::Forbidden).await;
    assert_eq!(alice.ask(json!({"type": "n", "room": CHAT})).await.kind(), "hub:reply");
    let (mut bob, _) = by.hello(&hub, json!({"version": 1, "token": token("bob")})).await;
    bob.fails(json!({"type": "n", "room": CHAT}), Code::NotJoined).await;
    bob.send(json!({"type": "n", "room": CHAT})).await;
    let error = bob.next().await;
    assert_eq!((&error["data"]["code"], &error["data"]["of"]), (&json!("not_joined"), &json!("n")));
}

pub(crate) async fn a_session_ends_with_its_token_unless_it_gets_a_new_one(by: Adapter) {
    let hub = secured().await;
    let brief = sign(&Claims { exp: Some(unix_s() + 2.0), ..claims("alice") });
    let (mut ends, welcome) = by.hello(&hub, json!({"version": 1, "token": brief})).await;
    let (mut stays, _) = by.hello(&hub, json!({"version": 1, "token": brief})).await;
    let refresh = |token: &str| json!({"type": "hub:refresh", "data": {"token": token}});
    stays.fails(refresh("nonsense"), Code::Unauthorized).await;
    stays.fails(refresh(&token("bob")), Code::Forbidden).await;
    let end = unix_s() + 3600.0;
    let reply = stays.ask(refresh(&sign(&Claims { exp: Some(end), ..claims("alice") }))).await;
    assert_eq!(reply["data"]["expires_ms"], (end as u64) * 1000);

    ends.ends_with(Code::TokenExpired).await;
    let refused = by.try_hello(&hub, again(&welcome, 0)).await;
    refused.err().expect("refused").assert(by, Code::SessionExpired);
    let refused = by.try_hello(&hub, json!({"version": 1, "token": brief})).await;
    refused.err().expect("refused").assert(by, Code::TokenExpired);
    stays.join(CHAT, json!({})).await;
    assert_eq!(hub.hub().stats().sessions, 1);
}
