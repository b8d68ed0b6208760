//! Moves: another link is raced for while the present one goes on.

use super::Driver;
use super::command::Done;
use crate::transport::Transport;
use crosspoint_core::{Code, Fault};

impl Driver {
    /// Races for a link by one of these; `done` is told how it ended.
    pub(super) fn move_among(&mut self, to: &[Transport], cause: &'static str, done: Option<Done<()>>) {
        self.stop_race(Fault::new(Code::Replaced, "another move came between"));
        self.connect.pause();
        let now = self.clock.now();
        let candidates = self.plan(to, now);
        // Nothing is entrusted to a path that hasn't shown that it works.
        self.start_race(candidates, cause, true, done);
    }

    pub(super) fn asked_to_move(&mut self, to: Option<&str>) {
        if self.connect.racing.is_some() || self.connect.current.is_none() {
            return;
        }
        let of_family = |t: &Transport| to.is_none_or(|name| t.family().name() == name || t.name() == name);
        let ways: Vec<_> = Transport::ALL.into_iter().filter(of_family).collect();
        let possible = self.connect.candidates.iter().any(|c| ways.contains(&c.transport));
        self.move_among(if possible { &ways } else { &Transport::ALL }, "asked", None);
    }
}
