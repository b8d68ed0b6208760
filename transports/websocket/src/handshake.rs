//! The opening handshake (RFC 6455 §4.2).

use crate::serve::{Config, serve};
use crosspoint_core::{Acceptor, Code, Fault, LinkInfo};
use http::header::{
    CONNECTION, HeaderName, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL,
    SEC_WEBSOCKET_VERSION, UPGRADE,
};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Version};
use hyper::upgrade::OnUpgrade;
use std::sync::Arc;
use tokio::task::JoinHandle;
use tungstenite::handshake::derive_accept_key;

/// The subprotocol that is chosen if the client offers it.
pub const SUBPROTOCOL: &str = "crosspoint.v1";

/// Why a request does not become a WebSocket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Not a GET over HTTP/1.1 with `Upgrade: websocket`, or the server can't upgrade it.
    #[error("this address takes WebSocket connections: send GET with Upgrade: websocket over HTTP/1.1")]
    NotAnUpgrade,
    /// `Sec-WebSocket-Version` is not 13.
    #[error("only version 13 of the WebSocket protocol is spoken here")]
    Version,
    /// `Sec-WebSocket-Key` is not one base64 value of 16 bytes.
    #[error("Sec-WebSocket-Key is missing or malformed")]
    Key,
}

impl Refusal {
    /// The fault for the response's body: `bad_request` or `version_unsupported`.
    pub fn fault(self) -> Fault {
        let code = match self {
            Refusal::Version => Code::VersionUnsupported,
            Refusal::NotAnUpgrade | Refusal::Key => Code::BadRequest,
        };
        Fault::new(code, self.to_string())
    }

    /// The response without body: the fault's status, and the version header where the version was wrong.
    pub fn response(self) -> Response<()> {
        let mut response = Response::new(());
        *response.status_mut() =
            StatusCode::from_u16(self.fault().code.http()).unwrap_or(StatusCode::BAD_REQUEST);
        if self == Refusal::Version {
            response.headers_mut().insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
        }
        response
    }
}

/// A connection that becomes a WebSocket once the response of [`upgrade`] has been sent.
#[derive(Debug)]
pub struct Accept {
    on: OnUpgrade,
}

impl Accept {
    /// Waits for the upgrade in a task of its own, then runs the link ([`serve`]). If the client is gone before the response has
    /// left, there never is a link.
    pub fn serve(self, info: LinkInfo, acceptor: Arc<dyn Acceptor>, config: Config) -> JoinHandle<()> {
        tokio::spawn(async move {
            if let Ok(upgraded) = self.on.await {
                serve(upgraded, info, &acceptor, config);
            }
        })
    }

    /// The pending upgrade, for callers that know the connection's type and use [`crate::serve_io`] or [`crate::serve_tcp`].
    pub fn into_inner(self) -> OnUpgrade {
        self.on
    }
}

/// Checks the handshake of a request that hyper serves, and answers it with 101. The subprotocol is chosen only if it was
/// offered. Origin, identity and whether the hub takes links are the caller's to check.
pub fn upgrade<B>(request: &Request<B>) -> Result<(Response<()>, Accept), Refusal> {
    let headers = request.headers();
    let asks = request.method() == Method::GET
        && request.version() == Version::HTTP_11
        && names(headers, CONNECTION).any(|t| t.eq_ignore_ascii_case("upgrade"))
        && names(headers, UPGRADE).any(|t| t.eq_ignore_ascii_case("websocket"));
    let on = request.extensions().get::<OnUpgrade>().filter(|_| asks).ok_or(Refusal::NotAnUpgrade)?.clone();
    if headers.get(SEC_WEBSOCKET_VERSION).is_none_or(|v| v != "13") {
        return Err(Refusal::Version);
    }
    let accept = HeaderValue::try_from(derive_accept_key(key(headers)?)).map_err(|_| Refusal::Key)?;

    let mut response = Response::new(());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let out = response.headers_mut();
    out.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    out.insert(UPGRADE, HeaderValue::from_static("websocket"));
    out.insert(SEC_WEBSOCKET_ACCEPT, accept);
    if names(headers, SEC_WEBSOCKET_PROTOCOL).any(|p| p == SUBPROTOCOL) {
        out.insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(SUBPROTOCOL));
    }
    Ok((response, Accept { on }))
}

/// The elements of a comma-separated header, in one line or several.
fn names(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = &str> {
    headers.get_all(name).iter().filter_map(|v| v.to_str().ok()).flat_map(|v| v.split(',')).map(str::trim)
}

/// 16 bytes in base64: 22 characters and two of padding.
fn key(headers: &HeaderMap) -> Result<&[u8], Refusal> {
    let mut keys = headers.get_all(SEC_WEBSOCKET_KEY).iter();
    let (Some(key), None) = (keys.next(), keys.next()) else { return Err(Refusal::Key) };
    let key = key.as_bytes().trim_ascii();
    let base64 = |c: &u8| c.is_ascii_alphanumeric() || matches!(c, b'+' | b'/');
    match key.strip_suffix(b"==") {
        Some(digits) if digits.len() == 22 && digits.iter().all(base64) => Ok(key),
        _ => Err(Refusal::Key),
    }
}
