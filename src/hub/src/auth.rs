//! Who a client is: one authenticator for all transports.

use crate::engine::Answer;
use crosspoint_core::{Grant, Raw, Transport};
use std::net::IpAddr;

/// What a token is shown for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Purpose {
    /// To come in, or to go on with a session whose grant is over.
    #[default]
    Connect,
    /// To go on with the session that it is shown in.
    Refresh,
    /// To do more in one room: a token for a single room, which is good for nothing else. Of its grant, only what it says of the
    /// room that is joined counts.
    Room,
}

/// A token, and what is known of who shows it.
#[derive(Clone, Copy, Default)]
pub struct Ask<'a> {
    /// The token, as it came.
    pub token: &'a str,
    /// What for.
    pub purpose: Purpose,
    /// The other end, or the client that a trusted proxy named.
    pub remote: Option<IpAddr>,
    /// What carries the link.
    pub transport: Option<Transport>,
}

/// Turns tokens into grants.
pub trait Authenticator: Send + Sync {
    /// Verifies a token. What can be told at once is told at once; what takes I/O the hub waits for at most `limits.hello_ms`, and only
    /// where nothing goes on without it.
    ///
    /// # Errors
    /// `unauthorized`, `token_expired`, `token_revoked`, `forbidden`, or `unavailable` where nobody could say.
    fn verify(&self, ask: Ask<'_>) -> Answer<Grant>;

    /// The grant of a client without a token. `Some` on an open hub, which believes what the client says it is.
    fn open(&self, user: Option<&str>, info: Option<Raw>) -> Option<Grant>;
}
