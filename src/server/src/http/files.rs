//! The demo and the SDK, embedded in the binary.

use super::body::Body;
use super::reply::{self, Reply};
use super::shield;
use bytes::Bytes;
use http::header::{
    ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL, CONTENT_TYPE, ETAG, HeaderMap, HeaderValue, IF_NONE_MATCH,
};
use http::{Response, StatusCode};
use rust_embed::{EmbeddedFile, RustEmbed};

#[derive(RustEmbed)]
#[folder = "../../static/demo"]
struct Demo;

#[derive(RustEmbed)]
#[folder = "../../static/sdk/dist"]
#[allow_missing = true]
struct Sdk;

/// A file of the demo.
pub(super) fn demo(path: &str, headers: &HeaderMap) -> Reply {
    let mut reply = file(Demo::get(path), path, headers);
    shield::page(reply.headers_mut());
    reply
}

/// A file of the SDK, which pages of all origins may load.
pub(super) fn sdk(path: &str, headers: &HeaderMap) -> Reply {
    let mut reply = file(Sdk::get(path), path, headers);
    let out = reply.headers_mut();
    out.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    shield::shared(out);
    reply
}

fn file(file: Option<EmbeddedFile>, path: &str, headers: &HeaderMap) -> Reply {
    let Some(file) = file else { return reply::not_found() };
    let etag = etag(&file);
    let mut reply = if knows(headers, &etag) {
        reply::empty(StatusCode::NOT_MODIFIED)
    } else {
        let mut reply = Response::new(Body::from(Bytes::from(file.data.into_owned())));
        reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type(path)));
        reply
    };
    let out = reply.headers_mut();
    if let Ok(etag) = HeaderValue::from_str(&etag) {
        out.insert(ETAG, etag);
    }
    // The names stay while the files change with the hub: ask each time, and get 304.
    out.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    reply
}

fn etag(file: &EmbeddedFile) -> String {
    let hash = file.metadata.sha256_hash();
    let hex: String = hash.iter().take(16).map(|b| format!("{b:02x}")).collect();
    format!("\"{hex}\"")
}

/// Whether `If-None-Match` (RFC 9110 §13.1.2) has the tag.
fn knows(headers: &HeaderMap, etag: &str) -> bool {
    let lines = headers.get_all(IF_NONE_MATCH).iter().filter_map(|v| v.to_str().ok());
    lines.flat_map(|v| v.split(',')).map(|t| t.trim().trim_start_matches("W/")).any(|t| t == etag || t == "*")
}

fn content_type(path: &str) -> &'static str {
    match path.rsplit('.').next().unwrap_or_default() {
        "html" => "text/html; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "json" | "map" => "application/json",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "ico" => "image/x-icon",
        "woff2" => "font/woff2",
        "txt" | "ts" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}
