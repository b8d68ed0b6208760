//! Which pages may use the hub: origins (RFC 6454), CORS (WHATWG Fetch), and DNS rebinding in dev mode.

use super::forwarded::Proxies;
use super::serve::Peer;
use crate::config::{Config, Origin, OriginPattern, Site, is_loopback};
use crosspoint_core::{Code, Fault};
use http::header::{self, HOST, HeaderMap, HeaderName, HeaderValue, ORIGIN};
use http::{Request, uri::Authority};

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
    /// Clients come by TLS that ends here.
    tls: bool,
    proxies: Proxies,
}

/// How a client knows the hub: for every page of these sites it is their own.
struct Own<'a> {
    host: Option<Site>,
    sites: &'a [Site],
    /// Nobody came by anything but HTTPS.
    https_only: bool,
}

impl Policy {
    pub(crate) fn new(config: &Config) -> Policy {
        Policy {
            allowed: config.origins.allowed.clone(),
            dev: config.is_open(),
            tls: config.listen.is_tls(),
            proxies: Proxies::new(config),
        }
    }

    /// What this request's origin may.
    ///
    /// # Errors
    /// `bad_origin`, with what to do about it; `bad_request` for several hosts.
    pub(crate) fn standing<B>(&self, request: &Request<B>) -> Result<Standing, Fault> {
        let headers = request.headers();
        if headers.get_all(HOST).iter().count() > 1 {
            return Err(Fault::new(Code::BadRequest, "A request has one host (RFC 9112 §3.2)"));
        }
        let host = host(request).and_then(|host| Site::parse(&host));
        let https_only = self.is_https(request.extensions().get().copied(), headers);
        let own = Own { host: host.clone(), sites: host.as_slice(), https_only };
        let mut origins = headers.get_all(ORIGIN).iter();
        let origin = origins.next();
        if origins.next().is_some() {
            return Err(refusal());
        }
        let standing = self.of(&own, origin)?;
        // Pages that don't say who they are: images, scripts, links of others.
        match standing == Standing::NoOrigin && !is_from_here(headers) {
            true if self.allowed.contains(&OriginPattern::Any) => Ok(Standing::Anybody),
            true => Err(refusal()),
            false => Ok(standing),
        }
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
        let host = Site::parse(authority);
        let sites = host.as_ref().map(|host| [host.clone(), host.at(Some(http_port)), host.at(None)]);
        let sites = sites.as_ref().map_or(&[][..], |sites| &sites[..]);
        self.of(&Own { host: host.clone(), sites, https_only: self.tls }, origin)
    }

    /// Whether a request came by HTTPS, to the hub itself or to a proxy that is believed.
    pub(super) fn is_https(&self, peer: Option<Peer>, headers: &HeaderMap) -> bool {
        self.tls || peer.is_some_and(|peer| self.proxies.is_https(peer.0, headers))
    }

    fn of(&self, own: &Own<'_>, origin: Option<&HeaderValue>) -> Result<Standing, Fault> {
        if self.dev && !own.host.as_ref().is_some_and(|host| self.believes(host)) {
            return Err(Fault::new(
                Code::BadOrigin,
                "In dev mode this hub answers to localhost, addresses and host names without a dot; \
                 list `http://<host>` in origins.allowed for others",
            ));
        }
        let Some(value) = origin else { return Ok(Standing::NoOrigin) };
        // `null`, and what browsers don't write.
        let origin = value.to_str().ok().and_then(Origin::parse);
        if let Some(origin) = &origin {
            let is_own = (origin.is_https() || !own.https_only)
                && own.sites.iter().any(|site| site.origin(origin.is_https()) == *origin);
            let named = |p: &OriginPattern| *p != OriginPattern::Any && p.matches(origin);
            if is_own || (self.dev && is_loopback(origin.host())) || self.allowed.iter().any(named) {
                return Ok(Standing::Known(value.clone()));
            }
        }
        if self.allowed.contains(&OriginPattern::Any) {
            return Ok(Standing::Anybody);
        }
        Err(refusal())
    }

    /// A page of `evil.example` whose name suddenly means 127.0.0.1 would be of the hub's own origin, and dev mode asks for no token.
    fn believes(&self, host: &Site) -> bool {
        is_loopback(host.host())
            || host.ip().is_some()
            || !host.host().contains('.')
            || self.allowed.iter().any(|p| [false, true].iter().any(|https| p.matches(&host.origin(*https))))
    }
}

fn refusal() -> Fault {
    Fault::new(Code::BadOrigin, "Pages of this origin may not connect; list it in origins.allowed")
}

/// Whether a browser says that a request without an origin is a page's of the same origin, or the user's own. What isn't a browser, and old
/// ones, say nothing.
fn is_from_here(headers: &HeaderMap) -> bool {
    headers.get_all("sec-fetch-site").iter().all(|site| site == "same-origin" || site == "none")
}

impl Standing {
    /// Whether cookies that came along are the page's own.
    pub(crate) fn cookies(&self, headers: &HeaderMap) -> bool {
        match self {
            Standing::Known(_) => true,
            Standing::Anybody => false,
            Standing::NoOrigin => is_from_here(headers),
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
        headers.insert(
            header::ACCESS_CONTROL_EXPOSE_HEADERS,
            HeaderValue::from_static("Location, Retry-After, Idempotency-Replayed"),
        );
        // Pages of other origins learn which HTTP their requests travel by, and so how many may wait.
        if let Some(origin) = headers.get(header::ACCESS_CONTROL_ALLOW_ORIGIN).cloned() {
            headers.insert(HeaderName::from_static("timing-allow-origin"), origin);
        }
    }

    /// What else a preflight says.
    pub(crate) fn mark_preflight(headers: &mut HeaderMap, methods: &'static str) {
        const HEADERS: HeaderValue = HeaderValue::from_static(
            "Authorization, Content-Type, Idempotency-Key, Last-Event-ID, X-API-Key, X-Session-ID",
        );
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

#[cfg(test)]
#[path = "origin/tests.rs"]
mod tests;
