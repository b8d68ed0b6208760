//! `GET /metrics`: counters and gauges in the Prometheus text format, version 0.0.4.

mod hooks;
mod rates;
mod text;
mod transports;

use super::app::App;
use super::ice;
use super::reply::{self, Reply};
use super::route::Route;
use super::{webrtc, webtransport};
use http::StatusCode;
use serde_json::Value;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
pub(super) use text::Text;

/// What the front counts.
#[derive(Default)]
pub(crate) struct HttpCounters {
    /// Responses by route ([`Route::LABELS`]) and hundreds of the status.
    responses: [[AtomicU64; 6]; Route::LABELS.len()],
    /// Connections now.
    pub(crate) connections: AtomicU64,
    /// Connections that were accepted.
    pub(crate) accepted: AtomicU64,
}

impl HttpCounters {
    pub(crate) fn responded(&self, label: &str, status: StatusCode) {
        let row = Route::LABELS.iter().position(|l| *l == label);
        let cell = row.and_then(|r| self.responses[r].get(usize::from(status.as_u16() / 100)));
        if let Some(cell) = cell {
            cell.fetch_add(1, Relaxed);
        }
    }
}

/// Everything there is to count.
pub(super) fn metrics(app: &App) -> Reply {
    let mut out = Text(String::with_capacity(16 << 10));
    transports::write(&mut out, &app.hub.reach(), &app.hub.admission());
    if let Ok(Value::Object(fields)) = serde_json::to_value(app.hub.stats()) {
        for (name, value) in fields.iter().filter(|(name, _)| *name != "links") {
            let words = name.replace('_', " ");
            match GAUGES.contains(&name.as_str()) {
                true => out.single(name, "gauge", &format!("{words} now"), value),
                false => {
                    out.single(
                        &format!("{name}_total"),
                        "counter",
                        &format!("{words} since the start"),
                        value,
                    );
                }
            }
        }
    }
    rates::write(&mut out, &app.hub);
    hooks::write(&mut out, &app.door.backend);
    webtransport::metrics(app, &mut out);
    ice::metrics(app, &mut out);
    webrtc::metrics(app, &mut out);
    let tasks = tokio::runtime::Handle::current().metrics().num_alive_tasks();
    out.single("tasks", "gauge", "Tasks of the process now", tasks);
    let http = &app.counters;
    out.single("http_connections", "gauge", "HTTP connections now", http.connections.load(Relaxed));
    let accepted = http.accepted.load(Relaxed);
    out.single("http_connections_total", "counter", "HTTP connections accepted", accepted);
    let name = "http_responses_total";
    out.head(name, "counter", "HTTP responses by route and class of status");
    for (label, row) in Route::LABELS.iter().zip(&http.responses) {
        for (class, n) in row.iter().enumerate().map(|(c, n)| (c, n.load(Relaxed))).filter(|(_, n)| *n > 0) {
            out.line(name, &[("route", label), ("class", &format!("{class}xx"))], n);
        }
    }
    reply::with(StatusCode::OK, "text/plain; version=0.0.4; charset=utf-8", out.0)
}

/// The fields of the hub's statistics that go up and down.
const GAUGES: [&str; 9] = [
    "links",
    "links_waiting",
    "sessions",
    "bulk_sessions",
    "users",
    "rooms",
    "services",
    "requests_waiting",
    "timers",
];
