//! What STUN and TURN count, for `GET /metrics`.

use super::app::App;
use super::metrics::Text;
use std::sync::atomic::Ordering::Relaxed;

pub(super) fn metrics(app: &App, out: &mut Text) {
    let Some(c) = app.ice.counters() else { return };
    for (name, kind, help, value) in [
        ("stun_bindings_total", "counter", "STUN binding requests answered", &c.bindings),
        ("stun_malformed_total", "counter", "Messages that were no good STUN", &c.malformed),
        (
            "stun_limited_total",
            "counter",
            "STUN requests dropped, as their address sent too many",
            &c.limited,
        ),
        ("turn_unauthorized_total", "counter", "TURN requests with bad credentials", &c.unauthorized),
        ("turn_allocations", "gauge", "TURN allocations now", &c.allocations),
        ("turn_allocations_total", "counter", "TURN allocations made", &c.allocated),
        ("turn_allocations_refused_total", "counter", "TURN allocations refused", &c.allocations_refused),
        (
            "turn_peers_denied_total",
            "counter",
            "Permissions refused and datagrams dropped, for the address of the peer",
            &c.peers_denied,
        ),
        ("turn_bytes_out_total", "counter", "Bytes relayed to peers", &c.bytes_out),
        ("turn_bytes_in_total", "counter", "Bytes relayed from peers", &c.bytes_in),
        (
            "turn_dropped_total",
            "counter",
            "Datagrams dropped over a quota, or as a receiver did not keep up",
            &c.dropped,
        ),
        ("turn_connections", "gauge", "TURN connections over TCP now", &c.connections),
        (
            "turn_connections_refused_total",
            "counter",
            "TURN connections over TCP refused",
            &c.connections_refused,
        ),
    ] {
        out.single(name, kind, help, value.load(Relaxed));
    }
}
