//! The connect hook.

use crate::asks::{ask, code, join, text};
use crate::backend::{Act, Backend, hub};
use crate::common::{SECRET, Ws, send, token};
use crosspoint::Running;
use crosspoint::auth::jwt::{Claims, Signer};
use crosspoint::config::{Config, OnFailure, Way};
use crosspoint_hub::Revocation;
use http::StatusCode;
use serde_json::{Value, json};

fn secured(c: &mut Config, backend: &Backend) {
    c.auth.jwt_secret = Some(SECRET.into());
    c.auth.ways = vec![Way::Bearer, Way::Cookie, Way::SessionId, Way::Basic];
    c.auth.schemes = vec!["Acme".into()];
    c.hooks.connect.url = Some(backend.url("/connect"));
    c.hooks.connect.headers = vec!["x-tenant".into(), "x-absent".into()];
}

async fn judge() -> Backend {
    Backend::start(|call| {
        let data = call.data();
        match (data["scheme"].as_str().unwrap(), data["credential"].as_str().unwrap()) {
            ("session", "s-1") => Act::Json(
                200,
                json!({"allow": true, "claims": {"sub": "alice", "join": ["chat:*"], "publish": [], "name": "Alice"}}),
            ),
            ("Acme", "k1") => Act::Json(200, json!({"allow": true, "claims": {"sub": "acme"}})),
            ("basic", _) => Act::Json(200, json!({"allow": true, "claims": {"sub": "basic"}})),
            ("session", "ended") => {
                Act::Json(200, json!({"allow": false, "code": "token_expired", "message": "Log in again"}))
            }
            ("session", "nobody") => Act::Json(200, json!({"allow": true, "claims": {"sub": ""}})),
            ("session", "no-claims") => Act::Json(200, json!({"allow": true})),
            ("session", "old") => Act::Json(200, json!({"allow": true, "claims": {"sub": "a", "exp": 1}})),
            ("session", "ill") => Act::Json(500, Value::Null),
            _ => Act::Json(200, json!({"allow": false, "code": "unauthorized"})),
        }
    })
    .await
}

async fn negotiate(hub: &Running, header: (&str, &str)) -> (u16, String) {
    let answer =
        send(hub, "POST", "/negotiate", &[header], r#"{"version":1,"transports":["websocket"]}"#).await;
    let body = answer.json();
    let code = body["error"]["code"].as_str().or(body["code"].as_str());
    (answer.status.as_u16(), code.unwrap_or_default().to_string())
}

#[tokio::test]
async fn what_the_hub_cannot_judge_the_backend_does() {
    let backend = judge().await;
    let hub = hub(&backend, |c| secured(c, &backend)).await;
    let headers = [("x-session-id", "s-1"), ("x-tenant", "t1"), ("x-other", "hidden")];
    let mut ws = Ws::connect(&hub, &headers).await.unwrap();
    ws.send(json!({"type": "hub:hello", "data": {"version": 1}})).await;
    let welcome = ws.next().await;
    assert_eq!(welcome["data"]["user"], "alice", "{welcome}");
    assert_eq!(welcome["data"]["info"], json!({"name": "Alice"}));
    assert_eq!(ask(&mut ws, join("chat:1")).await.0, "hub:reply");
    assert_eq!(code(&ask(&mut ws, text("chat:1", "a")).await), "forbidden");
    assert_eq!(code(&ask(&mut ws, join("other")).await), "forbidden");

    let call = backend.to("/connect").remove(0);
    assert_eq!((&call.body["type"], &call.data()["scheme"]), (&json!("connect"), &json!("session")));
    assert_eq!(call.data()["headers"], json!({"x-tenant": "t1"}), "only those that are asked for");
    assert_eq!(
        (&call.data()["transport"], &call.data()["remote"]),
        (&json!("websocket"), &json!("127.0.0.1"))
    );
    assert!(!format!("{:?}{}", call.headers, call.path).contains("s-1"), "secrets are in the body only");

    for header in [("authorization", "Acme k1"), ("authorization", "Basic YTpi")] {
        assert_eq!(negotiate(&hub, header).await.0, 200, "{header:?}");
    }
}

#[tokio::test]
async fn refusals_and_failures_come_before_any_upgrade() {
    let backend = judge().await;
    let hub = hub(&backend, |c| {
        secured(c, &backend);
        c.hooks.connect.on_failure = OnFailure::Allow;
    })
    .await;
    for (id, status, code) in [
        ("ended", 401, "token_expired"),
        ("wrong", 401, "unauthorized"),
        ("nobody", 503, "unavailable"),
        ("no-claims", 503, "unavailable"),
        ("ill", 503, "unavailable"),
    ] {
        assert_eq!(negotiate(&hub, ("x-session-id", id)).await, (status, code.into()), "{id}");
        let refused = Ws::connect(&hub, &[("x-session-id", id)]).await.err();
        assert_eq!(refused, Some(StatusCode::from_u16(status).unwrap()), "{id}");
    }
}

#[tokio::test]
async fn the_backend_may_be_asked_about_everybody() {
    let backend = Backend::start(|call| match call.data()["user"].as_str() {
        Some("alice") => Act::Json(200, json!({"allow": true})),
        Some("bob") => Act::Json(200, json!({"allow": true, "claims": {"sub": "bob", "join": ["only"]}})),
        Some("ill") => Act::Json(500, Value::Null),
        _ => Act::Json(200, json!({"allow": false, "code": "banned", "message": "Not you"})),
    })
    .await;
    for on_failure in [OnFailure::Refuse, OnFailure::Allow] {
        let hub = hub(&backend, |c| {
            secured(c, &backend);
            (c.hooks.connect.always, c.hooks.connect.on_failure) = (true, on_failure);
        })
        .await;
        let (mut alice, welcome) = Ws::hello(&hub, json!({"version": 1, "token": token("alice")})).await;
        assert_eq!(welcome["user"], "alice");
        assert_eq!(ask(&mut alice, join("any")).await.0, "hub:reply", "the token's grant stays");
        let (mut bob, _) = Ws::hello(&hub, json!({"version": 1, "token": token("bob")})).await;
        assert_eq!(
            code(&ask(&mut bob, join("any")).await),
            "forbidden",
            "the backend's grant is in its place"
        );
        assert_eq!(ask(&mut bob, join("only")).await.0, "hub:reply");

        let mut mallory = Ws::connect(&hub, &[]).await.unwrap();
        mallory.send(json!({"type": "hub:hello", "data": {"version": 1, "token": token("mallory")}})).await;
        let close = mallory.find("hub:close").await;
        assert_eq!(
            (&close["data"]["code"], &close["data"]["message"]),
            (&json!("banned"), &json!("Not you"))
        );

        let mut ill = Ws::connect(&hub, &[]).await.unwrap();
        ill.send(json!({"type": "hub:hello", "data": {"version": 1, "token": token("ill")}})).await;
        let answer = ill.next().await;
        match on_failure {
            OnFailure::Refuse => assert_eq!(answer["data"]["code"], "unavailable", "{answer}"),
            OnFailure::Allow => assert_eq!(answer["type"], "hub:welcome", "{answer}"),
        }
        let asked = backend.to("/connect").len();
        let mut forged = Ws::connect(&hub, &[]).await.unwrap();
        forged.send(json!({"type": "hub:hello", "data": {"version": 1, "token": "forged"}})).await;
        assert_eq!(forged.find("hub:close").await["data"]["code"], "unauthorized");
        assert_eq!(backend.to("/connect").len(), asked, "what is no token at all the backend needn't see");
    }
}

#[tokio::test]
async fn the_backends_word_makes_no_revoked_token_good_and_no_refresh_undoes_it() {
    let claims = json!({"allow": true, "claims": {"sub": "alice", "join": ["only"]}});
    let backend = Backend::start(move |_| Act::Json(200, claims.clone())).await;
    let hub = hub(&backend, |c| {
        secured(c, &backend);
        c.hooks.connect.always = true;
    })
    .await;
    let signed = |jti: &str| {
        let claims = Claims { sub: "alice".into(), jti: Some(jti.into()), ..Claims::default() };
        Signer::hs256(SECRET.as_bytes()).sign(&claims).unwrap()
    };
    let (mut alice, _) = Ws::hello(&hub, json!({"version": 1, "token": signed("t-1")})).await;
    let refresh = json!({"type": "hub:refresh", "data": {"token": signed("t-2")}});
    assert_eq!(ask(&mut alice, refresh).await.0, "hub:reply");
    assert_eq!(code(&ask(&mut alice, join("any")).await), "forbidden");
    assert_eq!(ask(&mut alice, join("only")).await.0, "hub:reply");

    let revoke = |id: &str| {
        hub.hub().revoke(&Revocation { token_id: Some(id.into()), ..Revocation::default() }).unwrap()
    };
    revoke("t-2");
    assert_eq!(alice.find("hub:close").await["data"]["code"], "token_revoked");
    let asked = backend.to("/connect").len();
    let mut again = Ws::connect(&hub, &[]).await.unwrap();
    again.send(json!({"type": "hub:hello", "data": {"version": 1, "token": signed("t-2")}})).await;
    assert_eq!(again.find("hub:close").await["data"]["code"], "token_revoked");
    let bearer = format!("Bearer {}", signed("t-2"));
    assert_eq!(negotiate(&hub, ("authorization", &bearer)).await, (401, "token_revoked".into()));
    assert_eq!(backend.to("/connect").len(), asked, "what is revoked isn't asked about");
}
