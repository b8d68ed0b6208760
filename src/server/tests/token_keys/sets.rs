//! Sets at URLs.

use super::common::{Ws, start};
use super::publisher::{How, Publisher};
use super::*;
use crosspoint::config::Config;
use futures_util::future::join_all;
use std::sync::Arc;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

const HOUR_MS: u64 = 3_600_000;

/// A hub that takes tokens with these keys, and fetches them only when it starts and when clients make it.
async fn hub(url: &str, edit: impl FnOnce(&mut Config)) -> Running {
    let url = serde_json::from_value(json!(url)).unwrap();
    start(|c| {
        c.auth.jwks_urls = vec![url];
        (c.auth.jwks_refresh_ms, c.auth.jwks_min_interval_ms) = (HOUR_MS, HOUR_MS);
        edit(c);
    })
    .await
}

const GOOD: (u16, &str) = (200, "");
const REFUSED: (u16, &str) = (401, "unauthorized");
const UNAVAILABLE: (u16, &str) = (503, "unavailable");

async fn is(hub: &Running, token: &str, expected: (u16, &str)) {
    assert_eq!(negotiate(hub, token).await, (expected.0, expected.1.to_owned()));
}

#[tokio::test]
async fn who_comes_first_waits_for_the_keys_by_any_way_in() {
    let maker = Maker::new("one");
    let publisher = Publisher::new(How::Body(set(&[&maker]))).await;
    let running = hub(&publisher.url(), |_| {}).await;
    is(&running, &maker.token(), GOOD).await;
    is(&running, &Maker::new("one").token(), REFUSED).await;
    assert_eq!(publisher.asked("/jwks"), 1);
    let other = hub(&publisher.url(), |_| {}).await;
    let (_ws, welcome) = Ws::hello(&other, json!({"version": 1, "token": maker.token()})).await;
    assert_eq!(welcome["user"], "alice");
}

#[tokio::test]
async fn a_new_key_is_fetched_when_a_token_names_it() {
    let (old, new, next) = (Maker::new("old"), Maker::new("new"), Maker::new("next"));
    let publisher = Publisher::new(How::Body(set(&[&old]))).await;
    let hub = hub(&publisher.url(), |_| {}).await;
    is(&hub, &old.token(), GOOD).await;
    publisher.set(How::Body(set(&[&old, &new])));
    is(&hub, &new.token(), GOOD).await;
    is(&hub, &old.token(), GOOD).await;
    assert_eq!(publisher.asked("/jwks"), 2);
    // Once per interval.
    publisher.set(How::Body(set(&[&next])));
    is(&hub, &next.token(), REFUSED).await;
    assert_eq!(publisher.asked("/jwks"), 2);
}

#[tokio::test]
async fn a_storm_of_unknown_keys_causes_one_fetch() {
    let maker = Maker::new("one");
    let publisher = Publisher::new(How::Body(set(&[&maker]))).await;
    let hub = hub(&publisher.url(), |_| {}).await;
    is(&hub, &maker.token(), GOOD).await;
    let strangers: Vec<String> = (0..100).map(|n| Maker::new(&format!("unknown-{n}")).token()).collect();
    for _ in 0..3 {
        let answers = join_all(strangers.iter().map(|token| negotiate(&hub, token))).await;
        assert!(answers.iter().all(|a| *a == (401, "unauthorized".into())), "{answers:?}");
        assert_eq!(publisher.asked("/jwks"), 2);
    }
    // Whoever has nothing to do with the set doesn't cause any.
    let hs = Signer::hs256(&[7; 32]).with_kid(Some("x".into())).sign_json(&json!({"sub": "a"})).unwrap();
    for token in ["", "a.b.c", &hs] {
        is(&hub, token, REFUSED).await;
    }
    is(&hub, &maker.token(), GOOD).await;
    assert_eq!(publisher.asked("/jwks"), 2);
}

#[tokio::test]
async fn what_is_no_set_leaves_the_keys_as_they_are() {
    let maker = Maker::new("one");
    let publisher = Publisher::new(How::Body(set(&[&maker]))).await;
    let hub = hub(&publisher.url(), |c| {
        (c.auth.jwks_min_interval_ms, c.auth.jwks_timeout_ms) = (1, 300);
    })
    .await;
    is(&hub, &maker.token(), GOOD).await;
    let stranger = Maker::new("stranger");
    let huge = format!("{{\"keys\":[{}],\"x\":\"{}\"}}", stranger.jwk(), "x".repeat(300 << 10));
    for how in [
        How::Body("<html>".into()),
        How::Body("{}".into()),
        How::Body("[]".into()),
        How::Body(String::new()),
        How::Body(huge),
        How::Status(500),
        How::Status(404),
        How::Redirect(set(&[&stranger])),
        How::Never,
    ] {
        publisher.set(how);
        let before = publisher.asked("/jwks");
        let begun = Instant::now();
        while publisher.asked("/jwks") == before {
            is(&hub, &stranger.token(), REFUSED).await;
            assert!(begun.elapsed() < PATIENCE, "nothing is fetched");
        }
        is(&hub, &maker.token(), GOOD).await;
    }
    assert_eq!(publisher.asked("/elsewhere"), 0);
    // And it recovers.
    publisher.set(How::Body(set(&[&stranger])));
    until(&hub, &stranger.token(), 200).await;
    is(&hub, &maker.token(), REFUSED).await;
}

#[tokio::test]
async fn without_any_keys_the_hub_says_that_it_cannot_tell() {
    let maker = Maker::new("one");
    let publisher = Publisher::new(How::Status(503)).await;
    let hub = hub(&publisher.url(), |c| c.auth.jwks_min_interval_ms = 1).await;
    is(&hub, &maker.token(), UNAVAILABLE).await;
    is(&hub, "nonsense", REFUSED).await;
    publisher.set(How::Body(set(&[&maker])));
    until(&hub, &maker.token(), 200).await;
}

#[tokio::test]
async fn keys_that_cannot_be_fetched_any_more_are_good_for_a_while() {
    let maker = Maker::new("one");
    let publisher = Publisher::new(How::Body(set(&[&maker]))).await;
    let hub = hub(&publisher.url(), |c| c.auth.jwks_max_age_ms = 1_000).await;
    until(&hub, &maker.token(), 200).await;
    publisher.set(How::Status(500));
    until(&hub, &maker.token(), 503).await;
}

#[tokio::test]
async fn keys_are_fetched_now_and_then() {
    let (old, new) = (Maker::new("old"), Maker::new("new"));
    let publisher = Publisher::new(How::Body(set(&[&old]))).await;
    let hub = hub(&publisher.url(), |c| c.auth.jwks_refresh_ms = 20).await;
    is(&hub, &old.token(), GOOD).await;
    publisher.set(How::Body(set(&[&new])));
    until(&hub, &old.token(), 401).await;
    until(&hub, &new.token(), 200).await;
}

#[tokio::test]
async fn an_issuer_speaks_for_its_own_tokens_only() {
    let (a, b) = (Maker::new("same-kid"), Maker::new("same-kid"));
    let (at_a, at_b) =
        (Publisher::new(How::Body(set(&[&a]))).await, Publisher::new(How::Body(set(&[&b]))).await);
    let issuers = json!([
        {"url": at_a.url(), "iss": "https://a", "aud": "hub"},
        {"url": at_b.url(), "iss": "https://b", "aud": ["hub"], "alg": "ES256"},
    ]);
    let issuers = serde_json::from_value(issuers).unwrap();
    let hub = start(|c| c.auth.issuers = issuers).await;
    let claims = |iss: &str, aud: &str| json!({"sub": "alice", "iss": iss, "aud": aud});
    is(&hub, &a.sign(&claims("https://a", "hub")), GOOD).await;
    is(&hub, &b.sign(&claims("https://b", "hub")), GOOD).await;
    is(&hub, &a.sign(&claims("https://b", "hub")), REFUSED).await;
    is(&hub, &b.sign(&claims("https://a", "hub")), REFUSED).await;
    is(&hub, &a.sign(&claims("https://a", "other")), REFUSED).await;
    is(&hub, &a.sign(&claims("https://c", "hub")), REFUSED).await;
    is(&hub, &a.token(), REFUSED).await;
}

#[tokio::test]
async fn a_published_secret_is_no_key() {
    let maker = Maker::new("one");
    let secret = json!({"kty": "oct", "kid": "s", "alg": "HS256", "k": BASE64URL.encode([7; 32])});
    let body = json!({"keys": [secret, maker.jwk()]}).to_string();
    let publisher = Publisher::new(How::Body(body)).await;
    let hub = hub(&publisher.url(), |_| {}).await;
    is(&hub, &maker.token(), GOOD).await;
    let signer = Signer::hs256(&[7; 32]).with_kid(Some("s".into()));
    is(&hub, &signer.sign_json(&json!({"sub": "mallory"})).unwrap(), REFUSED).await;
}

#[tokio::test]
async fn tls_is_checked_against_known_authorities() {
    let pair = KeyPair::generate().unwrap();
    let cert = rcgen::CertificateParams::new(vec!["localhost".into()]).unwrap().self_signed(&pair).unwrap();
    let key = PrivateKeyDer::try_from(pair.serialize_der()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)
        .unwrap();
    let maker = Maker::new("one");
    let tls = TlsAcceptor::from(Arc::new(config));
    let publisher = Publisher::start(How::Body(set(&[&maker])), Some(tls)).await;
    let path = std::env::temp_dir().join(format!("crosspoint-jwks-ca-{}.pem", std::process::id()));
    std::fs::write(&path, cert.pem()).unwrap();
    let knowing = hub(&publisher.url(), |c| c.auth.jwks_ca_file = Some(path.clone())).await;
    is(&knowing, &maker.token(), GOOD).await;
    let unknowing = hub(&publisher.url(), |_| {}).await;
    is(&unknowing, &maker.token(), UNAVAILABLE).await;
    assert_eq!(publisher.asked("/jwks"), 1);
    std::fs::remove_file(&path).unwrap();
}

#[tokio::test]
async fn operators_can_ask_what_a_token_of_a_set_grants() {
    let maker = Maker::new("one");
    let publisher = Publisher::new(How::Body(set(&[&maker]))).await;
    let url = format!("auth.jwks_urls={}", publisher.url());
    let verify = async |token: String| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_crosspoint"));
        command
            .current_dir(std::env::temp_dir())
            .env_clear()
            .args(["token", "verify", &token, "--set", &url]);
        tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
    };
    let good = verify(maker.token()).await;
    let grant: Value = serde_json::from_slice(&good.stdout).unwrap();
    assert_eq!((good.status.code(), &grant["user"]), (Some(0), &json!("alice")));
    let stranger = verify(Maker::new("stranger").token()).await;
    let said = String::from_utf8(stranger.stderr).unwrap();
    assert!(
        stranger.status.code() == Some(1) && said.contains("no key for ES256 with kid `stranger`"),
        "{said}"
    );
    publisher.set(How::Status(500));
    let unknown = String::from_utf8(verify(maker.token()).await.stderr).unwrap();
    assert!(unknown.contains("could not be fetched"), "{unknown}");
}
