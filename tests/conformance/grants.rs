//! What tokens allow, and until when.

use crate::support::*;
use crosspoint::Running;
use crosspoint::auth::jwt::Claims;
use crosspoint_core::Code;
use serde_json::{Value, json};

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

/// Somebody who may do all but this.
fn without(cap: &str) -> Claims {
    let mut claims = Claims { moderate: Some(vec!["*".into()]), ..claims("alice") };
    let none = Some(vec![]);
    match cap {
        "join" => (claims.join, claims.presence) = (none.clone(), none),
        "publish" => claims.publish = none,
        "presence" => claims.presence = none,
        "history" => claims.history = none,
        "signal" => claims.signal = none,
        "files" => claims.files = none,
        "call" => claims.call = none,
        _ => claims.moderate = None,
    }
    claims
}

pub(crate) async fn every_frame_that_acts_needs_its_capability(by: Adapter) {
    let hub = secured().await;
    let (mut bob, welcome) = by.hello(&hub, json!({"version": 1, "token": token("bob")})).await;
    bob.join(CHAT, json!({})).await;
    let to = format!("session:{}", welcome["session"].as_str().unwrap());
    let frame = |kind: &str, data: Value| json!({"type": kind, "room": CHAT, "data": data});
    let needs = [
        ("join", frame("hub:join", json!({}))),
        ("publish", frame("n", json!(1))),
        ("presence", frame("hub:presence", Value::Null)),
        ("presence", frame("hub:state", json!({"a": 1}))),
        ("history", frame("hub:history", Value::Null)),
        ("history", frame("hub:join", json!({"history": 1}))),
        ("signal", frame("hub:peers", json!({}))),
        ("signal", json!({"type": "hub:signal", "room": CHAT, "to": to, "data": 1})),
        ("call", frame("hub:peers", json!({"state": {"call": {"audio": true}}}))),
        ("moderate", frame("hub:moderate", json!({"action": "kick", "user": "bob"}))),
        ("moderate", frame("hub:moderation", Value::Null)),
    ];
    for (cap, frame) in needs {
        let (mut alice, _) = by.hello(&hub, json!({"version": 1, "token": sign(&without(cap))})).await;
        if cap != "join" {
            alice.join(CHAT, json!({})).await;
        }
        alice.fails(frame, Code::Forbidden).await;
    }
    let hello = json!({"version": 1, "token": sign(&without("files")), "bulk": true});
    let (mut main, said) = by.hello(&hub, hello).await;
    main.join(CHAT, json!({})).await;
    let of = json!({"version": 1, "bulk_for": {"session": said["session"], "resume": said["resume"]}});
    let (mut bulk, _) = by.try_hello_beside(&hub, &main, of).await.expect("a welcome");
    let piece = json!({"type": "hub:signal", "room": CHAT, "to": to, "data": 1});
    bulk.fails(piece.clone(), Code::Forbidden).await;
    assert_eq!(main.ask(piece).await.kind(), "hub:reply");
    let mut events = 0;
    while bob.received < 2 {
        events += u64::from(bob.next().await.kind() == "n");
    }
    assert_eq!(events, 0, "what was refused had no effect");
}

pub(crate) async fn who_may_not_see_members_is_not_seen(by: Adapter) {
    let hub = secured().await;
    let (mut bob, _) = by.hello(&hub, json!({"version": 1, "token": token("bob")})).await;
    bob.join(CHAT, json!({"presence": true})).await;
    let (mut alice, _) = by.hello(&hub, json!({"version": 1, "token": sign(&without("presence"))})).await;
    let reply = alice.join(CHAT, json!({"presence": true, "state": {"a": 1}})).await;
    assert_eq!(reply.get("members"), None);
    let (mut carol, _) = by.hello(&hub, json!({"version": 1, "token": token("carol")})).await;
    carol.join(CHAT, json!({})).await;
    let joined = loop {
        let news = bob.find("hub:presence").await["data"].clone();
        assert!(!news.to_string().contains("alice"), "{news}");
        if news.to_string().contains("carol") {
            break news;
        }
    };
    assert_eq!(joined["join"].as_array().unwrap().len(), joined.to_string().matches("\"user\"").count());
    // What the hub tells at the same time as this is told would have come before it.
    assert_eq!(carol.ask(json!({"type": "n", "room": CHAT})).await.kind(), "hub:reply");
    assert_eq!(alice.next().await.kind(), "n");
}

pub(crate) async fn a_room_token_is_good_for_its_room_until_its_end(by: Adapter) {
    let hub = secured().await;
    let narrow = Claims { join: Some(vec![LOBBY.into()]), ..claims("alice") };
    let (mut alice, _) = by.hello(&hub, json!({"version": 1, "token": sign(&narrow)})).await;
    let room = |user: &str, room: &str, s: f64| {
        let token = sign(&Claims { room: Some(room.into()), exp: Some(unix_s() + s), ..claims(user) });
        json!({"type": "hub:join", "room": CHAT, "data": {"token": token}})
    };
    alice.fails(room("bob", CHAT, 60.0), Code::Forbidden).await;
    alice.fails(room("alice", "chat:2", 60.0), Code::Forbidden).await;
    alice.fails(room("alice", CHAT, -60.0), Code::TokenExpired).await;
    let good = room("alice", CHAT, 2.0);
    let refused = by.try_hello(&hub, json!({"version": 1, "token": good["data"]["token"]})).await;
    assert!(refused.is_err(), "a token for a room opens no session");
    assert_eq!(alice.ask(good).await.kind(), "hub:reply");
    for kind in ["n", "hub:history", "hub:presence", "hub:peers"] {
        assert_eq!(
            alice.ask(json!({"type": kind, "room": CHAT, "data": {}})).await.kind(),
            "hub:reply",
            "{kind}"
        );
    }
    alice.join(LOBBY, json!({})).await;
    let removed = alice.find("hub:removed").await;
    let said = (&removed["room"], &removed["data"]["reason"], &removed["data"]["code"]);
    assert_eq!((said, removed.counted()), ((&json!(CHAT), &json!("token"), &json!("token_expired")), true));
    alice.fails(json!({"type": "hub:join", "room": CHAT}), Code::Forbidden).await;
    assert_eq!(alice.ask(json!({"type": "n", "room": LOBBY})).await.kind(), "hub:reply");
}

pub(crate) async fn a_client_is_told_before_its_token_ends(by: Adapter) {
    let hub = secured().await;
    let brief = sign(&Claims { exp: Some(unix_s() + 3.0), iat: Some(unix_s() - 7.0), ..claims("alice") });
    let (mut alice, _) = by.hello(&hub, json!({"version": 1, "token": brief})).await;
    let word = alice.find("hub:token_expiring").await;
    let left = word["data"]["expires_in_ms"].as_u64().unwrap();
    assert!((1..=2_000).contains(&left) && word.counted(), "{}", word.json);
    let longer = sign(&Claims { exp: Some(unix_s() + 600.0), ..claims("alice") });
    let refresh = json!({"type": "hub:refresh", "data": {"token": longer}});
    assert_eq!(alice.ask(refresh).await.kind(), "hub:reply");
}

pub(crate) async fn another_grant_counts_at_once(by: Adapter) {
    let hub = secured().await;
    let wide = sign(&Claims { join: Some(vec!["*".into()]), ..claims("alice") });
    let narrow = sign(&Claims { join: Some(vec![LOBBY.into()]), ..claims("alice") });
    let refresh = |token: &str| json!({"type": "hub:refresh", "data": {"token": token}});
    let (mut alice, _) = by.hello(&hub, json!({"version": 1, "token": narrow})).await;
    alice.fails(json!({"type": "hub:join", "room": CHAT}), Code::Forbidden).await;
    alice.ask(refresh(&wide)).await;
    alice.join(CHAT, json!({})).await;
    alice.join(LOBBY, json!({})).await;
    alice.send(refresh(&narrow)).await;
    let removed = alice.find("hub:removed").await;
    assert_eq!((&removed["room"], &removed["data"]["code"]), (&json!(CHAT), &json!("forbidden")));
    alice.fails(json!({"type": "n", "room": CHAT}), Code::Forbidden).await;
    publish_as(&hub, CHAT).await;
    publish_as(&hub, LOBBY).await;
    assert_eq!(alice.find("n").await["room"], LOBBY);
}

async fn publish_as(hub: &Running, room: &str) {
    let draft = crosspoint_core::wire::Draft {
        named: false,
        id: crosspoint_hub::random_id(),
        kind: "n".into(),
        data: None,
        payload: None,
        from: crosspoint_core::frame::From::default(),
        echo: true,
        volatile: None,
    };
    hub.hub().publish(room, draft).await.unwrap();
}
