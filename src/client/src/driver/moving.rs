//! Changes of link that no loss forces: by the application, by the hub, and up to a better transport.

use super::Driver;
use super::command::Done;
use crate::plan::Candidate;
use crate::random;
use crate::transport::Transport;
use crosspoint_core::{Code, Fault};

/// The first look for something better comes about so long after a link was found; each further one twice as late, ms.
const LOOK_MIN_MS: u64 = 5_000;
const LOOK_MAX_MS: u64 = 300_000;
/// Clients that a hub asks to move spread over this time, or half of what the hub gives them, ms.
const ASKED_SPREAD_MS: u64 = 5_000;
/// A link that held for so long shows that the network is a steady one, ms.
const STEADY_MS: u64 = 60_000;

pub(super) struct Moving {
    /// The application chose: no looking for better transports until the link is lost.
    pinned: bool,
    looks: u32,
    look_at: u64,
    asked_at: u64,
    asked_to: Option<String>,
}

impl Moving {
    pub(super) fn new() -> Moving {
        Moving { pinned: false, looks: 0, look_at: u64::MAX, asked_at: u64::MAX, asked_to: None }
    }

    /// When [`Driver::moving_due`] is due; `u64::MAX` for never.
    pub(super) fn deadline(&self) -> u64 {
        self.look_at.min(self.asked_at)
    }

    /// No link carries the session any more; the last one did for so long.
    pub(super) fn lost(&mut self, lived_ms: u64) {
        if lived_ms >= STEADY_MS {
            self.looks = 0;
        }
        *self = Moving { looks: self.looks, ..Moving::new() };
    }
}

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

    /// The hub asks for another link.
    pub(super) fn asked_to_move(&mut self, to: Option<String>, within_ms: u64) {
        let wait = random::fraction() * ASKED_SPREAD_MS.min(within_ms / 2) as f64;
        self.moving.asked_at = self.clock.now().saturating_add(wait as u64);
        self.moving.asked_to = to;
    }

    pub(super) fn moving_due(&mut self, now: u64) {
        if self.moving.asked_at <= now {
            self.moving.asked_at = u64::MAX;
            let to = self.moving.asked_to.take();
            self.move_as_asked(to.as_deref());
        }
        if self.moving.look_at <= now {
            self.moving.look_at = u64::MAX;
            let better = self.better();
            if self.connect.racing.is_none() && !better.is_empty() {
                self.moving.looks = self.moving.looks.saturating_add(1);
                self.start_race(better, "up", true, None);
            }
        }
    }

    fn move_as_asked(&mut self, to: Option<&str>) {
        if self.connect.racing.is_some() || self.connect.current.is_none() {
            return;
        }
        let of_family = |t: &Transport| to.is_none_or(|name| t.family().name() == name || t.name() == name);
        let ways: Vec<_> = Transport::ALL.into_iter().filter(of_family).collect();
        let possible = self.connect.candidates.iter().any(|c| ways.contains(&c.transport));
        self.move_among(if possible { &ways } else { &Transport::ALL }, "asked", None);
    }

    /// A link carries the session; `chosen` by the application, or got for this cause.
    pub(super) fn settled(&mut self, cause: &str, chosen: bool) {
        self.moving.pinned = chosen || (self.moving.pinned && cause == "asked");
        self.moving.asked_at = u64::MAX;
        self.look();
    }

    /// Sets the time of the next look for a better transport.
    pub(super) fn look(&mut self) {
        self.moving.look_at = u64::MAX;
        if !self.shared.options.auto_upgrade || self.moving.pinned || self.better().is_empty() {
            return;
        }
        let wait = LOOK_MIN_MS.saturating_mul(1 << self.moving.looks.min(16)).min(LOOK_MAX_MS) as f64;
        let jittered = wait * (0.5 + random::fraction());
        self.moving.look_at = self.clock.now().saturating_add(jittered as u64);
    }

    /// What stands before the present transport in the hub's order.
    fn better(&self) -> Vec<Candidate> {
        let c = &self.connect;
        let Some(current) = &c.current else { return vec![] };
        let usable = c.candidates.iter().filter(|way| c.allowed.contains(&way.transport));
        let before = usable.take_while(|way| way.transport != current.transport);
        // Others have failed once and may do; an upgrade that died would do so again.
        let now = self.clock.now();
        let before = before.filter(|way| !way.upgrade || !c.memory.is_suspect(way.transport, now));
        before.map(|way| Candidate { head_start_ms: 0, ..way.clone() }).collect()
    }
}
