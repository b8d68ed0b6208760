//! For operators: how clients get here, and sending them elsewhere.

use super::api::whole;
use super::app::App;
use crate::config::HubUrl;
use crosspoint_core::{Code, Fault};
use crosspoint_hub::{AdmissionStats, Drain, ReachStats};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The longest a drain may take, ms: a day.
const WITHIN_MS_MAX: u64 = 86_400_000;

#[derive(Serialize)]
struct Transports {
    #[serde(flatten)]
    reach: ReachStats,
    admission: AdmissionStats,
}

/// `GET /api/v1/transports`
pub(super) fn transports(app: &App) -> impl Serialize {
    Transports { reach: app.hub.reach(), admission: app.hub.admission() }
}

/// What `POST /api/v1/drain` may say.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Ask {
    address: Option<String>,
    #[serde(deserialize_with = "whole")]
    within_ms: Option<u64>,
}

/// How far it is.
#[derive(Serialize)]
pub(super) struct State {
    draining: bool,
    address: Option<Box<str>>,
    links: u64,
    sessions: u64,
}

/// `GET /api/v1/drain`
pub(super) fn state(app: &App) -> State {
    let stats = app.hub.stats();
    State {
        draining: app.hub.takes_clients().is_err(),
        address: app.hub.drains_to(),
        links: stats.links,
        sessions: stats.sessions,
    }
}

/// `POST /api/v1/drain`
///
/// # Errors
/// `bad_request`.
pub(super) fn begin(app: &App, ask: Ask) -> Result<State, Fault> {
    app.hub.begin_drain(wanted(app, ask)?);
    Ok(state(app))
}

/// `DELETE /api/v1/drain`
pub(super) fn end(app: &App) -> State {
    app.hub.end_drain();
    state(app)
}

fn wanted(app: &App, ask: Ask) -> Result<Drain, Fault> {
    let wrong = |text: String| Fault::new(Code::BadRequest, text);
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
