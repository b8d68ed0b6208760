//! Keys of tokens that come from elsewhere: published sets, and files that change.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../common/mod.rs"]
mod common;
mod files;
mod publisher;
mod sets;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL};
use common::{PATIENCE, send};
use crosspoint::Running;
use crosspoint::auth::jwt::Signer;
use rcgen::KeyPair;
use serde_json::{Value, json};
use std::time::Instant;

/// Who makes tokens.
struct Maker {
    kid: String,
    pair: KeyPair,
}

impl Maker {
    fn new(kid: &str) -> Maker {
        Maker { kid: kid.into(), pair: KeyPair::generate().unwrap() }
    }

    fn jwk(&self) -> Value {
        let (x, y) = self.pair.public_key_raw()[1..].split_at(32);
        json!({"kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": self.kid,
            "x": BASE64URL.encode(x), "y": BASE64URL.encode(y)})
    }

    fn token(&self) -> String {
        self.sign(&json!({"sub": "alice"}))
    }

    fn sign(&self, claims: &Value) -> String {
        let signer = Signer::pem(None, self.pair.serialize_pem().as_bytes()).unwrap();
        signer.with_kid(Some(self.kid.clone())).sign_json(claims).unwrap()
    }
}

fn set(makers: &[&Maker]) -> String {
    json!({"keys": makers.iter().map(|m| m.jwk()).collect::<Vec<_>>()}).to_string()
}

/// Status and code of a negotiation with the token.
async fn negotiate(hub: &Running, token: &str) -> (u16, String) {
    let ask = json!({"version": 1, "transports": ["websocket"]}).to_string();
    let answer =
        send(hub, "POST", "/negotiate", &[("authorization", &format!("Bearer {token}"))], &ask).await;
    if answer.status == 200 { (200, String::new()) } else { answer.fault() }
}

/// Negotiates again and again until it ends so.
async fn until(hub: &Running, token: &str, status: u16) {
    let begun = Instant::now();
    loop {
        let got = negotiate(hub, token).await;
        if got.0 == status {
            return;
        }
        assert!(begun.elapsed() < PATIENCE, "still {got:?} instead of {status}");
    }
}
