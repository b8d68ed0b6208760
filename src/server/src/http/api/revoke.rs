//! Revocations: by name, listed, and undone.

use super::call::{Call, check_user, whole};
use super::grants::end;
use super::listing::{after, cursor, limit};
use super::outcome::Outcome;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL};
use crosspoint_core::{Code, Fault};
use crosspoint_hub::Revocation;
use serde::{Deserialize, Serialize};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    #[serde(default)]
    token_id: Option<String>,
    #[serde(default)]
    user: Option<String>,
    #[serde(default, deserialize_with = "whole")]
    issued_before_unix_s: Option<u64>,
    #[serde(default, deserialize_with = "whole")]
    for_s: Option<u64>,
}

/// A revocation and the id by which it is undone.
#[derive(Serialize)]
struct Named {
    id: String,
    #[serde(flatten)]
    revocation: Revocation,
}

#[derive(Serialize)]
struct Done {
    revocation: Named,
    ended: usize,
}

#[derive(Serialize)]
struct List {
    revocations: Vec<Named>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// `POST /revocations`
pub(super) fn revoke(call: &Call) -> Result<Outcome, Fault> {
    let Wanted { token_id, user, issued_before_unix_s, for_s } = call.read()?;
    user.as_deref().map(check_user).transpose()?;
    let revocation = Revocation { token_id, user, issued_before_unix_s, until_unix_s: end(for_s)? };
    let ended = call.app.hub.revoke(&revocation)?;
    Outcome::done(&Done { revocation: Named { id: id(&key(&revocation)), revocation }, ended })
}

/// `GET /revocations`
pub(super) fn list(call: &Call) -> Result<Outcome, Fault> {
    let (after, limit) = (after(&call.query)?, limit(&call.query)?);
    let all = call.app.hub.revocations();
    let mut all: Vec<_> = all.into_iter().map(|r| (key(&r), r)).filter(|(key, _)| *key > after).collect();
    all.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
    let more = all.len() > limit;
    all.truncate(limit);
    let next = all.last().filter(|_| more).map(|(key, _)| cursor(key));
    let revocations = all.into_iter().map(|(key, revocation)| Named { id: id(&key), revocation }).collect();
    Outcome::done(&List { revocations, next })
}

/// `DELETE /revocations/{revocation}`
pub(super) fn undo(call: &Call) -> Result<Outcome, Fault> {
    let unknown = || Fault::new(Code::NotFound, "There is no such revocation");
    let key = BASE64URL.decode(call.name()).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let revocation = key.as_deref().and_then(of_key).ok_or_else(unknown)?;
    match call.app.hub.unrevoke(&revocation) {
        true => Outcome::done(&serde_json::json!({})),
        false => Err(unknown()),
    }
}

/// What it revokes: `t:<token id>`, `u:<user>` or `b:<seconds>:<user>`.
fn key(revocation: &Revocation) -> String {
    let user = revocation.user.as_deref().unwrap_or_default();
    match (&revocation.token_id, revocation.issued_before_unix_s) {
        (Some(id), _) => format!("t:{id}"),
        (None, None) => format!("u:{user}"),
        (None, Some(before)) => format!("b:{before}:{user}"),
    }
}

fn of_key(key: &str) -> Option<Revocation> {
    let mut revocation = Revocation::default();
    match key.split_once(':')? {
        ("t", id) => revocation.token_id = Some(id.into()),
        ("u", user) => revocation.user = Some(user.into()),
        ("b", rest) => {
            let (before, user) = rest.split_once(':')?;
            revocation.issued_before_unix_s = Some(before.parse().ok()?);
            revocation.user = Some(user.into());
        }
        _ => return None,
    }
    Some(revocation)
}

fn id(key: &str) -> String {
    BASE64URL.encode(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_name_what_is_revoked() {
        let of = |token_id: Option<&str>, user: Option<&str>, issued_before_unix_s| Revocation {
            token_id: token_id.map(String::from),
            user: user.map(String::from),
            issued_before_unix_s,
            until_unix_s: None,
        };
        let user = Some("b:1:u");
        for revocation in [of(Some("t:1"), None, None), of(None, user, None), of(None, user, Some(7))] {
            assert_eq!(of_key(&key(&revocation)), Some(revocation));
        }
        for wrong in ["", "t", "x:1", "b:1", "b:x:u", "b:-1:u"] {
            assert_eq!(of_key(wrong), None, "{wrong}");
        }
    }
}
