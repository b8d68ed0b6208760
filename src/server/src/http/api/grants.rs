//! What a backend lets a user do: by tickets for those who come, by new grants for those who are here.

use super::call::{Call, check_user, whole};
use super::outcome::Outcome;
use super::sessions::no_session;
use crosspoint_core::{Code, Fault, Grant, Raw};
use crosspoint_hub::{TOKEN_ID_BYTES_MAX, Whom};
use serde::Deserialize;
use serde_json::json;
use serde_json::value::{RawValue, to_raw_value};
use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

/// Patterns in one list.
const PATTERNS_MAX: usize = 256;
/// The longest pattern, bytes.
const PATTERN_BYTES_MAX: usize = crosspoint_core::frame::ROOM_BYTES_MAX + 1;
/// The longest life of a grant that has an end, s: ten years.
const LIFE_S_MAX: u64 = 315_360_000;

/// A grant as backends write it: what is absent is as in a token.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Written {
    name: Option<String>,
    info: Option<Raw>,
    join: Option<Vec<String>>,
    publish: Option<Vec<String>>,
    presence: Option<Vec<String>>,
    history: Option<Vec<String>>,
    signal: Option<Vec<String>>,
    files: Option<Vec<String>>,
    call: Option<Vec<String>>,
    moderate: Option<Vec<String>>,
    publish_unjoined: Option<bool>,
    direct: Option<bool>,
    services: Option<Vec<String>>,
    token_id: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Ticket {
    user: String,
    #[serde(default)]
    grant: Option<Written>,
    #[serde(default, deserialize_with = "whole")]
    expires_in_s: Option<u64>,
}

/// `POST /tickets`
pub(super) fn ticket(call: &Call) -> Result<Outcome, Fault> {
    let Ticket { user, grant, expires_in_s } = call.read()?;
    let grant = grant.unwrap_or_default().of(check_user(&user)?, expires_in_s)?;
    let ticket = call.app.hub.ticket(grant)?;
    Outcome::done(&json!({ "ticket": ticket, "expires_in_ms": call.app.hub.limits().ticket_ms }))
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Refresh {
    grant: Option<Written>,
    #[serde(deserialize_with = "whole")]
    expires_in_s: Option<u64>,
}

/// `POST /users/{user}/refresh`, `POST /sessions/{session}/refresh`
pub(super) fn refresh(call: &Call, whom: Whom<'_>) -> Result<Outcome, Fault> {
    let Refresh { grant, expires_in_s } = call.read()?;
    let hub = &call.app.hub;
    let sessions = match (grant, end(expires_in_s)?) {
        (Some(grant), end) => {
            let mut grant = grant.of("", None)?;
            grant.expires_unix_s = end;
            hub.regrant(whom, &grant)?
        }
        (None, Some(end)) => hub.extend(whom, end)?,
        (None, None) => {
            return Err(Fault::new(Code::BadRequest, "A refresh has a `grant`, `expires_in_s`, or both"));
        }
    };
    match (whom, sessions) {
        (Whom::Session(_), 0) => Err(no_session()),
        _ => Outcome::done(&json!({ "sessions": sessions })),
    }
}

impl Written {
    /// What it comes to, for this user.
    fn of(self, user: &str, expires_in_s: Option<u64>) -> Result<Grant, Fault> {
        let lists = [
            &self.join,
            &self.publish,
            &self.presence,
            &self.history,
            &self.signal,
            &self.files,
            &self.call,
            &self.moderate,
            &self.services,
        ];
        let fits = |p: &String| (1..=PATTERN_BYTES_MAX).contains(&p.len());
        if !lists.into_iter().flatten().all(|list| list.len() <= PATTERNS_MAX && list.iter().all(fits)) {
            let text =
                format!("A grant's list has at most {PATTERNS_MAX} names of 1 to {PATTERN_BYTES_MAX} bytes");
            return Err(Fault::new(Code::BadRequest, text));
        }
        if self.token_id.as_ref().is_some_and(|id| id.is_empty() || id.len() > TOKEN_ID_BYTES_MAX) {
            let text = format!("`token_id` has 1 to {TOKEN_ID_BYTES_MAX} bytes");
            return Err(Fault::new(Code::BadRequest, text));
        }
        let plain = Grant::user(user);
        let grant = Grant {
            info: shown(self.name, self.info)?,
            join: self.join.unwrap_or(plain.join),
            publish: self.publish,
            presence: self.presence,
            history: self.history,
            signal: self.signal,
            files: self.files,
            call: self.call,
            moderate: self.moderate.unwrap_or_default(),
            publish_unjoined: self.publish_unjoined.unwrap_or(plain.publish_unjoined),
            direct: self.direct.unwrap_or(plain.direct),
            services: self.services.unwrap_or_default(),
            expires_unix_s: end(expires_in_s)?,
            token_id: self.token_id,
            issued_unix_s: Some(unix_s()),
            user: plain.user,
        };
        grant.check()?;
        Ok(grant)
    }
}

/// Seconds since 1970.
fn unix_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs())
}

/// So long from now, s since 1970.
pub(super) fn end(expires_in_s: Option<u64>) -> Result<Option<u64>, Fault> {
    match expires_in_s {
        None => Ok(None),
        Some(life @ 1..=LIFE_S_MAX) => Ok(Some(unix_s() + life)),
        Some(_) => Err(Fault::new(Code::BadRequest, format!("A time from now is 1 to {LIFE_S_MAX} s"))),
    }
}

/// What others see: `info`, with the name in it.
fn shown(name: Option<String>, info: Option<Raw>) -> Result<Option<Raw>, Fault> {
    let Some(name) = name else { return Ok(info) };
    let wrong = || Fault::new(Code::BadRequest, "`info` is an object");
    let text = info.as_deref().map_or("{}", RawValue::get);
    let mut fields: BTreeMap<String, Raw> = serde_json::from_str(text).map_err(|_| wrong())?;
    let name = to_raw_value(&name).map_err(|_| Code::Internal)?;
    fields.entry("name".into()).or_insert(name);
    to_raw_value(&fields).map(Some).map_err(|_| Code::Internal.into())
}
