//! What backends do to people by the API: into rooms and out of them, moderation, grants, ends, tickets, revocations.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{SECRET, Ws, api, secured};
use crosspoint::Running;
use crosspoint::auth::jwt::{Claims, Signer};
use serde_json::{Value, json};

fn token(claims: Value) -> String {
    let claims: Claims = serde_json::from_value(claims).unwrap();
    Signer::hs256(SECRET.as_bytes()).sign(&claims).unwrap()
}

async fn connect(hub: &Running, claims: Value) -> (Ws, String) {
    let (ws, welcome) = Ws::hello(hub, json!({"version": 1, "token": token(claims)})).await;
    (ws, welcome["session"].as_str().unwrap().into())
}

async fn post(hub: &Running, path: &str, body: Value) -> Value {
    let answer = api(hub, "POST", &format!("/api/v1{path}"), &body).await;
    assert_eq!(answer.status, 200, "{path}: {}", answer.text());
    answer.json()
}

/// What the hub says to a publish.
async fn publish(ws: &mut Ws, room: &str) -> Value {
    ws.send(json!({"type": "m", "room": room, "id": "p"})).await;
    loop {
        let frame = ws.next().await;
        if frame["id"] == "p" && frame["type"].as_str().is_some_and(|kind| kind.starts_with("hub:")) {
            return frame;
        }
    }
}

#[tokio::test]
async fn a_backend_puts_users_into_rooms_and_takes_them_out() {
    let hub = secured().await;
    let (mut alice, _) = connect(&hub, json!({"sub": "alice", "join": ["lobby"]})).await;
    assert_eq!(post(&hub, "/rooms/class/join", json!({"user": "alice"})).await, json!({"sessions": 1}));
    assert_eq!(alice.find("hub:added").await["room"], "class");
    post(&hub, "/rooms/class/events", json!({"type": "lesson"})).await;
    assert_eq!(alice.find("lesson").await["room"], "class");
    assert_eq!(publish(&mut alice, "class").await["type"], "hub:reply");

    let left = post(&hub, "/rooms/class/leave", json!({"user": "alice", "message": "It is over"})).await;
    assert_eq!(left, json!({"sessions": 1}));
    let removed = alice.find("hub:removed").await["data"].clone();
    assert_eq!((&removed["reason"], &removed["message"]), (&json!("backend"), &json!("It is over")));
    assert_eq!(publish(&mut alice, "class").await["data"]["code"], "forbidden");
    assert_eq!(post(&hub, "/rooms/class/leave", json!({"user": "alice"})).await, json!({"sessions": 0}));

    // Only to listen, and only for a while.
    post(&hub, "/rooms/hall/join", json!({"user": "alice", "allow": ["join"], "expires_in_s": 3600.0})).await;
    alice.find("hub:added").await;
    assert_eq!(publish(&mut alice, "hall").await["data"]["code"], "forbidden");
    assert_eq!(post(&hub, "/rooms/hall/join", json!({"user": "nobody"})).await, json!({"sessions": 0}));
}

#[tokio::test]
async fn a_backend_moderates() {
    let hub = secured().await;
    let (mut mallory, _) = connect(&hub, json!({"sub": "mallory"})).await;
    mallory.join("r").await;
    let until = post(
        &hub,
        "/rooms/r/moderation",
        json!({"action": "mute", "user": "mallory", "for_ms": 600_000, "reason": "Shouting"}),
    )
    .await;
    assert!(until["until_ms"].as_u64().unwrap() > 600_000);
    assert_eq!(mallory.find("hub:moderated").await["data"]["action"], "mute");
    assert_eq!(publish(&mut mallory, "r").await["data"]["code"], "muted");
    let list = api(&hub, "GET", "/api/v1/rooms/r/moderation", &Value::Null).await.json();
    assert_eq!(
        (&list["users"][0]["user"], &list["users"][0]["reason"]),
        (&json!("mallory"), &json!("Shouting"))
    );
    assert_eq!(
        post(&hub, "/rooms/r/moderation", json!({"action": "unmute", "user": "mallory"})).await,
        json!({})
    );
    assert_eq!(publish(&mut mallory, "r").await["type"], "hub:reply");

    assert_eq!(
        post(&hub, "/rooms/r/moderation", json!({"action": "ban", "user": "mallory", "by": "alice"})).await,
        json!({})
    );
    assert_eq!(mallory.find("hub:moderated").await["data"]["by"], "alice");
    assert_eq!(mallory.find("hub:removed").await["data"]["code"], "banned");
    let forced = api(&hub, "POST", "/api/v1/rooms/r/join", &json!({"user": "mallory"})).await;
    assert_eq!(forced.fault(), (403, "banned".into()));
    post(&hub, "/rooms/r/moderation", json!({"action": "unban", "user": "mallory"})).await;
    assert_eq!(post(&hub, "/rooms/r/join", json!({"user": "mallory"})).await, json!({"sessions": 1}));
}

#[tokio::test]
async fn a_backend_changes_what_sessions_may_and_for_how_long() {
    let hub = secured().await;
    let (mut alice, session) = connect(&hub, json!({"sub": "alice", "join": ["a", "b"]})).await;
    alice.join("a").await;
    let path = format!("/sessions/{session}/refresh");
    assert_eq!(post(&hub, &path, json!({"grant": {"join": ["b", "c"]}})).await, json!({"sessions": 1}));
    assert_eq!(alice.find("hub:removed").await["room"], "a");
    assert_eq!(alice.join("c").await["room"], "c");
    // A later end leaves the rest as it is.
    assert_eq!(
        post(&hub, "/users/alice/refresh", json!({"expires_in_s": 3600})).await,
        json!({"sessions": 1})
    );
    assert_eq!(publish(&mut alice, "c").await["type"], "hub:reply");
    assert_eq!(
        post(&hub, "/users/nobody/refresh", json!({"expires_in_s": 3600})).await,
        json!({"sessions": 0})
    );
    let gone = api(&hub, "POST", "/api/v1/sessions/nobody/refresh", &json!({"expires_in_s": 3600})).await;
    assert_eq!(gone.fault(), (404, "not_found".into()));
    // An end that comes is an end.
    post(&hub, "/users/alice/refresh", json!({"expires_in_s": 1})).await;
    assert_eq!(alice.find("hub:close").await["data"]["code"], "token_expired");
}

#[tokio::test]
async fn a_backend_ends_sessions() {
    let hub = secured().await;
    let (mut one, first) = connect(&hub, json!({"sub": "alice"})).await;
    let (mut two, _) = connect(&hub, json!({"sub": "alice"})).await;
    let (mut bob, _) = connect(&hub, json!({"sub": "bob"})).await;
    let user = api(&hub, "GET", "/api/v1/users/alice", &Value::Null).await.json();
    assert_eq!(user["sessions"].as_array().unwrap().len(), 2);
    let session = api(&hub, "GET", &format!("/api/v1/sessions/{first}"), &Value::Null).await.json();
    assert_eq!(session, json!({"session": first, "user": "alice", "transport": "websocket", "rooms": 0}));
    post(&hub, &format!("/sessions/{first}/disconnect"), json!({"message": "Signed in elsewhere"})).await;
    let close = one.find("hub:close").await["data"].clone();
    assert_eq!((&close["code"], &close["message"]), (&json!("forbidden"), &json!("Signed in elsewhere")));
    assert_eq!(post(&hub, "/users/alice/disconnect", Value::Null).await, json!({"ended": 1}));
    assert_eq!(two.find("hub:close").await["data"]["code"], "forbidden");
    assert_eq!(bob.join("r").await["room"], "r");
    let gone = api(&hub, "GET", &format!("/api/v1/sessions/{first}"), &Value::Null).await;
    assert_eq!(gone.fault(), (404, "not_found".into()));
}

#[tokio::test]
async fn a_ticket_opens_one_session_with_its_grant() {
    let hub = secured().await;
    let issued = post(
        &hub,
        "/tickets",
        json!({"user": "alice", "grant": {"name": "Alice", "info": {"age": 7}, "join": ["a"], "token_id": "t-1"}, "expires_in_s": 3600}),
    )
    .await;
    assert_eq!(issued["expires_in_ms"], 30_000);
    let (mut alice, welcome) = Ws::hello(&hub, json!({"version": 1, "ticket": issued["ticket"]})).await;
    assert_eq!((&welcome["user"], &welcome["info"]), (&json!("alice"), &json!({"age": 7, "name": "Alice"})));
    assert_eq!(alice.join("a").await["room"], "a");
    alice.send(json!({"type": "hub:join", "room": "b", "id": "x"})).await;
    assert_eq!(alice.find("hub:error").await["data"]["code"], "forbidden");

    let mut again = Ws::connect(&hub, &[]).await.unwrap();
    again.send(json!({"type": "hub:hello", "data": {"version": 1, "ticket": issued["ticket"]}})).await;
    assert_eq!(again.find("hub:close").await["data"]["code"], "unauthorized");

    assert_eq!(post(&hub, "/revocations", json!({"token_id": "t-1"})).await["ended"], 1);
    assert_eq!(alice.find("hub:close").await["data"]["code"], "token_revoked");
}

#[tokio::test]
async fn revoked_tokens_end_at_once_and_count_again_when_that_is_undone() {
    let hub = secured().await;
    let claims = json!({"sub": "mallory", "iat": 1_000});
    let refused = async || {
        let mut ws = Ws::connect(&hub, &[]).await.unwrap();
        ws.send(json!({"type": "hub:hello", "data": {"version": 1, "token": token(claims.clone())}})).await;
        ws.find("hub:close").await["data"]["code"].clone()
    };
    let (mut mallory, _) = connect(&hub, claims.clone()).await;
    let early = json!({"user": "mallory", "issued_before_unix_s": 1_000, "for_s": 60});
    assert_eq!(post(&hub, "/revocations", early).await["ended"], 0);
    let late = json!({"user": "mallory", "issued_before_unix_s": 1_001, "for_s": 60});
    let done = post(&hub, "/revocations", late).await;
    assert_eq!((&done["ended"], &done["revocation"]["user"]), (&json!(1), &json!("mallory")));
    assert_eq!(mallory.find("hub:close").await["data"]["code"], "token_revoked");
    assert_eq!(refused().await, "token_revoked");

    let list = api(&hub, "GET", "/api/v1/revocations", &Value::Null).await.json();
    assert!(list["revocations"].as_array().unwrap().contains(&done["revocation"]), "{list}");
    let path = format!("/api/v1/revocations/{}", done["revocation"]["id"].as_str().unwrap());
    assert_eq!(api(&hub, "DELETE", &path, &Value::Null).await.json(), json!({}));
    assert_eq!(api(&hub, "DELETE", &path, &Value::Null).await.fault(), (404, "not_found".into()));
    connect(&hub, claims.clone()).await;
}
