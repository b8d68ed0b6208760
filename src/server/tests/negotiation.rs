//! POST /negotiate, and that its ticket opens a session.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{Ws, dev, post, secured, send, start, token};
use crosspoint::auth::jwt::{Claims, Signer};
use serde_json::json;

#[tokio::test]
async fn a_ticket_opens_a_session_of_the_user() {
    let hub = secured().await;
    let bearer = format!("Bearer {}", token("alice"));
    let ask = json!({"version": 1, "transports": ["sse", "websocket", "webtransport"], "user": "mallory"});
    let answer =
        send(&hub, "POST", "/negotiate", &[("authorization", &bearer)], &ask.to_string()).await.json();
    let names: Vec<_> = answer["transports"].as_array().unwrap().iter().map(|t| &t["name"]).collect();
    assert_eq!(names, ["websocket", "sse"]);
    assert_eq!(
        (&answer["transports"][0]["url"], &answer["transports"][1]["url"]),
        (&json!("/ws"), &json!("/sse"))
    );
    assert_eq!(answer["left_out"][0]["reason"], "not_offered");
    assert_eq!((&answer["ticket_ms"], &answer["heartbeat_ms"]), (&json!(30_000), &json!(10_000)));
    assert_eq!(answer["limits"]["frame_bytes_max"], 65_536);
    let (_ws, welcome) = Ws::hello(&hub, json!({"version": 1, "ticket": answer["ticket"]})).await;
    assert_eq!(welcome["user"], "alice");
}

#[tokio::test]
async fn an_open_hub_believes_names() {
    let hub = dev().await;
    let ask = json!({"version": 1, "transports": ["websocket"], "user": "bob", "info": {"name": "Bob"},
        "failed": [{"transport": "websocket", "code": "timeout", "age_ms": 1000}]});
    let answer = post(&hub, "/negotiate", &ask).await.json();
    assert_eq!(answer["left_out"][0]["reason"], "not_supported");
    assert!(answer["transports"][0]["reason"].as_str().unwrap().starts_with("failed here 1 s ago"));
    let (_ws, welcome) = Ws::hello(&hub, json!({"version": 1, "ticket": answer["ticket"]})).await;
    assert_eq!((&welcome["user"], &welcome["info"]), (&json!("bob"), &json!({"name": "Bob"})));
    let guest = post(&hub, "/negotiate", &json!({"version": 1, "transports": []})).await.json();
    let (_ws, welcome) = Ws::hello(&hub, json!({"version": 1, "ticket": guest["ticket"]})).await;
    assert!(welcome["user"].as_str().unwrap().starts_with("guest-"));
}

#[tokio::test]
async fn a_secured_hub_wants_a_good_token() {
    let hub = secured().await;
    let ask = json!({"version": 1, "transports": ["websocket"], "user": "bob"}).to_string();
    let expired = Claims { sub: "a".into(), exp: Some(1000.0), ..Claims::default() };
    let expired = Signer::hs256(common::SECRET.as_bytes()).sign(&expired).unwrap();
    let foreign = Signer::hs256(b"another secret of fitting length!");
    let foreign = foreign.sign(&Claims { sub: "a".into(), ..Claims::default() }).unwrap();
    for (token, code) in [
        ("", "unauthorized"),
        ("x.y.z", "unauthorized"),
        (&foreign, "unauthorized"),
        (&expired, "token_expired"),
    ] {
        let bearer = format!("Bearer {token}");
        let headers: &[(&str, &str)] = if token.is_empty() { &[] } else { &[("authorization", &bearer)] };
        let answer = send(&hub, "POST", "/negotiate", headers, &ask).await;
        assert_eq!(answer.fault(), (401, code.into()), "{token}");
        assert_eq!(
            (&answer.json()["error"]["retry"], answer.header("www-authenticate")),
            (&json!("refresh"), "Bearer realm=\"crosspoint\"")
        );
        if code == "unauthorized" {
            assert_eq!(answer.json()["error"]["message"], "Authentication error: Invalid token");
        }
    }
    let cookie = format!("a=b; crosspoint_token={}", token("alice"));
    assert_eq!(send(&hub, "POST", "/negotiate", &[("cookie", &cookie)], &ask).await.status, 200);
    let answer = send(&hub, "POST", "/negotiate?token=x", &[], &ask).await;
    assert_eq!(answer.fault(), (401, "unauthorized".into()));
}

#[tokio::test]
async fn malformed_negotiations_say_what_is_wrong() {
    let hub = dev().await;
    let many = vec!["websocket"; 33];
    for (body, fault) in [
        ("nonsense".to_string(), (400, "bad_request")),
        ("{}".into(), (400, "bad_request")),
        (json!({"version": 2}).to_string(), (426, "version_unsupported")),
        (json!({"version": 1, "transports": many}).to_string(), (409, "limit_exceeded")),
        (json!({"version": 1, "user": ""}).to_string(), (401, "unauthorized")),
        (json!({"version": 1, "info": {"x": "y".repeat(1100)}}).to_string(), (401, "unauthorized")),
        (" ".repeat(17 << 10), (413, "frame_too_large")),
    ] {
        let answer = send(&hub, "POST", "/negotiate", &[], &body).await;
        assert_eq!(answer.fault(), (fault.0, fault.1.into()), "{body:.80}");
    }
}

#[tokio::test]
async fn dev_mode_with_a_secret_takes_tokens_too() {
    let hub = start(|c| {
        c.dev = true;
        c.auth.jwt_secret = Some(common::SECRET.into());
    })
    .await;
    let (_ws, welcome) = Ws::hello(&hub, json!({"version": 1, "token": token("carol")})).await;
    assert_eq!(welcome["user"], "carol");
    let (_ws, welcome) = Ws::hello(&hub, json!({"version": 1, "user": "dave"})).await;
    assert_eq!(welcome["user"], "dave");
}
