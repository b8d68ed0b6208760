//! A new token before the present one is over, so that the session need not end for it.

use super::{Driver, millis};
use crosspoint_core::client::Input;
use crosspoint_core::link::BoxFuture;
use crosspoint_core::{Fault, Frame};
use serde_json::json;
use std::time::{Duration, SystemTime};

/// So long before its end, or a tenth of its time, and never in quick succession.
const AHEAD: Duration = Duration::from_secs(60);
const WAIT_MIN: Duration = Duration::from_secs(1);

type Asked = BoxFuture<'static, Result<Option<String>, Fault>>;

pub(super) struct Renewal {
    at: u64,
    asked: Option<Asked>,
}

impl Renewal {
    pub(super) fn new() -> Renewal {
        Renewal { at: u64::MAX, asked: None }
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
        *self = Renewal::new();
    }
}

impl Driver {
    /// A link carries the session, or there is a new token.
    pub(super) fn renew_in_time(&mut self) {
        self.renewal.stop();
        let Some(good_for) = self.connect.tokens.good_for(SystemTime::now()) else { return };
        // One that is over already says that a clock is wrong: the hub's counts.
        let wait = if good_for.is_zero() { AHEAD } else { WAIT_MIN.max(good_for - AHEAD.min(good_for / 10)) };
        self.renewal.at = self.clock.now().saturating_add(millis(wait));
    }

    pub(super) fn renewal_due(&mut self, now: u64) {
        if self.renewal.at <= now {
            self.renewal.at = u64::MAX;
            self.renewal.asked = Some(self.connect.tokens.renew(self.shared.options.connect_timeout));
        }
    }

    /// If no new one can be had, the hub says when the present one is over, and all begins anew.
    pub(super) fn renewed(&mut self, answer: Result<Option<String>, Fault>) {
        if let Ok(Some(token)) = answer {
            let frame = Frame::with("hub:refresh", &json!({"token": token}));
            self.connect.tokens.set(Some(token));
            let _ = self.input(Input::Send { frame });
        }
        self.renew_in_time();
        self.settle();
    }
}
