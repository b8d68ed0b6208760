//! The API for backends (docs/api.md): who asks ([`keys`]), for what ([`place`], [`call`]), once ([`idempotency`]), and what is done.

mod batch;
mod call;
mod event;
mod grants;
mod idempotency;
mod keys;
mod listing;
mod members;
mod openapi;
mod outcome;
mod place;
mod publish;
mod revoke;
mod sessions;

pub(super) use call::whole;
pub(super) use idempotency::Idempotency;
pub(super) use openapi::document;
pub(super) use place::Place;

use super::app::App;
use super::reply::Reply;
use super::{body, drain, problem};
use bytes::Bytes;
use call::{Call, Query};
use crosspoint_core::{Code, Fault};
use crosspoint_hub::Whom;
use http::{HeaderName, HeaderValue, Method, Request, StatusCode};
use hyper::body::Incoming;
use idempotency::{Begun, KEY_BYTES_MAX, Print};
use keys::Caller;
use outcome::Outcome;
use place::Operation as Op;
use ring::digest;
use std::sync::Arc;
use std::time::Instant;

const IDEMPOTENCY_KEY: &str = "idempotency-key";
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// Answers a request of the API, whose method is one that the place takes.
pub(super) async fn api(app: &Arc<App>, place: Place, request: Request<Incoming>) -> Reply {
    match receive(app, place, request).await {
        Ok(reply) => reply,
        Err((fault, status)) => {
            problem::with_status(&fault, status.unwrap_or_else(|| problem::status(&fault)))
        }
    }
}

type Refusal = (Fault, Option<StatusCode>);

async fn receive(app: &Arc<App>, place: Place, mut request: Request<Incoming>) -> Result<Reply, Refusal> {
    let usual = |fault: Fault| (fault, None);
    let caller = Caller::of(app, request.headers(), request.uri().query()).map_err(usual)?;
    app.door.strip(request.uri_mut());
    let method = request.method().clone();
    let Some((operation, names)) = place.operation(method.as_str()) else { return Ok(problem::not_found()) };
    caller.may(operation).map_err(usual)?;
    if !call::takes_json(request.headers()) {
        let fault = Fault::new(Code::BadRequest, "Answers are application/json");
        return Err((fault, Some(StatusCode::NOT_ACCEPTABLE)));
    }
    if method == Method::POST && !call::is_json(request.headers()) {
        let fault = Fault::new(Code::BadRequest, "Bodies are application/json");
        return Err((fault, Some(StatusCode::UNSUPPORTED_MEDIA_TYPE)));
    }
    let key = match method {
        Method::POST => idempotency_key(&request).map_err(usual)?,
        _ => None,
    };
    let path = request.uri().path().to_string();
    let text = request.uri().query().unwrap_or_default().to_string();
    let query = Query::read(&text, operation.parameters()).map_err(usual)?;
    let body = match method {
        Method::POST => {
            body::read(request.into_body(), app.hub.limits().post_bytes_max).await.map_err(usual)?
        }
        _ => Bytes::new(),
    };
    let print = key.is_some().then(|| print(&path, &text, &body));
    let call = Call { app: app.clone(), caller, operation, names, query, body };
    match key.zip(print) {
        None => Ok(act(&call).await.into_reply()),
        Some((key, print)) => once(call, &key, print).await.map_err(usual),
    }
}

fn idempotency_key(request: &Request<Incoming>) -> Result<Option<String>, Fault> {
    let wrong = || {
        Fault::new(
            Code::BadRequest,
            "An Idempotency-Key has 1 to 128 visible ASCII characters, and comes once",
        )
    };
    let mut values = request.headers().get_all(IDEMPOTENCY_KEY).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let key = value.to_str().map_err(|_| wrong())?;
    let fits = (1..=KEY_BYTES_MAX).contains(&key.len()) && key.bytes().all(|b| b.is_ascii_graphic());
    if values.next().is_some() || !fits {
        return Err(wrong());
    }
    Ok(Some(key.into()))
}

/// Two requests with the same one are the same request.
fn print(path: &str, query: &str, body: &[u8]) -> Print {
    let mut context = digest::Context::new(&digest::SHA256);
    for part in [path.as_bytes(), b"?", query.as_bytes(), b"\n", body] {
        context.update(part);
    }
    let mut print = [0; 32];
    print.copy_from_slice(context.finish().as_ref());
    print
}

/// Does it unless it was done. It goes on when who asked has gone, for they will ask what became of it.
async fn once(call: Call, key: &str, print: Print) -> Result<Reply, Fault> {
    let store = call.app.idempotency.clone();
    let who = call.caller.who.clone();
    loop {
        match store.begin(&who, key, print, Instant::now())? {
            Begun::Again(outcome) => {
                let mut reply = outcome.into_reply();
                reply.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
                return Ok(reply);
            }
            // It errs when the other one is over, which is what is waited for.
            Begun::Wait(mut over) => drop(over.changed().await),
            Begun::First(running) => {
                let task = tokio::spawn(async move {
                    let outcome = act(&call).await;
                    running.finish(&outcome, Instant::now());
                    outcome
                });
                return task.await.map(Outcome::into_reply).map_err(|_| Code::Internal.into());
            }
        }
    }
}

/// Does what is asked for.
async fn act(call: &Call) -> Outcome {
    if call.operation == Op::Batch {
        return batch::batch(call).await.into();
    }
    act_alone(call).await.into()
}

async fn act_alone(call: &Call) -> Result<Outcome, Fault> {
    match call.operation {
        Op::Publish => publish::publish(call).await,
        Op::Broadcast => publish::broadcast(call).await,
        Op::SendToUser => publish::to_user(call).await,
        Op::SendToSession => publish::to_session(call).await,
        Op::Batch => Err(Fault::new(Code::BadRequest, "A batch has no batches in it")),
        Op::Rooms => listing::rooms(call),
        Op::Room => listing::room(call).await,
        Op::Members => listing::members(call).await,
        Op::Presence => listing::presence(call).await,
        Op::History => listing::history(call).await,
        Op::Join => members::join(call).await,
        Op::Leave => members::leave(call),
        Op::Moderation => members::moderation(call),
        Op::Moderate => members::moderate(call),
        Op::User => sessions::user(call),
        Op::DisconnectUser => sessions::disconnect_user(call),
        Op::RefreshUser => grants::refresh(call, Whom::User(call.user()?)),
        Op::RefreshSession => grants::refresh(call, Whom::Session(call.name())),
        Op::Revocations => revoke::list(call),
        Op::Revoke => revoke::revoke(call),
        Op::Unrevoke => revoke::undo(call),
        Op::Session => sessions::session(call),
        Op::DisconnectSession | Op::EndSession => sessions::end(call),
        Op::Tickets => grants::ticket(call),
        Op::Stats => Outcome::done(&call.app.hub.stats()),
        Op::Transports => Outcome::done(&drain::transports(&call.app)),
        Op::DrainState => Outcome::done(&drain::state(&call.app)),
        Op::Drain => Outcome::done(&drain::begin(&call.app, call.read()?)?),
        Op::EndDrain => Outcome::done(&drain::end(&call.app)),
    }
}
