//! Which pages may use the hub: origins (RFC 6454), CORS (WHATWG Fetch), and DNS rebinding in dev mode.

use crate::config::{Config, OriginPattern};
use crosspoint_core::{Code, Fault};
use http::header::{self, HOST, HeaderMap, HeaderName, HeaderValue, ORIGIN};
use http::{Request, uri::Authority};
use std::net::IpAddr;

/// What a request's origin may.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Not from a page of another origin, as far as the request says.
    NoOrigin,
    /// A page of the hub itself or of a listed origin.
    Known(HeaderValue),
    /// A page of whatever origin, by `*`: cookies don't count.
    Anybody,
}

/// The origins that are allowed.
#[derive(Debug, Clone)]
pub(crate) struct Policy {
    allowed: Vec<OriginPattern>,
    dev: bool,
}

impl Policy {
    pub(crate) fn new(config: &Config) -> Policy {
        Policy { allowed: config.origins.allowed.clone(), dev: config.is_open() }
    }

    /// What this request's origin may.
    ///
    /// # Errors
    /// `bad_origin`, with what to do about it.
    pub(crate) fn standing<B>(&self, request: &Request<B>) -> Result<Standing, Fault> {
        let host = host(request);
        self.of(host.as_deref(), host.as_slice(), request.headers().get(ORIGIN))
    }

    /// What a page may that asks this host for a WebTransport session. The page came from the hub by HTTP, so by its port there, or by
    /// that of a proxy.
    ///
    /// # Errors
    /// `bad_origin`, with what to do about it.
    pub(crate) fn webtransport(
        &self,
        authority: &str,
        http_port: u16,
        origin: Option<&HeaderValue>,
    ) -> Result<Standing, Fault> {
        let authority = authority.to_ascii_lowercase();
        let host = host_of(&authority);
        let own = [authority.clone(), format!("{host}:{http_port}"), host.into()];
        self.of(Some(&authority), &own, origin)
    }

    fn of(
        &self,
        host: Option<&str>,
        own: &[String],
        origin: Option<&HeaderValue>,
    ) -> Result<Standing, Fault> {
        if self.dev && !host.is_some_and(|h| self.believes(h)) {
            return Err(Fault::new(
                Code::BadOrigin,
                "In dev mode this hub answers to localhost, addresses and host names without a dot; \
                 list `http://<host>` in origins.allowed for others",
            ));
        }
        let Some(value) = origin else { return Ok(Standing::NoOrigin) };
        let origin = value.to_str().unwrap_or_default().to_ascii_lowercase();
        let authority = origin.split_once("://").map_or("", |(_, rest)| rest);
        let own = own.iter().any(|own| own == authority);
        let named = |p: &&OriginPattern| **p != OriginPattern::Any && p.matches(&origin);
        if own || (self.dev && is_loopback_name(host_of(authority))) || self.allowed.iter().any(|p| named(&p))
        {
            return Ok(Standing::Known(value.clone()));
        }
        if self.allowed.contains(&OriginPattern::Any) {
            return Ok(Standing::Anybody);
        }
        Err(Fault::new(Code::BadOrigin, "Pages of this origin may not connect; list it in origins.allowed"))
    }

    /// A page of `evil.example` whose name suddenly means 127.0.0.1 would be of the hub's own origin, and dev mode asks for no token.
    fn believes(&self, host: &str) -> bool {
        let name = host_of(host);
        let bare = name.trim_start_matches('[').trim_end_matches(']');
        is_loopback_name(name)
            || bare.parse::<IpAddr>().is_ok()
            || (!name.is_empty() && !name.contains('.'))
            || self
                .allowed
                .iter()
                .any(|p| p.matches(&format!("http://{host}")) || p.matches(&format!("https://{host}")))
    }
}

impl Standing {
    /// Whether cookies that came along are the page's own.
    pub(crate) fn cookies(&self, headers: &HeaderMap) -> bool {
        match self {
            Standing::Known(_) => true,
            Standing::Anybody => false,
            Standing::NoOrigin => headers.get("sec-fetch-site").is_none_or(|site| site != "cross-site"),
        }
    }

    /// The CORS headers of a response, preflight or not.
    pub(crate) fn mark(&self, headers: &mut HeaderMap) {
        headers.append(header::VARY, HeaderValue::from_static("Origin"));
        match self {
            Standing::NoOrigin => return,
            Standing::Known(origin) => {
                headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
                headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
            }
            Standing::Anybody => {
                headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
            }
        }
        headers
            .insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("Location, Retry-After, Idempotency-Replayed"));
        // Pages of other origins learn which HTTP their requests travel by, and so how many may wait.
        if let Some(origin) = headers.get(header::ACCESS_CONTROL_ALLOW_ORIGIN).cloned() {
            headers.insert(HeaderName::from_static("timing-allow-origin"), origin);
        }
    }

    /// What else a preflight says.
    pub(crate) fn mark_preflight(headers: &mut HeaderMap, methods: &'static str) {
        const HEADERS: HeaderValue =
            HeaderValue::from_static("Authorization, Content-Type, Idempotency-Key, Last-Event-ID, X-API-Key, X-Session-ID");
        const NAMES: [HeaderName; 2] =
            [header::ACCESS_CONTROL_REQUEST_METHOD, header::ACCESS_CONTROL_REQUEST_HEADERS];
        NAMES.into_iter().for_each(|name| {
            headers.append(header::VARY, name.into());
        });
        headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(methods));
        headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, HEADERS);
        headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
    }
}

/// The host the client asked for, with its port, in lower case.
pub(super) fn host<B>(request: &Request<B>) -> Option<String> {
    let from_uri = request.uri().authority().map(Authority::as_str);
    let host = from_uri.or_else(|| request.headers().get(HOST)?.to_str().ok())?;
    Some(host.to_ascii_lowercase())
}

/// The host of an authority, without its port; an IPv6 address stays in its brackets.
pub(crate) fn host_of(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) => host,
        _ => authority,
    }
}

pub(crate) fn is_loopback_name(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost"
        || host.ends_with(".localhost")
        || bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(dev: bool, allowed: &[&str]) -> Policy {
        let allowed = serde_json::from_value(serde_json::json!(allowed)).unwrap();
        Policy { allowed, dev }
    }

    fn ask(policy: &Policy, host: &str, origin: Option<&str>) -> Result<Standing, Code> {
        let mut request = Request::builder().uri("/ws").header(HOST, host);
        if let Some(origin) = origin {
            request = request.header(ORIGIN, origin);
        }
        policy.standing(&request.body(()).unwrap()).map_err(|f| f.code)
    }

    fn known(origin: &str) -> Result<Standing, Code> {
        Ok(Standing::Known(HeaderValue::from_str(origin).unwrap()))
    }

    #[test]
    fn a_secured_hub_takes_its_own_pages_and_listed_ones() {
        let p = policy(false, &["https://app.example.com"]);
        assert_eq!(ask(&p, "hub.example.com", None), Ok(Standing::NoOrigin));
        assert_eq!(
            ask(&p, "hub.example.com", Some("https://hub.example.com")),
            known("https://hub.example.com")
        );
        assert_eq!(
            ask(&p, "hub.example.com", Some("https://App.example.com")),
            known("https://App.example.com")
        );
        for origin in
            ["https://evil.example", "null", "", "http://localhost:5173", "https://hub.example.com:8443"]
        {
            assert_eq!(ask(&p, "hub.example.com", Some(origin)), Err(Code::BadOrigin), "{origin}");
        }
        let any = policy(false, &["*"]);
        assert_eq!(ask(&any, "hub.example.com", Some("https://evil.example")), Ok(Standing::Anybody));
        assert!(
            !Standing::Anybody.cookies(&HeaderMap::new()) && Standing::NoOrigin.cookies(&HeaderMap::new())
        );
    }

    #[test]
    fn dev_mode_takes_localhost_and_believes_no_rebound_name() {
        let p = policy(true, &[]);
        for (host, origin) in [
            ("127.0.0.1:3001", "http://localhost:5173"),
            ("localhost:3001", "http://[::1]:8080"),
            ("[::1]:3001", "http://app.localhost"),
            ("mybox:3001", "http://mybox:3001"),
            ("192.168.1.7:3001", "http://192.168.1.7:3001"),
        ] {
            assert_eq!(ask(&p, host, Some(origin)), known(origin));
        }
        for (host, origin) in [
            ("evil.example:3001", None),
            ("evil.example:3001", Some("http://evil.example:3001")),
            ("127.0.0.1:3001", Some("http://evil.example:3001")),
            ("127.0.0.1.evil.example", None),
            ("", None),
        ] {
            assert_eq!(ask(&p, host, origin), Err(Code::BadOrigin), "{host}");
        }
        let p = policy(true, &["https://*.tunnel.example"]);
        let origin = "https://a.tunnel.example";
        assert_eq!(ask(&p, "a.tunnel.example", Some(origin)), known(origin));
    }

    #[test]
    fn sessions_are_for_pages_of_the_same_host_by_the_ports_of_the_hub() {
        let p = policy(false, &["https://app.example.com"]);
        let may = |origin: Option<&'static str>| {
            let origin = origin.map(HeaderValue::from_static);
            p.webtransport("Hub.example.com:4433", 3001, origin.as_ref()).map(drop).map_err(|f| f.code)
        };
        for origin in [
            None,
            Some("https://hub.example.com"),
            Some("https://hub.example.com:3001"),
            Some("https://hub.example.com:4433"),
            Some("https://app.example.com"),
        ] {
            assert_eq!(may(origin), Ok(()), "{origin:?}");
        }
        for origin in ["https://hub.example.com:8443", "https://example.com", "null", ""] {
            assert_eq!(may(Some(origin)), Err(Code::BadOrigin), "{origin}");
        }
        let dev = policy(true, &[]);
        assert!(dev.webtransport("evil.example:3001", 3001, None).is_err());
        let page = HeaderValue::from_static("http://localhost:5173");
        assert!(dev.webtransport("127.0.0.1:3001", 3001, Some(&page)).is_ok());
    }
}
