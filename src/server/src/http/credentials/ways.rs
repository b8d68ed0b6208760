//! By what requests say who sent them (docs/auth.md, Ways in).

use crate::auth::Credential;
use crate::config::{Auth, CookieHolds, Way};
use crate::http::origin::Standing;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use crosspoint_core::{Code, Fault};
use http::header::{AUTHORIZATION, COOKIE, HeaderMap, HeaderValue, ORIGIN, SEC_WEBSOCKET_PROTOCOL};
use http::uri::{PathAndQuery, Uri};
use percent_encoding::percent_decode_str;

/// What an offered subprotocol begins with that is a token.
const SUBPROTOCOL_BEARER: &str = "bearer.";
const REALM: &str = "realm=\"crosspoint\"";

/// The ways that are on.
#[derive(Debug, Clone)]
pub(crate) struct Ways {
    on: Vec<Way>,
    cookie_name: String,
    cookie_holds: CookieHolds,
    schemes: Vec<String>,
}

/// What a request shows.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Shown {
    pub(crate) credential: Credential,
    /// It is a cookie, which browsers send unasked.
    pub(crate) unasked: bool,
}

impl Ways {
    pub(crate) fn new(auth: &Auth) -> Ways {
        Ways {
            on: auth.ways.clone(),
            cookie_name: auth.cookie_name.clone(),
            cookie_holds: auth.cookie_holds,
            schemes: auth.schemes.clone(),
        }
    }

    fn has(&self, way: Way) -> bool {
        self.on.contains(&way)
    }

    /// What the request shows by the ways that are on. A cookie counts only where nothing else is shown.
    ///
    /// # Errors
    /// `bad_request` where it shows several different ones, `unauthorized` where one can't be read.
    pub(crate) fn find(
        &self,
        headers: &HeaderMap,
        query: Option<&str>,
        standing: &Standing,
    ) -> Result<Option<Shown>, Fault> {
        let mut found = None;
        let mut take = |credential: Option<Credential>| match (credential, &found) {
            (None, _) => Ok(()),
            (Some(new), None) => {
                found = Some(new);
                Ok(())
            }
            (Some(new), Some(held)) if same(&new, held) => Ok(()),
            _ => {
                Err(Fault::new(Code::BadRequest, "The request shows several different credentials; show one"))
            }
        };
        for line in headers.get_all(AUTHORIZATION) {
            take(self.authorization(line)?)?;
        }
        for (way, name, kind) in [
            (Way::ApiKey, "x-api-key", Credential::ApiKey as fn(String) -> Credential),
            (Way::SessionId, "x-session-id", Credential::SessionId),
        ] {
            for line in headers.get_all(name).iter().filter(|_| self.has(way)) {
                take(Some(kind(text(line)?.trim().into())))?;
            }
        }
        if self.has(Way::Subprotocol) {
            let lines = headers.get_all(SEC_WEBSOCKET_PROTOCOL).iter().filter_map(|v| v.to_str().ok());
            for offered in lines.flat_map(|line| line.split(',')).map(str::trim) {
                take(offered.strip_prefix(SUBPROTOCOL_BEARER).map(|token| Credential::Token(token.into())))?;
            }
        }
        for pair in query.unwrap_or_default().split('&') {
            if let Some((way, value)) = self.parameter(pair).filter(|(_, value)| !value.is_empty()) {
                let value = percent_decode_str(&value.replace('+', " ")).decode_utf8().map(String::from);
                let value = value.map_err(|_| Code::Unauthorized)?;
                take(Some(match way {
                    Way::QueryToken => Credential::Token(value),
                    Way::QueryApiKey => Credential::ApiKey(value),
                    _ => Credential::SessionId(value),
                }))?;
            }
        }
        let shown = found.map(|credential| Shown { credential, unasked: false });
        Ok(shown.or_else(|| self.cookie(headers).filter(|_| standing.cookies(headers))))
    }

    /// `Authorization`; a scheme that is off is nobody's business here, but may be that of a proxy.
    fn authorization(&self, line: &HeaderValue) -> Result<Option<Credential>, Fault> {
        let line = text(line)?;
        let (scheme, rest) = line.split_once(' ').unwrap_or((line, ""));
        let rest = rest.trim();
        if self.has(Way::Bearer) && scheme.eq_ignore_ascii_case("bearer") {
            return Ok(Some(Credential::Token(rest.into())));
        }
        if self.has(Way::Basic) && scheme.eq_ignore_ascii_case("basic") {
            return basic(rest).ok_or(Code::Unauthorized.into()).map(Some);
        }
        let scheme = self.schemes.iter().find(|known| known.eq_ignore_ascii_case(scheme));
        Ok(scheme.map(|s| Credential::Scheme { scheme: s.clone(), credentials: rest.into() }))
    }

    fn cookie(&self, headers: &HeaderMap) -> Option<Shown> {
        if !self.has(Way::Cookie) {
            return None;
        }
        let lines = headers.get_all(COOKIE).iter().filter_map(|v| v.to_str().ok());
        let mut pairs = lines.flat_map(|v| v.split(';')).filter_map(|pair| pair.trim().split_once('='));
        let (_, value) = pairs.find(|(name, value)| *name == self.cookie_name && !value.is_empty())?;
        let credential = match self.cookie_holds {
            CookieHolds::Token => Credential::Token(value.into()),
            CookieHolds::SessionId => Credential::SessionId(value.into()),
        };
        Some(Shown { credential, unasked: true })
    }

    /// The way that a parameter of a query belongs to, and its value.
    fn parameter<'a>(&self, pair: &'a str) -> Option<(Way, &'a str)> {
        let (name, value) = pair.split_once('=')?;
        self.on.iter().find(|way| way.parameter() == Some(name)).map(|way| (*way, value))
    }

    /// Takes secrets out of the URL once they have been found, so that nothing behind can repeat them.
    pub(crate) fn strip(&self, uri: &mut Uri) {
        let Some(query) = uri.query() else { return };
        if !query.split('&').any(|pair| self.parameter(pair).is_some()) {
            return;
        }
        let rest: Vec<&str> = query.split('&').filter(|pair| self.parameter(pair).is_none()).collect();
        let path = match rest.is_empty() {
            true => uri.path().to_owned(),
            false => format!("{}?{}", uri.path(), rest.join("&")),
        };
        let mut parts = std::mem::take(uri).into_parts();
        parts.path_and_query = PathAndQuery::try_from(path).ok();
        // The same without a part of its query is as valid as before.
        *uri = Uri::from_parts(parts).unwrap_or_default();
    }

    /// What `WWW-Authenticate` says beside a 401 (RFC 9110 §11.6.1). Scripts of pages get no challenge for which their browser would ask
    /// the user.
    pub(crate) fn challenges(&self, is_page: bool) -> Vec<HeaderValue> {
        let bearer = self.has(Way::Bearer).then(|| format!("Bearer {REALM}"));
        let schemes = self.schemes.iter().map(|scheme| format!("{scheme} {REALM}"));
        let basic = (self.has(Way::Basic) && !is_page).then(|| format!("Basic {REALM}, charset=\"UTF-8\""));
        let all = bearer.into_iter().chain(schemes).chain(basic);
        let mut all: Vec<_> = all.filter_map(|text| HeaderValue::try_from(text).ok()).collect();
        if all.is_empty() {
            // A 401 has at least one.
            all.push(HeaderValue::from_static("Bearer"));
        }
        all
    }
}

/// Whether a script of a page sent this.
pub(crate) fn is_page(headers: &HeaderMap) -> bool {
    headers.contains_key(ORIGIN) || headers.contains_key("sec-fetch-mode")
}

fn text(line: &HeaderValue) -> Result<&str, Fault> {
    line.to_str().map_err(|_| Code::Unauthorized.into())
}

/// The same secret shown twice is one credential, also as a token and as a key.
fn same(a: &Credential, b: &Credential) -> bool {
    use Credential::{ApiKey, Token};
    match (a, b) {
        (Token(a) | ApiKey(a), Token(b) | ApiKey(b)) => a == b,
        _ => a == b,
    }
}

fn basic(text: &str) -> Option<Credential> {
    let pair = String::from_utf8(STANDARD.decode(text).ok()?).ok()?;
    pair.contains(':').then(|| Credential::Basic(text.into()))
}

#[cfg(test)]
mod tests;
