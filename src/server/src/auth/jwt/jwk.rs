//! Keys in JSON (RFC 7517, RFC 7518 §6, RFC 8037 §2), alone or in sets.

use super::Alg;
use super::key::{Key, KeyError, Material};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL};
use serde::Deserialize;
use serde_json::Value;

/// Keys of a set that are used, at most.
pub(crate) const KEYS_MAX: usize = 128;

#[derive(Deserialize)]
struct Set {
    keys: Vec<Value>,
}

#[derive(Deserialize)]
struct Jwk {
    kty: String,
    #[serde(default, rename = "use")]
    usage: Option<String>,
    #[serde(default)]
    key_ops: Option<Vec<String>>,
    #[serde(default)]
    alg: Option<String>,
    #[serde(default)]
    kid: Option<String>,
    #[serde(default)]
    crv: Option<String>,
    #[serde(default)]
    n: Option<String>,
    #[serde(default)]
    e: Option<String>,
    #[serde(default)]
    x: Option<String>,
    #[serde(default)]
    y: Option<String>,
    #[serde(default)]
    k: Option<String>,
}

/// The keys of a JWK or of a set. What is for other purposes, or of an unknown kind, is left out, as RFC 7517 §5 says.
///
/// # Errors
/// When it is neither.
pub(crate) fn read(json: &[u8]) -> Result<Vec<Key>, KeyError> {
    let value: Value = serde_json::from_slice(json).map_err(|_| KeyError::Form("it is not JSON".into()))?;
    if value.get("kty").is_some() {
        return Ok(vec![key(value)?.ok_or(KeyError::Form("it is not a key for verifying".into()))?]);
    }
    let set = Set::deserialize(value).map_err(|_| KeyError::Form("it is no set of keys (JWKS)".into()))?;
    Ok(set.keys.into_iter().filter_map(|value| key(value).ok().flatten()).take(KEYS_MAX).collect())
}

/// `None`: it is for something else.
fn key(value: Value) -> Result<Option<Key>, KeyError> {
    let jwk = Jwk::deserialize(value).map_err(|_| KeyError::Form("it is no key (JWK)".into()))?;
    let verifies = |ops: &Vec<String>| ops.iter().any(|op| op == "verify" || op == "sign");
    if jwk.usage.as_ref().is_some_and(|u| u != "sig")
        || jwk.key_ops.as_ref().is_some_and(|ops| !verifies(ops))
    {
        return Ok(None);
    }
    let material = match (jwk.kty.as_str(), jwk.crv.as_deref()) {
        ("oct", _) => Material::Secret(part(&jwk.k)?),
        ("RSA", _) => Material::rsa(&part(&jwk.n)?, &part(&jwk.e)?)?,
        ("EC", Some("P-256" | "P-384")) => {
            let (x, y) = (part(&jwk.x)?, part(&jwk.y)?);
            let size = if jwk.crv.as_deref() == Some("P-256") { 32 } else { 48 };
            if x.len() != size || y.len() != size {
                return Err(KeyError::Point);
            }
            Material::point(&[&[4], &x[..], &y[..]].concat())?
        }
        ("OKP", Some("Ed25519")) => Material::ed25519(&part(&jwk.x)?)?,
        _ => return Ok(None),
    };
    let algs = match jwk.alg.as_deref().map(Alg::named) {
        Some(None) => return Ok(None),
        Some(Some(alg)) => vec![alg],
        None => vec![],
    };
    Key::new(material, jwk.kid, &algs).map(Some)
}

fn part(text: &Option<String>) -> Result<Vec<u8>, KeyError> {
    let text = text.as_ref().ok_or_else(|| KeyError::Form("it is not complete".into()))?;
    BASE64URL.decode(text).map_err(|_| KeyError::Form("it is not base64url".into()))
}
