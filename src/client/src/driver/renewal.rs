//! A new token before the present one is over, so that the session need not end for it.

use super::{Driver, fault_in, millis};
use crate::backoff::{Backoff, BackoffOptions};
use crate::event::{ClientEvent, State};
use crate::random;
use crosspoint_core::client::Input;
use crosspoint_core::link::BoxFuture;
use crosspoint_core::{Code, Fault, Frame, Retry};
use serde_json::{Value, json};
use std::time::{Duration, SystemTime};

/// So long before its end, or a tenth of its time, and never in quick succession.
const AHEAD: Duration = Duration::from_secs(60);
const WAIT_MIN: Duration = Duration::from_secs(1);
/// Clients that the hub tells at the same time ask for their tokens within a tenth of what is left, and of this time, in ms.
const SPREAD_MAX_MS: u64 = 5_000;
const BACKOFF: BackoffOptions = BackoffOptions { min_ms: 1_000, max_ms: 30_000, factor: 2.0 };

type Asked = BoxFuture<'static, Result<Option<String>, Fault>>;

pub(super) struct Renewal {
    at: u64,
    asked: Option<Asked>,
    /// The hub has said that the token ends, and has no new one yet.
    due: bool,
    /// The id under which it was given a new one.
    given: Option<String>,
    count: u64,
    backoff: Backoff,
}

impl Renewal {
    pub(super) fn new() -> Renewal {
        Renewal {
            at: u64::MAX,
            asked: None,
            due: false,
            given: None,
            count: 0,
            backoff: Backoff::new(BACKOFF),
        }
    }

    /// When [`Driver::renewal_due`] is due; `u64::MAX` for never.
    pub(super) fn deadline(&self) -> u64 {
        self.at
    }

    /// What the provider says, if it was asked.
    pub(super) async fn answer(&mut self) -> Result<Option<String>, Fault> {
        let Some(asked) = &mut self.asked else { return std::future::pending().await };
        let answer = asked.await;
        self.asked = None;
        answer
    }

    /// No link carries the session: the next one brings what token there is.
    pub(super) fn stop(&mut self) {
        (self.at, self.asked) = (u64::MAX, None);
    }
}

impl Driver {
    /// A link carries the session, or there is a new token.
    pub(super) fn renew_in_time(&mut self) {
        self.renewal.stop();
        let tokens = &self.connect.tokens;
        let wait = match tokens.good_for(SystemTime::now()) {
            _ if !tokens.renewable() => return,
            _ if self.renewal.due => WAIT_MIN.mul_f64(random::fraction()),
            None => return,
            // One that is over already says that a clock is wrong: the hub's counts.
            Some(Duration::ZERO) => AHEAD,
            Some(good_for) => WAIT_MIN.max(good_for - AHEAD.min(good_for / 10)),
        };
        self.renewal.at = self.clock.now().saturating_add(millis(wait));
    }

    /// The hub says that the token is over soon.
    pub(super) fn expiring(&mut self, frame: &Frame) {
        let data: Value = frame.parse().unwrap_or_default();
        let expires_in_ms = data["expires_in_ms"].as_u64().unwrap_or(0);
        self.emit(ClientEvent::TokenExpiring { expires_in_ms });
        self.renewal.due = true;
        let under_way = self.renewal.asked.is_some() || self.renewal.given.is_some();
        if !under_way && self.connect.tokens.renewable() {
            let spread = (expires_in_ms / 10).min(SPREAD_MAX_MS);
            let wait = (random::fraction() * spread as f64) as u64;
            self.renewal.at = self.clock.now().saturating_add(wait);
        }
    }

    pub(super) fn renewal_due(&mut self, now: u64) {
        if self.renewal.at <= now {
            self.renewal.at = u64::MAX;
            self.renewal.asked = Some(self.connect.tokens.renew(self.shared.options.connect_timeout));
        }
    }

    pub(super) fn renewed(&mut self, answer: Result<Option<String>, Fault>) {
        match answer {
            Ok(Some(token)) if self.connect.tokens.known() != Some(token.as_str()) => {
                self.renewal.count += 1;
                let id = format!("hub~renewal{}", self.renewal.count);
                let frame = Frame::with("hub:refresh", &json!({"token": token})).id(id.clone());
                self.connect.tokens.set(Some(token));
                self.renewal.given = Some(id);
                let _ = self.input(Input::Send { frame });
            }
            Ok(_) => self.renew_later(&Fault::new(Code::Unavailable, "the provider has no new token")),
            Err(fault) => self.renew_later(&fault),
        }
        self.settle();
    }

    /// Whether a frame answers the token that the hub was given.
    pub(super) fn refreshed(&mut self, frame: &Frame) -> bool {
        if frame.id.is_none() || frame.id != self.renewal.given {
            return false;
        }
        self.renewal.given = None;
        if frame.kind == "hub:error" {
            let fault = fault_in(frame);
            if fault.retry == Retry::Refresh {
                self.connect.tokens.refused();
            }
            self.renew_later(&fault);
        } else {
            self.connect.tokens.accepted();
            self.token_taken();
        }
        true
    }

    /// The hub has a new one.
    pub(super) fn token_taken(&mut self) {
        self.renewal.due = false;
        self.renewal.backoff.reset();
        self.renew_in_time();
    }

    /// If no new one can be had, the hub says when the present one is over, and all begins anew.
    fn renew_later(&mut self, fault: &Fault) {
        self.renewal.stop();
        if self.connect.tokens.renewable() && self.status.borrow().state == State::Connected {
            let wait = self.renewal.backoff.next(fault.retry_after_ms, random::fraction());
            self.renewal.at = self.clock.now().saturating_add(wait);
        }
    }
}
