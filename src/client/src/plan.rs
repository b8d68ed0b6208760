//! Which ways to try, in which order.

use crate::net::{Address, Base};
use crate::transport::Transport;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use crosspoint_core::Fault;
use crosspoint_core::negotiate::{Choice, Failed};
use std::collections::BTreeMap;

/// How long a stream has to deliver its first bytes before a poll is tried beside it, at least and at most.
const POLL_MS: (u64, u64) = (250, 1_000);
/// Where the hub says nothing.
const HEAD_START_MS: u64 = 300;
const HEAD_START_MIN_MS: u64 = 200;
/// A WebSocket's connection, upgrade and hello take a few round trips more than the negotiation.
const FAIR_TIMES: u64 = 3;
const FAIR_MAX_MS: u64 = 2_000;
/// How long a failure speaks against a transport.
const FAILED_MS: u64 = 600_000;

/// One way to the hub.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Candidate {
    pub(crate) transport: Transport,
    pub(crate) address: Address,
    /// SHA-256 of certificates that are trusted there; none: as the system says.
    pub(crate) certificate_hashes: Vec<[u8; 32]>,
    /// Not a way in: it is moved up to.
    pub(crate) upgrade: bool,
    /// How long after the start of the one before it this one starts, if nothing has won yet.
    pub(crate) head_start_ms: u64,
    pub(crate) deadline_ms: u64,
}

/// All ways that these offers open, in the hub's order. Transports that this client doesn't know are left out.
pub(crate) fn candidates(
    base: &Base,
    offers: &[Choice],
    deadline_max_ms: u64,
) -> Result<Vec<Candidate>, Fault> {
    let mut all = vec![];
    let mut before = 0;
    for offer in offers {
        let ways: &[_] = match offer.name.as_str() {
            "websocket" => &[Transport::WebSocket],
            "webtransport" => &[Transport::WebTransport],
            "sse" => &[Transport::Sse, Transport::SsePoll],
            _ => continue,
        };
        let head_start_ms = match offer.head_start_ms.saturating_sub(before) {
            0 => HEAD_START_MS,
            gap => gap,
        };
        before = offer.head_start_ms;
        for transport in ways {
            all.push(Candidate {
                transport: *transport,
                address: base.endpoint(&offer.url)?,
                certificate_hashes: offer.certificate_hashes.iter().filter_map(|h| hash(h)).collect(),
                upgrade: offer.upgrade,
                head_start_ms,
                deadline_ms: offer.deadline_ms.min(deadline_max_ms),
            });
        }
    }
    Ok(all)
}

fn hash(base64: &str) -> Option<[u8; 32]> {
    STANDARD.decode(base64).ok()?.try_into().ok()
}

/// The same without having asked the hub: the usual addresses, in this order. WebTransport needs TLS, and UDP at the same port.
pub(crate) fn usual(base: &Base, order: &[Transport], deadline_ms: u64) -> Result<Vec<Candidate>, Fault> {
    let one = |transport: &Transport| {
        let address = base.endpoint(match transport {
            Transport::WebSocket => "/ws",
            Transport::Sse | Transport::SsePoll => "/sse",
            Transport::WebTransport => "/webtransport",
        })?;
        let upgrade = *transport == Transport::WebTransport;
        let certificate_hashes = vec![];
        Ok(Candidate {
            transport: *transport,
            address,
            certificate_hashes,
            upgrade,
            head_start_ms: HEAD_START_MS,
            deadline_ms,
        })
    };
    let all = order.iter().map(one).collect::<Result<Vec<_>, Fault>>()?;
    Ok(all.into_iter().filter(|c| c.address.tls || !c.upgrade).collect())
}

/// What failed on this network lately, and what it means for the order.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    failures: BTreeMap<Transport, (String, u64)>,
}

impl Memory {
    pub(crate) fn failed(&mut self, transport: Transport, code: &str, now: u64) {
        self.failures.insert(transport, (code.into(), now));
    }

    pub(crate) fn worked(&mut self, transport: Transport) {
        self.failures.remove(&transport);
    }

    pub(crate) fn is_suspect(&self, transport: Transport, now: u64) -> bool {
        self.failures.get(&transport).is_some_and(|(_, at)| now.saturating_sub(*at) < FAILED_MS)
    }

    /// For the negotiation, which knows no polls: a stream that fails says nothing of SSE as a whole.
    pub(crate) fn report(&self, now: u64) -> Vec<Failed> {
        let websocket = self.failures.get(&Transport::WebSocket);
        let fresh = websocket.filter(|_| self.is_suspect(Transport::WebSocket, now));
        let told = fresh.map(|(code, at)| Failed {
            transport: Transport::WebSocket.name().into(),
            code: code.clone(),
            age_ms: now.saturating_sub(*at),
        });
        told.into_iter().collect()
    }
}

/// The order of a race: what worked last first, upgrades last, and after them what failed lately. The waits follow what the negotiation
/// took (`took_ms`), the hub's being the longest.
pub(crate) fn arrange(
    candidates: &[Candidate],
    allowed: &[Transport],
    memory: &Memory,
    last: Option<Transport>,
    took_ms: u64,
    now: u64,
) -> Vec<Candidate> {
    let mut list: Vec<_> = candidates.iter().filter(|c| allowed.contains(&c.transport)).cloned().collect();
    list.sort_by_key(|c| {
        let usual = if c.upgrade { 2 } else { u8::from(Some(c.transport) != last) };
        if memory.is_suspect(c.transport, now) { 3 } else { usual }
    });
    let mut before = None;
    for c in &mut list {
        let poll = c.transport == Transport::SsePoll && before == Some(Transport::Sse);
        c.head_start_ms = match poll {
            true => took_ms.saturating_mul(3).clamp(POLL_MS.0, POLL_MS.1),
            false => c.head_start_ms.min(took_ms.saturating_mul(2).max(HEAD_START_MIN_MS)),
        };
        before = Some(c.transport);
    }
    list
}

/// How long the one that has the hello is left alone by those that have shown that they work: on a slow network nobody is
/// overtaken just for being slow.
pub(crate) fn fair_ms(took_ms: u64) -> u64 {
    took_ms.saturating_mul(FAIR_TIMES).clamp(HEAD_START_MIN_MS, FAIR_MAX_MS)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choice(name: &str, head_start_ms: u64) -> Choice {
        Choice {
            name: name.into(),
            url: format!("/{name}"),
            upgrade: false,
            certificate_hashes: vec![],
            head_start_ms,
            deadline_ms: 3000,
            score: 0,
            reason: String::new(),
        }
    }

    fn offered() -> Vec<Candidate> {
        let base = Base::parse("http://h").unwrap();
        let offers = [choice("websocket", 0), choice("carrier-pigeon", 100), choice("sse", 300)];
        candidates(&base, &offers, 2000).unwrap()
    }

    fn order(list: &[Candidate]) -> Vec<(Transport, u64)> {
        list.iter().map(|c| (c.transport, c.head_start_ms)).collect()
    }

    use Transport::{Sse, SsePoll, WebSocket};

    #[test]
    fn the_hubs_order_counts_and_polls_come_after_their_stream() {
        let list = arrange(&offered(), &Transport::ALL, &Memory::default(), None, 0, 0);
        assert_eq!(order(&list), [(WebSocket, 200), (Sse, 200), (SsePoll, 250)]);
        assert!(list.iter().all(|c| c.deadline_ms == 2000));
        let list = arrange(&offered(), &[SsePoll], &Memory::default(), None, 0, 0);
        assert_eq!(order(&list), [(SsePoll, 200)]);
    }

    #[test]
    fn what_worked_last_goes_first_and_what_failed_last() {
        let mut memory = Memory::default();
        memory.failed(WebSocket, "timeout", 1000);
        let list = arrange(&offered(), &Transport::ALL, &memory, Some(SsePoll), 0, 2000);
        assert_eq!(order(&list), [(SsePoll, 200), (Sse, 200), (WebSocket, 200)]);
        assert_eq!(memory.report(2000)[0].age_ms, 1000);
        assert!(memory.report(1000 + FAILED_MS).is_empty());
        memory.worked(WebSocket);
        assert!(memory.report(2000).is_empty());
    }

    #[test]
    fn an_upgrade_is_no_way_in() {
        let base = Base::parse("http://h").unwrap();
        let certificate_hashes = vec![STANDARD.encode([7; 32]), "short".into()];
        let wt = Choice { upgrade: true, certificate_hashes, ..choice("webtransport", 0) };
        let offers = [Choice { url: "https://h:9/wt".into(), ..wt }, choice("websocket", 0)];
        let all = candidates(&base, &offers, 2000).unwrap();
        assert_eq!((&all[0].certificate_hashes, all[0].address.port), (&vec![[7; 32]], 9));
        let last = Some(Transport::WebTransport);
        let list = arrange(&all, &Transport::ALL, &Memory::default(), last, 0, 0);
        assert_eq!(order(&list), [(WebSocket, 200), (Transport::WebTransport, 200)]);
        let usual = |url: &str| usual(&Base::parse(url).unwrap(), &Transport::ALL, 1).unwrap().len();
        assert_eq!((usual("http://h"), usual("https://h")), (3, 4));
    }

    #[test]
    fn slow_networks_get_longer_head_starts_within_the_hubs() {
        for (took_ms, sse, poll, fair) in [(10, 200, 250, 200), (120, 240, 360, 360), (900, 300, 1000, 2000)]
        {
            let list = arrange(&offered(), &Transport::ALL, &Memory::default(), None, took_ms, 0);
            assert_eq!(order(&list)[1..], [(Sse, sse), (SsePoll, poll)]);
            assert_eq!(fair_ms(took_ms), fair);
        }
    }
}
