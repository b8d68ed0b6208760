//! Publishing to rooms, and sending to users and sessions.

use super::call::{Call, check_room};
use super::event::{direct, draft, event};
use super::outcome::Outcome;
use crosspoint_core::wire::Draft;
use crosspoint_core::{Code, Fault, Frame, Raw};
use crosspoint_hub::Published;
use serde::{Deserialize, Serialize};
use serde_json::json;
use serde_json::value::RawValue;
use std::collections::BTreeSet;

/// Events in one POST.
const EVENTS_MAX: usize = 100;
/// Rooms in one broadcast.
const ROOMS_MAX: usize = 100;

/// `POST /rooms/{room}/events`: one event or several, in order. Nothing is published unless all are well-formed; a fault in the middle
/// ends the batch, and the answer says what was published before it.
pub(super) async fn publish(call: &Call) -> Result<Outcome, Fault> {
    let (room, hub) = (call.room()?, &call.app.hub);
    let is_list = call.body.trim_ascii_start().starts_with(b"[");
    let texts: Vec<&RawValue> = match is_list {
        true => serde_json::from_slice(&call.body).map_err(not_json)?,
        false => vec![serde_json::from_slice(&call.body).map_err(not_json)?],
    };
    if texts.len() > EVENTS_MAX {
        return Err(Fault::new(Code::LimitExceeded, format!("A batch may have {EVENTS_MAX} events")));
    }
    let drafts: Vec<Draft> = texts
        .iter()
        .enumerate()
        .map(|(i, text)| event(call, text.get()).map(|f| draft(hub, f)).map_err(|f| numbered(f, is_list, i)))
        .collect::<Result<_, _>>()?;
    let mut published: Vec<Published> = vec![];
    for draft in drafts {
        match hub.publish(room, draft).await {
            Ok(done) => published.push(done),
            Err(fault) if published.is_empty() => return Err(fault),
            Err(fault) => return Ok(Outcome::broken_off(fault, &published)),
        }
    }
    match published.first() {
        Some(only) if !is_list => Outcome::done(only),
        _ => Outcome::done(&published),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Broadcast {
    rooms: Vec<String>,
    event: Raw,
}

#[derive(Serialize)]
struct Sent {
    room: String,
    #[serde(flatten)]
    published: Option<Published>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Fault>,
}

/// `POST /broadcast`: one event to many rooms; what fails in one does not keep it from the others.
pub(super) async fn broadcast(call: &Call) -> Result<Outcome, Fault> {
    let Broadcast { rooms, event: text } = call.read()?;
    if rooms.len() > ROOMS_MAX {
        return Err(Fault::new(
            Code::LimitExceeded,
            format!("A broadcast goes to at most {ROOMS_MAX} rooms"),
        ));
    }
    let mut seen = BTreeSet::new();
    for room in &rooms {
        call.caller.room(check_name(room)?)?;
        if !seen.insert(room) {
            return Err(Fault::new(Code::BadRequest, format!("The room {room} is there twice")));
        }
    }
    let frame = event(call, text.get())?;
    let mut results = vec![];
    for room in rooms {
        let result = call.app.hub.publish(&room, draft(&call.app.hub, frame.clone())).await;
        let (published, error) = match result {
            Ok(published) => (Some(published), None),
            Err(fault) => (None, Some(fault)),
        };
        results.push(Sent { room, published, error });
    }
    Outcome::done(&json!({ "results": results }))
}

/// A room's name in a body, where it may be empty.
fn check_name(room: &str) -> Result<&str, Fault> {
    match room.is_empty() {
        true => Err(Fault::new(Code::BadRequest, "A room's name is not empty")),
        false => check_room(room),
    }
}

/// `POST /users/{user}/events`
pub(super) async fn to_user(call: &Call) -> Result<Outcome, Fault> {
    let frame = message(call)?;
    Outcome::done(&json!({ "delivered": call.app.hub.send_to_user(call.user()?, &frame).await? }))
}

/// `POST /sessions/{session}/events`
pub(super) async fn to_session(call: &Call) -> Result<Outcome, Fault> {
    let frame = message(call)?;
    match call.app.hub.send_to_session(call.name(), &frame).await? {
        true => Outcome::done(&json!({ "delivered": 1 })),
        false => Err(Fault::new(Code::NotFound, "There is no such session")),
    }
}

fn message(call: &Call) -> Result<Frame, Fault> {
    let text = std::str::from_utf8(&call.body);
    let text = text.map_err(|_| Fault::new(Code::BadRequest, "The body is not UTF-8"))?;
    event(call, text).map(direct)
}

fn not_json(e: serde_json::Error) -> Fault {
    Fault::new(Code::BadRequest, format!("The body is neither an event nor a list of events: {e}"))
}

fn numbered(fault: Fault, is_list: bool, index: usize) -> Fault {
    match is_list {
        true => Fault { message: format!("Event {}: {}", index + 1, fault.message), ..fault },
        false => fault,
    }
}
