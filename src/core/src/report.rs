//! What a client tells of how it got its link (`hub:report`): read with distrust, so that nothing a client says can make
//! a name, a list or a number that is not expected.

use crate::code::Code;
use crate::frame::Frame;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// The attempts that are read of one report.
pub const ATTEMPTS_MAX: usize = 8;
/// The longest time that is believed, ms: an hour.
pub const MS_MAX: u64 = 3_600_000;

macro_rules! names {
    ($(#[$doc:meta])* $name:ident { $($(#[$of:meta])* $variant:ident $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $name { $($(#[$of])* $variant,)* }

        impl $name {
            /// All of them.
            pub const ALL: &'static [$name] = &[$($name::$variant,)*];

            /// The name on the wire and in metrics.
            pub const fn name(self) -> &'static str { match self { $($name::$variant => $text,)* } }

            /// The one of this name; an unknown one is the last, `other`.
            pub fn of(name: &str) -> $name {
                let all = $name::ALL;
                all.iter().copied().find(|x| x.name() == name).unwrap_or(all[all.len() - 1])
            }
        }
    };
}

names! {
    /// How a link is carried, as clients and metrics name it: the transport, and how it is used.
    Way {
        /// RFC 6455.
        WebSocket "websocket",
        /// An event stream down, POSTs up.
        Sse "sse",
        /// Polls down, POSTs up.
        SsePoll "sse-poll",
        /// A plain event stream, which only listens.
        SsePlain "sse-plain",
        /// WebTransport over HTTP/3.
        WebTransport "webtransport",
        /// A WebRTC DataChannel.
        WebRtc "webrtc",
        /// What this version doesn't know.
        Other "other",
    }
}

names! {
    /// Why a client opened a link.
    Cause {
        /// The first of a session.
        Connect "connect",
        /// The link before was lost.
        Lost "lost",
        /// A better transport was found.
        Up "up",
        /// After a loss the way led to a lesser transport.
        Down "down",
        /// The application chose.
        Manual "manual",
        /// The hub asked for it.
        Asked "asked",
        /// What this version doesn't know.
        Other "other",
    }
}

/// How an attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It carries the session.
    Won,
    /// It was given up because another one was quicker.
    Overtaken,
    /// It failed with this code; `None`: with one that this version doesn't know.
    Failed(Option<Code>),
}

/// One attempt at a transport.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attempt {
    /// By this way.
    pub way: Way,
    /// It ended so.
    pub outcome: Outcome,
    /// How long it took, ms.
    pub ms: Option<u64>,
}

/// A client's account of one link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// What was tried, at most [`ATTEMPTS_MAX`].
    pub attempts: Vec<Attempt>,
    /// From the beginning of the negotiation to the welcome, ms.
    pub connect_ms: Option<u64>,
    /// From the beginning of the negotiation to the first reply or event, ms.
    pub first_ms: Option<u64>,
    /// Why the link was opened.
    pub cause: Cause,
    /// What carried the session before.
    pub from: Option<Way>,
}

/// The same on the wire.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct ReportData<'a> {
    /// What was tried.
    #[serde(default, borrow)]
    pub attempts: Vec<AttemptData<'a>>,
    /// From the beginning of the negotiation to the welcome, ms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connect_ms: Option<u64>,
    /// From the beginning of the negotiation to the first reply or event, ms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_ms: Option<u64>,
    /// Why the link was opened.
    #[serde(default, borrow, skip_serializing_if = "Option::is_none")]
    pub cause: Option<Cow<'a, str>>,
    /// What carried the session before.
    #[serde(default, borrow, skip_serializing_if = "Option::is_none")]
    pub from: Option<Cow<'a, str>>,
}

/// An attempt on the wire.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttemptData<'a> {
    /// `websocket`, `sse`, `sse-poll`, …
    #[serde(borrow)]
    pub transport: Cow<'a, str>,
    /// `won`, `overtaken`, or a code.
    #[serde(borrow)]
    pub outcome: Cow<'a, str>,
    /// How long it took, ms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ms: Option<u64>,
}

impl Outcome {
    fn of(text: &str) -> Outcome {
        match text {
            "won" => Outcome::Won,
            "overtaken" => Outcome::Overtaken,
            code => Outcome::Failed(Code::from_name(code)),
        }
    }
}

impl Report {
    /// Reads a `hub:report`; `None` if its data has not the shape of one.
    pub fn read(frame: &Frame) -> Option<Report> {
        let data: ReportData<'_> = frame.parse().ok()?;
        let ms = |ms: Option<u64>| ms.map(|ms| ms.min(MS_MAX));
        let attempt = |a: &AttemptData<'_>| Attempt {
            way: Way::of(&a.transport),
            outcome: Outcome::of(&a.outcome),
            ms: ms(a.ms),
        };
        Some(Report {
            attempts: data.attempts.iter().take(ATTEMPTS_MAX).map(attempt).collect(),
            connect_ms: ms(data.connect_ms),
            first_ms: ms(data.first_ms),
            cause: Cause::of(data.cause.as_deref().unwrap_or_default()),
            from: data.from.as_deref().map(Way::of),
        })
    }

    /// The way that won.
    pub fn winner(&self) -> Option<Way> {
        self.attempts.iter().find(|a| a.outcome == Outcome::Won).map(|a| a.way)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(data: serde_json::Value) -> Option<Report> {
        Report::read(&Frame::with("hub:report", &data))
    }

    #[test]
    fn a_report_is_read_as_it_was_meant() {
        let report = read(json!({
            "attempts": [{"transport": "websocket", "outcome": "timeout", "ms": 3000}, {"transport": "sse-poll", "outcome": "won"}],
            "connect_ms": 120, "first_ms": 150, "cause": "down", "from": "websocket", "later": 1,
        }))
        .unwrap();
        let failed = Outcome::Failed(Some(Code::Timeout));
        assert_eq!(report.attempts[0], Attempt { way: Way::WebSocket, outcome: failed, ms: Some(3000) });
        assert_eq!((report.winner(), report.cause), (Some(Way::SsePoll), Cause::Down));
        assert_eq!(
            (report.connect_ms, report.first_ms, report.from),
            (Some(120), Some(150), Some(Way::WebSocket))
        );
    }

    #[test]
    fn strange_names_lists_and_times_are_cut_to_what_is_known() {
        let many: Vec<_> =
            (0..100).map(|n| json!({"transport": format!("t{n}"), "outcome": "gave\u{0}up"})).collect();
        let report = read(
            json!({"attempts": many, "connect_ms": u64::MAX, "cause": "x".repeat(9999), "from": "pigeon"}),
        );
        let report = report.unwrap();
        assert_eq!(report.attempts.len(), ATTEMPTS_MAX);
        assert!(report.attempts.iter().all(|a| a.way == Way::Other && a.outcome == Outcome::Failed(None)));
        assert_eq!(
            (report.connect_ms, report.cause, report.from),
            (Some(MS_MAX), Cause::Other, Some(Way::Other))
        );
    }

    #[test]
    fn what_is_no_report_is_none() {
        for data in [json!(null), json!([1]), json!("x"), json!({"attempts": 7}), json!({"connect_ms": -1})] {
            assert_eq!(read(data.clone()), None, "{data}");
        }
        assert_eq!(read(json!({})).unwrap().winner(), None);
    }
}
