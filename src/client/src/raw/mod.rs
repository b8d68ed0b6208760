//! Links without a session: one connection, whose frames the caller writes and reads by hand, hello included. For tests and benches.

mod sse;
mod websocket;
mod webtransport;

pub use crate::link::{Parser, SseEvent};
pub use sse::{Batch, SseLink};
pub use websocket::WsLink;
pub use webtransport::WtLink;

use crate::net::{Address, Http, Tls, body_of, host_header};
use bytes::Bytes;
use crosspoint_core::{Code, Fault};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, header};
use http_body_util::Full;
use std::time::Duration;

/// How long any single exchange may take.
const WITHIN: Duration = Duration::from_secs(10);

/// The answer to a [`request`].
#[derive(Debug, Clone)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body, at most 16 MiB.
    pub body: Bytes,
}

impl Answer {
    /// The body as JSON; `null` if it is none.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

/// One HTTP request on a connection of its own, within 10 s. Bodies go as `application/json` unless `headers` say otherwise.
///
/// # Errors
/// There was no answer. Any status is one.
pub async fn request(
    method: Method,
    url: &str,
    headers: &[(HeaderName, HeaderValue)],
    body: impl Into<Bytes>,
) -> Result<Answer, Fault> {
    let address = Address::parse(url)?;
    let mut request = Request::builder()
        .method(method)
        .uri(address.path.as_str())
        .header(header::HOST, host_header(&address))
        .body(Full::new(body.into()))
        .map_err(|e| Fault::new(Code::BadRequest, e.to_string()))?;
    request.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    for (name, value) in headers {
        request.headers_mut().insert(name, value.clone());
    }
    let mut http = Http::new(address, Tls::new(vec![]), WITHIN);
    let exchange = async {
        let (head, body) = http.send(request).await?.into_parts();
        Ok(Answer { status: head.status, headers: head.headers, body: body_of(body).await? })
    };
    tokio::time::timeout(WITHIN, exchange).await.unwrap_or_else(|_| Err(Code::Timeout.into()))
}
