//! For operators: how clients get here, and sending them elsewhere.

use super::app::App;
use super::body;
use super::reply::{self, Reply};
use crate::config::HubUrl;
use crosspoint_core::{Code, Fault};
use crosspoint_hub::{AdmissionStats, Drain, ReachStats};
use http::{Method, Request};
use hyper::body::Incoming;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::time::Duration;

/// The largest body, bytes.
const BYTES_MAX: usize = 4 << 10;
/// The longest a drain may take, ms: a day.
const WITHIN_MS_MAX: u64 = 86_400_000;

#[derive(Serialize)]
struct Transports {
    #[serde(flatten)]
    reach: ReachStats,
    admission: AdmissionStats,
}

/// `GET /api/v1/transports`
pub(super) fn transports(app: &App) -> Reply {
    reply::json(&Transports { reach: app.hub.reach(), admission: app.hub.admission() })
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Ask {
    address: Option<String>,
    within_ms: Option<u64>,
}

/// `/api/v1/drain`: GET tells, POST begins, DELETE ends.
pub(super) async fn drain(app: &App, request: Request<Incoming>) -> Result<Reply, Fault> {
    match *request.method() {
        Method::POST => {
            let drain = wanted(app, request.into_body()).await?;
            app.hub.begin_drain(drain);
        }
        Method::DELETE => app.hub.end_drain(),
        _ => {}
    }
    let stats = app.hub.stats();
    Ok(reply::json(&json!({
        "draining": app.hub.takes_clients().is_err(),
        "address": app.hub.drains_to(),
        "links": stats.links,
        "sessions": stats.sessions,
    })))
}

async fn wanted(app: &App, body: Incoming) -> Result<Drain, Fault> {
    let wrong = |text: String| Fault::new(Code::BadRequest, text);
    let body = body::read(body, BYTES_MAX).await?;
    let ask: Ask = match body.trim_ascii() {
        b"" => Ask::default(),
        text => serde_json::from_slice(text).map_err(|e| wrong(e.to_string()))?,
    };
    let usual = app.drain.clone();
    let within = ask.within_ms.map_or(usual.within, Duration::from_millis);
    if ask.within_ms.is_some_and(|ms| ms > WITHIN_MS_MAX) {
        return Err(wrong(format!("`within_ms` is at most {WITHIN_MS_MAX}")));
    }
    let address = match ask.address {
        None => usual.address,
        Some(text) => {
            let url = HubUrl::parse(&text);
            let url = url.ok_or_else(|| wrong("`address` is the absolute URL of a hub, or absent".into()))?;
            Some(url.as_str().into())
        }
    };
    Ok(Drain { within, address, ..usual })
}
