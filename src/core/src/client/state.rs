//! What a client is told and tells at the beginning of a link.

use crate::code::Code;
use crate::limits::ClientLimits;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// A client's own bounds; the welcome's values replace them where it has some.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ClientConfig {
    /// Frames that may wait for their acknowledgement or reply.
    pub queue_max: usize,
    /// Of them, frames that may be sent and wait for their reply, requests aside. The replies must fit into the hub's
    /// outbox together, or a new session would end as the last one did.
    pub window: usize,
    /// Silence after which a ping is sent, ms.
    pub heartbeat_ms: u64,
    /// Acknowledge at least every so many counted frames …
    pub ack_every: u64,
    /// … and at the latest so long after the first unacknowledged one, ms.
    pub ack_delay_ms: u64,
    /// How long a link has to answer the hello, ms.
    pub welcome_ms: u64,
    /// The pace of beats that is asked for, ms: so soon and a little patience later a dead link is given up. 0 for none.
    pub beat_ms: u64,
}

impl Default for ClientConfig {
    fn default() -> ClientConfig {
        ClientConfig {
            queue_max: 4096,
            window: 64,
            heartbeat_ms: 10_000,
            ack_every: 32,
            ack_delay_ms: 1_000,
            welcome_ms: 5_000,
            beat_ms: 2_500,
        }
    }
}

fn is_zero(n: &u64) -> bool {
    *n == 0
}

/// A session and its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// Its name.
    pub session: String,
    /// The secret that resumes it.
    pub resume: String,
}

/// The data of `hub:hello`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Hello {
    /// The protocol's version.
    #[serde(default)]
    pub version: u32,
    /// From `/negotiate`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ticket: Option<String>,
    /// Instead of a ticket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// Who I am; only an open hub believes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// What presence shows; only an open hub believes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub info: Option<Box<RawValue>>,
    /// The session to resume …
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    /// … and its secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resume: Option<String>,
    /// Counted frames received in that session.
    #[serde(default)]
    pub received: u64,
    /// The pace of beats that the client wants, ms; 0 for none.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub beat_ms: u64,
    /// The client can open a bulk session.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub bulk: bool,
    /// The link is for the bulk session of this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bulk_for: Option<Identity>,
    /// Why this link.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    /// For logs and metrics.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<Agent>,
}

/// Which client library.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Agent {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
}

/// The data of `hub:welcome`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Welcome {
    /// The protocol's version.
    pub version: u32,
    /// The session.
    pub session: String,
    /// Its secret.
    pub resume: String,
    /// Who the hub takes the client for.
    #[serde(default)]
    pub user: String,
    /// What presence shows of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub info: Option<Box<RawValue>>,
    /// Whether the session of the hello goes on.
    pub resumed: bool,
    /// Why not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Code>,
    /// Counted frames the hub has received.
    pub received: u64,
    /// The number of the first counted frame the hub sends on this link.
    pub start: u64,
    /// Silence after which to ping, ms.
    pub heartbeat_ms: u64,
    /// The pace of beats in force, ms; 0: there are none.
    #[serde(default)]
    pub beat_ms: u64,
    /// How long the session lives without a link, ms.
    pub resume_ms: u64,
    /// Acknowledge at least every so many frames.
    pub ack_every: u64,
    /// And at the latest after so long, ms.
    pub ack_delay_ms: u64,
    /// The limits to keep.
    #[serde(default)]
    pub limits: ClientLimits,
    /// Whether the hub wants a `hub:report` of this link.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub reports: bool,
    /// Whether the hub takes a bulk session for this one.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub bulk: bool,
}
