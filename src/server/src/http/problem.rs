//! Errors of the API: problem details (RFC 9457), with the fault in the form of the other addresses beside them.

use super::reply::{self, Reply};
use crosspoint_core::{Code, Fault};
use http::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use http::{Method, StatusCode};
use serde::Serialize;

/// The media type of problem details.
pub(super) const MEDIA_TYPE: &str = "application/problem+json";

/// The body of an error.
#[derive(Serialize)]
pub(super) struct Problem<'a> {
    /// Where the type is described: in the document that is served.
    #[serde(rename = "type")]
    kind: String,
    title: &'static str,
    status: u16,
    detail: &'a str,
    code: Code,
    retry: crosspoint_core::Retry,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after_ms: Option<u64>,
    error: &'a Fault,
}

impl<'a> Problem<'a> {
    pub(super) fn new(fault: &'a Fault, status: StatusCode) -> Problem<'a> {
        Problem {
            kind: format!("/openapi.json#/x-problems/{}", fault.code),
            title: fault.code.message(),
            status: status.as_u16(),
            detail: &fault.message,
            code: fault.code,
            retry: fault.retry,
            retry_after_ms: fault.retry_after_ms,
            error: fault,
        }
    }
}

/// The status of a fault's row.
pub(super) fn status(fault: &Fault) -> StatusCode {
    StatusCode::from_u16(fault.code.http()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

/// The fault as its row of the table says.
pub(super) fn problem(fault: &Fault) -> Reply {
    with_status(fault, status(fault))
}

/// With a status that no row of the table has.
pub(super) fn with_status(fault: &Fault, status: StatusCode) -> Reply {
    mark(reply::faulty(status, fault, &Problem::new(fault, status)))
}

/// There is nothing at this address.
pub(super) fn not_found() -> Reply {
    problem(&Fault::new(Code::NotFound, "There is nothing at this address"))
}

/// The address takes other methods.
pub(super) fn method_not_allowed(allow: &'static str) -> Reply {
    let fault = Fault::new(Code::BadRequest, format!("This address takes {allow}"));
    let mut reply = with_status(&fault, StatusCode::METHOD_NOT_ALLOWED);
    reply.headers_mut().insert(ALLOW, HeaderValue::from_static(allow));
    reply
}

/// Says what the body is.
pub(super) fn mark(mut reply: Reply) -> Reply {
    reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
    reply
}

/// Whether a list of methods, as in `Allow`, has this one.
pub(super) fn takes(allow: &str, method: &Method) -> bool {
    allow.split(", ").any(|m| m == method.as_str())
}
