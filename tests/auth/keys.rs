//! Keys of the API: hashed, several, restricted.

use crate::support::{Adapter, Http, SECRET, Version, start};
use crosspoint::Running;
use crosspoint::auth::api_key::{fresh, hash};
use crosspoint_hub::Revocation;
use http::Method;
use serde_json::{Value, json};

async fn ask(hub: &Running, key: &str, method: Method, path: &str, body: &Value) -> u16 {
    let http = Http::new(hub.addr(), Version::H1).await;
    let headers = [("x-api-key", key), ("content-type", "application/json")];
    let body = if body.is_null() { String::new() } else { body.to_string() };
    http.send(method, path, &headers, body).await.status
}

async fn rooms(hub: &Running, key: &str) -> u16 {
    ask(hub, key, Method::GET, "/api/v1/rooms", &Value::Null).await
}

async fn with_keys(keys: Value) -> Running {
    start(|c| {
        c.auth.jwt_secret = Some(SECRET.into());
        c.auth.api_keys = serde_json::from_value(keys).unwrap();
    })
    .await
}

#[tokio::test]
async fn keys_are_changed_one_after_the_other() {
    let (old, new) = (fresh().unwrap(), fresh().unwrap());
    let entry = |key: &str| json!({"name": "shop", "key": hash(key), "scopes": ["read"]});
    let hub = with_keys(json!([entry(&old), entry(&new), "a-plain-key-of-old-times"])).await;
    for good in [&old, &new, "a-plain-key-of-old-times"] {
        assert_eq!(rooms(&hub, good).await, 200);
    }
    // Who reads the configuration has no key by that.
    for bad in [&hash(&new), "", &new[..new.len() - 1]] {
        assert_eq!(rooms(&hub, bad).await, 401);
    }
    let shop = Revocation { token_id: Some("key:shop".into()), ..Revocation::default() };
    hub.hub().revoke(&shop).unwrap();
    assert_eq!((rooms(&hub, &new).await, rooms(&hub, "a-plain-key-of-old-times").await), (401, 200));
    hub.shutdown().await;
}

#[tokio::test]
async fn keys_do_what_their_scopes_and_rooms_say() {
    let key = fresh().unwrap();
    let hub = with_keys(json!([
        {"name": "shop", "key": hash(&key), "scopes": ["publish"], "rooms": ["shop:*"], "user": "shop", "publish": []}
    ]))
    .await;
    let event = json!({"type": "n", "data": 1});
    let publish = |room: &'static str| ask(&hub, &key, Method::POST, room, &event);
    assert_eq!(publish("/api/v1/rooms/shop:1/events").await, 200);
    assert_eq!(publish("/api/v1/rooms/other/events").await, 403);
    assert_eq!(ask(&hub, &key, Method::GET, "/api/v1/rooms/shop:1/presence", &Value::Null).await, 403);
    let shown = [("x-api-key", key.as_str())];
    let hello = json!({"version": 1});
    let (mut link, welcome) =
        Adapter::WebSocket.try_hello_with(&hub, &shown, hello, vec![]).await.expect("a session");
    assert_eq!(welcome["user"], "shop");
    for (frame, outcome) in [
        (json!({"type": "hub:join", "room": "shop:1", "id": "1"}), "hub:reply"),
        (json!({"type": "hub:join", "room": "other", "id": "2"}), "hub:error"),
        (json!({"type": "n", "room": "shop:1", "id": "3"}), "hub:error"),
    ] {
        link.send(frame.clone()).await;
        assert_eq!(link.next().await.kind(), outcome, "{frame}");
    }
    hub.shutdown().await;
}

#[tokio::test]
async fn a_key_of_some_rooms_sees_no_others_in_lists_and_cursors() {
    let (some, all) = (fresh().unwrap(), fresh().unwrap());
    let hub = with_keys(json!([
        {"name": "shop", "key": hash(&some), "scopes": ["read"], "rooms": ["shop:*"]},
        {"name": "all", "key": hash(&all), "scopes": ["read"], "user": "anybody"},
    ]))
    .await;
    let shown = [("x-api-key", all.as_str())];
    let hello = json!({"version": 1});
    let (mut link, _) =
        Adapter::WebSocket.try_hello_with(&hub, &shown, hello, vec![]).await.expect("a session");
    for room in ["a", "shop:1", "shop:2", "z"] {
        link.send(json!({"type": "hub:join", "room": room, "id": room})).await;
        assert_eq!(link.next().await.kind(), "hub:reply");
    }
    let list = async |key: &str| {
        let (mut found, mut path) = (vec![], String::from("/api/v1/rooms?limit=1"));
        let http = Http::new(hub.addr(), Version::H1).await;
        loop {
            let answer = http.send(Method::GET, &path, &[("x-api-key", key)], String::new()).await;
            let page = answer.json().await;
            found.extend(page["rooms"].as_array().unwrap().iter().map(|r| r["room"].clone()));
            let Some(next) = page["next"].as_str() else { return found };
            path = format!("/api/v1/rooms?limit=1&cursor={next}");
        }
    };
    assert_eq!(
        (list(&some).await, list(&all).await),
        (
            vec![json!("shop:1"), json!("shop:2")],
            vec![json!("a"), json!("shop:1"), json!("shop:2"), json!("z")],
        )
    );
    hub.shutdown().await;
}

#[tokio::test]
async fn services_may_have_hashed_keys_too() {
    let key = fresh().unwrap();
    let hub = start(|c| {
        c.auth.jwt_secret = Some(SECRET.into());
        c.auth.services = serde_json::from_value(json!([{"name": "sfu", "key": hash(&key)}])).unwrap();
    })
    .await;
    let (_link, welcome) = Adapter::Stream.hello(&hub, json!({"version": 1, "token": key})).await;
    assert_eq!(welcome["user"], "service:sfu");
    assert_eq!(rooms(&hub, &key).await, 401, "it opens no HTTP API");
    assert!(Adapter::Stream.try_hello(&hub, json!({"version": 1, "token": hash(&key)})).await.is_err());
    hub.shutdown().await;
}
