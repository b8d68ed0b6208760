//! What tokens say, and the grants that it makes.

use super::Refusal;
use crosspoint_core::grant::{INFO_BYTES_MAX, USER_BYTES_MAX};
use crosspoint_core::{Grant, Raw};
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::value::RawValue;
use std::collections::BTreeMap;

/// The longest `jti`, bytes.
const ID_BYTES_MAX: usize = 256;
/// The longest name of a room that a token can be for, bytes.
const ROOM_BYTES_MAX: usize = 256;

type Patterns = Option<Vec<String>>;

/// The claims of a token. What is absent takes the default that is named; lists are of names, or of beginnings with a `*` at the end.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Claims {
    /// The user.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub sub: String,
    /// Who made it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub iss: Option<String>,
    /// Whom it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub aud: Option<Audience>,
    /// Seconds since 1970 at which it ends; absent: never.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "numeric_date")]
    pub exp: Option<f64>,
    /// Seconds since 1970 before which it isn't good.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "numeric_date")]
    pub nbf: Option<f64>,
    /// Seconds since 1970 at which it was made.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "numeric_date")]
    pub iat: Option<f64>,
    /// Its own name, by which it can be revoked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jti: Option<String>,
    /// Shown to others, as `name` in `info`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Shown to others, an object of at most 1 KiB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub info: Option<Raw>,
    /// The one room that it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub room: Option<String>,
    /// Rooms that may be joined and read; absent: all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub join: Patterns,
    /// Rooms that may be published to; absent, here and below: those of `join`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub publish: Patterns,
    /// Rooms whose members may be seen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub presence: Patterns,
    /// Rooms whose history may be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub history: Patterns,
    /// Rooms whose peers may be signaled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signal: Patterns,
    /// Rooms in which files may be sent through the hub.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub files: Patterns,
    /// Rooms whose calls may be joined.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub call: Patterns,
    /// Rooms whose members may be muted, kicked and banned; absent: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub moderate: Patterns,
    /// Whether to rooms that weren't joined, too; absent: no.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub publish_unjoined: Option<bool>,
    /// Whether direct messages and requests may be sent; absent: yes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub direct: Option<bool>,
    /// Services that may be attached as; absent: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub services: Patterns,
}

/// `aud` (RFC 7519 §4.1.3): one, or several.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Audience {
    /// One.
    One(String),
    /// Several.
    Many(Vec<String>),
}

impl Audience {
    /// Whether it is for one of these.
    pub fn names(&self, any: &[String]) -> bool {
        match self {
            Audience::One(name) => any.contains(name),
            Audience::Many(names) => names.iter().any(|name| any.contains(name)),
        }
    }
}

/// Where a token's claims are.
#[derive(Debug, Clone)]
pub(crate) struct Places {
    /// The claim that names the user.
    pub(crate) user: String,
    /// The object that holds ours; `None`: they are beside the registered ones.
    pub(crate) ours: Option<String>,
}

/// Those of RFC 7519 §4.1 and OpenID Connect, which stay where they are.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Registered {
    iss: Option<String>,
    aud: Option<Audience>,
    exp: Option<f64>,
    nbf: Option<f64>,
    iat: Option<f64>,
    jti: Option<String>,
    name: Option<String>,
}

impl Claims {
    pub(crate) fn read(payload: &[u8], places: &Places) -> Result<Claims, Refusal> {
        let wrong = |e: serde_json::Error| Refusal::Claims(e.to_string());
        if places.ours.is_none() && places.user == "sub" {
            return serde_json::from_slice(payload).map_err(wrong);
        }
        let all: BTreeMap<String, &RawValue> = serde_json::from_slice(payload).map_err(wrong)?;
        let own: Registered = serde_json::from_slice(payload).map_err(wrong)?;
        let mut claims: Claims = match &places.ours {
            Some(ours) => {
                let object = all.get(ours).ok_or_else(|| Refusal::NoClaims(ours.clone()))?;
                serde_json::from_str(object.get()).map_err(wrong)?
            }
            None => serde_json::from_slice(payload).map_err(wrong)?,
        };
        let user = all.get(&places.user).map_or(Ok(String::new()), |user| serde_json::from_str(user.get()));
        claims.sub = user.map_err(wrong)?;
        let Registered { iss, aud, exp, nbf, iat, jti, name } = own;
        (claims.iss, claims.aud, claims.jti) = (iss, aud, jti);
        (claims.exp, claims.nbf, claims.iat) = (exp, nbf, iat);
        claims.name = claims.name.or(name);
        Ok(claims)
    }

    /// What they grant to who connects; times are not looked at.
    pub(crate) fn grant(self) -> Result<Grant, Refusal> {
        if self.room.is_some() {
            return Err(Refusal::OnlyRoom);
        }
        let (info, token_id) = (named(self.info, self.name.as_deref())?, id(self.jti)?);
        if !is_user(&self.sub) {
            return Err(Refusal::User);
        }
        Ok(Grant {
            user: self.sub,
            info,
            join: self.join.unwrap_or_else(|| vec!["*".into()]),
            publish: self.publish,
            presence: self.presence,
            history: self.history,
            signal: self.signal,
            files: self.files,
            call: self.call,
            moderate: self.moderate.unwrap_or_default(),
            publish_unjoined: self.publish_unjoined.unwrap_or(false),
            direct: self.direct.unwrap_or(true),
            services: self.services.unwrap_or_default(),
            expires_unix_s: self.exp.map(seconds),
            token_id,
            issued_unix_s: self.iat.map(seconds),
        })
    }

    /// What they grant in the one room that they are for: what its lists leave of it, if there are any, and nothing elsewhere.
    pub(crate) fn room_grant(mut self) -> Result<Grant, Refusal> {
        let room = self.room.take().ok_or(Refusal::NoRoom)?;
        if room.is_empty() || room.len() > ROOM_BYTES_MAX || room.ends_with('*') {
            return Err(Refusal::Room);
        }
        let whole = self.grant()?;
        let here = |list: Option<Vec<String>>| {
            list.map(|list| if covers(&list, &room) { vec![room.clone()] } else { vec![] })
        };
        let join = if covers(&whole.join, &room) { vec![room.clone()] } else { vec![] };
        Ok(Grant {
            publish: here(whole.publish),
            presence: here(whole.presence),
            history: here(whole.history),
            // Where it isn't said, direct messages decide; and those are no matter of one room.
            signal: here(whole.signal).or_else(|| whole.direct.then(|| join.clone())),
            files: here(whole.files),
            call: here(whole.call),
            moderate: here(Some(whole.moderate)).unwrap_or_default(),
            join,
            direct: false,
            services: vec![],
            ..whole
        })
    }
}

fn covers(patterns: &[String], room: &str) -> bool {
    Grant { join: patterns.to_vec(), ..Grant::default() }.may_join(room)
}

fn id(jti: Option<String>) -> Result<Option<String>, Refusal> {
    if jti.as_ref().is_some_and(|id| id.len() > ID_BYTES_MAX) { Err(Refusal::Id) } else { Ok(jti) }
}

/// `info`, with this name where it has none of its own.
fn named(info: Option<Raw>, name: Option<&str>) -> Result<Option<Raw>, Refusal> {
    let info = match (info, name) {
        (info, None) => info,
        (None, Some(name)) => Some(raw(&serde_json::json!({ "name": name }).to_string())?),
        (Some(info), Some(name)) => {
            let own: BTreeMap<String, IgnoredAny> =
                serde_json::from_str(info.get()).map_err(|_| Refusal::Info)?;
            let rest = info.get().trim_start().strip_prefix('{').ok_or(Refusal::Info)?;
            match (own.contains_key("name"), own.is_empty()) {
                (true, _) => Some(info),
                (false, empty) => {
                    let comma = if empty { "" } else { "," };
                    let name = serde_json::Value::from(name);
                    Some(raw(&format!("{{\"name\":{name}{comma}{rest}"))?)
                }
            }
        }
    };
    if info.as_ref().is_some_and(|info| !is_info(info)) { Err(Refusal::Info) } else { Ok(info) }
}

fn raw(json: &str) -> Result<Raw, Refusal> {
    RawValue::from_string(json.into()).map_err(|_| Refusal::Info)
}

/// Whole seconds since 1970.
pub(crate) fn seconds(date: f64) -> u64 {
    date.max(0.0) as u64
}

/// A NumericDate (RFC 7519 §2), without a fraction where it has none: not every reader takes `1800000000.0`.
fn numeric_date<S: Serializer>(date: &Option<f64>, s: S) -> Result<S::Ok, S::Error> {
    match date {
        Some(d) if d.fract() == 0.0 && *d >= 0.0 => s.serialize_u64(*d as u64),
        other => other.serialize(s),
    }
}

/// Whether a user may have this name.
pub fn is_user(name: &str) -> bool {
    (1..=USER_BYTES_MAX).contains(&name.len()) && !name.bytes().any(|b| b.is_ascii_control())
}

/// Whether it is an object of fitting size.
pub fn is_info(info: &Raw) -> bool {
    info.get().starts_with('{') && info.get().len() <= INFO_BYTES_MAX
}
