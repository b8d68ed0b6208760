//! The hub that all cells share.

use crate::backend;
use crate::support::{SECRET, start};
use crosspoint::Running;
use crosspoint::auth::api_key::hash;
use crosspoint::config::{Config, Way};
use crosspoint_hub::Revocation;
use serde_json::{Value, json};
use std::path::PathBuf;

/// Whom tokens must be for.
pub(crate) const AUDIENCE: &str = "this-hub";
/// The key that the API and clients may use.
pub(crate) const KEY: &str = "cpk_the-key-that-is-valid";

pub(crate) const WAYS: [Way; 9] = [
    Way::Bearer,
    Way::Cookie,
    Way::ApiKey,
    Way::SessionId,
    Way::Basic,
    Way::Subprotocol,
    Way::QueryToken,
    Way::QueryApiKey,
    Way::QuerySessionId,
];

/// The keys of the token tests.
pub(crate) fn vectors() -> Value {
    serde_json::from_str(include_str!("../../src/server/tests/tokens/vectors.json")).unwrap()
}

/// The public key in a file.
fn public_key() -> PathBuf {
    let path = std::env::temp_dir().join(format!("crosspoint-auth-{}.pem", std::process::id()));
    std::fs::write(&path, vectors()["keys"]["RSA"]["public"].as_str().unwrap()).unwrap();
    path
}

pub(crate) fn configure(config: &mut Config, backend: std::net::SocketAddr) {
    let auth = &mut config.auth;
    auth.jwt_secret = Some(SECRET.into());
    auth.jwt_leeway_s = 0;
    auth.audiences = vec![AUDIENCE.into()];
    let read = |json: Value| serde_json::from_value(json).unwrap();
    auth.keys = vec![serde_json::from_value(json!({"file": public_key(), "algs": ["RS256"]})).unwrap()];
    auth.ways = WAYS.to_vec();
    auth.schemes = vec!["Session".into()];
    auth.api_keys = vec![
        read(json!({"name": "valid", "key": hash(KEY), "user": "alice", "scopes": ["read"]})),
        read(
            json!({"name": "old", "key": hash("cpk_the-key-that-is-expired"), "user": "alice", "scopes": ["read"],
            "expires": "2020-01-01T00:00:00Z"}),
        ),
        read(
            json!({"name": "revoked", "key": hash("cpk_the-key-that-is-revoked"), "user": "alice", "scopes": ["read"]}),
        ),
        read(
            json!({"name": "limited", "key": hash("cpk_the-key-that-is-limited"), "user": "alice", "scopes": ["stats"],
            "rooms": ["other"]}),
        ),
        read(json!({"name": "backend", "key": hash("cpk_the-key-that-is-backend"), "scopes": ["read"]})),
    ];
    config.hooks.secrets = vec!["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".into()];
    config.hooks.connect.url =
        serde_json::from_value(json!(format!("http://{backend}/hooks/connect"))).unwrap();
    config.limits.connects_per_s = 0;
    config.transports.webrtc.address_peers_max = 10_000;
}

/// A hub on which all ways are on.
pub(crate) async fn all_ways() -> Running {
    let backend = backend::start().await;
    let hub = start(|config| configure(config, backend)).await;
    for id in ["key:revoked", "revoked"] {
        let revocation = Revocation { token_id: Some(id.into()), ..Revocation::default() };
        hub.hub().revoke(&revocation).unwrap();
    }
    hub
}
