//! Tokens that others made, tokens that nobody may make, and what tokens say.

mod claims;
mod confusion;
mod vectors;

use super::key::Key;
use super::{Alg, Refusal, Signer, Verdict, Verifier, jwk};
use crate::config::Config;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL};
use crosspoint_core::Grant;
use crosspoint_hub::Purpose;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;

const SECRET: &str = "0123456789abcdef0123456789abcdef";
const NOW: u64 = 1_800_000_000;

/// What src/server/tests/tokens/make.mjs made.
#[derive(Deserialize)]
struct Made {
    keys: BTreeMap<String, MadeKey>,
    tokens: Vec<MadeToken>,
}

#[derive(Deserialize)]
struct MadeKey {
    jwk: Value,
    public: Option<String>,
    private: Option<String>,
}

#[derive(Deserialize)]
struct MadeToken {
    alg: Alg,
    key: String,
    token: String,
}

fn made() -> Made {
    serde_json::from_str(include_str!("../../../../tests/tokens/vectors.json")).unwrap()
}

fn key(jwk: &Value) -> Key {
    let mut keys = jwk::read(jwk.to_string().as_bytes()).unwrap();
    assert_eq!(keys.len(), 1, "{jwk}");
    keys.remove(0)
}

fn verifier(auth: Value) -> Verifier {
    let config: Config = serde_json::from_value(json!({ "auth": auth })).unwrap();
    Verifier::new(&config).unwrap().unwrap()
}

fn ask(verifier: &Verifier, token: &str, purpose: Purpose) -> Result<Grant, Refusal> {
    match verifier.verify(token, purpose, NOW) {
        Verdict::Good(grant) => Ok(*grant),
        Verdict::Refused(refusal) => Err(refusal),
        Verdict::Unknown(_) => panic!("nothing is to be fetched"),
    }
}

/// A token of these claims, under the secret.
fn signed(claims: &Value) -> String {
    Signer::hs256(SECRET.as_bytes()).sign_json(claims).unwrap()
}

/// With any header and signature.
fn forged(header: &Value, claims: &Value, signature: &[u8]) -> String {
    let part = |json: &Value| BASE64URL.encode(json.to_string());
    format!("{}.{}.{}", part(header), part(claims), BASE64URL.encode(signature))
}
