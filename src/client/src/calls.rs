//! Rooms, direct messages, requests and services: the calls that are frames.

use crate::client::Client;
use crate::driver::Command;
use crate::options::{HistoryOptions, PublishOptions};
use bytes::Bytes;
use crosspoint_core::frame::{AnswerError, Volatile};
use crosspoint_core::{Code, Fault, Frame};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::time::Duration;

/// What a request may take beyond the time that its answerer has.
const REQUEST_SLACK: Duration = Duration::from_secs(5);
/// The longest a request may wait for its answer, in ms.
const REQUEST_MS_MAX: u64 = 60_000;

/// What the hub says of an event that it took.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Published {
    /// The event's id.
    pub id: String,
    /// Its place in the room's history, if the room has one.
    #[serde(default)]
    pub offset: Option<u64>,
    /// The same as a position.
    #[serde(default)]
    pub position: Option<String>,
    /// When the hub took it, ms since 1970.
    pub ts: u64,
    /// It was there before.
    #[serde(default)]
    pub duplicate: bool,
}

/// What the hub says of a room that was joined.
#[derive(Debug, Clone, Deserialize)]
pub struct Joined {
    /// Where the room stood.
    #[serde(default)]
    pub position: Option<String>,
    /// Whether all that was asked for by `since` follows.
    #[serde(default)]
    pub recovered: Option<bool>,
    /// Who is there, if that was asked.
    #[serde(default)]
    pub members: Option<Vec<Member>>,
}

/// A user in a room.
#[derive(Debug, Clone, Deserialize)]
pub struct Member {
    /// The user.
    pub user: String,
    /// From the user's grant.
    #[serde(default)]
    pub info: Option<Value>,
    /// As the user last set it.
    #[serde(default)]
    pub state: Option<Value>,
    /// How many of the user's sessions are there.
    #[serde(default)]
    pub sessions: u64,
    /// Since when, ms since 1970.
    #[serde(default)]
    pub since: u64,
}

/// A part of a room's history.
#[derive(Debug, Clone, Deserialize)]
pub struct History {
    /// In the order of their offsets.
    pub events: Vec<Frame>,
    /// Where the room stands.
    #[serde(default)]
    pub position: Option<String>,
    /// Whether nothing is missing of what was asked for.
    #[serde(default)]
    pub complete: bool,
}

/// Why a request has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// It didn't get there, or nobody answered.
    #[error(transparent)]
    Hub(#[from] Fault),
    /// The answerer refused it, with a code of its own.
    #[error("{}: {}", .0.code, .0.message)]
    Answerer(AnswerError),
}

impl Client {
    /// Leaves a room.
    ///
    /// # Errors
    /// As [`Client::call`]; `not_joined`.
    pub async fn leave(&self, room: &str) -> Result<(), Fault> {
        self.shared().rooms.forget(room);
        self.call(Frame::new("hub:leave").room(room)).await.map(drop)
    }

    /// Publishes an event; resolves when it is as safe as the room's namespace wants. Dropping the future doesn't take it back.
    ///
    /// # Errors
    /// As [`Client::call`]; `forbidden`, `muted`, `not_joined`, `limit_exceeded`, `unavailable`; `rate_limited` after
    /// [`Options::rate_limited_wait`](crate::Options::rate_limited_wait): until then it is sent again when the hub says, and what is
    /// published to that room meanwhile waits behind it.
    pub async fn publish<T: Serialize + ?Sized>(
        &self,
        room: &str,
        kind: &str,
        data: &T,
        options: PublishOptions,
    ) -> Result<Published, Fault> {
        self.publish_frame(application(kind, data)?.room(room), options).await
    }

    /// Publishes bytes.
    ///
    /// # Errors
    /// As [`Client::publish`]; the limit counts their base64 form, which is what some transports carry.
    pub async fn publish_bytes(
        &self,
        room: &str,
        kind: &str,
        payload: impl Into<Bytes>,
        options: PublishOptions,
    ) -> Result<Published, Fault> {
        let mut frame = typed(kind)?.room(room);
        frame.payload = Some(payload.into());
        self.publish_frame(frame, options).await
    }

    async fn publish_frame(&self, mut frame: Frame, options: PublishOptions) -> Result<Published, Fault> {
        (frame.id, frame.echo) = (options.id, options.echo);
        read(self.call_patiently(frame).await?)
    }

    /// Publishes without asking for a reply: kept over the loss of a link, not over that of the session. A refusal comes as an event
    /// of type `hub:error` without id.
    ///
    /// # Errors
    /// As [`Client::send_frame`].
    pub fn send<T: Serialize + ?Sized>(&self, room: &str, kind: &str, data: &T) -> Result<(), Fault> {
        self.send_frame(application(kind, data)?.room(room))
    }

    /// Publishes what may be dropped; the newest wins per `key`, or per type without one.
    ///
    /// # Errors
    /// As [`Client::send_frame`].
    pub fn volatile<T: Serialize + ?Sized>(
        &self,
        room: &str,
        kind: &str,
        data: &T,
        key: Option<&str>,
    ) -> Result<(), Fault> {
        let mut frame = application(kind, data)?.room(room);
        frame.volatile = Some(key.map_or(Volatile::Flag(true), |k| Volatile::Key(k.into())));
        self.send_frame(frame)
    }

    /// Reads a room's history.
    ///
    /// # Errors
    /// As [`Client::call`]; `forbidden`, `bad_request` in a room without one.
    pub async fn history(&self, room: &str, options: HistoryOptions) -> Result<History, Fault> {
        read(self.call(with("hub:history", &options)?.room(room)).await?)
    }

    /// Who is in a room.
    ///
    /// # Errors
    /// As [`Client::call`]; `forbidden`.
    pub async fn presence(&self, room: &str) -> Result<Vec<Member>, Fault> {
        #[derive(Deserialize)]
        struct Reply {
            members: Vec<Member>,
        }
        let reply: Reply = read(self.call(Frame::new("hub:presence").room(room)).await?)?;
        Ok(reply.members)
    }

    /// Sets what presence shows of this user in a room, at most 1 KiB.
    ///
    /// # Errors
    /// As [`Client::call`]; `not_joined`, `limit_exceeded`.
    pub async fn set_state(&self, room: &str, state: &Map<String, Value>) -> Result<(), Fault> {
        self.call(with("hub:state", state)?.room(room)).await.map(drop)
    }

    /// Sends to all sessions of a user; resolves with their number once it is on its way to them.
    ///
    /// # Errors
    /// As [`Client::call`]; `forbidden`, `not_found` if there are none.
    pub async fn send_to_user<T: Serialize + ?Sized>(
        &self,
        user: &str,
        kind: &str,
        data: &T,
    ) -> Result<u64, Fault> {
        #[derive(Deserialize)]
        struct Reply {
            delivered: u64,
        }
        let frame = with_to(&format!("user:{user}"), kind, data)?;
        let reply: Reply = read(self.call_patiently(frame).await?)?;
        Ok(reply.delivered)
    }

    /// Sends once to `user:<user>`, `session:<session>` or `service:<name>`, without asking for a reply.
    ///
    /// # Errors
    /// As [`Client::send_frame`].
    pub fn send_to<T: Serialize + ?Sized>(&self, to: &str, kind: &str, data: &T) -> Result<(), Fault> {
        self.send_frame(with_to(to, kind, data)?)
    }

    /// Asks `session:<session>` or `service:<name>` and waits for the answer, for 10 s or `within` (at most 60 s).
    ///
    /// # Errors
    /// As [`Client::call`], or what the answerer says; `forbidden`, `not_found`, `timeout`.
    pub async fn request<T: Serialize + ?Sized>(
        &self,
        to: &str,
        kind: &str,
        data: &T,
        within: Option<Duration>,
    ) -> Result<Frame, RequestError> {
        let timeout_ms = within.map(|d| u64::try_from(d.as_millis()).unwrap_or(u64::MAX).min(REQUEST_MS_MAX));
        let mut frame = with_to(to, kind, data)?;
        frame.timeout_ms = timeout_ms;
        let patience = Duration::from_millis(timeout_ms.unwrap_or(10_000)) + REQUEST_SLACK;
        let reply = self.exchange(frame, patience).await?;
        if reply.kind != "hub:error" {
            return Ok(reply);
        }
        let error: AnswerError = read(reply.clone())?;
        match Code::from_name(&error.code) {
            Some(_) => Err(RequestError::Hub(read(reply)?)),
            None => Err(RequestError::Answerer(error)),
        }
    }

    /// Answers a request: an event whose `request` is set.
    ///
    /// # Errors
    /// As [`Client::send_frame`].
    pub fn answer<T: Serialize>(&self, request: &str, answer: Result<T, AnswerError>) -> Result<(), Fault> {
        let mut frame = Frame::new("hub:answer");
        frame.request = Some(request.into());
        match answer {
            Ok(data) => frame.data = with("hub:answer", &data)?.data,
            Err(error) => frame.error = Some(error),
        }
        self.send_frame(frame)
    }

    /// Becomes one of a service's processes: requests to `service:<name>` may come here. To be repeated in a new session
    /// ([`ClientEvent::Session`](crate::ClientEvent::Session) with `resumed: false`).
    ///
    /// # Errors
    /// As [`Client::call`]; `forbidden`.
    pub async fn attach(&self, service: &str) -> Result<(), Fault> {
        self.call(Frame::with("hub:attach", &json!({"service": service}))).await.map(drop)
    }

    /// Stops being one.
    ///
    /// # Errors
    /// As [`Client::call`]; `forbidden`.
    pub async fn detach(&self, service: &str) -> Result<(), Fault> {
        self.call(Frame::with("hub:detach", &json!({"service": service}))).await.map(drop)
    }

    /// Gives the session a new token, before the last one's time is over.
    ///
    /// # Errors
    /// As [`Client::call`]; `unauthorized`.
    pub async fn refresh(&self, token: &str) -> Result<(), Fault> {
        self.call(Frame::with("hub:refresh", &json!({"token": token}))).await?;
        self.command(Command::Token(token.into())).await
    }
}

/// A frame with this data.
fn with<T: Serialize + ?Sized>(kind: &str, data: &T) -> Result<Frame, Fault> {
    let data = serde_json::value::to_raw_value(data)
        .map_err(|e| Fault::new(Code::BadRequest, format!("the data has no JSON form: {e}")))?;
    let mut frame = Frame::new(kind);
    frame.data = Some(data);
    Ok(frame)
}

/// The same, of an application's type.
fn application<T: Serialize + ?Sized>(kind: &str, data: &T) -> Result<Frame, Fault> {
    typed(kind)?;
    with(kind, data)
}

/// A frame of an application's type.
pub(crate) fn typed(kind: &str) -> Result<Frame, Fault> {
    if kind.starts_with("hub:") {
        return Err(Fault::new(Code::BadRequest, "types that begin with `hub:` belong to the protocol"));
    }
    Ok(Frame::new(kind))
}

/// The same, for this receiver.
fn with_to<T: Serialize + ?Sized>(to: &str, kind: &str, data: &T) -> Result<Frame, Fault> {
    let mut frame = application(kind, data)?;
    frame.to = Some(to.into());
    Ok(frame)
}

pub(crate) fn read<T: DeserializeOwned>(reply: Frame) -> Result<T, Fault> {
    serde_json::from_str(reply.data.as_ref().map_or("null", |d| d.get()))
        .map_err(|e| Fault::new(Code::Internal, format!("a reply of another shape: {e}")))
}
