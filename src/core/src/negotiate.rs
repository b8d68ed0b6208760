//! Negotiation: which transports to try, in which order, and why. A pure function of what the client says, what the hub offers and what
//! failed before; docs/protocol.md, Negotiation.

use crate::link::Transport;
use serde::{Deserialize, Serialize};

/// One transport that the hub offers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// Which.
    pub transport: Transport,
    /// Its address, relative to the hub's.
    pub url: String,
}

/// What failed for this client on this network lately.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failed {
    /// The transport's name.
    pub transport: String,
    /// How it failed.
    #[serde(default)]
    pub code: String,
    /// How long ago, ms.
    #[serde(default)]
    pub age_ms: u64,
}

/// What the hub allows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// What the hub offers.
    pub offers: Vec<Offer>,
    /// Transports that policy leaves out for this client, with the sentence that says why.
    pub denied: Vec<(Transport, String)>,
    /// A failure younger than this moves a transport to the end, ms.
    pub failed_ms: u64,
}

/// A transport to try.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Choice {
    /// Its name.
    pub name: String,
    /// Its address, relative to the hub's.
    pub url: String,
    /// How long after the first attempt began this one begins, if nothing has won.
    pub head_start_ms: u64,
    /// How long it has to answer a hello.
    pub deadline_ms: u64,
    /// What the order follows; higher is tried first.
    pub score: i32,
    /// Why it stands where it stands.
    pub reason: String,
}

/// A transport not to try.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftOut {
    /// Its name.
    pub name: String,
    /// `not_offered`, `not_supported` or `policy`.
    pub reason: String,
    /// The same for people.
    pub message: String,
}

/// The answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ranking {
    /// In the order to try.
    pub transports: Vec<Choice>,
    /// The others.
    pub left_out: Vec<LeftOut>,
}

struct Traits {
    score: i32,
    deadline_ms: u64,
    why: &'static str,
}

fn traits(t: Transport) -> Traits {
    let (score, deadline_ms, why) = match t {
        Transport::WebTransport => (60, 2_000, "experimental: streams and datagrams, needs UDP"),
        Transport::WebSocket => (80, 3_000, "full duplex on one connection, lowest cost"),
        Transport::Sse => (50, 4_000, "passes where WebSocket does not; uplink by POST"),
        Transport::WebRtc => (30, 8_000, "needs UDP and a set-up exchange; an upgrade, not a way in"),
    };
    Traits { score, deadline_ms, why }
}

/// What a recent failure costs: more than any difference between two transports.
const FAILED_PENALTY: i32 = 100;
/// The wait before each further transport is tried beside the first.
const HEAD_START_MS: u64 = 300;

/// Ranks the offers for a client that supports `supported` (names; unknown ones are ignored). Never empty while an offer is supported and not denied: what
/// failed before is tried last, not never.
pub fn rank(supported: &[String], failed: &[Failed], policy: &Policy) -> Ranking {
    let mut transports = vec![];
    let mut left_out = vec![];
    let all = [Transport::WebSocket, Transport::Sse, Transport::WebTransport, Transport::WebRtc];
    for t in all {
        let mut leave = |reason: &str, message: String| {
            left_out.push(LeftOut { name: t.name().into(), reason: reason.into(), message });
        };
        let Some(offer) = policy.offers.iter().find(|o| o.transport == t) else {
            leave("not_offered", format!("this hub does not offer {t}"));
            continue;
        };
        if !supported.iter().any(|s| s == t.name()) {
            leave("not_supported", format!("the client does not list {t}"));
            continue;
        }
        if let Some((_, why)) = policy.denied.iter().find(|(d, _)| *d == t) {
            leave("policy", why.clone());
            continue;
        }
        let Traits { mut score, deadline_ms, why } = traits(t);
        let mut reason = why.to_string();
        let fresh = failed.iter().filter(|f| f.transport == t.name() && f.age_ms < policy.failed_ms);
        if let Some(f) = fresh.min_by_key(|f| f.age_ms) {
            score -= FAILED_PENALTY;
            let code: String = f.code.chars().filter(|c| !c.is_control()).take(40).collect();
            reason = format!("failed here {} s ago ({code}): tried last", f.age_ms / 1000);
        }
        transports.push(Choice {
            name: t.name().into(),
            url: offer.url.clone(),
            head_start_ms: 0,
            deadline_ms,
            score,
            reason,
        });
    }
    transports.sort_by_key(|c| -c.score);
    for (i, c) in transports.iter_mut().enumerate() {
        c.head_start_ms = HEAD_START_MS * i as u64;
    }
    Ranking { transports, left_out }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy() -> Policy {
        let offer = |transport, url: &str| Offer { transport, url: url.into() };
        Policy {
            offers: vec![offer(Transport::WebSocket, "/ws"), offer(Transport::Sse, "/sse")],
            denied: vec![],
            failed_ms: 600_000,
        }
    }

    fn names(r: &Ranking) -> Vec<&str> {
        r.transports.iter().map(|c| c.name.as_str()).collect()
    }

    #[test]
    fn the_order_is_explained() {
        let all: Vec<String> = ["sse", "websocket", "webrtc", "carrier-pigeon"].map(String::from).to_vec();
        let r = rank(&all, &[], &policy());
        assert_eq!(names(&r), ["websocket", "sse"]);
        assert_eq!((r.transports[0].head_start_ms, r.transports[1].head_start_ms), (0, 300));
        let out: Vec<_> = r.left_out.iter().map(|l| (l.name.as_str(), l.reason.as_str())).collect();
        assert_eq!(out, [("webtransport", "not_offered"), ("webrtc", "not_offered")]);
    }

    #[test]
    fn what_failed_lately_is_tried_last_and_forgotten_in_time() {
        let both = ["sse".to_string(), "websocket".to_string()];
        let failed = |age_ms| [Failed { transport: "websocket".into(), code: "timeout".into(), age_ms }];
        let r = rank(&both, &failed(60_000), &policy());
        assert_eq!(names(&r), ["sse", "websocket"]);
        assert!(r.transports[1].reason.contains("failed here 60 s ago (timeout)"));
        assert_eq!(names(&rank(&both, &failed(600_000), &policy())), ["websocket", "sse"]);
    }

    #[test]
    fn policy_and_support_leave_out() {
        let mut p = policy();
        p.denied = vec![(Transport::WebSocket, "not on this network".into())];
        let r = rank(&["websocket".into()], &[], &p);
        assert!(r.transports.is_empty());
        let why: Vec<_> = r.left_out.iter().map(|l| l.reason.as_str()).collect();
        assert_eq!(why, ["policy", "not_supported", "not_offered", "not_offered"]);
    }
}
