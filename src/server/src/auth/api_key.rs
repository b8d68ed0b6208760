//! Keys of backends: of the API, and of services. Only their SHA-256 is held.

use super::{Scope, Scopes};
use crate::config::{ApiKey, Auth};
use crosspoint_core::Grant;
use ring::rand::SystemRandom;
use ring::{digest, hmac};
use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::Arc;

/// What a key begins with that [`fresh`] makes, so that people and scanners know it when they see it.
pub const PREFIX: &str = "cpk_";
/// What a hash begins with in configuration.
const HASHED: &str = "sha256:";
/// The longest key that is looked at, bytes.
const KEY_BYTES_MAX: usize = 8192;
/// Random bytes in a fresh key.
const FRESH_BYTES: usize = 24;

type Digest = [u8; digest::SHA256_OUTPUT_LEN];

/// What a key is good for.
#[derive(Debug, Clone)]
pub struct Key {
    /// Names it in what is kept for who comes with it: its name, else its hash.
    pub id: Arc<str>,
    /// What it may do by the server API.
    pub scopes: Scopes,
    /// The rooms that it is restricted to: names, or beginnings with a `*` at the end; `None`: all.
    pub rooms: Option<Arc<[String]>>,
    /// Who comes with it as a client; `None`: nobody may.
    pub grant: Option<Arc<Grant>>,
    /// What it is to revocations.
    pub(crate) token: Grant,
    expires_unix_s: Option<u64>,
}

impl Key {
    /// Whether it may do this by the server API.
    pub fn has(&self, scope: Scope) -> bool {
        self.scopes.has(scope)
    }

    /// Whether this room is among those that it is restricted to.
    pub fn reaches(&self, room: &str) -> bool {
        let fits = |p: &String| p.strip_suffix('*').map_or(p == room, |prefix| room.starts_with(prefix));
        self.rooms.as_ref().is_none_or(|rooms| rooms.iter().any(fits))
    }
}

/// The keys that are good.
pub struct ApiKeys {
    /// A random key: what is looked up is a MAC under it, so that how long a look-up takes tells nothing of the keys.
    mac: hmac::Key,
    keys: HashMap<Digest, Key>,
    api: bool,
}

impl ApiKeys {
    /// The keys of the API and those of services.
    ///
    /// # Errors
    /// When the system has no randomness.
    pub fn new(auth: &Auth) -> Result<ApiKeys, ring::error::Unspecified> {
        let mac = hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new())?;
        let mut keys = HashMap::new();
        for service in &auth.services {
            let key = Key {
                id: format!("service:{}", service.name).into(),
                scopes: Scopes::NONE,
                rooms: None,
                grant: Some(Arc::new(service.grant())),
                token: Grant::default(),
                expires_unix_s: None,
            };
            keys.insert(tag(&mac, digest(service.key.bytes())), key);
        }
        for entry in &auth.api_keys {
            keys.insert(tag(&mac, digest(entry.key().bytes())), key(entry));
        }
        Ok(ApiKeys { mac, keys, api: !auth.api_keys.is_empty() })
    }

    /// Whether there is none for the API.
    pub fn is_empty(&self) -> bool {
        !self.api
    }

    /// What this key is good for; `None` for one that is unknown, or over at this time.
    pub fn find(&self, key: &str, now_unix_s: u64) -> Option<&Key> {
        if key.len() > KEY_BYTES_MAX {
            return None;
        }
        let found = self.keys.get(&tag(&self.mac, sha256(key.as_bytes())))?;
        found.expires_unix_s.is_none_or(|end| now_unix_s < end).then_some(found)
    }
}

fn key(entry: &ApiKey) -> Key {
    match entry {
        ApiKey::Plain(key) => Key {
            id: hex(HASHED, &digest(key.bytes())).into(),
            scopes: Scopes::ALL,
            rooms: None,
            grant: None,
            token: Grant::default(),
            expires_unix_s: None,
        },
        ApiKey::Named(named) => Key {
            id: named.name.as_str().into(),
            scopes: named.scopes.unwrap_or(Scopes::NONE),
            rooms: named.rooms.as_deref().map(Into::into),
            grant: named.grant().map(Arc::new),
            token: Grant { token_id: Some(named.token_id()), ..Grant::default() },
            // The configuration's check has refused what is no time.
            expires_unix_s: named.expires_unix_s().unwrap_or(Some(0)),
        },
    }
}

fn sha256(bytes: &[u8]) -> Digest {
    let mut out = [0; digest::SHA256_OUTPUT_LEN];
    out.copy_from_slice(digest::digest(&digest::SHA256, bytes).as_ref());
    out
}

fn tag(mac: &hmac::Key, digest: Digest) -> Digest {
    let mut out = [0; digest::SHA256_OUTPUT_LEN];
    out.copy_from_slice(hmac::sign(mac, &digest).as_ref());
    out
}

/// The hash that a configured key says or has.
pub(crate) fn digest(configured: &[u8]) -> Digest {
    digest_of(configured).unwrap_or_else(|| sha256(configured))
}

/// The hash that is written so: `sha256:` and 64 hex digits.
pub(crate) fn digest_of(configured: &[u8]) -> Option<Digest> {
    let hex = configured.strip_prefix(HASHED.as_bytes())?;
    if hex.len() != 2 * digest::SHA256_OUTPUT_LEN || !hex.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    let mut out = [0; digest::SHA256_OUTPUT_LEN];
    for (byte, pair) in out.iter_mut().zip(hex.chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(out)
}

/// How a key is written into the configuration.
pub fn hash(key: &str) -> String {
    hex(HASHED, &sha256(key.as_bytes()))
}

/// A new key.
///
/// # Errors
/// When the system has no randomness.
pub fn fresh() -> Result<String, ring::error::Unspecified> {
    let bytes: [u8; FRESH_BYTES] = ring::rand::generate(&SystemRandom::new())?.expose();
    Ok(hex(PREFIX, &bytes))
}

fn hex(prefix: &str, bytes: &[u8]) -> String {
    bytes.iter().fold(prefix.to_owned(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const NOW: u64 = 1_800_000_000;

    fn keys(api_keys: serde_json::Value) -> ApiKeys {
        let api_keys = serde_json::from_value(api_keys).unwrap();
        ApiKeys::new(&Auth { api_keys, ..Auth::default() }).unwrap()
    }

    #[test]
    fn only_whole_keys_are_good() {
        let keys = keys(json!(["first-key-0123456", hash("second-key-012345")]));
        assert!(keys.find("first-key-0123456", NOW).unwrap().has(Scope::Operate));
        assert!(keys.find("second-key-012345", NOW).is_some_and(|k| k.reaches("any")));
        let hashed = hash("second-key-012345");
        for wrong in ["first-key-012345", "first-key-0123456 ", "", hashed.as_str()] {
            assert!(keys.find(wrong, NOW).is_none(), "{wrong}");
        }
        assert!(!keys.is_empty());
    }

    #[test]
    fn two_keys_of_a_name_are_good_until_one_is_over() {
        let entry = |key: &str, expires: &str| json!({"name": "shop", "key": hash(key), "scopes": ["publish", "read"], "rooms": ["shop:*", "news"], "expires": expires});
        let keys = keys(json!([
            entry("the-old-key", "2027-01-15T08:00:00Z"),
            entry("the-new-key", "2028-01-01T00:00:00Z")
        ]));
        assert!(keys.find("the-old-key", NOW - 1).is_some() && keys.find("the-old-key", NOW).is_none());
        let new = keys.find("the-new-key", NOW).unwrap();
        assert!(new.has(Scope::Publish) && !new.has(Scope::Operate) && new.grant.is_none());
        assert!(new.reaches("shop:1") && new.reaches("news") && !new.reaches("newspaper"));
        assert_eq!(&*new.id, "shop");
    }

    #[test]
    fn fresh_keys_are_long_and_all_different() {
        let (a, b) = (fresh().unwrap(), fresh().unwrap());
        assert!(a != b && a.len() == PREFIX.len() + 2 * FRESH_BYTES && a.starts_with(PREFIX));
        assert_eq!(digest_of(hash(&a).as_bytes()), Some(sha256(a.as_bytes())));
        assert_eq!(hash("abc"), "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }
}
