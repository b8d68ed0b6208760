//! Finds the first candidate that carries a hello and its welcome. The best one says hello at once; later ones are opened
//! as probes when their head start is over, and one that has shown that it works gets the hello if nothing was welcomed by
//! then. At any time at most one hello is under way. No I/O: what to do comes out of [`Race::poll`].

use crate::plan::Candidate;
use crosspoint_core::report::AttemptData;
use crosspoint_core::{Code, Fault, Retry};
use std::collections::VecDeque;

/// Who has shown that it works answers the hello in so many times what that took, or in so many ms.
const TRUSTED_TIMES: u64 = 5;
const TRUSTED_MIN_MS: u64 = 1_500;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Waiting,
    Probing,
    Proven,
    Greeted,
    Over,
}

#[derive(Debug)]
struct Runner {
    candidate: Candidate,
    phase: Phase,
    /// When it starts, or is given up; before the one before it has started: never.
    due: u64,
    fault: Option<Fault>,
    /// When its link was opened, and when it was given up for a fault.
    began: Option<u64>,
    failed_at: u64,
    /// It showed by a probe that its path works.
    trusted: bool,
}

/// What to do for the race; numbers are places among the candidates.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Action {
    /// Open its link, as a probe or for a hello that follows.
    Open { runner: usize, probe: bool },
    /// Say hello on its link.
    Hello { runner: usize },
    /// Close its link; no frame of it counts any more.
    Drop { runner: usize },
    /// Nobody is left, or the hub said no. The last action.
    Failed(Fault),
}

#[derive(Debug)]
pub(crate) struct Race {
    runners: Vec<Runner>,
    greeted: Option<usize>,
    /// How long who has the hello is left alone, ms, and until when that is.
    fair_ms: u64,
    fair_at: u64,
    over: bool,
    /// Everybody must show by a probe that they work before they get the hello.
    cautious: bool,
    out: VecDeque<Action>,
}

impl Race {
    /// `fair_ms`: how long the first is left alone by others that have shown that they work.
    pub(crate) fn new(now: u64, candidates: Vec<Candidate>, cautious: bool, fair_ms: u64) -> Race {
        let runner = |candidate: Candidate| Runner {
            due: u64::MAX,
            candidate,
            phase: Phase::Waiting,
            fault: None,
            began: None,
            failed_at: 0,
            trusted: false,
        };
        let runners: Vec<_> = candidates.into_iter().map(runner).collect();
        let (greeted, out) = (None, VecDeque::new());
        let mut race = Race { runners, greeted, fair_ms, fair_at: u64::MAX, over: false, cautious, out };
        if race.runners.is_empty() {
            race.finish(Fault::new(Code::Unavailable, "no transport is both allowed and offered"));
        } else {
            race.begin(now, 0);
        }
        race
    }

    pub(crate) fn poll(&mut self) -> Option<Action> {
        self.out.pop_front()
    }

    pub(crate) fn candidate(&self, runner: usize) -> &Candidate {
        &self.runners[runner].candidate
    }

    /// Who failed so far, and how.
    pub(crate) fn failures(&self) -> impl Iterator<Item = (&Candidate, &Fault)> {
        self.runners.iter().filter_map(|r| r.fault.as_ref().map(|f| (&r.candidate, f)))
    }

    /// What was tried and how it ended so far, for the hub's counters; the one that is left has won.
    pub(crate) fn attempts(&self, now: u64) -> impl Iterator<Item = AttemptData<'static>> {
        self.runners.iter().filter_map(move |r| {
            let began = r.began?;
            let (outcome, ended) = match (&r.fault, r.phase) {
                (Some(fault), _) => (fault.code.name(), r.failed_at),
                (None, Phase::Over) => ("overtaken", now),
                (None, _) => ("won", now),
            };
            let ms = Some(ended.saturating_sub(began));
            Some(AttemptData { transport: r.candidate.transport.name().into(), outcome: outcome.into(), ms })
        })
    }

    /// The runner's path carries both directions.
    pub(crate) fn proven(&mut self, now: u64, runner: usize) {
        let r = &mut self.runners[runner];
        if self.over || r.phase != Phase::Probing {
            return;
        }
        r.phase = Phase::Proven;
        r.trusted = true;
        match self.greeted {
            None => self.greet(now, runner),
            Some(greeted) if self.runners[greeted].trusted => {}
            Some(greeted) => {
                let began = self.runners[greeted].began.unwrap_or(now);
                self.fair_at = began.saturating_add(self.fair_ms);
                self.overtake(now);
            }
        }
    }

    /// Those that have shown that they work wait no longer for who has the hello and hasn't.
    fn overtake(&mut self, now: u64) {
        if now < self.fair_at {
            return;
        }
        self.fair_at = u64::MAX;
        let waits = self.runners.iter().any(|r| r.phase == Phase::Proven);
        if let Some(greeted) = self.greeted.filter(|g| waits && !self.runners[*g].trusted) {
            self.give_up(now, greeted, Fault::new(Code::Timeout, "another transport was quicker"));
            self.next(now);
        }
    }

    /// The runner's link is gone.
    pub(crate) fn lost(&mut self, now: u64, runner: usize, fault: Fault) {
        if self.over || self.runners[runner].phase == Phase::Over {
            return;
        }
        let was_greeted = self.greeted == Some(runner);
        let everywhere = matches!(fault.retry, Retry::Never | Retry::Refresh);
        let elsewhere = fault.retry_after_ms.is_some() || fault.address.is_some();
        self.give_up(now, runner, fault.clone());
        if was_greeted && (everywhere || elsewhere) {
            // A hello that was understood and refused would be refused by any way.
            self.finish(fault);
        } else {
            self.next(now);
        }
    }

    /// The runner's hello was welcomed: it keeps its link, all others are closed.
    pub(crate) fn won(&mut self, runner: usize) {
        self.stop(Some(runner));
    }

    /// Gives all up without a word.
    pub(crate) fn stop(&mut self, keep: Option<usize>) {
        self.over = true;
        for runner in 0..self.runners.len() {
            if Some(runner) != keep && self.runners[runner].phase != Phase::Over {
                self.close(runner);
            }
        }
    }

    pub(crate) fn tick(&mut self, now: u64) {
        if !self.over {
            self.overtake(now);
        }
        for runner in 0..self.runners.len() {
            let r = &self.runners[runner];
            if self.over || r.due > now {
                continue;
            }
            match r.phase {
                Phase::Waiting if self.leads_surely() => self.runners[runner].due = u64::MAX,
                Phase::Waiting => self.probe(now, runner),
                Phase::Probing | Phase::Proven | Phase::Greeted => {
                    let Candidate { transport, deadline_ms, .. } = &r.candidate;
                    let text = format!("{transport} did not answer within {deadline_ms} ms");
                    self.lost(now, runner, Fault::new(Code::Timeout, text));
                }
                Phase::Over => {}
            }
        }
    }

    /// When [`Race::tick`] is due; `u64::MAX` for never.
    pub(crate) fn deadline(&self) -> u64 {
        let running = self.runners.iter().filter(|r| !self.over && r.phase != Phase::Over);
        let fair_at = if self.over { u64::MAX } else { self.fair_at };
        running.map(|r| r.due).min().unwrap_or(u64::MAX).min(fair_at)
    }

    fn leads_surely(&self) -> bool {
        self.greeted.is_some_and(|g| self.runners[g].trusted)
    }

    fn begin(&mut self, now: u64, runner: usize) {
        if self.cautious { self.probe(now, runner) } else { self.greet(now, runner) }
    }

    fn next(&mut self, now: u64) {
        if self.over || self.greeted.is_some() {
            return;
        }
        let first = |phase| self.runners.iter().position(|r| r.phase == phase);
        match (first(Phase::Proven), first(Phase::Probing), first(Phase::Waiting)) {
            (Some(proven), _, _) => self.greet(now, proven),
            (None, Some(_), _) => {}
            (None, None, Some(waiting)) => self.begin(now, waiting),
            (None, None, None) => {
                // Who says when to come back is heard, else the first.
                let mut faults = self.runners.iter().filter_map(|r| r.fault.as_ref());
                let first = self.runners.first().and_then(|r| r.fault.as_ref());
                let fault = faults.find(|f| f.retry_after_ms.is_some()).or(first).cloned();
                self.finish(fault.unwrap_or_else(|| Code::Unavailable.into()));
            }
        }
    }

    fn probe(&mut self, now: u64, runner: usize) {
        self.enter(now, runner, Phase::Probing);
        self.out.push_back(Action::Open { runner, probe: true });
    }

    fn greet(&mut self, now: u64, runner: usize) {
        let fresh = self.runners[runner].phase == Phase::Waiting;
        self.enter(now, runner, Phase::Greeted);
        self.greeted = Some(runner);
        if fresh {
            self.out.push_back(Action::Open { runner, probe: false });
        }
        self.out.push_back(Action::Hello { runner });
    }

    fn enter(&mut self, now: u64, runner: usize, phase: Phase) {
        let r = &mut self.runners[runner];
        r.phase = phase;
        let fresh = r.began.is_none();
        let began = *r.began.get_or_insert(now);
        let shown = TRUSTED_MIN_MS.max(TRUSTED_TIMES * (now - began));
        let deadline_ms = r.candidate.deadline_ms;
        r.due = now.saturating_add(if r.trusted { deadline_ms.min(shown) } else { deadline_ms });
        if fresh
            && let Some(next) = self.runners.get_mut(runner + 1)
            && next.phase == Phase::Waiting
        {
            next.due = now.saturating_add(next.candidate.head_start_ms);
        }
    }

    fn give_up(&mut self, now: u64, runner: usize, fault: Fault) {
        self.runners[runner].fault = Some(fault);
        self.runners[runner].failed_at = now;
        self.close(runner);
    }

    fn close(&mut self, runner: usize) {
        let phase = std::mem::replace(&mut self.runners[runner].phase, Phase::Over);
        self.greeted.take_if(|g| *g == runner);
        if phase != Phase::Waiting {
            self.out.push_back(Action::Drop { runner });
        }
    }

    fn finish(&mut self, fault: Fault) {
        self.stop(None);
        self.out.push_back(Action::Failed(fault));
    }
}

#[cfg(test)]
#[path = "race_tests.rs"]
mod tests;
