//! What the hub is told of how its links came about (`hub:report`).

use super::Driver;
use crate::transport::Transport;
use crosspoint_core::Frame;
use crosspoint_core::client::{Input, LinkId};
use crosspoint_core::report::{ATTEMPTS_MAX, AttemptData, ReportData};

/// The first message is waited for so long after the welcome, ms.
const FIRST_MS: u64 = 5_000;

struct Report {
    link: LinkId,
    began: u64,
    welcomed: u64,
    cause: &'static str,
    from: Option<Transport>,
    attempts: Vec<AttemptData<'static>>,
}

#[derive(Default)]
pub(super) struct Reporting {
    /// The hub asked for reports.
    pub(super) wanted: bool,
    /// When the attempt under way began.
    began: Option<u64>,
    /// What was tried since the last report.
    attempts: Vec<AttemptData<'static>>,
    report: Option<Report>,
}

impl Reporting {
    /// An attempt begins, or one under way comes to its race.
    pub(super) fn begins(&mut self, now: u64) {
        self.began.get_or_insert(now);
    }

    /// It is over without a link.
    pub(super) fn over(&mut self) {
        self.began = None;
    }

    pub(super) fn tried(&mut self, attempts: impl Iterator<Item = AttemptData<'static>>) {
        self.attempts.extend(attempts);
        let old = self.attempts.len().saturating_sub(ATTEMPTS_MAX);
        self.attempts.drain(..old);
    }

    pub(super) fn welcomed(&mut self, now: u64, link: LinkId, cause: &'static str, from: Option<Transport>) {
        let began = self.began.take().unwrap_or(now);
        let attempts = std::mem::take(&mut self.attempts);
        let report = Report { link, began, welcomed: now, cause, from, attempts };
        self.report = self.wanted.then_some(report);
    }

    /// When the report is due, message or not; `u64::MAX` for never.
    pub(super) fn deadline(&self) -> u64 {
        self.report.as_ref().map_or(u64::MAX, |r| r.welcomed.saturating_add(FIRST_MS))
    }
}

impl Driver {
    /// Reports, if it has not been done: the first message came, or none in time.
    pub(super) fn report(&mut self, message: bool) {
        let Some(report) = self.reporting.report.take() else { return };
        if self.machine.link() != Some(report.link) {
            return;
        }
        let since = |at: u64| Some(at.saturating_sub(report.began));
        let data = ReportData {
            attempts: report.attempts,
            connect_ms: since(report.welcomed),
            first_ms: since(self.clock.now()).filter(|_| message),
            cause: Some(report.cause.into()),
            from: report.from.map(|t| t.name().into()),
        };
        // It is not counted and takes no place in the queue.
        let _ = self.input(Input::Send { frame: Frame::with("hub:report", &data) });
    }
}
