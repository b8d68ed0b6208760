//! The API for backends.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{KEY, Ws, api, dev, get, post, secured, send, start};
use crosspoint_hub::Namespace;
use serde_json::{Value, json};

const ROOM: &str = "/api/v1/rooms/chat%3A1";

async fn with_history() -> crosspoint::Running {
    start(|c| {
        c.auth.jwt_secret = Some(common::SECRET.into());
        c.auth.api_keys = vec![KEY.into(), "another-key-of-tests".into()];
        c.namespaces =
            vec![Namespace { prefix: "chat:".into(), history_events: 100, ..Namespace::default() }];
    })
    .await
}

#[tokio::test]
async fn only_keys_open_it() {
    let hub = secured().await;
    let token = format!("Bearer {}", common::token("alice"));
    let cookie = format!("crosspoint_token={KEY}");
    for headers in [
        &[][..],
        &[("authorization", "Bearer wrong-key-of-tests")],
        &[("authorization", &token)],
        &[("x-api-key", "")],
        &[("cookie", &cookie)],
    ] {
        let answer = send(&hub, "GET", "/api/v1/rooms", headers, "").await;
        assert_eq!(answer.fault(), (401, "unauthorized".into()), "{headers:?}");
    }
    assert_eq!(get(&hub, &format!("/api/v1/rooms?key={KEY}")).await.status, 401);
    assert_eq!(send(&hub, "GET", "/api/v1/rooms", &[("x-api-key", KEY)], "").await.status, 200);
    assert_eq!(
        api(&hub, "GET", "/api/v1/rooms", &Value::Null).await.json(),
        json!({"rooms": [], "truncated": false})
    );

    let open = dev().await;
    assert_eq!(get(&open, "/api/v1/rooms").await.status, 200);
    let keyed = start(|c| c.auth.api_keys = vec![KEY.into()]).await;
    assert_eq!(get(&keyed, "/api/v1/rooms").await.status, 401);
}

#[tokio::test]
async fn a_publish_is_stored_once_and_reaches_members() {
    let hub = with_history().await;
    let (mut alice, _) = Ws::hello(&hub, json!({"version": 1, "token": common::token("alice")})).await;
    alice.join("chat:1").await;
    let event =
        json!({"type": "msg", "data": {"x": 1}, "id": "m1", "from": {"user": "bot", "session": "forged"}});
    let first = api(&hub, "POST", &format!("{ROOM}/events"), &event).await.json();
    assert_eq!((&first["id"], &first["offset"]), (&json!("m1"), &json!(1)));
    assert!(first["position"].as_str().unwrap().ends_with(".1.m1") && first["ts"].as_u64().unwrap() > 0);
    assert!(first.get("duplicate").is_none());
    let again = api(&hub, "POST", &format!("{ROOM}/events"), &event).await.json();
    assert_eq!(
        (&again["duplicate"], &again["position"], &again["ts"]),
        (&json!(true), &first["position"], &first["ts"])
    );

    api(&hub, "POST", &format!("{ROOM}/events"), &json!({"type": "end"})).await;
    let seen = alice.find("msg").await;
    assert_eq!(
        (&seen["data"], &seen["from"], &seen["offset"]),
        (&json!({"x": 1}), &json!({"user": "bot"}), &json!(1))
    );
    let end = alice.next().await;
    assert_eq!((&end["type"], &end["offset"]), (&json!("end"), &json!(2)));
    assert!(!end["id"].as_str().unwrap().is_empty());
}

#[tokio::test]
async fn batches_are_published_in_order_or_not_at_all() {
    let hub = with_history().await;
    let batch: Vec<_> = (0..100).map(|i| json!({"type": "n", "data": i})).collect();
    let done = api(&hub, "POST", &format!("{ROOM}/events"), &json!(batch)).await.json();
    let offsets: Vec<_> = done.as_array().unwrap().iter().map(|e| e["offset"].as_u64().unwrap()).collect();
    assert_eq!(offsets, (1..=100).collect::<Vec<_>>());
    assert_eq!(api(&hub, "POST", &format!("{ROOM}/events"), &json!([])).await.json(), json!([]));

    let too_many = vec![json!({"type": "n"}); 101];
    let bad = json!([{"type": "n"}, {"data": 1}]);
    let large = json!({"type": "n", "data": "x".repeat(70_000)});
    for (body, fault, says) in [
        (json!(too_many), (409, "limit_exceeded"), "100 events"),
        (bad, (400, "bad_request"), "Event 2: "),
        (large, (413, "frame_too_large"), "65536 bytes"),
        (json!({"type": "hub:close"}), (400, "bad_request"), "hub:"),
        (json!({"type": "n", "id": "x".repeat(65)}), (400, "bad_request"), "`id`"),
        (json!("text"), (400, "bad_request"), ""),
    ] {
        let answer = api(&hub, "POST", &format!("{ROOM}/events"), &body).await;
        assert_eq!(answer.fault(), (fault.0, fault.1.into()));
        assert!(answer.json()["error"]["message"].as_str().unwrap().contains(says), "{}", answer.text());
    }
    let answer =
        send(&hub, "POST", &format!("{ROOM}/events"), &[("x-api-key", KEY)], &" ".repeat(300_000)).await;
    assert_eq!(answer.fault(), (413, "frame_too_large".into()));
    let long = format!("/api/v1/rooms/{}/events", "r".repeat(257));
    assert_eq!(api(&hub, "POST", &long, &json!({"type": "n"})).await.fault(), (400, "bad_request".into()));
    let page = api(&hub, "GET", &format!("{ROOM}/history?limit=1"), &Value::Null).await.json();
    assert_eq!(page["events"][0]["offset"], 100);
}

#[tokio::test]
async fn history_is_read_forwards_from_a_position_and_backwards() {
    let hub = with_history().await;
    let mut positions = vec![];
    for i in 1..=5 {
        let event = json!({"type": "n", "data": i, "id": format!("m{i}")});
        let done = api(&hub, "POST", &format!("{ROOM}/events"), &event).await.json();
        positions.push(done["position"].as_str().unwrap().to_string());
    }
    let read = async |query: &str| {
        let page = api(&hub, "GET", &format!("{ROOM}/history?{query}"), &Value::Null).await.json();
        let data: Vec<_> =
            page["events"].as_array().unwrap().iter().map(|e| e["data"].as_u64().unwrap()).collect();
        (data, page["complete"].as_bool().unwrap())
    };
    assert_eq!(read(&format!("since={}&limit=2", positions[1])).await, (vec![3, 4], true));
    assert_eq!(read("limit=2").await, (vec![4, 5], true));
    assert_eq!(read("before=4&limit=2").await, (vec![2, 3], true));
    let forged = positions[1].replace("m2", "m9");
    assert!(!read(&format!("since={forged}")).await.1);
    for query in ["since=x", "limit=-1", "before=x", "since=%ff"] {
        let answer = api(&hub, "GET", &format!("{ROOM}/history?{query}"), &Value::Null).await;
        assert_eq!(answer.fault(), (400, "bad_request".into()), "{query}");
    }
    let none = api(&hub, "GET", "/api/v1/rooms/other/history", &Value::Null).await;
    assert_eq!(none.fault(), (400, "bad_request".into()));
}

#[tokio::test]
async fn presence_rooms_and_direct_messages() {
    let hub = with_history().await;
    let (mut alice, welcome) = Ws::hello(&hub, json!({"version": 1, "token": common::token("alice")})).await;
    alice.join("chat:1").await;
    let session = welcome["session"].as_str().unwrap();

    let here = api(&hub, "GET", &format!("{ROOM}/presence"), &Value::Null).await.json();
    assert_eq!((&here["members"][0]["user"], &here["members"][0]["sessions"]), (&json!("alice"), &json!(1)));
    let rooms = api(&hub, "GET", "/api/v1/rooms", &Value::Null).await.json();
    assert_eq!(
        rooms,
        json!({"rooms": [{"room": "chat:1", "members": 1, "sessions": 1}], "truncated": false})
    );

    let message = json!({"type": "note", "data": 1});
    let to_user = api(&hub, "POST", "/api/v1/users/alice/events", &message).await;
    assert_eq!(to_user.json(), json!({"delivered": 1}));
    assert_eq!(alice.find("note").await["data"], 1);
    let to_nobody = api(&hub, "POST", "/api/v1/users/bob/events", &message).await;
    assert_eq!(to_nobody.json(), json!({"delivered": 0}));
    let path = format!("/api/v1/sessions/{session}");
    let to_session = api(&hub, "POST", &format!("{path}/events"), &json!({"type": "note", "data": 2})).await;
    assert_eq!(to_session.json(), json!({"delivered": 1}));
    assert_eq!(alice.find("note").await["data"], 2);

    assert_eq!(api(&hub, "DELETE", &path, &Value::Null).await.json(), json!({}));
    assert_eq!(alice.find("hub:close").await["data"]["code"], "forbidden");
    assert!(alice.next().await.is_null());
    assert_eq!(api(&hub, "DELETE", &path, &Value::Null).await.fault(), (404, "not_found".into()));
    let gone = api(&hub, "POST", &format!("{path}/events"), &message).await;
    assert_eq!(gone.fault(), (404, "not_found".into()));
}

#[tokio::test]
async fn an_open_hub_needs_no_key() {
    let hub = dev().await;
    let done =
        post(&hub, "/api/v1/rooms/chat:x/events", &json!({"type": "m", "data64": "AAE="})).await.json();
    assert_eq!(done["offset"], 1);
    let page = get(&hub, "/api/v1/rooms/chat:x/history").await.json();
    assert_eq!(page["events"][0]["data64"], "AAE=");
    // Numbers stay as their writer wrote them.
    let data = r#"{"b":1.50,"a":123456789012345678901234567890}"#;
    send(&hub, "POST", "/api/v1/rooms/chat:x/events", &[], &format!(r#"{{"type":"m","data":{data}}}"#)).await;
    let page = get(&hub, "/api/v1/rooms/chat:x/history?limit=1").await;
    assert!(page.text().contains(data), "{}", page.text());
}
