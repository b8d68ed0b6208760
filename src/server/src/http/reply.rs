//! Responses in the protocol's form.

use super::body::Body;
use bytes::Bytes;
use crosspoint_core::{Code, Fault, OutFrame};
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{Response, StatusCode};
use serde::Serialize;

/// What `Retry-After` says where the fault says nothing better, ms.
const RETRY_AFTER_MS: u64 = 1_000;

pub(crate) type Reply = Response<Body>;

/// 200 with JSON.
pub(crate) fn json(value: &impl Serialize) -> Reply {
    match serde_json::to_vec(value) {
        Ok(text) => with(StatusCode::OK, "application/json", text),
        Err(_) => fault(&Code::Internal.into()),
    }
}

/// A body that must not be kept by caches.
pub(crate) fn with(status: StatusCode, content_type: &'static str, bytes: impl Into<Bytes>) -> Reply {
    let mut reply = Response::new(Body::from(bytes.into()));
    *reply.status_mut() = status;
    reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    reply.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    reply
}

/// A status without a body.
pub(crate) fn empty(status: StatusCode) -> Reply {
    let mut reply = Response::new(Body::empty());
    *reply.status_mut() = status;
    reply
}

/// The fault as its row of the table says.
pub(crate) fn fault(fault: &Fault) -> Reply {
    let status = StatusCode::from_u16(fault.code.http()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    faulty(status, fault, &serde_json::json!({ "error": fault }))
}

/// A fault with more around it than itself.
pub(crate) fn faulty(status: StatusCode, fault: &Fault, body: &impl Serialize) -> Reply {
    let mut reply = json(body);
    *reply.status_mut() = status;
    let passes = matches!(status, StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS);
    if let Some(ms) = fault.retry_after_ms.or(passes.then_some(RETRY_AFTER_MS)) {
        reply.headers_mut().insert(RETRY_AFTER, HeaderValue::from(ms.div_ceil(1000)));
    }
    if status == StatusCode::UNAUTHORIZED {
        reply.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    reply
}

/// An event stream that says why it ends, for browsers, who never come back after an error.
pub(crate) fn closed_stream(fault: &Fault) -> Reply {
    let frame = OutFrame::with("hub:close", fault).text();
    let retry_ms = fault.retry_after_ms.unwrap_or(RETRY_AFTER_MS);
    let text = format!("retry: {retry_ms}\nevent: close\ndata: {}\n\n", String::from_utf8_lossy(&frame));
    with(StatusCode::OK, "text/event-stream", text)
}

/// There is nothing at this address.
pub(crate) fn not_found() -> Reply {
    fault(&Fault::new(Code::NotFound, "There is nothing at this address"))
}

/// The address takes other methods.
pub(crate) fn method_not_allowed(allow: &'static str) -> Reply {
    let wrong = Fault::new(Code::BadRequest, format!("This address takes {allow}"));
    let mut reply = fault(&wrong);
    *reply.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
    reply.headers_mut().insert(ALLOW, HeaderValue::from_static(allow));
    reply
}
