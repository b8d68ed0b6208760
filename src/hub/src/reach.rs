//! How clients get here: what the hub sees of each way of carrying a link, and what clients report of theirs.

use crosspoint_core::report::{Cause, Outcome, Report, Way};
use crosspoint_core::{Code, LinkInfo, Transport};
use serde::Serialize;
use std::array;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

const WAYS: usize = Way::ALL.len();
const CAUSES: usize = Cause::ALL.len();
const CODES: usize = Code::ALL.len();
/// A link that ended without a word of the hub's, and the name of that among codes.
const GONE: usize = CODES;
const GONE_NAME: &str = "gone";
const OTHER_NAME: &str = "other";

/// Upper bounds of a histogram's buckets, ms; there is one more without a bound.
pub const BUCKETS_MS: [u64; 13] =
    [25, 50, 100, 200, 300, 500, 750, 1_000, 1_500, 2_000, 3_000, 5_000, 10_000];

/// Counters by way.
#[derive(Default)]
pub(crate) struct Reach {
    rows: [Row; WAYS],
    /// From, to, cause.
    moves: [[[AtomicU64; CAUSES]; WAYS]; WAYS],
}

#[derive(Default)]
struct Row {
    links: AtomicU64,
    opened: AtomicU64,
    resumes: AtomicU64,
    refused: AtomicU64,
    closed: Codes,
    wins: AtomicU64,
    overtaken: AtomicU64,
    failures: Codes,
    connect: Histogram,
    first: Histogram,
}

/// By code, and one more.
struct Codes([AtomicU64; CODES + 1]);

impl Default for Codes {
    fn default() -> Codes {
        Codes(array::from_fn(|_| AtomicU64::new(0)))
    }
}

impl Codes {
    fn read(&self, more: &'static str) -> BTreeMap<&'static str, u64> {
        let name = |at: usize| Code::ALL.get(at).map_or(more, |c| c.name());
        let counts = self.0.iter().enumerate().map(|(at, n)| (name(at), n.load(Relaxed)));
        counts.filter(|(_, n)| *n > 0).collect()
    }
}

#[derive(Default)]
struct Histogram {
    buckets: [AtomicU64; BUCKETS_MS.len() + 1],
    sum: AtomicU64,
}

impl Histogram {
    fn add(&self, ms: Option<u64>) {
        let Some(ms) = ms else { return };
        add(&self.buckets[BUCKETS_MS.partition_point(|bound| *bound < ms)]);
        self.sum.fetch_add(ms, Relaxed);
    }

    fn read(&self) -> HistogramStats {
        let counts: Vec<u64> = self.buckets.iter().map(|b| b.load(Relaxed)).collect();
        let mut so_far = 0;
        let bounds = BUCKETS_MS.iter().map(|b| Some(*b)).chain([None]);
        let buckets: Vec<_> = bounds
            .zip(counts)
            .map(|(bound, n)| {
                so_far += n;
                (bound, so_far)
            })
            .collect();
        HistogramStats {
            count: so_far,
            sum: self.sum.load(Relaxed),
            p50: quantile(&buckets, 0.5),
            p95: quantile(&buckets, 0.95),
            buckets,
        }
    }
}

/// Interpolated within its bucket, as Prometheus does it.
fn quantile(buckets: &[(Option<u64>, u64)], q: f64) -> Option<u64> {
    let count = buckets.last().map_or(0, |(_, n)| *n);
    let rank = q * count as f64;
    let at = buckets.iter().position(|(_, so_far)| *so_far as f64 >= rank).filter(|_| count > 0)?;
    let (low, before) = match at.checked_sub(1) {
        Some(prior) => (buckets[prior].0.unwrap_or(0), buckets[prior].1),
        None => (0, 0),
    };
    let (bound, so_far) = buckets[at];
    let Some(high) = bound else { return Some(low) };
    let part = (rank - before as f64) / (so_far - before).max(1) as f64;
    Some(low + ((high - low) as f64 * part) as u64)
}

/// A reading of one histogram; times in ms.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct HistogramStats {
    /// How many.
    pub count: u64,
    /// Their sum.
    pub sum: u64,
    /// The median, estimated; `None` while there is nothing.
    pub p50: Option<u64>,
    /// What 95 of 100 stay below, estimated.
    pub p95: Option<u64>,
    /// Upper bound (`None`: none), and how many are not above it.
    pub buckets: Vec<(Option<u64>, u64)>,
}

/// One way of carrying links, since the hub's start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WayStats {
    /// `websocket`, `sse`, `sse-poll`, `sse-plain`, …
    pub transport: &'static str,
    /// Links now.
    pub links: u64,
    /// Links that came up.
    pub opened: u64,
    /// Links that took a session over from another one.
    pub resumes: u64,
    /// Links that were closed before they carried a session.
    pub refused: u64,
    /// Links that ended, by code; `gone`: without a word of the hub's.
    pub closed: BTreeMap<&'static str, u64>,
    /// What clients reported.
    pub reported: ReportedStats,
}

/// What clients reported of one way, since the hub's start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ReportedStats {
    /// Attempts.
    pub attempts: u64,
    /// Of them, those that carry or carried the session.
    pub wins: u64,
    /// Those that were given up because another one was quicker.
    pub overtaken: u64,
    /// Those that failed, by code.
    pub failures: BTreeMap<&'static str, u64>,
    /// From the beginning of the negotiation to the welcome.
    pub connect_ms: HistogramStats,
    /// From the beginning of the negotiation to the first reply or event.
    pub first_ms: HistogramStats,
}

/// Links that took over from one by another way (or the same), as clients reported them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MoveStats {
    /// What carried the session before.
    pub from: &'static str,
    /// What carries it now.
    pub to: &'static str,
    /// `lost`, `up`, `down`, `manual`, `asked`.
    pub cause: &'static str,
    /// `up`: to a better transport; `down`; `same`.
    pub direction: &'static str,
    /// How many.
    pub count: u64,
}

/// The whole reading.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ReachStats {
    /// Every way that was ever used or reported; `websocket` and `sse` always.
    pub transports: Vec<WayStats>,
    /// Those that happened.
    pub moves: Vec<MoveStats>,
}

fn add(counter: &AtomicU64) {
    counter.fetch_add(1, Relaxed);
}

/// By which way a link came.
pub(crate) fn way_of(info: &LinkInfo) -> Way {
    match (info.transport, info.mode) {
        (Some(Transport::WebSocket), _) => Way::WebSocket,
        (Some(Transport::Sse), "poll") => Way::SsePoll,
        (Some(Transport::Sse), "plain") => Way::SsePlain,
        (Some(Transport::Sse), _) => Way::Sse,
        (Some(Transport::WebTransport), _) => Way::WebTransport,
        (Some(Transport::WebRtc), _) => Way::WebRtc,
        (None, _) => Way::Other,
    }
}

/// The better, the higher.
fn rank(way: Way) -> u8 {
    match way {
        Way::WebTransport => 5,
        Way::WebSocket => 4,
        Way::WebRtc => 3,
        Way::Sse | Way::SsePlain => 2,
        Way::SsePoll => 1,
        Way::Other => 0,
    }
}

fn direction(from: Way, to: Way) -> &'static str {
    match rank(to).cmp(&rank(from)) {
        std::cmp::Ordering::Greater => "up",
        std::cmp::Ordering::Less => "down",
        std::cmp::Ordering::Equal => "same",
    }
}

impl Reach {
    fn row(&self, way: Way) -> &Row {
        &self.rows[way as usize]
    }

    pub(crate) fn opened(&self, way: Way) {
        add(&self.row(way).links);
        add(&self.row(way).opened);
    }

    pub(crate) fn down(&self, way: Way) {
        self.row(way).links.fetch_sub(1, Relaxed);
    }

    /// The hub closes a link.
    pub(crate) fn closed(&self, way: Way, code: Code) {
        add(&self.row(way).closed.0[code as usize]);
    }

    /// A link ended that the hub had not closed.
    pub(crate) fn gone(&self, way: Way) {
        add(&self.row(way).closed.0[GONE]);
    }

    pub(crate) fn refused(&self, way: Way) {
        add(&self.row(way).refused);
    }

    pub(crate) fn resumed(&self, way: Way) {
        add(&self.row(way).resumes);
    }

    /// A client's report of a link that came by `own` way; that much of it is known.
    pub(crate) fn reported(&self, own: Way, report: &Report) {
        let mut won = false;
        for attempt in &report.attempts {
            let row = self.row(attempt.way);
            match attempt.outcome {
                Outcome::Won if attempt.way == own && !std::mem::replace(&mut won, true) => add(&row.wins),
                Outcome::Won => {}
                Outcome::Overtaken => add(&row.overtaken),
                Outcome::Failed(code) => add(&row.failures.0[code.map_or(CODES, |c| c as usize)]),
            }
        }
        self.row(own).connect.add(report.connect_ms);
        self.row(own).first.add(report.first_ms);
        if let Some(from) = report.from {
            add(&self.moves[from as usize][own as usize][report.cause as usize]);
        }
    }

    pub(crate) fn read(&self) -> ReachStats {
        let transports = Way::ALL.iter().map(|way| self.way(*way)).filter(|w| {
            let usual = w.transport == Way::WebSocket.name() || w.transport == Way::Sse.name();
            usual || w.opened > 0 || w.reported.attempts > 0
        });
        let mut moves = vec![];
        for from in Way::ALL {
            for to in Way::ALL {
                for cause in Cause::ALL {
                    let count = self.moves[*from as usize][*to as usize][*cause as usize].load(Relaxed);
                    if count > 0 {
                        let direction = direction(*from, *to);
                        let (from, to, cause) = (from.name(), to.name(), cause.name());
                        moves.push(MoveStats { from, to, cause, direction, count });
                    }
                }
            }
        }
        ReachStats { transports: transports.collect(), moves }
    }

    fn way(&self, way: Way) -> WayStats {
        let row = self.row(way);
        let failures = row.failures.read(OTHER_NAME);
        let (wins, overtaken) = (row.wins.load(Relaxed), row.overtaken.load(Relaxed));
        WayStats {
            transport: way.name(),
            links: row.links.load(Relaxed),
            opened: row.opened.load(Relaxed),
            resumes: row.resumes.load(Relaxed),
            refused: row.refused.load(Relaxed),
            closed: row.closed.read(GONE_NAME),
            reported: ReportedStats {
                attempts: wins + overtaken + failures.values().sum::<u64>(),
                wins,
                overtaken,
                failures,
                connect_ms: row.connect.read(),
                first_ms: row.first.read(),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crosspoint_core::Frame;
    use serde_json::json;

    fn report(data: serde_json::Value) -> Report {
        Report::read(&Frame::with("hub:report", &data)).unwrap()
    }

    #[test]
    fn a_report_is_counted_as_far_as_it_can_be_true() {
        let reach = Reach::default();
        let attempts = json!([
            {"transport": "websocket", "outcome": "timeout"}, {"transport": "websocket", "outcome": "won"},
            {"transport": "sse", "outcome": "won"}, {"transport": "sse", "outcome": "won"},
            {"transport": "pigeon", "outcome": "ate it"},
        ]);
        reach.reported(
            Way::Sse,
            &report(json!({"attempts": attempts, "connect_ms": 120, "cause": "down", "from": "websocket"})),
        );
        let all = reach.read();
        let of = |name: &str| all.transports.iter().find(|w| w.transport == name).unwrap().reported.clone();
        assert_eq!((of("websocket").attempts, of("websocket").wins), (1, 0), "it did not carry this link");
        assert_eq!(of("websocket").failures, BTreeMap::from([("timeout", 1)]));
        assert_eq!((of("sse").attempts, of("sse").wins, of("sse").connect_ms.count), (1, 1, 1));
        assert_eq!(of("other").failures, BTreeMap::from([("other", 1)]));
        let MoveStats { from, to, cause, direction, count } = all.moves[0];
        assert_eq!((from, to, cause, direction, count), ("websocket", "sse", "down", "down", 1));
    }

    #[test]
    fn quantiles_lie_within_their_buckets() {
        let h = Histogram::default();
        assert_eq!(h.read().p50, None);
        (1..=100).for_each(|n| h.add(Some(n * 10)));
        h.add(None);
        let read = h.read();
        assert_eq!((read.count, read.sum), (100, 50_500));
        assert_eq!((read.p50, read.p95), (Some(500), Some(950)));
        assert_eq!(read.buckets[BUCKETS_MS.len()], (None, 100));
        h.add(Some(u64::from(u32::MAX)));
        assert_eq!(
            quantile(&[(Some(25), 0), (None, 3)], 0.5),
            Some(25),
            "beyond the last bound nothing is known"
        );
    }
}
