//! `GET /metrics`: counters and gauges in the Prometheus text format, version 0.0.4.

use super::app::App;
use super::reply::{self, Reply};
use super::route::Route;
use http::StatusCode;
use serde_json::Value;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

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
    let mut out = String::with_capacity(4096);
    let stats = app.hub.stats();
    let sse = app.sse.links() as u64;
    head(&mut out, "links", "gauge", "Links now, by transport");
    for (transport, n) in [("sse", sse), ("websocket", stats.links.saturating_sub(sse))] {
        let _ = writeln!(out, "crosspoint_links{{transport=\"{transport}\"}} {n}");
    }
    if let Ok(Value::Object(fields)) = serde_json::to_value(&stats) {
        for (name, value) in fields.iter().filter(|(name, _)| *name != "links") {
            let words = name.replace('_', " ");
            match GAUGES.contains(&name.as_str()) {
                true => {
                    head(&mut out, name, "gauge", &format!("{words} now"));
                    let _ = writeln!(out, "crosspoint_{name} {value}");
                }
                false => {
                    head(&mut out, &format!("{name}_total"), "counter", &format!("{words} since the start"));
                    let _ = writeln!(out, "crosspoint_{name}_total {value}");
                }
            }
        }
    }
    let http = &app.counters;
    head(&mut out, "http_connections", "gauge", "HTTP connections now");
    let _ = writeln!(out, "crosspoint_http_connections {}", http.connections.load(Relaxed));
    head(&mut out, "http_connections_total", "counter", "HTTP connections accepted");
    let _ = writeln!(out, "crosspoint_http_connections_total {}", http.accepted.load(Relaxed));
    head(&mut out, "http_responses_total", "counter", "HTTP responses by route and class of status");
    for (label, row) in Route::LABELS.iter().zip(&http.responses) {
        for (class, n) in row.iter().enumerate().map(|(c, n)| (c, n.load(Relaxed))).filter(|(_, n)| *n > 0) {
            let _ =
                writeln!(out, "crosspoint_http_responses_total{{route=\"{label}\",class=\"{class}xx\"}} {n}");
        }
    }
    reply::with(StatusCode::OK, "text/plain; version=0.0.4; charset=utf-8", out)
}

/// The fields of the hub's statistics that go up and down.
const GAUGES: [&str; 8] =
    ["links", "links_waiting", "sessions", "users", "rooms", "services", "requests_waiting", "timers"];

fn head(out: &mut String, name: &str, kind: &str, help: &str) {
    let _ = writeln!(out, "# HELP crosspoint_{name} {help}\n# TYPE crosspoint_{name} {kind}");
}
