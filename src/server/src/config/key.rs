//! `auth.api_keys`: keys of backends, and of clients that have nothing better.

use super::{Auth, Secret, Service};
use crate::auth::Scopes;
use crate::auth::api_key::digest_of;
use crosspoint_core::Grant;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use serde_json::Value;
use std::collections::BTreeSet;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// The shortest key, bytes.
const KEY_BYTES_MIN: usize = 16;
/// The longest name, bytes.
const NAME_BYTES_MAX: usize = 128;

/// One of them. In configuration it is the key alone, which may do everything, or a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ApiKey {
    /// The key, or `sha256:` and its hash.
    Plain(Secret),
    /// A key that says more.
    Named(NamedKey),
}

/// A key with a name and bounds. Several may have the same name, each with its own key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NamedKey {
    /// For people, and for revoking what the key opened: `key:<name>` is the id of its token.
    pub name: String,
    /// `sha256:` and the key's SHA-256 in hex (`crosspoint key new`); or the key itself.
    pub key: Secret,
    /// What it may do by the server API. Absent: nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scopes: Option<Scopes>,
    /// Rooms to which it is restricted: names, or beginnings with a `*` at the end. Absent: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rooms: Option<Vec<String>>,
    /// Clients may connect with it, as this user. Absent: none may.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Rooms to which such clients may publish. Absent: those of `rooms`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub publish: Option<Vec<String>>,
    /// When it ends, RFC 3339. Absent: never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<String>,
}

impl NamedKey {
    /// When it ends, seconds since 1970; `Err` if that is no time.
    pub(crate) fn expires_unix_s(&self) -> Result<Option<u64>, time::error::Parse> {
        let end = self.expires.as_deref().map(|text| OffsetDateTime::parse(text, &Rfc3339)).transpose()?;
        Ok(end.map(|end| u64::try_from(end.unix_timestamp()).unwrap_or(0)))
    }

    /// By which it can be revoked.
    pub(crate) fn token_id(&self) -> String {
        format!("key:{}", self.name)
    }

    /// What clients that connect with it may do.
    pub(crate) fn grant(&self) -> Option<Grant> {
        let grant = Grant::user(self.user.as_deref()?);
        Some(Grant {
            join: self.rooms.clone().unwrap_or_else(|| vec!["*".into()]),
            publish: self.publish.clone(),
            expires_unix_s: self.expires_unix_s().unwrap_or(Some(0)),
            token_id: Some(self.token_id()),
            ..grant
        })
    }
}

impl Auth {
    /// Whether clients may connect with a key.
    pub(crate) fn has_client_keys(&self) -> bool {
        self.api_keys.iter().any(|key| matches!(key, ApiKey::Named(named) if named.user.is_some()))
    }
}

impl ApiKey {
    /// The key, or its hash.
    pub(crate) fn key(&self) -> &Secret {
        match self {
            ApiKey::Plain(key) => key,
            ApiKey::Named(named) => &named.key,
        }
    }
}

impl From<&str> for ApiKey {
    fn from(key: &str) -> ApiKey {
        ApiKey::Plain(key.into())
    }
}

impl Serialize for ApiKey {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        match self {
            ApiKey::Plain(key) => key.serialize(s),
            ApiKey::Named(named) => named.serialize(s),
        }
    }
}

impl<'de> Deserialize<'de> for ApiKey {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<ApiKey, D::Error> {
        match Value::deserialize(d)? {
            Value::String(key) => Ok(ApiKey::Plain(key.as_str().into())),
            table @ Value::Object(_) => {
                NamedKey::deserialize(table).map(ApiKey::Named).map_err(D::Error::custom)
            }
            // Not quoted: it may hold a secret.
            _ => Err(D::Error::custom("is neither a key nor a table")),
        }
    }
}

/// What is wrong with the keys of the API and of services: key of the configuration, problem, fix.
pub(super) fn check(keys: &[ApiKey], services: &[Service]) -> Vec<(&'static str, String, &'static str)> {
    let mut wrong = vec![];
    let mut known = BTreeSet::new();
    let mut look = |setting: &'static str, whose: &str, key: &Secret| {
        let bytes = key.bytes();
        if bytes.starts_with(b"sha256:") && digest_of(bytes).is_none() {
            let fix = "give `sha256:` and 64 hex digits, as `crosspoint key new` does";
            return Some((setting, format!("{whose} is no SHA-256"), fix));
        }
        if bytes.len() < KEY_BYTES_MIN {
            let problem = format!("{whose} has {} bytes, fewer than {KEY_BYTES_MIN}", bytes.len());
            return Some((setting, problem, "make one with `crosspoint key new`"));
        }
        let fix = "give each service, and each user of the API, its own";
        (!known.insert(crate::auth::api_key::digest(bytes)))
            .then(|| (setting, format!("{whose} is there twice"), fix))
    };
    for key in keys {
        let whose = match key {
            ApiKey::Plain(_) => "one".to_owned(),
            ApiKey::Named(named) => format!("the key `{:.200}`", named.name),
        };
        wrong.extend(look("auth.api_keys", &whose, key.key()));
        if let ApiKey::Named(named) = key {
            wrong.extend(
                named.problems().map(|(problem, fix)| ("auth.api_keys", format!("{whose} {problem}"), fix)),
            );
        }
    }
    for service in services {
        wrong.extend(look("auth.services", &format!("the key of `{:.200}`", service.name), &service.key));
    }
    wrong
}

/// What is wrong with an entry of `auth.api_keys`, if anything is.
pub(crate) fn wrong_key(entry: &Value) -> Option<String> {
    match ApiKey::deserialize(entry) {
        Ok(key) => {
            let problems = check(&[key], &[]).into_iter();
            problems.map(|(_, problem, fix)| format!("{problem}; {fix}")).next()
        }
        Err(e) => Some(e.to_string()),
    }
}

impl NamedKey {
    fn problems(&self) -> impl Iterator<Item = (String, &'static str)> {
        use crate::auth::jwt::is_user;
        let named = is_user(&self.name) && self.name.len() <= NAME_BYTES_MAX;
        let used = self.user.is_some() || self.scopes.is_some_and(|scopes| scopes != Scopes::NONE);
        [
            (!named).then(|| ("has no name".into(), "give 1 to 128 bytes without control characters")),
            (!used).then(|| {
                (
                    "is good for nothing".into(),
                    "give it `scopes` for the API, or a `user` as whom clients connect",
                )
            }),
            self.user.as_deref().filter(|user| !is_user(user)).map(|_| {
                ("has a `user` who can't be one".into(), "give 1 to 295 bytes without control characters")
            }),
            self.expires_unix_s()
                .err()
                .map(|_| ("has an `expires` that is no time".into(), "write it like 2027-01-31T12:00:00Z")),
        ]
        .into_iter()
        .flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::Scope;
    use serde_json::json;

    fn key(json: Value) -> ApiKey {
        serde_json::from_value(json).unwrap()
    }

    fn problems(keys: &[Value]) -> Vec<String> {
        let keys: Vec<ApiKey> = keys.iter().cloned().map(key).collect();
        check(&keys, &[]).into_iter().map(|(_, problem, _)| problem).collect()
    }

    #[test]
    fn keys_are_text_or_tables() {
        assert_eq!(key(json!("a-key-of-sixteen-bytes")), "a-key-of-sixteen-bytes".into());
        let ApiKey::Named(named) = key(json!({
            "name": "shop", "key": "a-key-of-sixteen-bytes", "scopes": ["publish"], "rooms": ["shop:*"],
            "user": "shop", "expires": "2027-01-31T12:00:00+01:00"
        })) else {
            panic!("a table")
        };
        assert_eq!(named.expires_unix_s().unwrap(), Some(1_801_393_200));
        assert!(named.scopes.unwrap().has(Scope::Publish));
        let grant = named.grant().unwrap();
        assert!(grant.may_join("shop:1") && !grant.may_join("x") && grant.may_publish("shop:1"));
        assert_eq!((grant.user.as_str(), grant.token_id.as_deref()), ("shop", Some("key:shop")));
        let shown = serde_json::to_string(&[ApiKey::Named(named), "a-key-of-sixteen-bytes".into()]).unwrap();
        assert!(
            !shown.contains("sixteen") && shown.contains("<secret>") && shown.contains("shop:*"),
            "{shown}"
        );
        for wrong in [json!(7), json!(["x"]), json!({"key": "k"}), json!({"name": "a", "key": 1234567})] {
            let error = serde_json::from_value::<ApiKey>(wrong).unwrap_err().to_string();
            assert!(!error.contains("1234567"), "{error}");
        }
    }

    #[test]
    fn a_hub_whose_clients_have_keys_is_not_open() {
        let mut config = crate::config::Config::default();
        config.auth.api_keys = vec!["a-key-of-sixteen-bytes".into()];
        assert!(config.is_open());
        config.auth.api_keys.push(key(json!({"name": "a", "key": "another-key-of-mine", "user": "u"})));
        assert!(!config.is_open());
    }

    #[test]
    fn keys_that_are_of_no_use_are_found() {
        let plain = "a-key-of-sixteen-bytes";
        let hash = format!("sha256:{}", "0a".repeat(32));
        assert!(
            problems(&[
                json!(plain),
                json!(hash),
                json!({"name": "a", "key": "another-key-of-mine", "user": "u"})
            ])
            .is_empty()
        );
        assert_eq!(problems(&[json!("short")]), ["one has 5 bytes, fewer than 16"]);
        assert_eq!(problems(&[json!("sha256:0a0a0a0a0a0a0a0a")]), ["one is no SHA-256"]);
        assert_eq!(problems(&[json!(plain), json!(plain)]), ["one is there twice"]);
        // The SHA-256 of the other one.
        let same = crate::auth::api_key::hash(plain);
        assert_eq!(
            problems(&[json!(plain), json!({"name": "a", "key": same, "user": "u"})]),
            ["the key `a` is there twice"]
        );
        let bad = json!({"name": "", "key": plain, "scopes": [], "expires": "tomorrow"});
        assert_eq!(problems(&[bad]).len(), 3);
    }
}
