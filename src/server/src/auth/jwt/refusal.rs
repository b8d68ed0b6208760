//! Why a token is refused: for operators, never for clients.

use super::{Alg, TOKEN_BYTES_MAX};
use crosspoint_core::{Code, Fault};

/// The longest part of a foreign name that is shown, in characters.
const SHOWN_CHARS_MAX: usize = 64;

/// Why a token isn't good.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It has more than [`TOKEN_BYTES_MAX`].
    #[error("it has more than {TOKEN_BYTES_MAX} bytes")]
    TooLong,
    /// It is no signed token in compact form.
    #[error("it is not a signed JWT: three parts of base64url without padding, of which two are JSON")]
    Form,
    /// Its header asks for extensions.
    #[error("its header has `crit`, and no extension is known here")]
    Critical,
    /// Nothing can be signed so, or nothing should.
    #[error("`{0}` is no algorithm that is taken")]
    Alg(String),
    /// There is no key that it could be signed with.
    #[error("there is no key for {alg}{}{}", of(" with kid ", kid), of(" of ", iss))]
    NoKey {
        /// The algorithm of its header.
        alg: Alg,
        /// The key of its header.
        kid: Option<String>,
        /// The issuer that it says it has.
        iss: Option<String>,
    },
    /// The keys that could have signed it are not known, as they could not be fetched.
    #[error("the keys of its issuer could not be fetched")]
    NoKeysYet,
    /// No key fits.
    #[error("no key for {0} verifies its signature ({1} tried)")]
    Signature(Alg, usize),
    /// Somebody else made it.
    #[error("its `iss` is not the one of the key")]
    Issuer,
    /// It is for somebody else.
    #[error("its `aud` is not for here: set `auth.audiences`, or that of the key, to one that it names")]
    Audience,
    /// Claims have the wrong types.
    #[error("its claims cannot be read: {0}")]
    Claims(String),
    /// There is no object of our claims.
    #[error("it has no `{0}`, where `auth.claims` says that its claims are")]
    NoClaims(String),
    /// The user's name can't be one.
    #[error(
        "its user (`sub`, or what `auth.user_claim` says) is no name of 1 to 295 bytes without control characters"
    )]
    User,
    /// What is shown of it is too much.
    #[error("`info`, with `name`, is not an object of at most 1 KiB")]
    Info,
    /// The id is too long.
    #[error("`jti` has more than 256 bytes")]
    Id,
    /// `room` is no name of one room.
    #[error("`room` is not the name of one room")]
    Room,
    /// A token for one room, shown to connect.
    #[error("it is for one room: it is given when joining that room, not when connecting")]
    OnlyRoom,
    /// A token for a room that names none.
    #[error("it has no `room`, and was given for joining one")]
    NoRoom,
    /// `nbf` is to come.
    #[error("it is not good yet (`nbf`)")]
    NotYet,
    /// `iat` is to come.
    #[error("it was made in the future (`iat`)")]
    Future,
    /// `exp` is over, or it is too old.
    #[error("it has expired")]
    Expired,
    /// It has no end.
    #[error("it has no `exp`, and `auth.require_exp` is set")]
    NoEnd,
    /// It has no beginning.
    #[error("it has no `iat`, and `auth.max_token_age_s` is set")]
    NoBeginning,
}

impl Refusal {
    pub(crate) fn alg(name: &str) -> Refusal {
        Refusal::Alg(shown(name))
    }

    pub(crate) fn no_key(alg: Alg, kid: Option<&str>, iss: Option<&str>) -> Refusal {
        Refusal::NoKey { alg, kid: kid.map(shown), iss: iss.map(shown) }
    }
}

impl From<Refusal> for Fault {
    /// What the client is told.
    fn from(refusal: Refusal) -> Fault {
        match refusal {
            Refusal::Expired => Code::TokenExpired.into(),
            Refusal::NoKeysYet => Code::Unavailable.into(),
            _ => Code::Unauthorized.into(),
        }
    }
}

fn of(what: &str, name: &Option<String>) -> String {
    name.as_ref().map_or_else(String::new, |name| format!("{what}`{name}`"))
}

fn shown(name: &str) -> String {
    name.chars().filter(|c| !c.is_control()).take(SHOWN_CHARS_MAX).collect()
}
