//! What a backend does to users in rooms: puts them in, takes them out, moderates them.

use super::call::{Call, check_user, whole};
use super::grants::end;
use super::outcome::Outcome;
use super::sessions::text;
use crosspoint_core::{Cap, Code, Fault};
use crosspoint_hub::{Action, Moderation};
use serde::Deserialize;
use serde_json::{Map, Value, json};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Join {
    user: String,
    #[serde(default)]
    allow: Option<Vec<Cap>>,
    #[serde(default, deserialize_with = "whole")]
    expires_in_s: Option<u64>,
}

/// `POST /rooms/{room}/join`
pub(super) async fn join(call: &Call) -> Result<Outcome, Fault> {
    let room = call.room()?;
    let Join { user, allow, expires_in_s } = call.read()?;
    let allow = allow.map(|caps| if caps.is_empty() { vec![Cap::Join] } else { caps }).unwrap_or_default();
    let sessions = call.app.hub.force_join(check_user(&user)?, room, &allow, end(expires_in_s)?).await?;
    Outcome::done(&json!({ "sessions": sessions }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Leave {
    user: String,
    #[serde(default)]
    message: Option<String>,
}

/// `POST /rooms/{room}/leave`
pub(super) fn leave(call: &Call) -> Result<Outcome, Fault> {
    let room = call.room()?;
    let Leave { user, message } = call.read()?;
    let message =
        text("message", message)?.unwrap_or_else(|| "A backend took the user out of the room".into());
    let fault = Fault::new(Code::Forbidden, message);
    Outcome::done(&json!({ "sessions": call.app.hub.force_leave(check_user(&user)?, room, &fault) }))
}

/// `GET /rooms/{room}/moderation`
pub(super) fn moderation(call: &Call) -> Result<Outcome, Fault> {
    Outcome::done(&json!({ "users": call.app.hub.moderation(call.room()?) }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Moderate {
    action: Action,
    user: String,
    #[serde(default, deserialize_with = "whole")]
    for_ms: Option<u64>,
    #[serde(default)]
    reason: Option<String>,
    #[serde(default)]
    by: Option<String>,
}

/// `POST /rooms/{room}/moderation`
pub(super) fn moderate(call: &Call) -> Result<Outcome, Fault> {
    let room = call.room()?;
    let Moderate { action, user, for_ms, reason, by } = call.read()?;
    check_user(&user)?;
    by.as_deref().map(check_user).transpose()?;
    let until = call.app.hub.moderate(room, Moderation { action, user, for_ms, reason, by })?;
    let answer: Map<String, Value> =
        until.map(|until| ("until_ms".into(), until.into())).into_iter().collect();
    Outcome::done(&answer)
}
