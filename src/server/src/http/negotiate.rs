//! `POST /negotiate`: who the client is, and which transports it should try (docs/protocol.md, Negotiation).

use super::app::App;
use super::body;
use super::credentials::Cookies;
use super::links::{From, enter};
use super::origin;
use super::reply::{self, Reply};
use crosspoint_core::limits::ClientLimits;
use crosspoint_core::negotiate::{Failed, Ranking, rank};
use crosspoint_core::{Code, Fault, Raw, VERSION};
use crosspoint_hub::{Authenticator as _, Ice};
use http::Request;
use hyper::body::Incoming;
use serde::{Deserialize, Serialize};

/// The largest body, bytes.
const BYTES_MAX: usize = 16 << 10;
/// More transports or failures than there are transports tell nothing more.
const LIST_MAX: usize = 32;

#[derive(Deserialize)]
struct Ask {
    version: u32,
    #[serde(default)]
    transports: Vec<String>,
    #[serde(default)]
    user: Option<String>,
    #[serde(default)]
    info: Option<Raw>,
    #[serde(default)]
    failed: Vec<Failed>,
}

#[derive(Serialize)]
struct Answer {
    version: u32,
    ticket: String,
    ticket_ms: u64,
    #[serde(flatten)]
    ranking: Ranking,
    heartbeat_ms: u64,
    limits: ClientLimits,
    #[serde(skip_serializing_if = "Option::is_none")]
    network: Option<String>,
    #[serde(flatten)]
    ice: Ice,
}

/// Answers a negotiation.
pub(super) async fn negotiate(app: &App, from: From<'_>, request: Request<Incoming>) -> Reply {
    match answer(app, from, request).await {
        Ok(answer) => reply::json(&answer),
        Err(fault) => reply::fault(&fault),
    }
}

async fn answer(app: &App, from: From<'_>, mut request: Request<Incoming>) -> Result<Answer, Fault> {
    app.hub.takes_clients()?;
    let info = enter(app, from, &mut request, None, Cookies::Decide).await?;
    // The name that the client knows the hub by.
    let host = origin::host(&request);
    let body = body::read(request.into_body(), BYTES_MAX).await?;
    let ask: Ask = serde_json::from_slice(&body).map_err(|e| Fault::new(Code::BadRequest, e.to_string()))?;
    if ask.version != VERSION {
        return Err(Code::VersionUnsupported.into());
    }
    if ask.transports.len() > LIST_MAX || ask.failed.len() > LIST_MAX {
        return Err(Fault::new(Code::LimitExceeded, format!("A list may have {LIST_MAX} entries")));
    }
    let grant = match &info.grant {
        Some(grant) => (**grant).clone(),
        None => app.door.gate().open(ask.user.as_deref(), ask.info).ok_or(Code::Unauthorized)?,
    };
    let limits = app.hub.limits();
    let ice = app.hub.ice(&grant);
    let ranking = rank(&grant.user, &ask.transports, &ask.failed, &app.negotiation(host.as_deref()));
    Ok(Answer {
        version: VERSION,
        ticket: app.hub.bound_ticket(grant, &info)?,
        ticket_ms: limits.ticket_ms,
        ranking,
        heartbeat_ms: limits.heartbeat_ms,
        limits: limits.for_client(),
        network: info.remote.map(|address| app.networks.name(address)),
        ice,
    })
}
