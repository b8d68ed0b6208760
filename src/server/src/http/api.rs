//! The API for backends (docs/protocol.md, API for backends).

use super::app::App;
use super::body;
use super::caller;
use super::drain;
use super::links::{number, parameter, room_name};
use super::reply::{self, Reply};
use super::route::Route;
use crosspoint_core::frame::From;
use crosspoint_core::wire::Draft;
use crosspoint_core::{Code, Fault, Frame};
use crosspoint_hub::{Hub, Member, Published};
use http::{Request, StatusCode};
use hyper::body::Incoming;
use serde::Serialize;
use serde_json::json;
use serde_json::value::RawValue;

/// Events in one POST.
const BATCH_MAX: usize = 100;
/// Rooms in one listing.
const ROOMS_MAX: usize = 1000;

#[derive(Serialize)]
struct Members {
    members: Vec<Member>,
}

/// Answers a request of the API.
pub(super) async fn api(app: &App, route: Route, request: Request<Incoming>) -> Reply {
    let allowed = app.keyless || caller::api_key(request.headers()).is_some_and(|key| app.keys.has(key));
    if !allowed {
        return reply::fault(&Fault::new(Code::Unauthorized, "Authentication error: Invalid API key"));
    }
    match act(app, route, request).await {
        Ok(reply) => reply,
        Err(fault) => reply::fault(&fault),
    }
}

async fn act(app: &App, route: Route, request: Request<Incoming>) -> Result<Reply, Fault> {
    let hub = &app.hub;
    let query = request.uri().query().unwrap_or_default();
    match route {
        Route::ApiPublish(room) => publish(app, &room_name(room)?, request.into_body()).await,
        Route::ApiHistory(room) => {
            let (since, before, limit) =
                (parameter(query, "since")?, number(query, "before")?, number(query, "limit")?);
            let page = hub.history(&room_name(room)?, since.as_deref(), before, limit).await?;
            Ok(reply::json(&Hub::history_json(&page)?))
        }
        Route::ApiPresence(room) => {
            Ok(reply::json(&Members { members: hub.presence(&room_name(room)?).await? }))
        }
        Route::ApiRooms => {
            let (rooms, truncated) = hub.rooms(ROOMS_MAX);
            Ok(reply::json(&json!({ "rooms": rooms, "truncated": truncated })))
        }
        Route::ApiUser(user) => {
            let frame = direct(app, request.into_body()).await?;
            Ok(reply::json(&json!({ "delivered": hub.send_to_user(&user, &frame).await? })))
        }
        Route::ApiSessionEvents(session) => {
            let frame = direct(app, request.into_body()).await?;
            match hub.send_to_session(&session, &frame).await? {
                true => Ok(reply::json(&json!({ "delivered": 1 }))),
                false => Err(Fault::new(Code::NotFound, "There is no such session")),
            }
        }
        Route::ApiSession(session) => match hub.end_session(&session, &Code::Forbidden.into()) {
            true => Ok(reply::json(&json!({}))),
            false => Err(Fault::new(Code::NotFound, "There is no such session")),
        },
        Route::ApiTransports => Ok(drain::transports(app)),
        Route::ApiDrain => drain::drain(app, request).await,
        _ => Ok(reply::not_found()),
    }
}

/// Publishes one event or several, in order. Nothing is published unless all are well-formed; a fault in the middle ends the
/// batch, and the answer says what was published before it.
async fn publish(app: &App, room: &str, body: Incoming) -> Result<Reply, Fault> {
    let body = body::read(body, app.hub.limits().post_bytes_max).await?;
    let is_batch = body.trim_ascii_start().starts_with(b"[");
    let texts: Vec<&RawValue> = if is_batch {
        serde_json::from_slice(&body).map_err(not_json)?
    } else {
        vec![serde_json::from_slice(&body).map_err(not_json)?]
    };
    if texts.len() > BATCH_MAX {
        return Err(Fault::new(Code::LimitExceeded, format!("A batch may have {BATCH_MAX} events")));
    }
    let drafts: Vec<Draft> = texts
        .iter()
        .enumerate()
        .map(|(i, text)| {
            event(app, text.get()).map(|f| draft(&app.hub, f)).map_err(|f| numbered(f, is_batch, i))
        })
        .collect::<Result<_, _>>()?;
    let mut published: Vec<Published> = vec![];
    for draft in drafts {
        match app.hub.publish(room, draft).await {
            Ok(done) => published.push(done),
            Err(fault) if !is_batch => return Err(fault),
            Err(fault) => {
                let status =
                    StatusCode::from_u16(fault.code.http()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
                return Ok(reply::faulty(status, &fault, &json!({ "error": fault, "published": published })));
            }
        }
    }
    Ok(match published.first() {
        Some(only) if !is_batch => reply::json(only),
        _ => reply::json(&published),
    })
}

fn not_json(e: serde_json::Error) -> Fault {
    Fault::new(Code::BadRequest, format!("The body is neither an event nor a list of events: {e}"))
}

fn numbered(fault: Fault, is_batch: bool, index: usize) -> Fault {
    match is_batch {
        true => Fault { message: format!("Event {}: {}", index + 1, fault.message), ..fault },
        false => fault,
    }
}

async fn direct(app: &App, body: Incoming) -> Result<Frame, Fault> {
    let body = body::read(body, app.hub.limits().post_bytes_max).await?;
    let text =
        std::str::from_utf8(&body).map_err(|_| Fault::new(Code::BadRequest, "The body is not UTF-8"))?;
    let mut frame = event(app, text)?;
    frame.from = Some(sender(frame.from.as_ref()));
    (frame.room, frame.to, frame.request) = (None, None, None);
    Ok(frame)
}

/// An event as a backend writes it.
fn event(app: &App, text: &str) -> Result<Frame, Fault> {
    let bytes_max = app.hub.limits().frame_bytes_max;
    if text.len() > bytes_max {
        return Err(Fault::new(Code::FrameTooLarge, format!("An event may have {bytes_max} bytes")));
    }
    let frame =
        Frame::decode_text(text.as_bytes()).map_err(|e| Fault::new(Code::BadRequest, e.to_string()))?;
    if frame.kind.starts_with("hub:") {
        return Err(Fault::new(Code::BadRequest, "Types that begin with hub: are the protocol's"));
    }
    Ok(frame)
}

fn draft(hub: &Hub, frame: Frame) -> Draft {
    Draft {
        named: frame.id.is_some(),
        from: sender(frame.from.as_ref()),
        id: frame.id.unwrap_or_else(|| hub.new_id()),
        kind: frame.kind,
        data: frame.data,
        payload: frame.payload,
        echo: true,
        volatile: frame.volatile,
    }
}

/// A backend may speak for a user, never for a session.
fn sender(from: Option<&From>) -> From {
    From { user: from.and_then(|f| f.user.clone()), ..From::default() }
}
