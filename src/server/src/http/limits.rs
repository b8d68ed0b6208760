//! What an address may have of connections and requests: asked before anything else is done for them.

use super::app::App;
use super::route::Route;
use crate::config::Net;
use crosspoint_core::Fault;
use crosspoint_hub::{Connection, Hub};
use http::HeaderMap;
use std::net::IpAddr;
use std::sync::Arc;
use tokio::net::TcpStream;

/// Counts connections by address.
pub(super) struct Arrivals {
    pub(super) hub: Arc<Hub>,
    /// Behind these many clients share an address: theirs is known with their requests.
    pub(super) trusted: Vec<Net>,
}

impl Arrivals {
    /// One more connection of this address, as long as the result lives. A client that speaks no TLS is told why not.
    pub(super) fn open(&self, stream: &TcpStream, peer: IpAddr, tls: bool) -> Result<Option<Connection>, ()> {
        if self.trusted.iter().any(|net| net.contains(peer)) {
            return Ok(None);
        }
        self.hub.connection_from(peer).map_err(|fault| {
            if !tls {
                // A socket that is new has room for so little; what doesn't fit is not worth a wait.
                let _ = stream.try_write(refusal(&fault).as_bytes());
            }
        })
    }
}

fn refusal(fault: &Fault) -> String {
    let body = serde_json::json!({ "error": fault }).to_string();
    let seconds = fault.retry_after_ms.unwrap_or_default().div_ceil(1_000).max(1);
    format!(
        "HTTP/1.1 429 Too Many Requests\r\ncontent-type: application/json\r\ncache-control: no-store\r\nretry-after: {seconds}\r\n\
         connection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// Whether the client's address has had its share of requests of this kind.
///
/// # Errors
/// `rate_limited`.
pub(super) fn admit(app: &App, route: &Route, peer: IpAddr, headers: &HeaderMap) -> Result<(), Fault> {
    let remote = || Some(app.door.remote(peer, headers));
    match route {
        // A plain event stream is refused within one, so that browsers come again: `links::subscribe`.
        Route::WebSocket | Route::SseOpen | Route::Negotiate | Route::WebRtcOpen => {
            app.hub.connect_from(remote())
        }
        Route::SseLink(_) => app.hub.post_from(remote()),
        _ => Ok(()),
    }
}
