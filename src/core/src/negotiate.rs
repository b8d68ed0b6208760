//! Negotiation: which transports to try, in which order, and why. A pure function of what the client says, what the hub offers and what
//! failed before; docs/protocol.md, Negotiation.

use crate::link::Transport;
use serde::{Deserialize, Serialize};

/// One transport that the hub offers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// Which.
    pub transport: Transport,
    /// Its address: a path below the hub's, or a whole URL.
    pub url: String,
    /// SHA-256 of certificates that the client trusts there without an authority (base64); none: as its system says.
    pub certificate_hashes: Vec<String>,
    /// The share of users it is offered to, in percent; the same ones each time.
    pub rollout_percent: u8,
    /// Clients are to prefer it to all others, whatever it costs.
    pub preferred: bool,
}

impl Offer {
    /// An offer to everybody.
    pub fn new(transport: Transport, url: impl Into<String>) -> Offer {
        Offer {
            transport,
            url: url.into(),
            certificate_hashes: vec![],
            rollout_percent: 100,
            preferred: false,
        }
    }

    /// Whether this user is among those it is offered to (FNV-1a of transport and user).
    fn reaches(&self, user: &str) -> bool {
        let bytes = self.transport.name().bytes().chain([0]).chain(user.bytes());
        let hash = bytes
            .fold(0xcbf2_9ce4_8422_2325, |h: u64, b| (h ^ u64::from(b)).wrapping_mul(0x0000_0100_0000_01b3));
        // The low bits of FNV vary least.
        (hash >> 32) % 100 < u64::from(self.rollout_percent)
    }
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
    /// Its address: a path below the hub's, or a whole URL.
    pub url: String,
    /// Not a way in, for the path it needs may be dead: once another transport carries the session, move up to it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub upgrade: bool,
    /// SHA-256 of the certificates to trust there without an authority (base64); none: as the system says.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub certificate_hashes: Vec<String>,
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
    upgrade: bool,
    why: &'static str,
}

fn traits(t: Transport) -> Traits {
    let (score, deadline_ms, upgrade, why) = match t {
        Transport::WebTransport => {
            (90, 3_000, true, "datagrams, and large transfers beside the chat; an upgrade, for it needs UDP")
        }
        Transport::WebSocket => (80, 3_000, false, "full duplex on one connection, lowest cost"),
        Transport::Sse => (50, 4_000, false, "passes where WebSocket does not; uplink by POST"),
        Transport::WebRtc => (
            30,
            8_000,
            true,
            "DataChannels of WebRTC: cost more than all others, so only for who asks for them",
        ),
    };
    Traits { score, deadline_ms, upgrade, why }
}

/// How long a client gives this transport to answer a hello, ms.
pub fn deadline_ms(transport: Transport) -> u64 {
    traits(transport).deadline_ms
}

/// What a recent failure costs: more than any difference between two transports.
const FAILED_PENALTY: i32 = 100;
/// What a preference is worth: as much.
const PREFERRED: i32 = 100;
/// The wait before each further transport is tried beside the first.
const HEAD_START_MS: u64 = 300;

/// Ranks the offers for this user's client, which supports `supported` (names; unknown ones are ignored). Never empty while an offer is supported and not denied: what
/// failed before is tried last, not never.
pub fn rank(user: &str, supported: &[String], failed: &[Failed], policy: &Policy) -> Ranking {
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
        if !offer.reaches(user) {
            let percent = offer.rollout_percent;
            leave("policy", format!("{t} is offered to {percent} % of the users, and not to this one"));
            continue;
        }
        let Traits { mut score, deadline_ms, upgrade, why } = traits(t);
        if offer.preferred {
            score += PREFERRED;
        }
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
            upgrade,
            certificate_hashes: offer.certificate_hashes.clone(),
            head_start_ms: 0,
            deadline_ms,
            score,
            reason,
        });
    }
    transports.sort_by_key(|c| -c.score);
    for (i, c) in transports.iter_mut().filter(|c| !c.upgrade).enumerate() {
        c.head_start_ms = HEAD_START_MS * i as u64;
    }
    Ranking { transports, left_out }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy() -> Policy {
        Policy {
            offers: vec![Offer::new(Transport::WebSocket, "/ws"), Offer::new(Transport::Sse, "/sse")],
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
        let r = rank("alice", &all, &[], &policy());
        assert_eq!(names(&r), ["websocket", "sse"]);
        assert_eq!((r.transports[0].head_start_ms, r.transports[1].head_start_ms), (0, 300));
        let out: Vec<_> = r.left_out.iter().map(|l| (l.name.as_str(), l.reason.as_str())).collect();
        assert_eq!(out, [("webtransport", "not_offered"), ("webrtc", "not_offered")]);
    }

    #[test]
    fn what_failed_lately_is_tried_last_and_forgotten_in_time() {
        let both = ["sse".to_string(), "websocket".to_string()];
        let failed = |age_ms| [Failed { transport: "websocket".into(), code: "timeout".into(), age_ms }];
        let r = rank("alice", &both, &failed(60_000), &policy());
        assert_eq!(names(&r), ["sse", "websocket"]);
        assert!(r.transports[1].reason.contains("failed here 60 s ago (timeout)"));
        assert_eq!(names(&rank("alice", &both, &failed(600_000), &policy())), ["websocket", "sse"]);
    }

    #[test]
    fn policy_and_support_leave_out() {
        let mut p = policy();
        p.denied = vec![(Transport::WebSocket, "not on this network".into())];
        let r = rank("alice", &["websocket".into()], &[], &p);
        assert!(r.transports.is_empty());
        let why: Vec<_> = r.left_out.iter().map(|l| l.reason.as_str()).collect();
        assert_eq!(why, ["policy", "not_supported", "not_offered", "not_offered"]);
    }

    #[test]
    fn an_upgrade_comes_first_and_takes_nobodys_head_start() {
        let mut p = policy();
        let hashes = vec!["aGFzaA==".to_string()];
        let offer = Offer::new(Transport::WebTransport, "https://h:1/webtransport");
        p.offers.push(Offer { certificate_hashes: hashes.clone(), ..offer });
        let all = ["sse", "websocket", "webtransport"].map(String::from);
        let r = rank("alice", &all, &[], &p);
        assert_eq!(names(&r), ["webtransport", "websocket", "sse"]);
        assert_eq!(r.transports.iter().map(|c| c.head_start_ms).collect::<Vec<_>>(), [0, 0, 300]);
        assert_eq!((r.transports[0].upgrade, &r.transports[0].certificate_hashes), (true, &hashes));
        let websocket = serde_json::to_value(&r.transports[1]).unwrap();
        assert!(websocket.get("upgrade").is_none() && websocket.get("certificate_hashes").is_none());
    }

    #[test]
    fn webrtc_stands_last_unless_it_is_preferred() {
        let mut p = policy();
        p.offers.push(Offer::new(Transport::WebRtc, "/webrtc"));
        let all = ["sse", "websocket", "webrtc"].map(String::from);
        let r = rank("alice", &all, &[], &p);
        assert_eq!(names(&r), ["websocket", "sse", "webrtc"]);
        assert!(r.transports[2].upgrade);
        p.offers[2].preferred = true;
        assert_eq!(names(&rank("alice", &all, &[], &p)), ["webrtc", "websocket", "sse"]);
    }

    #[test]
    fn a_rollout_reaches_its_share_and_always_the_same_users() {
        let offer = |rollout_percent| Offer { rollout_percent, ..Offer::new(Transport::WebTransport, "/") };
        let reached = |percent| (0..10_000).filter(|n| offer(percent).reaches(&format!("user-{n}"))).count();
        assert_eq!((reached(0), reached(100)), (0, 10_000));
        assert!((2_200..2_800).contains(&reached(25)), "{}", reached(25));
        let grows = |n: &i32| offer(25).reaches(&n.to_string()) && !offer(26).reaches(&n.to_string());
        assert!(!(0..10_000).any(|n| grows(&n)), "who was reached stays so when the share grows");
        let mut p = policy();
        p.offers.push(offer(0));
        let r = rank("alice", &["webtransport".into()], &[], &p);
        let left = r.left_out.iter().find(|l| l.name == "webtransport").unwrap();
        assert_eq!((left.reason.as_str(), left.message.contains("0 %")), ("policy", true));
    }
}
