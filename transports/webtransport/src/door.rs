//! How sessions come in: the handshake, the request, the stream that carries the link.

use crate::address::Place;
use crate::config::Config;
use crosspoint_core::LinkInfo;
use crosspoint_core::link::BoxFuture;
use std::collections::HashMap;
use std::net::IpAddr;
use tokio::time::timeout;
use wtransport::endpoint::{IncomingSession, SessionRequest};
use wtransport::{Connection, RecvStream, SendStream};

/// What a client asks with.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// The host it believes it asks, with its port.
    pub authority: &'a str,
    /// What it asks for, with a query if there is one.
    pub path: &'a str,
    /// The page's origin; only pages have one.
    pub origin: Option<&'a str>,
    /// Header fields, their names in lower case.
    pub headers: &'a HashMap<String, String>,
    /// The other end.
    pub remote: IpAddr,
}

/// Why a session is refused. Browsers don't tell pages which it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// 403: not for pages of this origin, or not with these credentials (the library knows no 401).
    Forbidden,
    /// 404: there is nothing at this path.
    NotFound,
    /// 429: the hub or the address has enough.
    Busy,
}

/// Who comes in; the server implements it.
pub trait Gate: Send + Sync {
    /// What is known of a client that may come in.
    ///
    /// # Errors
    /// Why it may not.
    fn admit<'a>(&'a self, request: Request<'a>) -> BoxFuture<'a, Result<LinkInfo, Refusal>>;
}

/// A session whose link can begin.
pub(crate) struct Opened {
    pub(crate) connection: Connection,
    pub(crate) send: SendStream,
    pub(crate) receive: RecvStream,
    pub(crate) info: LinkInfo,
    pub(crate) place: Place,
}

/// Lets a session in, if it comes in time and the gate agrees.
pub(crate) async fn open(
    incoming: IncomingSession,
    place: Place,
    gate: &dyn Gate,
    config: &Config,
) -> Option<Opened> {
    timeout(config.open_wait, async {
        let request = incoming.await.ok()?;
        let info = match admitted(&request, gate, config).await {
            Ok(info) => info,
            Err(refusal) => {
                match refusal {
                    Refusal::Forbidden => request.forbidden().await,
                    Refusal::NotFound => request.not_found().await,
                    Refusal::Busy => request.too_many_requests().await,
                }
                return None;
            }
        };
        let connection = request.accept().await.ok()?;
        let (send, receive) = connection.accept_bi().await.ok()?;
        Some(Opened { connection, send, receive, info, place })
    })
    .await
    .ok()
    .flatten()
}

async fn admitted(request: &SessionRequest, gate: &dyn Gate, config: &Config) -> Result<LinkInfo, Refusal> {
    let path = request.path();
    if path.split('?').next() != Some(&config.path) {
        return Err(Refusal::NotFound);
    }
    gate.admit(Request {
        authority: request.authority(),
        path,
        origin: request.origin(),
        headers: request.headers(),
        remote: request.remote_address().ip(),
    })
    .await
}
