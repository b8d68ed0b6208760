//! Who a client is: one authenticator for all transports.

use crosspoint_core::{Fault, Grant, Raw};

/// Turns tokens into grants.
pub trait Authenticator: Send + Sync {
    /// Verifies a token.
    ///
    /// # Errors
    /// `unauthorized` or `token_expired`.
    fn verify(&self, token: &str) -> Result<Grant, Fault>;

    /// The grant of a client without a token. `Some` on an open hub, which believes what the client says it is.
    fn open(&self, user: Option<&str>, info: Option<Raw>) -> Option<Grant>;
}
