//! What the hub asks and tells a backend (docs/hooks.md): the points at which it does, not how.

use crate::engine::Member;
use crate::hub::Hub;
use bytes::Bytes;
use crosspoint_core::frame::AnswerError;
use crosspoint_core::link::BoxFuture;
use crosspoint_core::wire::Event;
use crosspoint_core::{Cap, Code, Fault, Raw, Transport};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use std::sync::Arc;

/// What a namespace's rooms may have hooks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HookPoint {
    /// The backend is asked about joins.
    Join,
    /// The backend is asked about what sessions publish.
    Publish,
    /// The backend is told when a room is occupied and vacated.
    Room,
    /// The backend is told who comes and goes.
    Member,
    /// The backend is told of events that were stored.
    Message,
}

impl HookPoint {
    /// All of them.
    pub const ALL: [HookPoint; 5] =
        [HookPoint::Join, HookPoint::Publish, HookPoint::Room, HookPoint::Member, HookPoint::Message];

    /// The name in the configuration.
    pub const fn name(self) -> &'static str {
        match self {
            HookPoint::Join => "join",
            HookPoint::Publish => "publish",
            HookPoint::Room => "room",
            HookPoint::Member => "member",
            HookPoint::Message => "message",
        }
    }
}

/// The session that wants something.
#[derive(Debug, Clone, Serialize)]
pub struct Asker {
    /// Its name.
    pub session: Arc<str>,
    /// Its user.
    pub user: Arc<str>,
    /// What the grant shows of the user.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub info: Option<Raw>,
    /// What carries it, if anything does now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transport: Option<Transport>,
    /// From where.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remote: Option<IpAddr>,
}

/// A session wants to join a room, or has joined and asks again.
#[derive(Debug)]
pub struct JoinAsk {
    /// Which.
    pub asker: Asker,
    /// The room.
    pub room: Arc<str>,
    /// What the session would show of itself.
    pub state: Option<Raw>,
}

/// A session wants to publish.
#[derive(Debug)]
pub struct PublishAsk {
    /// Which.
    pub asker: Asker,
    /// The room.
    pub room: Arc<str>,
    /// The event's id, where the session gave one.
    pub id: Option<String>,
    /// What.
    pub content: Content,
    /// Whether it may be lost.
    pub volatile: bool,
}

/// A request to a service that the backend is.
#[derive(Debug)]
pub struct RequestAsk {
    /// Which session asks.
    pub asker: Asker,
    /// `backend`, or `service:` and a name.
    pub to: String,
    /// The request's id, where the session wants a reply: the same when it repeats the request.
    pub id: Option<String>,
    /// What.
    pub content: Content,
}

/// What a frame holds.
#[derive(Debug, Clone, Default)]
pub struct Content {
    /// The application's type.
    pub kind: String,
    /// The JSON payload.
    pub data: Option<Raw>,
    /// The binary payload, instead.
    pub payload: Option<Bytes>,
}

/// What is allowed of a publish.
#[derive(Debug, Default)]
pub struct Rewrite {
    /// Another type.
    pub kind: Option<String>,
    /// Other content: data or payload.
    pub content: Option<(Option<Raw>, Option<Bytes>)>,
}

/// What the backend answers to a request.
pub type RequestAnswer = Result<(Option<Raw>, Option<Bytes>), AnswerError>;

/// What a backend is told.
#[derive(Debug, Clone)]
pub enum Notification {
    /// A room has a session again.
    RoomOccupied(Arc<str>),
    /// A room's last session left.
    RoomVacated(Arc<str>),
    /// A user is in a room.
    MemberJoined {
        /// The room.
        room: Arc<str>,
        /// The user.
        member: Member,
    },
    /// A user is not in a room any more.
    MemberLeft {
        /// The room.
        room: Arc<str>,
        /// The user.
        user: Arc<str>,
        /// `left`, or why the last session went: the name of a code.
        reason: Arc<str>,
    },
    /// A room's history has an event more.
    MessageStored(Arc<Event>),
    /// A session is over.
    SessionEnded {
        /// Its name.
        session: Arc<str>,
        /// Its user.
        user: Arc<str>,
        /// Why.
        code: Code,
    },
}

/// Whoever speaks to the backend implements it. The questions are asked for rooms whose namespace names them; a session's later frames wait for
/// the answer. How a failure is taken is the implementation's business: what it answers holds.
pub trait Hooks: Send + Sync {
    /// May the session join? The answer: what it may not do there.
    fn join(&self, ask: JoinAsk) -> BoxFuture<'static, Result<Vec<Cap>, Fault>>;

    /// May this be published, and as what?
    fn publish(&self, ask: PublishAsk) -> BoxFuture<'static, Result<Rewrite, Fault>>;

    /// Whether the backend answers what is sent `to` (`backend`, `service:…`).
    fn answers(&self, to: &str) -> bool;

    /// The backend's answer.
    fn request(&self, ask: RequestAsk) -> BoxFuture<'static, Result<RequestAnswer, Fault>>;

    /// Tells the backend, in the order of the calls for a room. Never blocks.
    fn notify(&self, notification: Notification);

    /// Whether the ends of sessions are to be told.
    fn wants_sessions(&self) -> bool;
}

impl Hub {
    /// From now on the backend is asked and told. Only the first one counts.
    pub fn use_hooks(&self, hooks: Arc<dyn Hooks>) {
        // A second one is ignored, as said.
        let _ = self.hooks.set(hooks);
    }
}
