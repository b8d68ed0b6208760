//! How a client gets its link, and gets it back: negotiation, race, fallback, and waits between attempts.

use super::Driver;
use super::detour::QUICK_MS;
use super::millis;
use super::racing::Racing;
use crate::backoff::Backoff;
use crate::event::State;
use crate::negotiate::{Ask, Negotiated, negotiate};
use crate::options::Options;
use crate::plan::{self, Candidate, Memory};
use crate::random;
use crate::token::Tokens;
use crate::transport::Transport;
use crosspoint_core::client::LinkId;
use crosspoint_core::link::BoxFuture;
use crosspoint_core::{Code, Fault, Retry};
use serde_json::{Value, json};

/// What a hub offers may have changed after this time: WebTransport's certificates do, ms.
const OFFERS_MS: u64 = 86_400_000;
/// A link that died younger than this did not really work, ms.
const STABLE_MS: u64 = 500;

/// What an attempt finds out before its race.
pub(super) struct Prepared {
    token: Option<String>,
    negotiated: Option<Negotiated>,
}

/// The link that carries the session.
pub(super) struct Current {
    pub(super) id: LinkId,
    pub(super) transport: Transport,
    pub(super) at: u64,
}

pub(super) struct Connect {
    pub(super) tokens: Tokens,
    pub(super) allowed: Vec<Transport>,
    /// What the hub offers, in its order.
    pub(super) candidates: Vec<Candidate>,
    pub(super) current: Option<Current>,
    pub(super) racing: Option<Racing>,
    /// The negotiation under way.
    pub(super) attempt: Option<BoxFuture<'static, Result<Prepared, Fault>>>,
    pub(super) negotiated: Option<Negotiated>,
    pub(super) ticket_until: u64,
    negotiated_at: u64,
    /// The last hello came with a ticket.
    pub(super) by_ticket: bool,
    pub(super) memory: Memory,
    backoff: Backoff,
    retry_at: u64,
    pub(super) last: Option<Transport>,
    /// The next failure that allows it is followed by an attempt at once.
    quick: bool,
    /// Attempts that failed in a row.
    pub(super) failures: u32,
}

/// The result of the attempt that is under way, if one is.
pub(super) async fn prepared(
    attempt: &mut Option<BoxFuture<'static, Result<Prepared, Fault>>>,
) -> Result<Prepared, Fault> {
    let Some(running) = attempt else { return std::future::pending().await };
    let done = running.await;
    *attempt = None;
    done
}

impl Connect {
    pub(super) fn new(options: &Options) -> Connect {
        Connect {
            tokens: Tokens::new(options.token.clone()),
            allowed: options.transports.clone(),
            candidates: vec![],
            current: None,
            racing: None,
            attempt: None,
            negotiated: None,
            ticket_until: 0,
            negotiated_at: 0,
            by_ticket: false,
            memory: Memory::default(),
            backoff: Backoff::new(options.backoff),
            retry_at: u64::MAX,
            last: None,
            quick: true,
            failures: 0,
        }
    }

    /// When [`Driver::connect_due`] is due; `u64::MAX` for never.
    pub(super) fn deadline(&self) -> u64 {
        self.racing.as_ref().map_or(u64::MAX, |r| r.race.deadline()).min(self.retry_at)
    }

    /// No attempt is made until the next failure.
    pub(super) fn pause(&mut self) {
        (self.attempt, self.retry_at) = (None, u64::MAX);
    }

    /// What is known of the hub is of another one now.
    pub(super) fn forget_hub(&mut self) {
        (self.negotiated, self.ticket_until) = (None, 0);
        self.candidates.clear();
    }

    pub(super) fn stop(&mut self) {
        self.pause();
        (self.racing, self.current) = (None, None);
    }
}

impl Driver {
    /// How long an attempt's parts may take.
    pub(super) fn connect_ms(&self) -> u64 {
        millis(self.shared.options.connect_timeout)
    }

    /// Begins an attempt, unless there is a link or one is being looked for.
    pub(super) fn look_for_link(&mut self) {
        let c = &mut self.connect;
        if c.current.is_some() || c.attempt.is_some() || c.racing.is_some() {
            return;
        }
        (c.retry_at, c.by_ticket) = (u64::MAX, false);
        self.reporting.begins(self.clock.now());
        let options = &self.shared.options;
        let token = c.tokens.get(options.connect_timeout);
        // A running session needs no ticket; after failures the hub may know better ways.
        let fresh = self.clock.now().saturating_sub(c.negotiated_at) < OFFERS_MS;
        let knows = self.machine.session().is_some() && c.negotiated.is_some() && fresh && c.failures <= 1;
        if !options.negotiate || knows {
            c.attempt = Some(Box::pin(async { Ok(Prepared { token: token.await?, negotiated: None }) }));
            return;
        }
        let mut ask = Ask {
            base: self.base.clone(),
            tls: self.tls.clone(),
            token: None,
            // The negotiation is told what this client can do, whatever is allowed at the moment.
            transports: Transport::ALL.to_vec(),
            failed: c.memory.report(self.clock.now()),
            user: options.user.clone(),
            info: options.info.clone(),
            client: agent(&options.name),
            within: options.connect_timeout,
        };
        c.attempt = Some(Box::pin(async move {
            ask.token = token.await?;
            Ok(Prepared { token: ask.token.clone(), negotiated: Some(negotiate(ask).await?) })
        }));
    }

    pub(super) fn prepared(&mut self, prepared: Result<Prepared, Fault>) {
        let now = self.clock.now();
        let known = self.machine.session().is_some() && self.connect.negotiated.is_some();
        match prepared {
            Ok(Prepared { token, negotiated }) => {
                if token.is_some() {
                    self.connect.tokens.set(token);
                }
                if let Err(fault) = self.take_offers(now, negotiated) {
                    return self.attempt_failed(fault);
                }
            }
            // The hub doesn't answer there, but perhaps where it did before.
            Err(fault) if known && fault.retry == Retry::Backoff && !says_when_or_where(&fault) => {}
            Err(fault) => return self.failed_and_settle(fault),
        }
        let list = self.plan(&Transport::ALL, now);
        let cause = if self.machine.session().is_some() { "lost" } else { "connect" };
        self.start_race(list, cause, false, None);
        self.settle();
    }

    fn take_offers(&mut self, now: u64, negotiated: Option<Negotiated>) -> Result<(), Fault> {
        let deadline_ms = self.connect_ms();
        let c = &mut self.connect;
        if let Some(negotiated) = negotiated {
            c.candidates = plan::candidates(&self.base, &negotiated.transports, deadline_ms)?;
            c.ticket_until = now.saturating_add(negotiated.ticket_ms);
            c.negotiated_at = now;
            let limits = negotiated.limits.clone();
            c.negotiated = Some(negotiated);
            self.set_limits(limits.frame_bytes_max, limits.post_bytes_max);
        } else if c.negotiated.is_none() {
            c.candidates = plan::usual(&self.base, &c.allowed, deadline_ms)?;
        }
        Ok(())
    }

    /// The candidates among these, in the order to try.
    pub(super) fn plan(&self, among: &[Transport], now: u64) -> Vec<Candidate> {
        let c = &self.connect;
        let ways: Vec<_> = c.allowed.iter().copied().filter(|t| among.contains(t)).collect();
        let took_ms = c.negotiated.as_ref().map_or(0, |n| n.took_ms);
        plan::arrange(&c.candidates, &ways, &c.memory, c.last, took_ms, now)
    }

    pub(super) fn connect_due(&mut self, now: u64) {
        if let Some(racing) = &mut self.connect.racing {
            racing.race.tick(now);
        }
        if self.connect.retry_at <= now {
            self.look_for_link();
        }
    }

    /// A link is over. `said`: the hub closed it, and said why.
    pub(super) fn gone(&mut self, id: LinkId, fault: Fault, said: bool) {
        let now = self.clock.now();
        if let Some(racing) = &mut self.connect.racing
            && let Some(runner) = racing.runner(id)
        {
            return racing.race.lost(now, runner, fault);
        }
        let overtaken = fault.code == Code::Replaced && !said;
        let Some(current) = self.connect.current.take_if(|c| c.id == id && !overtaken) else { return };
        self.shared.bulk.home.send_modify(|home| home.by = None);
        let c = &mut self.connect;
        let lived_ms = now.saturating_sub(current.at);
        self.moving.lost(lived_ms);
        self.renewal.stop();
        if lived_ms >= STABLE_MS {
            c.backoff.reset();
            c.quick = true;
        }
        if fault.code == Code::HeartbeatTimeout {
            c.memory.failed(current.transport, fault.code.name(), now);
        }
        self.disconnected(&fault);
        if self.connect.racing.as_ref().is_some_and(|r| r.cause == "up") {
            // It would be waited for while other ways are known to work.
            self.stop_race(fault.clone());
        }
        if self.connect.racing.is_none() && self.ended.is_none() {
            // The session outlives its link; `replaced` can only come of a hello of ours that was overtaken.
            let retry = if said && fault.code != Code::Replaced { fault.retry } else { Retry::Now };
            self.failed(Fault { retry, ..fault });
        }
    }

    fn disconnected(&self, fault: &Fault) {
        let state = match self.machine.session() {
            Some(_) => State::Reconnecting,
            None => State::Connecting,
        };
        self.set_state(state, Some(fault.clone()), |s| s.transport = None);
    }

    fn failed_and_settle(&mut self, fault: Fault) {
        self.attempt_failed(fault);
        self.settle();
    }

    /// An attempt to get a link failed.
    pub(super) fn attempt_failed(&mut self, mut fault: Fault) {
        self.missed();
        if fault.code == Code::Unauthorized && std::mem::take(&mut self.connect.by_ticket) {
            // The ticket's hub was restarted, or its time was over on the way: that says nothing about who comes with it.
            self.connect.forget_hub();
            fault.retry = Retry::Backoff;
        }
        self.failed(fault);
    }

    /// An attempt failed, or the link was lost: when and where to try again, if ever.
    pub(super) fn failed(&mut self, fault: Fault) {
        let now = self.clock.now();
        self.reporting.over();
        let sent_on = self.follow(&fault);
        let c = &mut self.connect;
        c.failures = c.failures.saturating_add(1);
        let over = match fault.retry {
            Retry::Never => true,
            Retry::Refresh => !c.tokens.refused(),
            Retry::Now | Retry::Backoff => false,
        };
        if over {
            return self.end(signed_out(fault));
        }
        let may = fault.retry != Retry::Backoff;
        let at_once = sent_on || (may && c.quick);
        c.quick &= !may;
        let wait = match fault.retry_after_ms {
            // Many lose their links at the same time; they don't come back at the same time.
            None if at_once => (random::fraction() * QUICK_MS) as u64,
            after => c.backoff.next(after, random::fraction()),
        };
        c.retry_at = now.saturating_add(wait);
        self.disconnected(&fault);
    }
}

/// No token that this client can have lets it in (any more).
fn signed_out(fault: Fault) -> Fault {
    if fault.retry != Retry::Refresh || fault.code == Code::Unauthorized {
        return fault;
    }
    Fault::new(Code::Unauthorized, format!("{} ({})", Code::Unauthorized.message(), fault.code))
}

fn says_when_or_where(fault: &Fault) -> bool {
    fault.retry_after_ms.is_some() || fault.address.is_some()
}

/// What the hub's logs and metrics call this client.
pub(crate) fn agent(name: &str) -> Value {
    json!({"name": name, "version": env!("CARGO_PKG_VERSION")})
}
