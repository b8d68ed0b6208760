//! Backends that fail: what that comes to, retries, the breaker, and bounds.

use crate::asks::{ask, code, join, text, user};
use crate::backend::{Act, Backend, hub, yes};
use crate::common::get;
use crosspoint::config::{HookUrl, OnFailure};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use serde_json::json;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

/// Ways to fail, with the requests that an ask of three attempts then makes.
fn failures() -> Vec<(&'static str, Act, usize)> {
    vec![
        ("status 500", Act::Json(500, json!({"allow": true})), 3),
        ("status 503", Act::Json(503, json!({"allow": true})), 3),
        ("status 404", Act::Json(404, json!({"allow": true})), 1),
        ("status 401", Act::Json(401, json!({"allow": true})), 1),
        ("no JSON", Act::Text(200, "<html>".into()), 1),
        ("nothing", Act::Text(200, String::new()), 1),
        ("no verdict", Act::Json(200, json!({})), 1),
        ("no boolean", Act::Json(200, json!({"allow": "yes"})), 1),
        ("too much", Act::Json(200, json!({"allow": true, "more": "x".repeat(5_000)})), 1),
        ("a redirect", Act::Redirect("/elsewhere".into()), 1),
        ("a broken connection", Act::Break, 3),
        ("no answer in time", Act::Hang, 3),
    ]
}

#[tokio::test]
async fn a_hook_that_fails_refuses_and_says_nothing_of_the_backend() {
    for (how, act, requests) in failures() {
        let backend = Backend::start(move |_| act.clone()).await;
        let hub = hub(&backend, |c| {
            (c.hooks.timeout_ms, c.hooks.response_bytes_max) = (200, 4_000);
        })
        .await;
        let mut ws = user(&hub, "alice").await;
        let refused = ask(&mut ws, join("join:1")).await;
        assert_eq!(code(&refused), "unavailable", "{how}");
        assert_eq!(refused.1["message"], "The backend does not answer now", "{how}");
        assert_eq!(ask(&mut ws, join("publish:1")).await.0, "hub:reply");
        assert_eq!(code(&ask(&mut ws, text("publish:1", "a")).await), "unavailable", "{how}");
        let calls = backend.to("/join");
        assert_eq!(calls.len(), requests, "{how}");
        let ids: BTreeSet<_> = calls.iter().map(|call| call.id.clone()).collect();
        assert_eq!(ids.len(), 1, "{how}: attempts at one thing have one id");
        assert!(backend.to("/elsewhere").is_empty(), "{how}");
    }
}

#[tokio::test]
async fn where_failures_allow_the_hub_goes_on_without_the_backend() {
    for (how, act, _) in failures() {
        let backend = Backend::start(move |_| act.clone()).await;
        let hub = hub(&backend, |c| {
            (c.hooks.timeout_ms, c.hooks.response_bytes_max) = (100, 4_000);
            c.hooks.join.on_failure = OnFailure::Allow;
            c.hooks.publish.on_failure = OnFailure::Allow;
        })
        .await;
        let mut ws = user(&hub, "alice").await;
        assert_eq!(ask(&mut ws, join("join:1")).await.0, "hub:reply", "{how}");
        assert_eq!(ask(&mut ws, join("publish:1")).await.0, "hub:reply");
        assert_eq!(ask(&mut ws, text("publish:1", "a")).await.0, "hub:reply", "{how}");
        assert_eq!(code(&ask(&mut ws, json!({"type": "x", "to": "backend"})).await), "unavailable", "{how}");
    }
}

#[tokio::test]
async fn an_attempt_that_fails_is_repeated_until_one_does() {
    let before = AtomicUsize::new(0);
    let backend = Backend::start(move |_| match before.fetch_add(1, Ordering::Relaxed) {
        0 => Act::Json(502, json!(null)),
        1 => Act::Break,
        _ => yes(),
    })
    .await;
    let hub = hub(&backend, |_| {}).await;
    let mut ws = user(&hub, "alice").await;
    assert_eq!(ask(&mut ws, join("join:1")).await.0, "hub:reply");
    let calls = backend.to("/join");
    assert_eq!(calls.len(), 3);
    assert!(calls.iter().all(|call| call.id == calls[0].id && call.raw == calls[0].raw));
}

#[tokio::test]
async fn an_address_that_fails_is_left_alone() {
    let backend = Backend::start(|_| Act::Json(500, json!(null))).await;
    let hub = hub(&backend, |c| {
        c.hooks.attempts = 1;
        (c.hooks.breaker_failures, c.hooks.breaker_open_ms) = (2, 3_600_000);
    })
    .await;
    let mut ws = user(&hub, "alice").await;
    for _ in 0..2 {
        assert_eq!(code(&ask(&mut ws, join("join:1")).await), "unavailable");
    }
    backend.script(|_| yes());
    for _ in 0..10 {
        assert_eq!(code(&ask(&mut ws, join("join:1")).await), "unavailable");
    }
    assert_eq!(backend.to("/join").len(), 2, "nobody asks any more");
    let metrics = get(&hub, "/metrics").await.text().to_string();
    for line in [
        "crosspoint_hook_open{hook=\"join\"} 1",
        "crosspoint_hook_open{hook=\"publish\"} 0",
        "crosspoint_hook_requests_total{hook=\"join\"} 2",
        "crosspoint_hook_requests_failed_total{hook=\"join\"} 2",
        "crosspoint_hook_answers_total{hook=\"join\",outcome=\"failed\"} 12",
    ] {
        assert!(metrics.lines().any(|l| l == line), "{line}");
    }
    assert_eq!(ask(&mut ws, join("publish:1")).await.0, "hub:reply");
    assert_eq!(ask(&mut ws, text("publish:1", "a")).await.0, "hub:reply", "other addresses are not");
}

#[tokio::test]
async fn an_address_that_answers_is_well_whatever_it_says() {
    let backend = Backend::start(|_| Act::Json(404, json!(null))).await;
    let hub = hub(&backend, |c| (c.hooks.breaker_failures, c.hooks.breaker_open_ms) = (2, 3_600_000)).await;
    let mut ws = user(&hub, "alice").await;
    for _ in 0..5 {
        assert_eq!(code(&ask(&mut ws, join("join:1")).await), "unavailable");
    }
    assert_eq!(backend.to("/join").len(), 5);
    backend.script(|_| yes());
    assert_eq!(ask(&mut ws, join("join:1")).await.0, "hub:reply");
}

#[tokio::test]
async fn a_probe_finds_out_when_it_is_well_again() {
    let backend = Backend::start(|_| Act::Json(500, json!(null))).await;
    let hub = hub(&backend, |c| {
        c.hooks.attempts = 1;
        (c.hooks.breaker_failures, c.hooks.breaker_open_ms) = (2, 50);
    })
    .await;
    let mut ws = user(&hub, "alice").await;
    // More than opens it: some of them are probes, which find it ill.
    while backend.to("/join").len() < 4 {
        assert_eq!(code(&ask(&mut ws, join("join:1")).await), "unavailable");
    }
    backend.script(|_| yes());
    while ask(&mut ws, join("join:1")).await.0 != "hub:reply" {}
    let before = backend.to("/join").len();
    for _ in 0..5 {
        assert_eq!(ask(&mut ws, join("join:1")).await.0, "hub:reply");
    }
    assert_eq!(backend.to("/join").len(), before + 5);
    let metrics = get(&hub, "/metrics").await.text().to_string();
    assert!(metrics.contains("crosspoint_hook_open{hook=\"join\"} 0\n"), "{metrics}");
}

#[tokio::test]
async fn questions_under_way_and_waiting_are_bounded() {
    let (open, gate) = watch::channel(false);
    let backend = Backend::start(move |call| match call.path.as_str() {
        "/join" => Act::Held(gate.clone(), json!({"allow": true})),
        _ => yes(),
    })
    .await;
    let hub = hub(&backend, |c| {
        (c.hooks.concurrency, c.hooks.queue_max, c.hooks.timeout_ms) = (1, 0, 60_000);
    })
    .await;
    let (mut alice, mut bob) = (user(&hub, "alice").await, user(&hub, "bob").await);
    alice.send(json!({"type": "hub:join", "room": "join:1", "id": "first"})).await;
    backend.wait(|calls| calls.len() == 1).await;
    assert_eq!(code(&ask(&mut bob, join("join:1")).await), "unavailable", "there is no place to wait");
    assert_eq!(ask(&mut bob, join("publish:1")).await.0, "hub:reply");
    assert_eq!(ask(&mut bob, text("publish:1", "a")).await.0, "hub:reply", "other addresses have their own");
    open.send_replace(true);
    assert_eq!(crate::asks::answer(&mut alice, "first").await.0, "hub:reply");
    assert_eq!(ask(&mut bob, join("join:1")).await.0, "hub:reply");
    assert_eq!(backend.to("/join").len(), 2);
}

#[tokio::test]
async fn tls_needs_an_authority_that_is_known() {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["localhost".to_string()]).unwrap();
    let authorities = std::env::temp_dir().join(format!("crosspoint-{}-hooks.pem", std::process::id()));
    std::fs::write(&authorities, cert.pem()).unwrap();
    let key = PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
    let tls = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)
        .unwrap();
    let backend = Backend::serve(Some(TlsAcceptor::from(Arc::new(tls))), |_| yes()).await;
    let url = backend.url("/join").as_str().replace("http://127.0.0.1", "https://localhost");
    for known in [false, true] {
        let hub = hub(&backend, |c| {
            c.hooks.join.url = HookUrl::parse(&url);
            c.hooks.ca_file = known.then(|| authorities.clone());
        })
        .await;
        let mut ws = user(&hub, "alice").await;
        let expected = if known { "hub:reply" } else { "hub:error" };
        assert_eq!(ask(&mut ws, join("join:1")).await.0, expected);
        assert_eq!(backend.to("/join").len(), usize::from(known));
    }
    std::fs::remove_file(&authorities).unwrap();
}
