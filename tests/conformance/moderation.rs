//! Muting, kicking and banning, by members that may and by backends.

use crate::support::*;
use crosspoint::Running;
use crosspoint::auth::jwt::Claims;
use crosspoint_core::{Cap, Code, Fault};
use crosspoint_hub::{Action, Moderation};
use serde_json::{Value, json};

async fn member(by: Adapter, hub: &Running, user: &str) -> Link {
    let (mut link, _) = by.hello(hub, json!({"version": 1, "token": token(user)})).await;
    link.join(CHAT, json!({})).await;
    link
}

async fn moderator(by: Adapter, hub: &Running, user: &str) -> Link {
    let claims = Claims { sub: user.into(), moderate: Some(vec!["chat:*".into()]), ..Claims::default() };
    let (mut link, _) = by.hello(hub, json!({"version": 1, "token": sign(&claims)})).await;
    link.join(CHAT, json!({})).await;
    link
}

fn moderate(data: Value) -> Value {
    json!({"type": "hub:moderate", "room": CHAT, "data": data})
}

fn publish() -> Value {
    json!({"type": "n", "room": CHAT})
}

pub(crate) async fn a_muted_user_is_heard_again_when_that_ends(by: Adapter) {
    let hub = secured().await;
    let (mut alice, mut bob) = (member(by, &hub, "alice").await, member(by, &hub, "bob").await);
    let mut chair = moderator(by, &hub, "chair").await;
    let mute = json!({"action": "mute", "user": "alice", "for_ms": 2_000, "reason": "spam"});
    let reply = chair.ask(moderate(mute)).await;
    let until = &reply["data"]["until_ms"];
    let word = json!({"action": "mute", "user": "alice", "by": "chair", "until_ms": until, "reason": "spam"});
    assert_eq!(alice.find("hub:moderated").await["data"], word);
    alice.fails(publish(), Code::Muted).await;
    alice.send(json!({"type": "v", "room": CHAT, "volatile": true})).await;
    let mut later = member(by, &hub, "alice").await;
    later.fails(publish(), Code::Muted).await;
    let listed = chair.ask(json!({"type": "hub:moderation", "room": CHAT})).await["data"].clone();
    assert_eq!((&listed["users"][0]["user"], &listed["users"][0]["until_ms"]), (&json!("alice"), until));
    assert_eq!(alice.ask(json!({"type": "m", "to": "user:bob"})).await.kind(), "hub:reply");
    assert_eq!(bob.next().await.kind(), "m", "nothing of the muted user came before");
    within(async { while later.ask(publish()).await.kind() != "hub:reply" {} }).await;
    assert_eq!(bob.next().await.kind(), "n");
    let listed = chair.ask(json!({"type": "hub:moderation", "room": CHAT})).await["data"].clone();
    assert_eq!(listed, json!({"users": []}));
}

pub(crate) async fn a_kicked_user_comes_back_and_a_banned_one_does_not(by: Adapter) {
    let hub = secured().await;
    let (mut alice, mut bob) = (member(by, &hub, "alice").await, member(by, &hub, "bob").await);
    let mut chair = moderator(by, &hub, "chair").await;
    chair.ask(moderate(json!({"action": "kick", "user": "alice"}))).await;
    assert_eq!(alice.find("hub:moderated").await["data"]["action"], "kick");
    let removed = alice.next().await;
    assert_eq!((removed.kind(), &removed["room"]), ("hub:removed", &json!(CHAT)));
    assert_eq!(
        (&removed["data"]["reason"], &removed["data"]["code"]),
        (&json!("kicked"), &json!("forbidden"))
    );
    alice.fails(publish(), Code::NotJoined).await;
    bob.ask(publish()).await;
    alice.join(CHAT, json!({})).await;
    assert_eq!(alice.ask(publish()).await.kind(), "hub:reply");

    let ban = Moderation { action: Action::Ban, user: "alice".into(), for_ms: None, reason: None, by: None };
    hub.hub().moderate(CHAT, ban.clone()).unwrap();
    let removed = alice.find("hub:removed").await["data"].clone();
    assert_eq!((&removed["reason"], &removed["code"]), (&json!("banned"), &json!("banned")));
    let (mut later, _) = by.hello(&hub, json!({"version": 1, "token": token("alice")})).await;
    for link in [&mut alice, &mut later] {
        for kind in ["hub:join", "hub:history", "hub:presence"] {
            link.fails(json!({"type": kind, "room": CHAT}), Code::Banned).await;
        }
    }
    hub.hub().moderate(CHAT, Moderation { action: Action::Unban, ..ban }).unwrap();
    later.join(CHAT, json!({})).await;
}

pub(crate) async fn moderating_needs_the_grant_and_stops_at_its_equals(by: Adapter) {
    let hub = secured().await;
    let (mut one, mut two) = (moderator(by, &hub, "one").await, moderator(by, &hub, "two").await);
    let mut alice = member(by, &hub, "alice").await;
    let mute = |user: &str| moderate(json!({"action": "mute", "user": user}));
    alice.fails(mute("one"), Code::Forbidden).await;
    one.fails(mute("two"), Code::Forbidden).await;
    one.fails(json!({"type": "hub:moderate", "room": LOBBY, "data": mute("alice")["data"]}), Code::Forbidden)
        .await;
    one.fails(moderate(json!({"action": "silence", "user": "alice"})), Code::BadRequest).await;
    one.fails(moderate(json!({"action": "mute"})), Code::BadRequest).await;
    assert_eq!(two.ask(publish()).await.kind(), "hub:reply");
    let api = Moderation { action: Action::Mute, user: "two".into(), for_ms: None, reason: None, by: None };
    hub.hub().moderate(CHAT, api).unwrap();
    two.fails(publish(), Code::Muted).await;
    two.fails(moderate(json!({"action": "unmute", "user": "two"})), Code::Forbidden).await;
}

pub(crate) async fn a_backend_puts_users_into_rooms_and_out(by: Adapter) {
    let hub = secured().await;
    let lobby = Claims { sub: "alice".into(), join: Some(vec![LOBBY.into()]), ..Claims::default() };
    let (mut alice, _) = by.hello(&hub, json!({"version": 1, "token": sign(&lobby)})).await;
    assert_eq!(hub.hub().force_join("alice", CHAT, &[Cap::Publish], None).await, Ok(1));
    let added = alice.find("hub:added").await;
    assert_eq!((&added["room"], &added["data"]["room"], added.counted()), (&json!(CHAT), &json!(CHAT), true));
    assert_eq!(alice.ask(publish()).await.kind(), "hub:reply");
    assert_eq!(alice.next().await.kind(), "n");
    alice.fails(json!({"type": "hub:presence", "room": CHAT}), Code::Forbidden).await;
    assert_eq!(hub.hub().force_leave("alice", CHAT, &Fault::new(Code::Forbidden, "over")), 1);
    let removed = alice.find("hub:removed").await["data"].clone();
    assert_eq!(removed, json!({"reason": "backend", "code": "forbidden", "message": "over"}));
    alice.fails(publish(), Code::Forbidden).await;
    assert_eq!(hub.hub().disconnect_user("alice", &Code::Forbidden.into()), 1);
    alice.ends_with(Code::Forbidden).await;
}
