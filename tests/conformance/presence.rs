//! Who is here.

use crate::support::*;
use crosspoint_core::Code;
use serde_json::{Value, json};

async fn change(link: &mut Link) -> Value {
    link.find("hub:presence").await["data"].clone()
}

/// A link in the room that is told of changes, after its own arrival was told.
async fn watcher(by: Adapter, hub: &crosspoint::Running) -> Link {
    let mut link = by.user(hub, "watcher").await;
    let joined = link.join(CHAT, json!({"presence": true})).await;
    assert!(joined["members"].as_array().unwrap().iter().any(|m| m["user"] == "watcher"));
    assert_eq!(change(&mut link).await["join"][0]["user"], "watcher");
    link
}

pub(crate) async fn a_member_is_a_user_with_sessions(by: Adapter) {
    let hub = open().await;
    let mut watcher = watcher(by, &hub).await;
    let data = json!({"version": 1, "user": "alice", "info": {"name": "Alice"}});
    let (mut one, _) = by.hello(&hub, data.clone()).await;
    one.join(CHAT, json!({"state": {"mood": "fine"}})).await;
    let joined = change(&mut watcher).await;
    let member = &joined["join"][0];
    assert_eq!(
        (&member["user"], &member["info"], &member["state"], &member["sessions"]),
        (&json!("alice"), &json!({"name": "Alice"}), &json!({"mood": "fine"}), &json!(1))
    );
    assert!(member["since"].as_u64().unwrap() > 1_600_000_000_000);

    let (mut two, _) = Adapter::WebSocket.hello(&hub, data).await;
    two.join(CHAT, json!({})).await;
    let members = two.ask(json!({"type": "hub:presence", "room": CHAT})).await["data"]["members"].clone();
    let alice: Vec<_> = members.as_array().unwrap().iter().filter(|m| m["user"] == "alice").collect();
    assert_eq!((alice.len(), &alice[0]["sessions"]), (1, &json!(2)));

    // One session less is no reason to say goodbye.
    two.ask(json!({"type": "hub:leave", "room": CHAT})).await;
    one.ask(json!({"type": "hub:leave", "room": CHAT})).await;
    loop {
        let data = change(&mut watcher).await;
        assert!(data.get("join").is_none(), "{data}");
        if data["leave"] == json!(["alice"]) {
            break;
        }
    }
}

pub(crate) async fn states_are_told(by: Adapter) {
    let hub = open().await;
    let mut watcher = watcher(by, &hub).await;
    let mut alice = by.joined(&hub, "alice", CHAT).await;
    assert_eq!(change(&mut watcher).await["join"][0]["user"], "alice");
    let state = json!({"type": "hub:state", "room": CHAT, "data": {"typing": true}});
    assert_eq!(alice.ask(state).await["data"], json!({}));
    let data = change(&mut watcher).await;
    assert_eq!(
        (&data["update"][0]["user"], &data["update"][0]["state"]["typing"]),
        (&json!("alice"), &json!(true))
    );
    let large = json!({"a": "x".repeat(1024)});
    alice.fails(json!({"type": "hub:state", "room": CHAT, "data": large}), Code::LimitExceeded).await;
    alice
        .fails(json!({"type": "hub:join", "room": CHAT, "data": {"state": large}}), Code::LimitExceeded)
        .await;
    alice.fails(json!({"type": "hub:state", "room": LOBBY, "data": {}}), Code::NotJoined).await;
}

pub(crate) async fn a_goodbye_is_told_after_a_while_and_a_return_not_at_all(by: Adapter) {
    let hub = start(|c| c.namespaces.iter_mut().for_each(|n| n.leave_delay_ms = 1_000)).await;
    let mut watcher = watcher(by, &hub).await;
    for _ in 0..3 {
        // A page that is loaded again.
        let mut alice = by.joined(&hub, "alice", CHAT).await;
        alice.send(json!({"type": "n", "room": CHAT, "data": 1})).await;
        alice.find("n").await;
        alice.send(json!({"type": "hub:bye"})).await;
        stats(&hub, |s| s.sessions == 1).await;
    }
    let mut changes = vec![];
    while changes.last().is_none_or(|c: &Value| c.get("leave").is_none()) {
        changes.push(change(&mut watcher).await);
    }
    assert_eq!(changes[0]["join"][0]["user"], "alice");
    let joins = changes.iter().filter(|c| c.get("join").is_some()).count();
    assert_eq!((joins, &changes[changes.len() - 1]), (1, &json!({"leave": ["alice"]})));
}

pub(crate) async fn a_lost_link_is_no_goodbye(by: Adapter) {
    let hub = open().await;
    let mut watcher = watcher(by, &hub).await;
    let (mut alice, welcome) = by.hello(&hub, hello("alice")).await;
    alice.join(CHAT, json!({})).await;
    assert_eq!(change(&mut watcher).await["join"][0]["user"], "alice");
    let received = alice.received;
    drop(alice);
    by.cut(&hub, 1).await;
    let members = watcher.ask(json!({"type": "hub:presence", "room": CHAT})).await["data"]["members"].clone();
    assert_eq!(members.as_array().unwrap().len(), 2, "present without a link");
    let (mut alice, _) = by.hello(&hub, again(&welcome, received)).await;
    alice.send(json!({"type": "n", "room": CHAT, "data": 1})).await;
    assert_eq!(watcher.next().await.kind(), "n", "nothing was told");
}
