//! What every answer tells browsers beside its content, so that they do no more with it than was meant.

use super::app::App;
use super::reply::Reply;
use super::serve::Peer;
use http::header::{
    CONTENT_SECURITY_POLICY, HeaderMap, HeaderName, HeaderValue, REFERRER_POLICY, STRICT_TRANSPORT_SECURITY,
    X_CONTENT_TYPE_OPTIONS,
};
use http::{Request, StatusCode};

/// Scripts and styles from files of the hub alone, none of them made from text (Trusted Types). Clients go to other hubs when they are
/// sent there. Nobody may frame the page.
const PAGE_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
     media-src blob:; connect-src 'self' https: ws: wss:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; \
     require-trusted-types-for 'script'; trusted-types 'none'";
/// What is no page does nothing if it is opened as one.
const FILE_POLICY: &str = "default-src 'none'; frame-ancestors 'none'; sandbox";
/// What the demo uses, and nothing else that a browser would ask its user for.
const PERMISSIONS: &str = "camera=(self), microphone=(self), clipboard-write=(self), autoplay=(self), \
     accelerometer=(), clipboard-read=(), display-capture=(), encrypted-media=(), fullscreen=(), geolocation=(), \
     gyroscope=(), hid=(), idle-detection=(), local-fonts=(), magnetometer=(), midi=(), payment=(), \
     picture-in-picture=(), publickey-credentials-get=(), screen-wake-lock=(), serial=(), usb=(), xr-spatial-tracking=()";

/// A page that the hub itself serves.
pub(super) fn page(headers: &mut HeaderMap) {
    put(headers, CONTENT_SECURITY_POLICY, PAGE_POLICY);
    put(headers, HeaderName::from_static("permissions-policy"), PERMISSIONS);
    put(headers, HeaderName::from_static("cross-origin-opener-policy"), "same-origin");
    put(headers, HeaderName::from_static("cross-origin-resource-policy"), "same-origin");
    put(headers, REFERRER_POLICY, "no-referrer");
}

/// A file for pages of all origins.
pub(super) fn shared(headers: &mut HeaderMap) {
    put(headers, CONTENT_SECURITY_POLICY, FILE_POLICY);
    put(headers, HeaderName::from_static("cross-origin-resource-policy"), "cross-origin");
    put(headers, REFERRER_POLICY, "no-referrer");
}

/// How long browsers are to come by HTTPS only (RFC 6797), if this request came so.
pub(super) fn transport_security<B>(app: &App, request: &Request<B>) -> Option<HeaderValue> {
    let seconds = app.hsts_s;
    let peer = request.extensions().get::<Peer>();
    let told = seconds > 0 && app.origins.is_https(peer.copied(), request.headers());
    told.then(|| HeaderValue::try_from(format!("max-age={seconds}")).ok()).flatten()
}

/// What all answers have.
pub(super) fn every(reply: &mut Reply, transport_security: Option<HeaderValue>) {
    if reply.status() == StatusCode::SWITCHING_PROTOCOLS {
        return;
    }
    let headers = reply.headers_mut();
    put(headers, X_CONTENT_TYPE_OPTIONS, "nosniff");
    if let Some(value) = transport_security {
        headers.insert(STRICT_TRANSPORT_SECURITY, value);
    }
}

fn put(headers: &mut HeaderMap, name: HeaderName, value: &'static str) {
    headers.insert(name, HeaderValue::from_static(value));
}
