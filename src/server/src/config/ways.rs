//! `auth.ways`: by what a request may say who sent it.

use super::{Auth, Config};
use crate::config::check::Report;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// One way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Way {
    /// `Authorization: Bearer` (RFC 6750 §2.1): a token or a key.
    Bearer,
    /// A cookie, from pages of known origins.
    Cookie,
    /// `X-API-Key`.
    ApiKey,
    /// `X-Session-ID`.
    SessionId,
    /// `Authorization: Basic` (RFC 7617).
    Basic,
    /// `Sec-WebSocket-Protocol: bearer.<token>`.
    Subprotocol,
    /// `?token=`.
    QueryToken,
    /// `?apiKey=`.
    QueryApiKey,
    /// `?sessionId=`.
    QuerySessionId,
}

/// What the cookie holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CookieHolds {
    /// A token.
    #[default]
    Token,
    /// An id of a session of the backend's.
    SessionId,
}

impl Way {
    /// The ways that are on unless the configuration says otherwise.
    pub const USUAL: [Way; 3] = [Way::Bearer, Way::Cookie, Way::ApiKey];

    /// The parameter, where the secret is part of the URL.
    pub const fn parameter(self) -> Option<&'static str> {
        match self {
            Way::QueryToken => Some("token"),
            Way::QueryApiKey => Some("apiKey"),
            Way::QuerySessionId => Some("sessionId"),
            _ => None,
        }
    }
}

impl Auth {
    /// Whether this way is on.
    pub fn takes(&self, way: Way) -> bool {
        self.ways.contains(&way)
    }

    /// The first way that is on and that only the backend can check.
    fn asks_backend(&self) -> Option<&'static str> {
        let asked = [
            (Way::SessionId, "session_id"),
            (Way::Basic, "basic"),
            (Way::QuerySessionId, "query_session_id"),
        ];
        let way = asked.into_iter().find(|(way, _)| self.takes(*way)).map(|(_, name)| name);
        let cookie =
            (self.takes(Way::Cookie) && self.cookie_holds == CookieHolds::SessionId).then_some("cookie");
        way.or(cookie).or((!self.schemes.is_empty()).then_some("schemes"))
    }

    pub(super) fn warnings(&self) -> impl Iterator<Item = String> {
        let in_url = self.ways.iter().filter_map(|way| way.parameter());
        in_url.map(|name| {
            format!(
                "`auth.ways`: secrets in URLs (`?{name}=`) end up in the logs of proxies, in histories of browsers and in bookmarks; \
                 where clients can be changed, let them negotiate a ticket instead"
            )
        })
    }
}

pub(super) fn check(config: &Config, fault: &mut Report<'_>) {
    let auth = &config.auth;
    if let Some(way) = auth.asks_backend().filter(|_| config.hooks.connect.url.is_none()) {
        let problem = format!("is not set, and only the backend can check what comes by `{way}`");
        let fix = "say where to ask, or take the way out of auth.ways (auth.schemes, auth.cookie_holds)";
        fault("hooks.connect.url", problem, fix);
    }
    if !is_token(&auth.cookie_name) {
        let fix = "give a name like crosspoint_token (RFC 6265 §4.1.1)";
        fault("auth.cookie_name", "is no name of a cookie".into(), fix);
    }
    let mut seen = BTreeSet::new();
    for scheme in &auth.schemes {
        let lower = scheme.to_ascii_lowercase();
        if !is_token(scheme) || scheme.len() > 64 {
            let problem = format!("`{scheme:.64}` is no scheme");
            fault(
                "auth.schemes",
                problem,
                "give what stands before the space in `Authorization`, like Session",
            );
        } else if matches!(lower.as_str(), "bearer" | "basic") {
            fault("auth.schemes", format!("`{scheme}` has a way of its own"), "put it into auth.ways");
        } else if !seen.insert(lower) {
            fault("auth.schemes", format!("`{scheme}` is there twice"), "keep one of them");
        }
    }
}

/// A token of RFC 9110 §5.6.2.
fn is_token(text: &str) -> bool {
    let other = |b: u8| b"!#$%&'*+-.^_`|~".contains(&b);
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || other(b))
}

#[cfg(test)]
mod tests {
    use crate::config::{Config, ConfigErrors, Inputs, load};

    const HOOK: [(&str, &str); 2] = [
        ("HOOKS__CONNECT__URL", "https://backend.example.com/connect"),
        ("HOOKS__SECRETS", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
    ];

    fn read(settings: &[(&str, &str)]) -> Result<Config, ConfigErrors> {
        let env =
            settings.iter().map(|(key, value)| (format!("CROSSPOINT_{key}"), (*value).into())).collect();
        load(&Inputs { env, ..Inputs::default() })
    }

    #[test]
    fn what_only_the_backend_can_check_needs_one() {
        for setting in [
            ("AUTH__WAYS", "bearer,session_id"),
            ("AUTH__WAYS", "basic"),
            ("AUTH__WAYS", "query_session_id"),
            ("AUTH__SCHEMES", "Session"),
            ("AUTH__COOKIE_HOLDS", "session_id"),
        ] {
            let error = read(&[setting]).unwrap_err().to_string();
            assert!(error.contains("`hooks.connect.url`") && error.contains("1 error"), "{error}");
            assert!(read(&[&HOOK[..], &[setting]].concat()).is_ok(), "{setting:?}");
        }
        let ways = [("AUTH__WAYS", "bearer"), ("AUTH__COOKIE_HOLDS", "session_id")];
        assert!(read(&ways).is_ok(), "there is no cookie");
    }

    #[test]
    fn names_and_schemes_are_such() {
        for setting in [
            ("AUTH__WAYS", "password"),
            ("AUTH__COOKIE_NAME", "a b"),
            ("AUTH__COOKIE_NAME", ""),
            ("AUTH__SCHEMES", "Bearer"),
            ("AUTH__SCHEMES", "basic"),
            ("AUTH__SCHEMES", "My Scheme"),
            ("AUTH__SCHEMES", "Session,SESSION"),
        ] {
            assert!(read(&[&HOOK[..], &[setting]].concat()).is_err(), "{setting:?}");
        }
    }

    #[test]
    fn secrets_in_urls_are_warned_of() {
        let warnings = |ways| read(&[("AUTH__WAYS", ways)]).unwrap().warnings();
        assert!(warnings("bearer,cookie,api_key,subprotocol").is_empty());
        let two = warnings("bearer,query_token,query_api_key");
        assert!(two.len() == 2 && two[0].contains("`?token=`") && two[1].contains("`?apiKey=`"), "{two:?}");
    }
}
