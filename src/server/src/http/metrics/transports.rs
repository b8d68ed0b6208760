//! What transports do: as the hub sees them, and as clients report them. All labels come from fixed lists.

use super::text::{Text, seconds};
use crosspoint_hub::{AdmissionStats, HistogramStats, ReachStats, WayStats};

pub(super) fn write(out: &mut Text, reach: &ReachStats, admission: &AdmissionStats) {
    let ways = &reach.transports;
    each(out, ways, "links", "gauge", "Links now, by transport", |w| w.links);
    each(out, ways, "transport_links_opened_total", "counter", "Links that came up", |w| w.opened);
    each(
        out,
        ways,
        "transport_links_refused_total",
        "counter",
        "Links closed before they carried a session",
        |w| w.refused,
    );
    each(out, ways, "transport_resumes_total", "counter", "Links that took a session over", |w| w.resumes);
    let name = "transport_links_closed_total";
    out.head(name, "counter", "Links that ended, by code; gone: without a word of the hub's");
    for way in ways {
        for (code, n) in &way.closed {
            out.line(name, &[("transport", way.transport), ("code", code)], n);
        }
    }
    let name = "client_attempts_total";
    out.head(name, "counter", "Attempts of clients, by transport and outcome: won, overtaken, or a code");
    for way in ways {
        let reported = &way.reported;
        for (outcome, n) in [("won", reported.wins), ("overtaken", reported.overtaken)] {
            out.line(name, &[("transport", way.transport), ("outcome", outcome)], n);
        }
        for (code, n) in &reported.failures {
            out.line(name, &[("transport", way.transport), ("outcome", code)], n);
        }
    }
    let help = "From the beginning of the negotiation to the welcome, as clients report it";
    histogram(out, ways, "client_connect_seconds", help, |w| &w.reported.connect_ms);
    let help = "From the beginning of the negotiation to the first reply or event, as clients report it";
    histogram(out, ways, "client_first_message_seconds", help, |w| &w.reported.first_ms);
    let name = "client_moves_total";
    out.head(name, "counter", "Changes of link, as clients report them");
    for m in &reach.moves {
        let labels = [("from", m.from), ("to", m.to), ("cause", m.cause), ("direction", m.direction)];
        out.line(name, &labels, m.count);
    }
    let (admitted, deferred) = (admission.admitted, admission.deferred);
    out.single("admitted_total", "counter", "Clients let in", admitted);
    out.single("deferred_total", "counter", "Clients told to come again", deferred);
    out.single(
        "admitted_peak_100ms",
        "gauge",
        "The most let in within 100 ms since the start",
        admission.peak_100ms,
    );
    out.single(
        "admission_wait_seconds",
        "gauge",
        "What the next one would have to wait",
        seconds(admission.wait_ms),
    );
}

fn each(
    out: &mut Text,
    ways: &[WayStats],
    name: &str,
    kind: &str,
    help: &str,
    of: impl Fn(&WayStats) -> u64,
) {
    out.head(name, kind, help);
    for way in ways {
        out.line(name, &[("transport", way.transport)], of(way));
    }
}

fn histogram<'a>(
    out: &mut Text,
    ways: &'a [WayStats],
    name: &str,
    help: &str,
    of: impl Fn(&'a WayStats) -> &'a HistogramStats,
) {
    out.head(name, "histogram", help);
    for way in ways {
        let (read, transport) = (of(way), ("transport", way.transport));
        for (bound, n) in &read.buckets {
            let bound = bound.map_or_else(|| "+Inf".into(), seconds);
            out.line(&format!("{name}_bucket"), &[transport, ("le", &bound)], n);
        }
        out.line(&format!("{name}_sum"), &[transport], seconds(read.sum));
        out.line(&format!("{name}_count"), &[transport], read.count);
    }
}
