//! How the API for backends takes requests: form, errors, idempotency, pages, batches, scopes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{Answer, KEY, SECRET, Ws, api, get, secured, send, start, token};
use crosspoint::Running;
use crosspoint_hub::Namespace;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

const EVENTS: &str = "/api/v1/rooms/chat%3A1/events";
const HISTORY: &str = "/api/v1/rooms/chat%3A1/history";

async fn with_history() -> Running {
    start(|c| {
        c.auth.jwt_secret = Some(SECRET.into());
        c.auth.api_keys = vec![KEY.into(), "another-key-of-tests".into()];
        c.namespaces =
            vec![Namespace { prefix: "chat:".into(), history_events: 100, ..Namespace::default() }];
    })
    .await
}

async fn once(hub: &Running, key: &str, path: &str, body: &Value) -> Answer {
    send(hub, "POST", path, &[("x-api-key", KEY), ("idempotency-key", key)], &body.to_string()).await
}

async fn stored(hub: &Running) -> usize {
    api(hub, "GET", HISTORY, &Value::Null).await.json()["events"].as_array().unwrap().len()
}

#[tokio::test]
async fn errors_are_problem_details_with_the_old_form_beside() {
    let hub = secured().await;
    let answer = api(&hub, "POST", EVENTS, &json!({"type": "hub:x"})).await;
    assert_eq!(answer.header("content-type"), "application/problem+json");
    let problem = answer.json();
    let detail = "Types that begin with hub: are the protocol's";
    assert_eq!(
        (&problem["status"], &problem["code"], &problem["retry"]),
        (&json!(400), &json!("bad_request"), &json!("never"))
    );
    assert_eq!((&problem["detail"], &problem["error"]["message"]), (&json!(detail), &json!(detail)));
    // Its type leads to where it is described.
    let (page, pointer) = problem["type"].as_str().unwrap().split_once('#').unwrap();
    let described = get(&hub, page).await.json().pointer(pointer).cloned().unwrap();
    assert_eq!((&described["title"], &described["status"]), (&problem["title"], &json!(400)));
    // Everywhere in the API.
    for (method, path, status) in
        [("GET", "/api/v1/nope", 404), ("PUT", "/api/v1/rooms", 405), ("POST", "/api/v1/batch", 401)]
    {
        let answer = send(&hub, method, path, &[], "").await;
        assert_eq!(
            (answer.status.as_u16(), answer.header("content-type")),
            (status, "application/problem+json")
        );
    }
    let page = send(&hub, "GET", "/api/v1/rooms", &[("origin", "https://evil.example")], "").await;
    assert_eq!(
        (page.fault(), page.header("content-type")),
        ((403, "bad_origin".into()), "application/problem+json")
    );
}

#[tokio::test]
async fn requests_have_the_form_that_is_described() {
    let hub = with_history().await;
    let ask = async |method: &str, path: &str, headers: &[(&str, &str)], body: &str| {
        let headers: Vec<_> = [("x-api-key", KEY)].iter().chain(headers).copied().collect();
        send(&hub, method, path, &headers, body).await
    };
    for (headers, status) in [
        (&[("content-type", "text/plain")][..], 415),
        (&[("content-type", "application/xml")], 415),
        (&[("accept", "text/html")], 406),
        (&[("content-type", "application/json; charset=utf-8"), ("accept", "application/json")], 200),
        (&[("content-type", "application/x-www-form-urlencoded"), ("accept", "*/*")], 200),
    ] {
        let answer = ask("POST", EVENTS, headers, r#"{"type": "m"}"#).await;
        assert_eq!(answer.status.as_u16(), status, "{headers:?}");
    }
    for (path, body) in [
        ("/api/v1/rooms?nope=1", Value::Null),
        ("/api/v1/rooms?limit=1&limit=2", Value::Null),
        ("/api/v1/rooms?limit=", Value::Null),
        ("/api/v1/rooms?limit=0", Value::Null),
        ("/api/v1/rooms?limit=1001", Value::Null),
        ("/api/v1/rooms?cursor=%21", Value::Null),
        ("/api/v1/rooms/chat%3A1/history?reverse=yes", Value::Null),
        ("/api/v1/tickets", json!({"user": "a", "nope": 1})),
        ("/api/v1/tickets", json!({"user": "a", "expires_in_s": 0.5})),
        ("/api/v1/tickets", json!({"user": "a", "grant": {"info": {"x": "y".repeat(1024)}}})),
        ("/api/v1/tickets", json!({"user": "u".repeat(296)})),
        ("/api/v1/tickets", json!([])),
        ("/api/v1/revocations", json!({"user": "a", "token_id": "b"})),
        ("/api/v1/rooms/r/moderation", json!({"action": "mute", "user": "a\nb"})),
        ("/api/v1/rooms/r/moderation", json!({"action": "shout", "user": "a"})),
        ("/api/v1/users/a/refresh", json!({})),
        ("/api/v1/broadcast", json!({"rooms": ["a", "a"], "event": {"type": "m"}})),
        ("/api/v1/broadcast", json!({"rooms": [""], "event": {"type": "m"}})),
    ] {
        let method = if body.is_null() { "GET" } else { "POST" };
        assert_eq!(
            api(&hub, method, path, &body).await.fault(),
            (400, "bad_request".into()),
            "{path} {body}"
        );
    }
    let head = ask("HEAD", "/api/v1/stats", &[], "").await;
    assert_eq!((head.status.as_u16(), head.body.len()), (200, 0));
    assert_eq!(api(&hub, "GET", "/api/v1/stats", &Value::Null).await.json()["published"], 2);
}

#[tokio::test]
async fn what_was_done_with_a_key_is_not_done_again() {
    let hub = with_history().await;
    let event = json!({"type": "m"});
    let first = once(&hub, "k-1", EVENTS, &event).await;
    assert_eq!((first.status.as_u16(), first.header("idempotency-replayed")), (200, ""));
    let again = once(&hub, "k-1", EVENTS, &event).await;
    assert_eq!((again.status.as_u16(), again.header("idempotency-replayed")), (200, "true"));
    assert_eq!((again.text(), again.header("content-type")), (first.text(), "application/json"));
    for (path, body) in [(EVENTS, json!({"type": "n"})), ("/api/v1/rooms/chat%3A2/events", event.clone())] {
        assert_eq!(once(&hub, "k-1", path, &body).await.fault(), (422, "idempotency_mismatch".into()));
    }
    // Another API key's keys are others.
    let headers = [("x-api-key", "another-key-of-tests"), ("idempotency-key", "k-1")];
    assert_eq!(send(&hub, "POST", EVENTS, &headers, r#"{"type": "n"}"#).await.status, 200);
    assert_eq!(stored(&hub).await, 2);
    // Decided refusals are kept as well.
    for replayed in ["", "true"] {
        let refused = once(&hub, "k-2", "/api/v1/sessions/nobody/disconnect", &json!({})).await;
        assert_eq!(
            (refused.fault(), refused.header("idempotency-replayed")),
            ((404, "not_found".into()), replayed)
        );
    }
    for key in ["", "a b", &"k".repeat(129)] {
        assert_eq!(once(&hub, key, EVENTS, &event).await.fault(), (400, "bad_request".into()), "{key}");
    }
    assert_eq!(stored(&hub).await, 2);
}

#[tokio::test]
async fn those_who_ask_at_the_same_time_get_the_same_answer() {
    let hub = with_history().await;
    let event = json!({"type": "m"});
    let asked = futures_util::future::join_all((0..16).map(|_| once(&hub, "k", EVENTS, &event))).await;
    assert!(asked.iter().all(|answer| answer.status == 200 && answer.text() == asked[0].text()));
    let replayed = asked.iter().filter(|answer| answer.header("idempotency-replayed") == "true");
    assert_eq!((replayed.count(), stored(&hub).await), (15, 1));
}

#[tokio::test]
async fn what_was_not_decided_is_asked_anew() {
    let hub = start(|c| {
        c.auth.api_keys = vec![KEY.into()];
        c.limits.sessions_max = 1;
        c.limits.ticket_ms = 600_000;
    })
    .await;
    assert_eq!(api(&hub, "POST", "/api/v1/tickets", &json!({"user": "a"})).await.status, 200);
    for _ in 0..2 {
        let full = once(&hub, "k", "/api/v1/tickets", &json!({"user": "b"})).await;
        assert_eq!((full.fault(), full.header("idempotency-replayed")), ((503, "unavailable".into()), ""));
        assert!(full.header("retry-after").parse::<u64>().is_ok_and(|s| s > 0));
        assert!(full.json()["retry_after_ms"].as_u64().is_some());
    }
}

#[tokio::test]
async fn lists_come_in_pages() {
    let hub = with_history().await;
    let mut people = vec![];
    for user in ["ann", "bob", "cyd", "dan", "eve"] {
        let (mut ws, _) = Ws::hello(&hub, json!({"version": 1, "token": token(user)})).await;
        ws.join("chat:all").await;
        ws.join(&format!("own:{user}")).await;
        people.push(ws);
    }
    let pages = async |path: &str, list: &str, name: &str| {
        let (mut seen, mut sizes, mut next) = (vec![], vec![], Some(String::new()));
        while let Some(cursor) = next {
            let page = api(&hub, "GET", &format!("{path}{cursor}"), &Value::Null).await.json();
            let entries = page[list].as_array().unwrap();
            sizes.push(entries.len());
            seen.extend(entries.iter().map(|e| e[name].as_str().unwrap().to_string()));
            next = page["next"].as_str().map(|next| format!("&cursor={next}"));
        }
        (seen.join(" "), sizes)
    };
    assert_eq!(
        pages("/api/v1/rooms?limit=4", "rooms", "room").await,
        ("chat:all own:ann own:bob own:cyd own:dan own:eve".into(), vec![4, 2])
    );
    assert_eq!(
        pages("/api/v1/rooms?limit=3&prefix=own:", "rooms", "room").await,
        ("own:ann own:bob own:cyd own:dan own:eve".into(), vec![3, 2])
    );
    assert_eq!(
        pages("/api/v1/rooms/chat%3Aall/members?limit=2", "members", "user").await,
        ("ann bob cyd dan eve".into(), vec![2, 2, 1])
    );
    assert_eq!(pages("/api/v1/rooms?prefix=x", "rooms", "room").await, (String::new(), vec![0]));
    let room = api(&hub, "GET", "/api/v1/rooms/chat%3Aall", &Value::Null).await.json();
    assert_eq!((&room["members"], &room["settings"]["history_events"]), (&json!(5), &json!(100)));
    let none = api(&hub, "GET", "/api/v1/rooms/nobody", &Value::Null).await.json();
    assert_eq!((&none["members"], none.get("position")), (&json!(0), None));
}

#[tokio::test]
async fn history_is_read_in_both_directions_to_its_end() {
    let hub = with_history().await;
    let events: Vec<_> = (1..=7).map(|n| json!({"type": "n", "data": n})).collect();
    let done = api(&hub, "POST", EVENTS, &json!(events)).await.json();
    let position = |n: usize| done[n - 1]["position"].as_str().unwrap();
    let page = async |query: &str| {
        let page = api(&hub, "GET", &format!("{HISTORY}?limit=3&{query}"), &Value::Null).await.json();
        let offsets: Vec<_> =
            page["events"].as_array().unwrap().iter().map(|e| e["offset"].as_u64().unwrap()).collect();
        (offsets, page)
    };
    // Each next page replaces the parameter that it names.
    let read = async |since: &str, more: &str| {
        let (mut since, mut before, mut seen) = (since.to_string(), String::new(), vec![]);
        loop {
            let (offsets, page) = page(&format!("{more}{since}{before}")).await;
            assert_eq!((&page["complete"], page["position"].as_str()), (&json!(true), Some(position(7))));
            seen.extend(offsets);
            match (page["next"]["since"].as_str(), page["next"]["before"].as_u64()) {
                (Some(next), None) => since = format!("&since={next}"),
                (None, Some(next)) => before = format!("&before={next}"),
                _ => return seen,
            }
        }
    };
    let since = |n: usize| format!("&since={}", position(n));
    assert_eq!(read("", "reverse=true").await, [7, 6, 5, 4, 3, 2, 1]);
    assert_eq!(read("", "reverse=false").await, [5, 6, 7, 2, 3, 4, 1]);
    assert_eq!(read(&since(2), "reverse=false").await, [3, 4, 5, 6, 7]);
    assert_eq!(read(&since(2), "before=5").await, [3, 4]);
    assert_eq!(read(&since(2), "reverse=true").await, [7, 6, 5, 4, 3]);
    assert_eq!(read(&since(7), "reverse=false").await, [0; 0]);
    let forged = position(3).replace(".3.", ".4.");
    let page =
        api(&hub, "GET", &format!("{HISTORY}?reverse=true&since={forged}&limit=2"), &Value::Null).await;
    assert_eq!((&page.json()["complete"], &page.json()["next"]), (&json!(false), &json!({"before": 6})));
}

#[tokio::test]
async fn batches_and_broadcasts_say_what_became_of_each() {
    let hub = with_history().await;
    let sent = api(
        &hub,
        "POST",
        "/api/v1/broadcast",
        &json!({"rooms": ["chat:1", "plain"], "event": {"type": "m", "id": "once"}}),
    )
    .await
    .json();
    assert_eq!((&sent["results"][0]["room"], &sent["results"][0]["offset"]), (&json!("chat:1"), &json!(1)));
    assert_eq!((&sent["results"][1]["id"], sent["results"][1].get("offset")), (&json!("once"), None));

    let operations = json!({"operations": [
        {"path": "/rooms/chat%3A1/events", "body": [{"type": "n"}, {"type": "n"}]},
        {"path": "/api/v1/users/alice/events", "body": {"type": "n"}},
        {"path": "/rooms/chat%3A1/events", "body": {"data": 1}},
        {"method": "DELETE", "path": "/sessions/nobody"},
        {"path": "/rooms"},
        {"path": "/batch", "body": {"operations": []}},
    ]});
    let results = api(&hub, "POST", "/api/v1/batch", &operations).await.json()["results"].clone();
    let status: Vec<_> = results.as_array().unwrap().iter().map(|r| r["status"].as_u64().unwrap()).collect();
    assert_eq!(status, [200, 200, 400, 404, 404, 400]);
    assert_eq!(
        (&results[0]["body"][1]["offset"], &results[1]["body"]),
        (&json!(3), &json!({"delivered": 0}))
    );
    assert_eq!(results[2]["body"]["code"], "bad_request");
    let many = json!({"operations": vec![json!({"path": "/x"}); 101]});
    assert_eq!(api(&hub, "POST", "/api/v1/batch", &many).await.fault(), (409, "limit_exceeded".into()));
}

#[tokio::test]
async fn keys_do_what_their_scopes_and_rooms_allow() {
    let hub = start(|c| {
        c.auth.jwt_secret = Some(SECRET.into());
        c.auth.api_keys = serde_json::from_value(json!([
            {"name": "shop", "key": "the-key-of-the-shop", "scopes": ["publish", "read"], "rooms": ["shop:*"]},
            {"name": "watch", "key": "the-key-of-the-watch", "scopes": ["read"]},
            {"name": "client", "key": "the-key-of-a-client", "user": "someone"},
        ]))
        .unwrap();
    })
    .await;
    let (mut alice, _) = Ws::hello(&hub, json!({"version": 1, "token": token("alice")})).await;
    alice.join("shop:1").await;
    alice.join("club").await;
    let ask = async |key: &str, method: &str, path: &str, body: &str| {
        send(&hub, method, &format!("/api/v1{path}"), &[("x-api-key", key)], body).await
    };
    let (shop, watch) = ("the-key-of-the-shop", "the-key-of-the-watch");
    let event = r#"{"type": "m"}"#;
    for (key, method, path, body, status) in [
        (shop, "POST", "/rooms/shop%3A1/events", event, 200),
        (shop, "POST", "/rooms/club/events", event, 403),
        (shop, "POST", "/users/alice/events", event, 403),
        (shop, "POST", "/broadcast", r#"{"rooms": ["shop:1", "club"], "event": {"type": "m"}}"#, 403),
        (shop, "POST", "/rooms/shop%3A1/join", r#"{"user": "alice"}"#, 403),
        (shop, "GET", "/rooms/club/members", "", 403),
        (shop, "GET", "/stats", "", 403),
        (watch, "GET", "/rooms/club/members", "", 200),
        (watch, "GET", "/users/alice", "", 200),
        (watch, "POST", "/rooms/club/events", event, 403),
        (watch, "POST", "/drain", "{}", 403),
        (watch, "POST", "/tickets", r#"{"user": "a"}"#, 403),
        ("the-key-of-a-client", "GET", "/rooms", "", 401),
        ("the-key-of-nobody", "GET", "/rooms", "", 401),
    ] {
        let answer = ask(key, method, path, body).await;
        assert_eq!(answer.status.as_u16(), status, "{key} {method} {path}: {}", answer.text());
    }
    let rooms = ask(shop, "GET", "/rooms", "").await.json();
    assert_eq!(rooms["rooms"], json!([{"room": "shop:1", "members": 1, "sessions": 1}]));
    let batch = r#"{"operations": [{"path": "/rooms/shop%3A1/events", "body": {"type": "m"}}, {"path": "/rooms/club/events", "body": {"type": "m"}},
        {"path": "/tickets", "body": {"user": "a"}}]}"#;
    let results = ask(shop, "POST", "/batch", batch).await.json()["results"].clone();
    let status: Vec<_> = results.as_array().unwrap().iter().map(|r| r["status"].as_u64().unwrap()).collect();
    assert_eq!(status, [200, 403, 403]);
}

#[tokio::test]
async fn who_is_cut_off_asks_again_and_it_is_done_once() {
    let hub = with_history().await;
    let body = r#"[{"type": "m"}, {"type": "m"}]"#;
    for n in 0..20 {
        let key = format!("k-{n}");
        let mut line = TcpStream::connect(hub.addr()).await.unwrap();
        let head = format!(
            "POST {EVENTS} HTTP/1.1\r\nhost: {}\r\nx-api-key: {KEY}\r\nidempotency-key: {key}\r\ncontent-length: {}\r\n\r\n",
            hub.addr(),
            body.len()
        );
        line.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
        drop(line);
        let headers = [("x-api-key", KEY), ("idempotency-key", key.as_str())];
        assert_eq!(send(&hub, "POST", EVENTS, &headers, body).await.status, 200);
    }
    assert_eq!(stored(&hub).await, 40);
}
