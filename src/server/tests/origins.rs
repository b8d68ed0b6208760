//! CORS, the origin check, cookies and addresses.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{Ws, dev, secured, send, start, token};
use http::StatusCode;
use serde_json::json;

const APP: &str = "https://app.example.com";
const EVIL: &str = "https://evil.example";

async fn listed() -> crosspoint::Running {
    start(|c| {
        c.auth.jwt_secret = Some(common::SECRET.into());
        c.origins.allowed = serde_json::from_value(json!([APP])).unwrap();
    })
    .await
}

#[tokio::test]
async fn preflights_are_answered_for_known_origins() {
    let hub = listed().await;
    let ask = [
        ("origin", APP),
        ("access-control-request-method", "POST"),
        ("access-control-request-headers", "authorization"),
    ];
    for path in ["/negotiate", "/sse", "/sse/x", "/api/v1/rooms/r/events"] {
        let answer = send(&hub, "OPTIONS", path, &ask, "").await;
        assert_eq!(
            (answer.status, answer.header("access-control-allow-origin")),
            (StatusCode::NO_CONTENT, APP)
        );
        assert_eq!(answer.header("access-control-allow-credentials"), "true");
        assert_eq!(answer.header("timing-allow-origin"), APP);
        assert!(answer.header("access-control-allow-methods").contains("POST"));
        assert!(answer.header("access-control-allow-headers").contains("Authorization"));
        let vary: Vec<_> = answer.headers.get_all("vary").iter().collect();
        assert!(vary.contains(&&"Origin".parse().unwrap()), "{vary:?}");
    }
    let ask = [("origin", EVIL), ("access-control-request-method", "POST")];
    let answer = send(&hub, "OPTIONS", "/negotiate", &ask, "").await;
    assert_eq!(answer.fault(), (403, "bad_origin".into()));
    assert_eq!((answer.header("access-control-allow-origin"), answer.header("vary")), ("", "Origin"));
    assert_eq!(send(&hub, "OPTIONS", "/healthz", &[], "").await.header("allow"), "GET, HEAD");
    assert_eq!(send(&hub, "OPTIONS", "/nope", &[], "").await.status, 404);
}

#[tokio::test]
async fn pages_of_other_origins_are_refused_everywhere() {
    let hub = listed().await;
    for (method, path) in [
        ("POST", "/negotiate"),
        ("POST", "/sse"),
        ("POST", "/sse/x"),
        ("GET", "/rooms/r/events"),
        ("POST", "/api/v1/rooms/r/events"),
        ("DELETE", "/api/v1/sessions/s"),
    ] {
        let answer = send(&hub, method, path, &[("origin", EVIL)], "{}").await;
        assert_eq!(answer.fault(), (403, "bad_origin".into()), "{method} {path}");
        let answer = send(&hub, method, path, &[("origin", APP)], "nonsense").await;
        assert_ne!(answer.status, 403, "{method} {path}");
        assert_eq!((answer.header("access-control-allow-origin"), answer.header("vary")), (APP, "Origin"));
    }
    assert_eq!(Ws::connect(&hub, &[("origin", EVIL)]).await.err(), Some(StatusCode::FORBIDDEN));
    assert_eq!(Ws::connect(&hub, &[("origin", "null")]).await.err(), Some(StatusCode::FORBIDDEN));
    assert!(Ws::connect(&hub, &[("origin", APP)]).await.is_ok());
    assert!(Ws::connect(&hub, &[]).await.is_ok());
    let own = format!("http://{}", hub.addr());
    assert!(Ws::connect(&hub, &[("origin", &own)]).await.is_ok());
}

#[tokio::test]
async fn a_star_never_goes_with_cookies() {
    let hub = start(|c| {
        c.auth.jwt_secret = Some(common::SECRET.into());
        c.origins.allowed = serde_json::from_value(json!(["*"])).unwrap();
    })
    .await;
    let cookie = format!("crosspoint_token={}", token("alice"));
    let bearer = format!("Bearer {}", token("alice"));
    let ask = json!({"version": 1, "transports": []}).to_string();
    let by_cookie = send(&hub, "POST", "/negotiate", &[("origin", EVIL), ("cookie", &cookie)], &ask).await;
    assert_eq!(by_cookie.fault(), (401, "unauthorized".into()));
    let by_token =
        send(&hub, "POST", "/negotiate", &[("origin", EVIL), ("authorization", &bearer)], &ask).await;
    assert_eq!((by_token.status.as_u16(), by_token.header("access-control-allow-origin")), (200, "*"));
    assert_eq!(by_token.header("access-control-allow-credentials"), "");
    let own = format!("http://{}", hub.addr());
    let by_own = send(&hub, "POST", "/negotiate", &[("origin", &own), ("cookie", &cookie)], &ask).await;
    assert_eq!((by_own.status.as_u16(), by_own.header("access-control-allow-credentials")), (200, "true"));
}

#[tokio::test]
async fn a_cookie_opens_a_session_only_for_known_pages() {
    let hub = listed().await;
    let cookie = format!("crosspoint_token={}", token("alice"));
    let mut ws = Ws::connect(&hub, &[("origin", APP), ("cookie", &cookie)]).await.unwrap();
    ws.send(json!({"type": "hub:join", "room": "r", "id": "1"})).await;
    assert_eq!(ws.next().await["data"]["room"], "r");
    let mut ws = Ws::connect(&hub, &[("origin", APP)]).await.unwrap();
    ws.send(json!({"type": "hub:join", "room": "r", "id": "1"})).await;
    assert_eq!(ws.find("hub:close").await["data"]["code"], "unauthorized");
}

#[tokio::test]
async fn an_open_hub_answers_to_this_machine_only() {
    let hub = dev().await;
    let ask = json!({"version": 1, "transports": []}).to_string();
    let local = send(&hub, "POST", "/negotiate", &[("origin", "http://localhost:5173")], &ask).await;
    assert_eq!(
        (local.status.as_u16(), local.header("access-control-allow-origin")),
        (200, "http://localhost:5173")
    );
    for headers in [
        &[("origin", EVIL)][..],
        &[("host", "evil.example"), ("origin", "http://evil.example")],
        &[("host", "evil.example:3001")],
    ] {
        let answer = send(&hub, "POST", "/negotiate", headers, &ask).await;
        assert_eq!(answer.fault(), (403, "bad_origin".into()), "{headers:?}");
    }
    let secured = secured().await;
    let answer = send(&secured, "POST", "/negotiate", &[("host", "hub.example")], &ask).await;
    assert_eq!(answer.fault(), (401, "unauthorized".into()));
}
