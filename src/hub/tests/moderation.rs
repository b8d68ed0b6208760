//! Muting, kicking and banning.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use crosspoint_core::{Code, Frame};
use crosspoint_hub::{Action, Hub, Moderation};
use serde_json::{Value, json};
use std::sync::Arc;
use support::*;

const ROOM: &str = "chat:1";

fn moderate(data: Value) -> Value {
    json!({"type": "hub:moderate", "room": ROOM, "data": data})
}

fn by_api(hub: &Arc<Hub>, action: Action, user: &str, for_ms: Option<u64>) -> Option<u64> {
    hub.moderate(ROOM, Moderation { action, user: user.into(), for_ms, reason: None, by: None }).unwrap()
}

async fn member(hub: &Arc<Hub>, user: &str) -> (Link, Value) {
    let (link, welcome) = Link::hello(hub, user).await;
    link.join(ROOM).await;
    (link, welcome)
}

async fn moderator(hub: &Arc<Hub>, user: &str) -> Link {
    let grant = json!({"user": user, "join": ["*"], "direct": true, "moderate": ["chat:*"]});
    let (link, _) = Link::granted(hub, grant).await;
    link.join(ROOM).await;
    link
}

fn publish(n: u64) -> Value {
    json!({"type": "n", "room": ROOM, "data": n})
}

#[tokio::test]
async fn a_muted_user_publishes_and_signals_nothing_in_the_room() {
    let hub = hub(config());
    let (alice, _) = member(&hub, "alice").await;
    let (second, _) = member(&hub, "alice").await;
    let (bob, welcome) = member(&hub, "bob").await;
    let mod_ = moderator(&hub, "mod").await;
    let reply = mod_
        .reply(moderate(json!({"action": "mute", "user": "alice", "for_ms": 3_600_000, "reason": "spam"})))
        .await;
    let until = reply["until_ms"].as_u64().unwrap();
    assert!(until.abs_diff((unix_s(3600)) * 1000) < 60_000);
    let word = json!({"action": "mute", "user": "alice", "by": "mod", "until_ms": until, "reason": "spam"});
    for link in [&alice, &second, &mod_] {
        assert_eq!(data(&link.until("hub:moderated").await), word);
    }
    let to = format!("session:{}", welcome["session"].as_str().unwrap());
    alice.fails(publish(1), Code::Muted).await;
    second.fails(publish(2), Code::Muted).await;
    alice.fails(json!({"type": "hub:signal", "room": ROOM, "to": to, "data": 1}), Code::Muted).await;
    alice.send(json!({"type": "n", "room": ROOM, "data": 3, "volatile": true}));
    let (third, _) = member(&hub, "alice").await;
    third.fails(publish(4), Code::Muted).await;
    alice.reply(json!({"type": "m", "to": "user:bob", "data": "direct"})).await;
    bob.until("m").await;
    alice.join("chat:2").await;
    alice.reply(json!({"type": "n", "room": "chat:2"})).await;
    mod_.reply(moderate(json!({"action": "unmute", "user": "alice"}))).await;
    alice.reply(publish(5)).await;
    bob.until("n").await;
    assert_eq!((bob.data_of("n"), bob.data_of("hub:moderated")), (vec![json!(5)], vec![]));
}

#[tokio::test]
async fn a_muted_user_sends_no_files_through_the_hub() {
    let hub = hub(config());
    let (alice, welcome) = Link::hello_with_bulk(&hub, "alice").await;
    alice.join(ROOM).await;
    let (_bob, other) = member(&hub, "bob").await;
    let (bulk, _) = Link::bulk(&hub, &welcome).await;
    let to = format!("session:{}", other["session"].as_str().unwrap());
    let piece = json!({"type": "hub:signal", "room": ROOM, "to": to, "data": 1});
    bulk.reply(piece.clone()).await;
    by_api(&hub, Action::Mute, "alice", None);
    bulk.fails(piece, Code::Muted).await;
    bulk.reply(json!({"type": "m", "to": to, "data": 1})).await;
}

#[tokio::test]
async fn who_is_kicked_may_come_back() {
    let hub = hub(config());
    let (alice, _) = member(&hub, "alice").await;
    let (second, _) = member(&hub, "alice").await;
    let (bob, _) = member(&hub, "bob").await;
    let mod_ = moderator(&hub, "mod").await;
    mod_.reply(moderate(json!({"action": "kick", "user": "alice", "reason": "enough"}))).await;
    for link in [&alice, &second] {
        let removed = data(&link.until("hub:removed").await);
        assert_eq!(removed, json!({"reason": "kicked", "code": "forbidden", "message": "enough"}));
        let kinds = link.kinds();
        let at = |kind: &str| kinds.iter().position(|k| k == kind);
        assert!(at("hub:moderated") < at("hub:removed"), "{kinds:?}");
    }
    alice.fails(publish(1), Code::NotJoined).await;
    bob.find("that alice left", |f| f.kind == "hub:presence" && data(f)["leave"] == json!(["alice"])).await;
    alice.join(ROOM).await;
    alice.reply(publish(2)).await;
}

#[tokio::test]
async fn who_is_banned_stays_out_until_the_end() {
    let hub = hub(config());
    let (alice, _) = member(&hub, "alice").await;
    let position = alice.reply(publish(1)).await["position"].clone();
    let until = by_api(&hub, Action::Ban, "alice", Some(2_000)).unwrap();
    let removed = data(&alice.until("hub:removed").await);
    assert_eq!(
        (&removed["reason"], &removed["code"], &removed["until_ms"]),
        (&json!("banned"), &json!("banned"), &json!(until))
    );
    let join = json!({"type": "hub:join", "room": ROOM, "data": {"since": position}});
    let (later, _) = Link::hello(&hub, "alice").await;
    let banned = |frame: &Frame| data(frame)["code"] == "banned";
    for link in [&alice, &later] {
        let refused = link.ask(join.clone()).await;
        assert!(banned(&refused) && data(&refused)["retry_after_ms"].as_u64().is_some_and(|ms| ms <= 2_000));
        for kind in ["hub:history", "hub:presence"] {
            link.fails(json!({"type": kind, "room": ROOM}), Code::Banned).await;
        }
    }
    assert_eq!(hub.force_join("alice", ROOM, &[], None).await.unwrap_err().code, Code::Banned);
    let over = async {
        while banned(&alice.ask(join.clone()).await) {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(10), over).await.unwrap();
    alice.reply(publish(2)).await;
    by_api(&hub, Action::Ban, "alice", None);
    by_api(&hub, Action::Unban, "alice", None);
    later.join(ROOM).await;
    assert!(hub.moderation(ROOM).is_empty());
}

#[tokio::test]
async fn moderators_moderate_others_but_not_each_other() {
    let hub = hub(config());
    let (one, two) = (moderator(&hub, "one").await, moderator(&hub, "two").await);
    let (alice, _) = member(&hub, "alice").await;
    let mute = |user: &str| moderate(json!({"action": "mute", "user": user}));
    alice.fails(mute("one"), Code::Forbidden).await;
    alice.fails(json!({"type": "hub:moderation", "room": ROOM}), Code::Forbidden).await;
    one.fails(mute("two"), Code::Forbidden).await;
    one.fails(
        json!({"type": "hub:moderate", "room": "lobby", "data": {"action": "mute", "user": "alice"}}),
        Code::Forbidden,
    )
    .await;
    one.fails(moderate(json!({"action": "silence", "user": "alice"})), Code::BadRequest).await;
    one.fails(moderate(json!({"action": "mute", "user": ""})), Code::BadRequest).await;
    one.fails(
        moderate(json!({"action": "mute", "user": "alice", "reason": "x".repeat(257)})),
        Code::BadRequest,
    )
    .await;
    one.fails(moderate(json!({"action": "mute", "user": "alice", "for_ms": u64::MAX})), Code::BadRequest)
        .await;
    one.reply(mute("alice")).await;
    two.reply(moderate(json!({"action": "ban", "user": "gone"}))).await;
    let listed = two.reply(json!({"type": "hub:moderation", "room": ROOM})).await;
    let expected = json!([{"user": "alice", "action": "mute", "by": "one"}, {"user": "gone", "action": "ban", "by": "two"}]);
    assert_eq!(listed["users"], expected);
    by_api(&hub, Action::Ban, "two", None);
    two.until("hub:removed").await;
    two.fails(mute("alice"), Code::Banned).await;
    two.fails(moderate(json!({"action": "unban", "user": "two"})), Code::Banned).await;
}

#[tokio::test]
async fn there_are_only_so_many() {
    let mut config = config();
    config.limits.room_moderated_max = 1;
    let hub = hub(config);
    let mod_ = moderator(&hub, "mod").await;
    let ban = |user: &str| moderate(json!({"action": "ban", "user": user}));
    mod_.reply(ban("a")).await;
    mod_.fails(ban("b"), Code::LimitExceeded).await;
    mod_.reply(moderate(json!({"action": "unban", "user": "a"}))).await;
    mod_.reply(ban("b")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_slips_in_while_being_banned() {
    let mut config = config();
    config.limits.connects_per_s = 0;
    let hub = hub(config);
    for round in 0..300 {
        let (user, room) = (format!("user{round}"), format!("chat:{round}"));
        let (link, _) = Link::hello(&hub, &user).await;
        let join = json!({"type": "hub:join", "room": room, "id": "j"});
        let joins = tokio::task::spawn_blocking(move || {
            link.send(join);
            link
        });
        let (banning, banned) = (hub.clone(), room.clone());
        let ban = Moderation { action: Action::Ban, user, for_ms: None, reason: None, by: None };
        let bans = tokio::task::spawn_blocking(move || banning.moderate(&banned, ban));
        let (link, ban) = tokio::join!(joins, bans);
        ban.unwrap().unwrap();
        let link = link.unwrap();
        link.find("an answer", |f| f.id.as_deref() == Some("j")).await;
        assert_eq!(hub.room_info(&room).sessions, 0, "round {round}: {:?}", link.kinds());
        assert!(hub.presence(&room).await.unwrap().is_empty(), "round {round}");
    }
}
