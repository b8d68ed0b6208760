//! Users and their sessions on this node.

use super::call::Call;
use super::outcome::Outcome;
use crosspoint_core::{Code, Fault};
use serde::Deserialize;
use serde_json::json;

/// Sessions of a user in one answer.
const SESSIONS_MAX: usize = 1000;
/// The longest message for people, bytes.
const MESSAGE_BYTES_MAX: usize = 256;

/// `GET /users/{user}`
pub(super) fn user(call: &Call) -> Result<Outcome, Fault> {
    let user = call.user()?;
    Outcome::done(&json!({ "user": user, "sessions": call.app.hub.sessions_of(user, SESSIONS_MAX) }))
}

/// `GET /sessions/{session}`
pub(super) fn session(call: &Call) -> Result<Outcome, Fault> {
    match call.app.hub.session_info(call.name()) {
        Some(info) => Outcome::done(&info),
        None => Err(no_session()),
    }
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Disconnect {
    message: Option<String>,
}

/// `POST /users/{user}/disconnect`
pub(super) fn disconnect_user(call: &Call) -> Result<Outcome, Fault> {
    let (fault, user) = (reason(call)?, call.user()?);
    Outcome::done(&json!({ "ended": call.app.hub.disconnect_user(user, &fault) }))
}

/// `POST /sessions/{session}/disconnect`, `DELETE /sessions/{session}`
pub(super) fn end(call: &Call) -> Result<Outcome, Fault> {
    let fault = reason(call)?;
    match call.app.hub.end_session(call.name(), &fault) {
        true => Outcome::done(&json!({})),
        false => Err(no_session()),
    }
}

fn reason(call: &Call) -> Result<Fault, Fault> {
    let Disconnect { message } = call.read()?;
    Ok(match text("message", message)? {
        Some(message) => Fault::new(Code::Forbidden, message),
        None => Code::Forbidden.into(),
    })
}

/// A sentence for people, if it is short.
pub(super) fn text(name: &str, text: Option<String>) -> Result<Option<String>, Fault> {
    match text {
        Some(text) if text.is_empty() || text.len() > MESSAGE_BYTES_MAX => {
            Err(Fault::new(Code::BadRequest, format!("`{name}` has 1 to {MESSAGE_BYTES_MAX} bytes")))
        }
        text => Ok(text),
    }
}

pub(super) fn no_session() -> Fault {
    Fault::new(Code::NotFound, "There is no such session")
}
