//! What a client shows for who it is.

use std::fmt;

/// It, by what kind it is. Its `Debug` shows nothing of it.
#[derive(Clone, PartialEq, Eq)]
pub enum Credential {
    /// A token, or a key that stands for one.
    Token(String),
    /// An API key.
    ApiKey(String),
    /// An id of a session of the backend's.
    SessionId(String),
    /// A name and a password, in base64 (RFC 7617).
    Basic(String),
    /// What stands behind a scheme of the configuration's in `Authorization`.
    Scheme {
        /// The scheme, as it is configured.
        scheme: String,
        /// The rest.
        credentials: String,
    },
}

impl Credential {
    /// The kind, as hooks have it.
    pub fn kind(&self) -> &str {
        match self {
            Credential::Token(_) => "bearer",
            Credential::ApiKey(_) => "api_key",
            Credential::SessionId(_) => "session",
            Credential::Basic(_) => "basic",
            Credential::Scheme { scheme, .. } => scheme,
        }
    }

    /// What was shown, as it came.
    pub(crate) fn secret(&self) -> &str {
        match self {
            Credential::Token(secret)
            | Credential::ApiKey(secret)
            | Credential::SessionId(secret)
            | Credential::Basic(secret)
            | Credential::Scheme { credentials: secret, .. } => secret,
        }
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credential({}, …)", self.kind())
    }
}
