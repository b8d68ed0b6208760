//! The one table of close and error codes (docs/protocol.md, Codes): what happened and what to do next.

use serde::{Deserialize, Serialize};
use std::fmt;

/// What a client does after an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Retry {
    /// At once; after that with backoff.
    Now,
    /// With growing, jittered waits.
    Backoff,
    /// Get a new token first.
    Refresh,
    /// Not at all: the same attempt would fail again.
    Never,
}

macro_rules! codes {
    ($($name:ident $text:literal $close:literal $http:literal $retry:ident $message:literal;)*) => {
        /// A stable code. Its name on the wire, WebSocket close code, HTTP status, [`Retry`] and sentence are one row of the table.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Code { $(#[doc = $message] $name,)* }

        impl Code {
            /// All rows, in the table's order.
            pub const ALL: &'static [Code] = &[$(Code::$name,)*];

            /// The name on the wire.
            pub const fn name(self) -> &'static str { match self { $(Code::$name => $text,)* } }
            /// The WebSocket close code (RFC 6455 §7.4).
            pub const fn close(self) -> u16 { match self { $(Code::$name => $close,)* } }
            /// The HTTP status.
            pub const fn http(self) -> u16 { match self { $(Code::$name => $http,)* } }
            /// What a client does next.
            pub const fn retry(self) -> Retry { match self { $(Code::$name => Retry::$retry,)* } }
            /// The sentence for people.
            pub const fn message(self) -> &'static str { match self { $(Code::$name => $message,)* } }
        }
    };
}

codes! {
    BadFrame "bad_frame" 4400 400 Never "The message is not a valid frame";
    BadRequest "bad_request" 4405 400 Never "A field or the data does not have the shape this type wants";
    UnknownType "unknown_type" 4406 400 Never "There is no such type";
    Unauthorized "unauthorized" 4401 401 Refresh "Authentication error: Invalid token";
    TokenExpired "token_expired" 4402 401 Refresh "The token's time is over";
    TokenRevoked "token_revoked" 4415 401 Refresh "The token was revoked";
    Forbidden "forbidden" 4403 403 Never "The grant does not allow this";
    NotFound "not_found" 4404 404 Never "There is no such room, user, session, service or link";
    NotJoined "not_joined" 4407 409 Never "Join the room first";
    Muted "muted" 4416 403 Never "The user may not publish in this room for now";
    Banned "banned" 4417 403 Never "The user may not be in this room for now";
    HelloTimeout "hello_timeout" 4408 408 Backoff "No hello came in time";
    Replaced "replaced" 4409 409 Never "Another link carries the session now";
    SessionExpired "session_expired" 4410 410 Now "The session is gone";
    HeartbeatTimeout "heartbeat_timeout" 4411 408 Now "Nothing was heard for too long";
    OutOfOrder "out_of_order" 4412 409 Now "Frames are missing before these";
    FrameTooLarge "frame_too_large" 1009 413 Never "The message is larger than the limit";
    LimitExceeded "limit_exceeded" 4413 409 Never "A limit is exceeded";
    IdempotencyMismatch "idempotency_mismatch" 4418 422 Never "The idempotency key came before with another request";
    VersionUnsupported "version_unsupported" 4426 426 Never "This hub does not speak that protocol version";
    RateLimited "rate_limited" 4429 429 Backoff "Too fast";
    SlowConsumer "slow_consumer" 4430 408 Backoff "The client reads too slowly";
    Timeout "timeout" 4504 504 Backoff "No answer came in time";
    Shutdown "shutdown" 1012 503 Now "The hub restarts";
    Unavailable "unavailable" 4503 503 Backoff "The hub or its engine cannot do this now";
    BadOrigin "bad_origin" 4420 403 Never "Pages of this origin may not connect";
    Internal "internal" 4500 500 Backoff "A fault of the hub";
    Bye "bye" 1000 200 Never "The session ended as asked";
}

impl Code {
    /// The code of this name, or `None`.
    pub fn from_name(name: &str) -> Option<Code> {
        Code::ALL.iter().copied().find(|c| c.name() == name)
    }

    /// The code of this WebSocket close code, or `None`.
    pub fn from_close(close: u16) -> Option<Code> {
        Code::ALL.iter().copied().find(|c| c.close() == close)
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Serialize for Code {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for Code {
    /// A name this version doesn't know reads as `internal`: newer hubs may have more.
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Code, D::Error> {
        let name = std::borrow::Cow::<str>::deserialize(d)?;
        Ok(Code::from_name(&name).unwrap_or(Code::Internal))
    }
}

/// A code with the sentence that fits this case; what travels in `hub:error`, `hub:close` and HTTP errors.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[error("{code}: {message}")]
pub struct Fault {
    /// The stable code.
    pub code: Code,
    /// For people; never holds a secret.
    pub message: String,
    /// What to do next; the code's own unless a peer said otherwise.
    #[serde(default = "never")]
    pub retry: Retry,
    /// Wait at least this long before trying again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
    /// Try again there: the absolute `http` or `https` URL of another hub.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<Box<str>>,
}

fn never() -> Retry {
    Retry::Never
}

impl Fault {
    /// A fault with its own sentence.
    pub fn new(code: Code, message: impl Into<String>) -> Fault {
        Fault { code, message: message.into(), retry: code.retry(), retry_after_ms: None, address: None }
    }

    /// Whether the same attempt may do in a while.
    pub fn retry_is_due(&self) -> bool {
        matches!(self.retry, Retry::Now | Retry::Backoff)
    }

    /// The same fault, with the time to wait before the next attempt.
    pub fn after(self, retry_after_ms: u64) -> Fault {
        Fault { retry_after_ms: Some(retry_after_ms), ..self }
    }
}

impl From<Code> for Fault {
    fn from(code: Code) -> Fault {
        Fault::new(code, code.message())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn names_and_close_codes_are_unique_and_documented() {
        let page = include_str!("../../../docs/protocol.md");
        let names: BTreeSet<_> = Code::ALL.iter().map(|c| c.name()).collect();
        let closes: BTreeSet<_> = Code::ALL.iter().map(|c| c.close()).collect();
        assert_eq!((names.len(), closes.len()), (Code::ALL.len(), Code::ALL.len()));
        for c in Code::ALL {
            let begin = format!("| `{}` |", c.name());
            let row = page.lines().find(|l| l.starts_with(&begin)).expect("every code has its row");
            let cells: Vec<_> = row.split('|').map(str::trim).collect();
            let retry = serde_json::to_value(c.retry()).unwrap();
            assert_eq!(
                (cells[2], cells[4]),
                (c.close().to_string().as_str(), retry.as_str().unwrap()),
                "{c}"
            );
            assert!(cells[3] == c.http().to_string() || cells[3] == "–", "{c}");
        }
    }
}
