//! What grants and room tokens allow, and what ends with them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use crosspoint_core::{Cap, Code, Fault, Grant};
use crosspoint_hub::Whom;
use serde_json::{Value, json};
use support::*;

const ROOM: &str = "chat:1";

fn frame(kind: &str, data: Value) -> Value {
    json!({"type": kind, "room": ROOM, "data": data})
}

/// Somebody who may do all but this in all rooms.
fn without(cap: &str) -> Value {
    json!({"user": "alice", "join": ["*"], "direct": true, cap: []})
}

fn refresh(grant: Value) -> Value {
    json!({"type": "hub:refresh", "data": {"token": token(grant)}})
}

#[tokio::test]
async fn every_frame_that_acts_needs_its_capability() {
    let hub = hub(config());
    let (bob, welcome) = Link::hello(&hub, "bob").await;
    bob.join(ROOM).await;
    let signal = json!({"type": "hub:signal", "room": ROOM, "to": format!("session:{}", welcome["session"].as_str().unwrap())});
    let needs = [
        ("join", frame("hub:join", json!({}))),
        ("publish", frame("n", json!(1))),
        ("presence", frame("hub:presence", Value::Null)),
        ("presence", frame("hub:state", json!({"a": 1}))),
        ("history", frame("hub:history", json!({}))),
        ("history", frame("hub:join", json!({"history": 1}))),
        ("signal", frame("hub:peers", json!({}))),
        ("signal", signal.clone()),
        ("call", frame("hub:peers", json!({"state": {"call": {"audio": true}}}))),
        ("moderate", frame("hub:moderation", Value::Null)),
        ("moderate", frame("hub:moderate", json!({"action": "kick", "user": "dave"}))),
    ];
    for (cap, frame) in needs {
        let (link, _) = Link::granted(&hub, without(cap)).await;
        if cap != "join" {
            link.reply(json!({"type": "hub:join", "room": ROOM})).await;
        }
        link.fails(frame.clone(), Code::Forbidden).await;
        let (may, _) =
            Link::granted(&hub, json!({"user": "carol", "join": [ROOM], "direct": true, "moderate": [ROOM]}))
                .await;
        may.reply(json!({"type": "hub:join", "room": ROOM})).await;
        may.reply(frame).await;
    }
    let (link, _) = Link::granted(&hub, without("call")).await;
    link.reply(json!({"type": "hub:join", "room": ROOM})).await;
    link.reply(frame("hub:peers", json!({"state": {"call": null}}))).await;
    let (quiet, _) = Link::granted(&hub, json!({"user": "q", "join": [ROOM]})).await;
    quiet.reply(json!({"type": "hub:join", "room": ROOM})).await;
    quiet.fails(signal.clone(), Code::Forbidden).await;
    let (signals, _) = Link::granted(&hub, json!({"user": "q", "join": [ROOM], "signal": [ROOM]})).await;
    signals.reply(json!({"type": "hub:join", "room": ROOM})).await;
    signals.reply(signal).await;
}

#[tokio::test]
async fn who_may_not_see_the_members_sees_nobody_and_is_not_seen() {
    let hub = hub(config());
    let (bob, _) = Link::hello(&hub, "bob").await;
    bob.join(ROOM).await;
    let (alice, _) = Link::granted(&hub, without("presence")).await;
    let reply = alice.reply(frame("hub:join", json!({"presence": true}))).await;
    assert_eq!(reply.get("members"), None);
    let (carol, _) = Link::hello(&hub, "carol").await;
    carol.join(ROOM).await;
    bob.find("that carol came", |f| f.kind == "hub:presence" && f.encode_text().contains("carol")).await;
    let seen = bob.data_of("hub:presence");
    assert!(!seen.iter().any(|news| news.to_string().contains("alice")), "{seen:?}");
    assert_eq!(alice.data_of("hub:presence"), Vec::<Value>::new());
    assert_eq!(hub.presence(ROOM).await.unwrap().len(), 2);
}

#[tokio::test]
async fn without_history_a_join_is_as_in_a_room_that_has_none() {
    let hub = hub(config());
    let (bob, _) = Link::hello(&hub, "bob").await;
    let position = bob.join(ROOM).await["position"].clone();
    bob.reply(frame("n", json!(1))).await;
    let (alice, _) = Link::granted(&hub, without("history")).await;
    let reply = alice.reply(frame("hub:join", json!({"since": position}))).await;
    assert_eq!(reply, json!({"room": ROOM}));
    bob.reply(frame("n", json!(2))).await;
    alice.until("n").await;
    assert_eq!(alice.data_of("n"), [json!(2)]);
}

#[tokio::test]
async fn a_room_token_adds_to_the_grant_until_its_end() {
    let hub = hub(config());
    let (alice, _) = Link::granted(&hub, json!({"user": "alice", "join": ["lobby"]})).await;
    let join = |user: &str, room: &str, exp: u64| {
        let grant = json!({"user": user, "join": [room], "direct": true, "expires_unix_s": exp});
        frame("hub:join", json!({"token": token(grant)}))
    };
    let soon = unix_s(2);
    alice.fails(join("bob", ROOM, soon), Code::Forbidden).await;
    alice.fails(join("alice", "chat:2", soon), Code::Forbidden).await;
    alice.fails(join("alice", ROOM, unix_s(-1)), Code::TokenExpired).await;
    alice.fails(frame("hub:join", json!({"token": "nonsense"})), Code::Unauthorized).await;
    alice.reply(join("alice", ROOM, soon)).await;
    alice.reply(frame("n", json!(1))).await;
    alice.reply(frame("hub:history", json!({}))).await;
    alice.reply(frame("hub:peers", json!({}))).await;
    alice.reply(frame("hub:join", json!({}))).await;
    alice.reply(json!({"type": "hub:join", "room": "lobby"})).await;
    let removed = alice.until("hub:removed").await;
    assert_eq!((removed.room.as_deref(), &data(&removed)["code"]), (Some(ROOM), &json!("token_expired")));
    assert_eq!(data(&removed)["reason"], "token");
    alice.fails(frame("n", json!(2)), Code::Forbidden).await;
    alice.fails(frame("hub:join", json!({})), Code::Forbidden).await;
    alice.reply(json!({"type": "n", "room": "lobby"})).await;
    assert!(hub.presence(ROOM).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_client_is_told_before_its_token_ends() {
    let hub = hub(config());
    // A fifth of five seconds before the end.
    let grant =
        json!({"user": "alice", "join": ["*"], "issued_unix_s": unix_s(-2), "expires_unix_s": unix_s(3)});
    let (alice, _) = Link::granted(&hub, grant.clone()).await;
    let (bob, _) = Link::granted(&hub, grant).await;
    let left = data(&alice.until("hub:token_expiring").await)["expires_in_ms"].as_u64().unwrap();
    assert!((1..=1000).contains(&left), "{left}");
    let next = json!({"user": "alice", "join": ["*"], "expires_unix_s": unix_s(600)});
    alice.reply(refresh(next)).await;
    bob.ends_with(Code::TokenExpired).await;
    assert_eq!((alice.closed(), alice.data_of("hub:token_expiring").len()), (None, 1));
    let late = json!({"user": "alice", "issued_unix_s": unix_s(-3600), "expires_unix_s": unix_s(30)});
    let (carol, _) = Link::granted(&hub, late).await;
    carol.until("hub:token_expiring").await;
}

#[tokio::test]
async fn a_narrower_grant_ends_what_it_does_not_allow() {
    let hub = hub(config());
    let (bob, _) = Link::hello(&hub, "bob").await;
    let all = json!({"user": "alice", "join": ["*"], "direct": true, "services": ["sfu"]});
    let (alice, welcome) = Link::granted(&hub, all.clone()).await;
    for room in [ROOM, "chat:2", "chat:3"] {
        for link in [&bob, &alice] {
            link.reply(json!({"type": "hub:join", "room": room, "data": {"presence": true}})).await;
            link.reply(json!({"type": "hub:peers", "room": room, "data": {"state": {"call": {}}}})).await;
        }
    }
    alice.reply(json!({"type": "hub:attach", "data": {"service": "sfu"}})).await;
    let narrow = json!({"user": "alice", "join": ["chat:2", "chat:3"], "direct": true, "presence": ["chat:3"], "call": ["chat:3"]});
    alice.reply(refresh(narrow)).await;
    let removed = alice.until("hub:removed").await;
    assert_eq!((removed.room.as_deref(), &data(&removed)["code"]), (Some(ROOM), &json!("forbidden")));
    assert_eq!(alice.data_of("hub:removed").len(), 1);
    let session = welcome["session"].as_str().unwrap();
    let off = |room: &'static str| {
        move |f: &crosspoint_core::Frame| {
            f.kind == "hub:peers" && f.room.as_deref() == Some(room) && f.encode_text().contains("\"leave\"")
        }
    };
    let word = alice.find("that she is off the roster", off("chat:2")).await;
    assert_eq!(data(&word)["leave"], json!([{"session": session, "code": "forbidden"}]));
    bob.find("that she is off the roster", off("chat:2")).await;
    bob.find("that she left the room's roster", off(ROOM)).await;
    for (room, members) in [(ROOM, 1), ("chat:2", 1), ("chat:3", 2)] {
        assert_eq!(hub.presence(room).await.unwrap().len(), members, "{room}");
    }
    alice.fails(frame("n", json!(1)), Code::Forbidden).await;
    alice.reply(json!({"type": "n", "room": "chat:2"})).await;
    bob.fails(json!({"type": "ask", "to": "service:sfu"}), Code::NotFound).await;
    alice.reply(refresh(all.clone())).await;
    alice.reply(frame("hub:join", json!({}))).await;
    alice.reply(json!({"type": "hub:peers", "room": ROOM, "data": {"state": {"call": {}}}})).await;
    let hidden = json!({"user": "alice", "join": ["*"], "direct": true, "presence": [], "services": ["sfu"]});
    alice.reply(refresh(hidden)).await;
    let roster = bob.reply(json!({"type": "hub:peers", "room": ROOM})).await;
    assert_eq!(roster["peers"].as_array().unwrap().len(), 2, "who isn't seen may call all the same");
    alice.reply(json!({"type": "hub:attach", "data": {"service": "sfu"}})).await;
}

#[tokio::test]
async fn a_backend_puts_users_into_rooms_and_takes_them_out() {
    let hub = hub(config());
    let (alice, _) = Link::granted(&hub, json!({"user": "alice"})).await;
    let (other, _) = Link::granted(&hub, json!({"user": "alice"})).await;
    let (bob, _) = Link::hello(&hub, "bob").await;
    bob.join(ROOM).await;
    assert_eq!(hub.force_join("alice", ROOM, &[], None).await, Ok(2));
    assert_eq!(hub.force_join("alice", ROOM, &[], None).await, Ok(2));
    assert_eq!(hub.force_join("nobody", ROOM, &[], None).await, Ok(0));
    for link in [&alice, &other] {
        let added = link.until("hub:added").await;
        assert_eq!((added.room.as_deref(), &data(&added)["room"]), (Some(ROOM), &json!(ROOM)));
        assert!(data(&added)["position"].is_string());
        assert_eq!(link.data_of("hub:added").len(), 1);
    }
    alice.reply(frame("n", json!(1))).await;
    other.until("n").await;
    assert_eq!(hub.presence(ROOM).await.unwrap().len(), 2);
    let peers = json!({"type": "hub:peers", "room": ROOM, "data": {}});
    alice.reply(peers.clone()).await;
    assert_eq!(bob.reply(peers.clone()).await["peers"].as_array().unwrap().len(), 2);
    assert_eq!(hub.force_join("alice", ROOM, &[Cap::Join, Cap::Publish], None).await, Ok(2));
    assert_eq!(hub.presence(ROOM).await.unwrap().len(), 1, "what a smaller list leaves out ends at once");
    assert_eq!(bob.reply(peers).await["peers"].as_array().unwrap().len(), 1);
    let fault = Fault::new(Code::Forbidden, "The meeting is over");
    assert_eq!(hub.force_leave("alice", ROOM, &fault), 2);
    assert_eq!(hub.force_leave("alice", ROOM, &fault), 0);
    let removed = data(&alice.until("hub:removed").await);
    assert_eq!(removed, json!({"reason": "backend", "code": "forbidden", "message": "The meeting is over"}));
    alice.fails(frame("n", json!(1)), Code::Forbidden).await;

    hub.force_join("alice", ROOM, &[Cap::Join], Some(unix_s(1))).await.unwrap();
    alice.fails(frame("n", json!(1)), Code::Forbidden).await;
    alice.find("the end", |f| f.kind == "hub:removed" && f.encode_text().contains("token_expired")).await;
}

#[tokio::test]
async fn a_backend_changes_grants_and_ends_sessions() {
    let hub = hub(config());
    let grant = json!({"user": "alice", "join": ["*"], "token_id": "t", "expires_unix_s": unix_s(600)});
    let (alice, welcome) = Link::granted(&hub, grant).await;
    alice.join(ROOM).await;
    let session = welcome["session"].as_str().unwrap();
    let lobby = Grant { join: vec!["lobby".into()], ..Grant::default() };
    assert_eq!(hub.regrant(Whom::Session(session), &lobby), Ok(1));
    alice.until("hub:removed").await;
    alice.reply(json!({"type": "hub:join", "room": "lobby"})).await;
    let other = Grant { user: "bob".into(), ..lobby.clone() };
    assert_eq!(hub.regrant(Whom::User("alice"), &other).unwrap_err().code, Code::BadRequest);
    assert_eq!(hub.regrant(Whom::User("bob"), &other), Ok(0));
    // The token is the one it came with.
    let revocation = crosspoint_hub::Revocation { token_id: Some("t".into()), ..Default::default() };
    assert_eq!(hub.revoke(&revocation), Ok(1));
    alice.ends_with(Code::TokenRevoked).await;

    let (one, _) = Link::hello(&hub, "bob").await;
    let (two, _) = Link::hello(&hub, "bob").await;
    assert_eq!(hub.disconnect_user("bob", &Code::Forbidden.into()), 2);
    one.ends_with(Code::Forbidden).await;
    two.ends_with(Code::Forbidden).await;
    assert_eq!(hub.stats().sessions, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_slips_into_a_room_while_the_grant_changes() {
    let mut config = config();
    config.limits.connects_per_s = 0;
    let hub = hub(config);
    for round in 0..300 {
        let user = format!("user{round}");
        let (link, _) = Link::granted(&hub, json!({"user": user, "join": ["chat:*"]})).await;
        let joins = tokio::task::spawn_blocking(move || {
            link.send(json!({"type": "hub:join", "room": ROOM, "id": "j"}));
            link
        });
        let changing = hub.clone();
        let lobby = Grant { join: vec!["lobby".into()], ..Grant::default() };
        let changes = tokio::task::spawn_blocking(move || changing.regrant(Whom::User(&user), &lobby));
        let (link, changed) = tokio::join!(joins, changes);
        assert_eq!(changed.unwrap(), Ok(1));
        let link = link.unwrap();
        link.find("an answer", |f| f.id.as_deref() == Some("j")).await;
        assert_eq!(hub.room_info(ROOM).sessions, 0, "round {round}: {:?}", link.kinds());
    }
}
