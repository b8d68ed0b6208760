//! Requests on one kept-alive HTTP/1.1 connection, one at a time.

use super::{Address, Tls, dial};
use bytes::Bytes;
use crosspoint_core::{Code, Fault};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;

/// The largest answer that is read into memory, in bytes.
const BODY_BYTES_MAX: usize = 16 << 20;

/// A connection that is made when it is needed, and cut when this is dropped.
pub(crate) struct Http {
    address: Address,
    tls: Arc<Tls>,
    within: Duration,
    sender: Option<SendRequest<Full<Bytes>>>,
    /// Drives the connection; holds one task.
    driver: JoinSet<()>,
}

impl Http {
    /// `within`: how long connecting may take.
    pub(crate) fn new(address: Address, tls: Arc<Tls>, within: Duration) -> Http {
        Http { address, tls, within, sender: None, driver: JoinSet::new() }
    }

    /// The address it talks to.
    pub(crate) fn address(&self) -> &Address {
        &self.address
    }

    /// Sends a request and returns the answer's head, whatever its status. Repeats it once if a kept connection turned out to be closed,
    /// so the request must do no harm when it comes twice.
    pub(crate) async fn send(&mut self, request: Request<Full<Bytes>>) -> Result<Response<Incoming>, Fault> {
        let lost =
            |e: hyper::Error| Fault::new(Code::Unavailable, format!("{}: {e}", self.address.authority()));
        if let Some(mut kept) = self.sender.take()
            && kept.ready().await.is_ok()
            && let Ok(response) = kept.send_request(request.clone()).await
        {
            self.sender = Some(kept);
            return Ok(response);
        }
        self.driver.abort_all();
        let io = dial(&self.address, &self.tls, self.within).await?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(io)).await.map_err(lost)?;
        self.driver = JoinSet::new();
        self.driver.spawn(async move {
            // Its end shows in the requests' own results.
            let _ = connection.await;
        });
        let response = sender.send_request(request).await.map_err(lost)?;
        self.sender = Some(sender);
        Ok(response)
    }

    /// POSTs a JSON body to this path and returns the answer's head.
    pub(crate) async fn post(
        &mut self,
        path: &str,
        body: impl Into<Bytes>,
        headers: &[(header::HeaderName, HeaderValue)],
    ) -> Result<Response<Incoming>, Fault> {
        let mut request = Request::post(path)
            .header(header::HOST, host_header(&self.address))
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::CACHE_CONTROL, "no-store")
            .body(Full::new(body.into()))
            .map_err(|e| Fault::new(Code::BadRequest, e.to_string()))?;
        request.headers_mut().extend(headers.iter().cloned());
        self.send(request).await
    }

    /// POSTs a JSON body and reads the answer's, within `within` altogether.
    pub(crate) async fn exchange<T: serde::de::DeserializeOwned>(
        &mut self,
        path: &str,
        body: impl Into<Bytes>,
        headers: &[(header::HeaderName, HeaderValue)],
        within: Duration,
    ) -> Result<T, Fault> {
        let done = tokio::time::timeout(within, async {
            let response = self.post(path, body, headers).await?;
            let (head, body) = response.into_parts();
            let bytes = body_of(body).await?;
            if !head.status.is_success() {
                return Err(fault_of(head.status, &head.headers, &bytes));
            }
            serde_json::from_slice(&bytes)
                .map_err(|e| Fault::new(Code::Unavailable, format!("not an answer of the hub: {e}")))
        })
        .await;
        if !matches!(done, Ok(Ok(_))) {
            // What is left of the answer would come before the next one's.
            self.sender = None;
        }
        done.unwrap_or_else(|_| {
            Err(Fault::new(
                Code::Timeout,
                format!("no answer from {} within {} ms", self.address.authority(), within.as_millis()),
            ))
        })
    }
}

/// The `Host` header for this address.
pub(crate) fn host_header(address: &Address) -> HeaderValue {
    HeaderValue::from_str(&address.authority()).unwrap_or(HeaderValue::from_static(""))
}

/// Reads a body of at most 16 MiB.
pub(crate) async fn body_of(body: Incoming) -> Result<Bytes, Fault> {
    match Limited::new(body, BODY_BYTES_MAX).collect().await {
        Ok(all) => Ok(all.to_bytes()),
        Err(e) => Err(Fault::new(Code::Unavailable, format!("the answer broke off: {e}"))),
    }
}

/// What an answer that is no success means. One that isn't the hub's JSON came from something in between: worth another try,
/// unless it says that the request is too large.
pub(crate) fn fault_of(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Fault {
    #[derive(Deserialize)]
    struct Answer {
        error: Fault,
    }
    if let Ok(Answer { error }) = serde_json::from_slice(body) {
        return error;
    }
    let code = match status {
        StatusCode::PAYLOAD_TOO_LARGE => Code::FrameTooLarge,
        StatusCode::TOO_MANY_REQUESTS => Code::RateLimited,
        _ => Code::Unavailable,
    };
    let seconds = headers.get(header::RETRY_AFTER).and_then(|v| v.to_str().ok()?.parse::<u64>().ok());
    Fault {
        retry_after_ms: seconds.map(|s| s.saturating_mul(1000)),
        ..Fault::new(code, format!("the hub's address answered {status}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crosspoint_core::Retry;

    #[test]
    fn a_fault_of_the_hub_is_told_from_one_of_a_proxy() {
        let mut headers = HeaderMap::new();
        let hub = br#"{"error":{"code":"token_expired","message":"m","retry":"refresh"}}"#;
        let fault = fault_of(StatusCode::UNAUTHORIZED, &headers, hub);
        assert_eq!((fault.code, fault.retry), (Code::TokenExpired, Retry::Refresh));
        headers.insert(header::RETRY_AFTER, HeaderValue::from_static("3"));
        let fault = fault_of(StatusCode::FORBIDDEN, &headers, b"<html>");
        assert_eq!(
            (fault.code, fault.retry, fault.retry_after_ms),
            (Code::Unavailable, Retry::Backoff, Some(3000))
        );
        assert_eq!(fault_of(StatusCode::PAYLOAD_TOO_LARGE, &headers, b"").code, Code::FrameTooLarge);
    }
}
