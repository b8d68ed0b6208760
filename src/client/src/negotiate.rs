//! `POST /negotiate`: which transports to try, and a ticket for the hello.

use crate::net::{Base, Http, Tls};
use crate::transport::Transport;
use crosspoint_core::limits::ClientLimits;
use crosspoint_core::negotiate::{Choice, Failed};
use crosspoint_core::{Code, Fault, VERSION};
use http::{HeaderValue, header};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::sync::Arc;
use std::time::Duration;

/// What the client says.
pub(crate) struct Ask {
    pub(crate) base: Base,
    pub(crate) tls: Arc<Tls>,
    pub(crate) token: Option<String>,
    pub(crate) transports: Vec<Transport>,
    pub(crate) failed: Vec<Failed>,
    pub(crate) user: Option<String>,
    pub(crate) info: Option<Map<String, Value>>,
    pub(crate) client: Value,
    pub(crate) within: Duration,
}

/// What the hub says.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Negotiated {
    #[serde(default)]
    pub(crate) ticket: Option<String>,
    #[serde(default)]
    pub(crate) ticket_ms: u64,
    pub(crate) transports: Vec<Choice>,
    #[serde(default)]
    pub(crate) limits: ClientLimits,
    /// How long the exchange took: what a round trip costs on this network, roughly.
    #[serde(skip)]
    pub(crate) took_ms: u64,
}

pub(crate) async fn negotiate(ask: Ask) -> Result<Negotiated, Fault> {
    let mut families: Vec<_> = ask.transports.iter().map(|t| t.family().name()).collect();
    families.dedup();
    let mut body = json!({
        "version": VERSION,
        "transports": families,
        "failed": ask.failed,
        "client": ask.client,
    });
    if let Some(user) = ask.user {
        body["user"] = user.into();
    }
    if let Some(info) = ask.info {
        body["info"] = info.into();
    }
    let mut headers = vec![];
    if let Some(token) = ask.token {
        let mut value = HeaderValue::from_str(&format!("Bearer {token}"))
            .map_err(|_| Fault::new(Code::Unauthorized, "the token has characters that no token has"))?;
        value.set_sensitive(true);
        headers.push((header::AUTHORIZATION, value));
    }
    let endpoint = ask.base.endpoint("/negotiate")?;
    let path = endpoint.path.clone();
    let began = tokio::time::Instant::now();
    let mut http = Http::new(endpoint, ask.tls, ask.within);
    let mut answer: Negotiated = http.exchange(&path, body.to_string(), &headers, ask.within).await?;
    answer.took_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    Ok(answer)
}
