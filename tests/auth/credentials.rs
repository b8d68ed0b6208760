//! What is shown, by each way and in each condition.

use crate::hub::{AUDIENCE, vectors};
use crate::support::{SECRET, unix_s};
use base64::{Engine as _, engine::general_purpose::STANDARD, engine::general_purpose::URL_SAFE_NO_PAD};
use crosspoint::auth::jwt::Signer;
use serde_json::{Value, json};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum By {
    Bearer,
    /// `Bearer` with a key instead of a token.
    BearerKey,
    Cookie,
    ApiKey,
    SessionId,
    Basic,
    Scheme,
    Subprotocol,
    QueryToken,
    QueryApiKey,
    QuerySessionId,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Token,
    Key,
    /// The backend checks it.
    Judged,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Condition {
    Valid,
    /// Valid, and signed with a private key.
    ValidRs256,
    Expired,
    WrongKey,
    AlgNone,
    /// Signed with HS256 under the public key.
    HsWithPublicKey,
    Revoked,
    WrongAudience,
    MissingCapability,
    /// A key of backends only.
    NotForClients,
}

impl By {
    pub(crate) const ALL: [By; 11] = [
        By::Bearer,
        By::BearerKey,
        By::Cookie,
        By::ApiKey,
        By::SessionId,
        By::Basic,
        By::Scheme,
        By::Subprotocol,
        By::QueryToken,
        By::QueryApiKey,
        By::QuerySessionId,
    ];

    pub(crate) fn kind(self) -> Kind {
        match self {
            By::Bearer | By::Cookie | By::Subprotocol | By::QueryToken => Kind::Token,
            By::BearerKey | By::ApiKey | By::QueryApiKey => Kind::Key,
            By::SessionId | By::Basic | By::Scheme | By::QuerySessionId => Kind::Judged,
        }
    }

    /// The conditions that what is shown this way can be in.
    pub(crate) fn conditions(self) -> &'static [Condition] {
        use Condition::*;
        match self.kind() {
            Kind::Token => &[
                Valid,
                ValidRs256,
                Expired,
                WrongKey,
                AlgNone,
                HsWithPublicKey,
                Revoked,
                WrongAudience,
                MissingCapability,
            ],
            Kind::Key => &[Valid, Expired, WrongKey, Revoked, MissingCapability, NotForClients],
            Kind::Judged => &[Valid, Expired, WrongKey, Revoked, MissingCapability],
        }
    }

    /// The headers and the query of a request.
    pub(crate) fn show(self, condition: Condition) -> (Vec<(&'static str, String)>, String) {
        let word = condition.word();
        let header = |name, value: String| (vec![(name, value)], String::new());
        let key = || format!("cpk_the-key-that-is-{word}");
        let id = || format!("session-{word}");
        match self {
            By::Bearer => header("authorization", format!("Bearer {}", token(condition))),
            By::BearerKey => header("authorization", format!("Bearer {}", key())),
            By::Cookie => header("cookie", format!("a=b; crosspoint_token={}", token(condition))),
            By::ApiKey => header("x-api-key", key()),
            By::SessionId => header("x-session-id", id()),
            By::Basic => {
                header("authorization", format!("Basic {}", STANDARD.encode(format!("alice:{word}"))))
            }
            By::Scheme => header("authorization", format!("Session {}", id())),
            By::Subprotocol => {
                header("sec-websocket-protocol", format!("crosspoint.v1, bearer.{}", token(condition)))
            }
            By::QueryToken => (vec![], format!("token={}", token(condition))),
            By::QueryApiKey => (vec![], format!("apiKey={}", key())),
            By::QuerySessionId => (vec![], format!("sessionId={}", id())),
        }
    }
}

impl Condition {
    fn word(self) -> &'static str {
        match self {
            Condition::Valid => "valid",
            Condition::Expired => "expired",
            Condition::Revoked => "revoked",
            Condition::MissingCapability => "limited",
            Condition::NotForClients => "backend",
            _ => "unknown",
        }
    }
}

/// A token in this condition.
pub(crate) fn token(condition: Condition) -> String {
    let rsa = &vectors()["keys"]["RSA"];
    let good = || json!({"sub": "alice", "aud": AUDIENCE, "exp": unix_s() + 3600.0});
    let with = |claim: &str, value: Value| {
        let mut claims = good();
        claims[claim] = value;
        claims
    };
    let hs = |secret: &[u8], claims: &Value| Signer::hs256(secret).sign_json(claims).unwrap();
    let own = |claims: &Value| hs(SECRET.as_bytes(), claims);
    match condition {
        Condition::Valid => own(&good()),
        Condition::ValidRs256 => {
            let signer = Signer::pem(None, rsa["private"].as_str().unwrap().as_bytes()).unwrap();
            signer.sign_json(&good()).unwrap()
        }
        Condition::Expired => own(&with("exp", json!(unix_s() - 60.0))),
        Condition::WrongKey => hs(b"another secret of at least thirty-two bytes", &good()),
        Condition::AlgNone => {
            let part = |json: Value| URL_SAFE_NO_PAD.encode(json.to_string());
            format!("{}.{}.", part(json!({"alg": "none", "typ": "JWT"})), part(good()))
        }
        Condition::HsWithPublicKey => hs(rsa["public"].as_str().unwrap().as_bytes(), &good()),
        Condition::Revoked => own(&with("jti", json!("revoked"))),
        Condition::WrongAudience => own(&with("aud", json!("another-hub"))),
        Condition::MissingCapability => own(&with("join", json!(["other"]))),
        Condition::NotForClients => panic!("a token is for clients"),
    }
}
