//! Rooms, who is in them, and what was published, page by page.

use super::call::{Call, Query};
use super::outcome::Outcome;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL};
use crosspoint_core::{Code, Fault, Position};
use crosspoint_hub::{HistoryPage, Member, RoomInfo};
use serde::Serialize;
use serde_json::value::RawValue;

/// Entries of a page, where the request doesn't say.
const LIMIT: u64 = 100;
/// Entries of a page at most.
const LIMIT_MAX: u64 = 1000;

/// The longest cursor.
const CURSOR_BYTES_MAX: usize = 440;

/// How many entries a page has.
pub(super) fn limit(query: &Query) -> Result<usize, Fault> {
    match query.number("limit")?.unwrap_or(LIMIT) {
        limit @ 1..=LIMIT_MAX => Ok(limit as usize),
        _ => Err(Fault::new(Code::BadRequest, format!("`limit` is 1 to {LIMIT_MAX}"))),
    }
}

/// The name after which a page begins: the cursor's, else the first of all.
pub(super) fn after(query: &Query) -> Result<String, Fault> {
    let Some(cursor) = query.text("cursor") else { return Ok(String::new()) };
    match BASE64URL.decode(cursor) {
        Ok(name) if cursor.len() <= CURSOR_BYTES_MAX => Ok(String::from_utf8_lossy(&name).into_owned()),
        _ => Err(Fault::new(Code::BadRequest, "`cursor` is not one that a hub gives")),
    }
}

/// The cursor of the page that begins after this name.
pub(super) fn cursor(name: &str) -> String {
    BASE64URL.encode(name)
}

#[derive(Serialize)]
struct Rooms {
    rooms: Vec<RoomInfo>,
    truncated: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// `GET /rooms`
pub(super) fn rooms(call: &Call) -> Result<Outcome, Fault> {
    let query = &call.query;
    let prefix = query.text("prefix").unwrap_or_default();
    let shown = |room: &str| call.caller.reaches(room);
    let (rooms, truncated) = call.app.hub.rooms(prefix, &after(query)?, limit(query)?, shown);
    let next = rooms.last().filter(|_| truncated).map(|last| cursor(&last.room));
    Outcome::done(&Rooms { rooms, truncated, next })
}

#[derive(Serialize)]
struct RoomView<'a> {
    #[serde(flatten)]
    info: RoomInfo,
    #[serde(skip_serializing_if = "Option::is_none")]
    position: Option<Position>,
    settings: Settings<'a>,
}

/// What holds for the room.
#[derive(Serialize)]
struct Settings<'a> {
    prefix: &'a str,
    history_events: usize,
    history_ms: u64,
    presence: bool,
    signal: bool,
    files: bool,
    public: bool,
}

/// `GET /rooms/{room}`
pub(super) async fn room(call: &Call) -> Result<Outcome, Fault> {
    let (room, hub) = (call.room()?, &call.app.hub);
    let namespace = hub.namespace(room);
    let position = match namespace.history_events {
        0 => None,
        _ => Some(hub.history(room, None, None, Some(0)).await?.head),
    };
    let settings = Settings {
        prefix: &namespace.prefix,
        history_events: namespace.history_events,
        history_ms: namespace.history_ms,
        presence: namespace.presence,
        signal: namespace.signal,
        files: namespace.files,
        public: namespace.public,
    };
    Outcome::done(&RoomView { info: hub.room_info(room), position, settings })
}

#[derive(Serialize)]
struct Members {
    members: Vec<Member>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// `GET /rooms/{room}/members`
pub(super) async fn members(call: &Call) -> Result<Outcome, Fault> {
    let (after, limit) = (after(&call.query)?, limit(&call.query)?);
    let mut members = call.app.hub.presence(call.room()?).await?;
    members.retain(|m| *m.user > *after);
    members.sort_unstable_by(|a, b| a.user.cmp(&b.user));
    let more = members.len() > limit;
    members.truncate(limit);
    let next = members.last().filter(|_| more).map(|last| cursor(&last.user));
    Outcome::done(&Members { members, next })
}

/// `GET /rooms/{room}/presence`: all at once.
pub(super) async fn presence(call: &Call) -> Result<Outcome, Fault> {
    let members = call.app.hub.presence(call.room()?).await?;
    Outcome::done(&Members { members, next: None })
}

#[derive(Serialize)]
struct History<'a> {
    events: Vec<&'a RawValue>,
    position: &'a Position,
    complete: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<Next>,
}

/// How the next page is asked for.
#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum Next {
    Since(Position),
    Before(u64),
}

/// `GET /rooms/{room}/history`: forwards after `since`, else the last ones; with `reverse` from the newest back to `since`.
pub(super) async fn history(call: &Call) -> Result<Outcome, Fault> {
    let (room, hub, query) = (call.room()?, &call.app.hub, &call.query);
    let (since, before, reverse) = (query.text("since"), query.number("before")?, query.flag("reverse")?);
    let limit = query.number("limit")?.map(|n| usize::try_from(n).unwrap_or(usize::MAX));
    let from: Option<Position> = since
        .map(str::parse)
        .transpose()
        .map_err(|e| Fault::new(Code::BadRequest, format!("`since`: {e}")))?;
    let forwards = from.is_some() && !reverse;
    let mut page = hub.history(room, since.filter(|_| forwards), before.filter(|_| !forwards), limit).await?;
    let mut next = None;
    if forwards {
        let bound = before.unwrap_or(u64::MAX);
        let all = page.events.len();
        page.events.retain(|event| event.offset < bound);
        let last = page.events.last().and_then(|event| event.position().cloned());
        next = last.filter(|_| page.more && page.events.len() == all).map(Next::Since);
    } else {
        let first = page.start.offset + 1;
        if let Some(from) = &from {
            // Whether all after it is kept can be told from there only.
            page.complete = hub.history(room, since, None, Some(0)).await?.complete;
            let bound = if page.complete { from.offset } else { 0 };
            page.events.retain(|event| event.offset > bound);
            if first > bound + 1 {
                next = older(&page, first);
            }
        } else {
            next = older(&page, first);
        }
    }
    if reverse {
        page.events.reverse();
    }
    let texts: Vec<_> = page.events.iter().map(|event| event.frame.text()).collect();
    let events = texts.iter().map(|text| serde_json::from_slice(text)).collect::<Result<_, _>>();
    let events = events.map_err(|_| Code::Internal)?;
    Outcome::done(&History { events, position: &page.head, complete: page.complete, next })
}

/// The page before `first`, if there may be one.
fn older(page: &HistoryPage, first: u64) -> Option<Next> {
    (first > 1 && !page.events.is_empty()).then_some(Next::Before(first))
}
