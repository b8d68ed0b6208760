//! Sending everybody away without losing anybody: clients are told to move or where to go, spread over a time, and why they are closed.

use crate::cell::Cell;
use crate::hub::{Hub, random};
use crate::turn;
use crosspoint_core::wire::OutFrame;
use crosspoint_core::{Code, Fault};
use parking_lot::Mutex;
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// Sessions between two pauses, so that their clients don't all come back at once.
const BATCH: usize = 256;
const STEP: Duration = Duration::from_millis(20);
/// The least time over which those who were sent away come back, ms.
const SPREAD_MIN_MS: u64 = 500;
/// The rate that the spread is made for where there is no `connects_per_s`.
const RATE: u64 = 2_000;

/// How a hub sends its clients away.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Drain {
    /// How long it may take.
    pub within: Duration,
    /// Where they are to go: the absolute URL of another hub. `None`: they are asked to find another link themselves, and come back
    /// here in the end.
    pub address: Option<Box<str>>,
    /// Over which time they come back, at random; `None`: as long as so many need at `limits.connects_per_s`.
    pub spread: Option<Duration>,
}

/// What newcomers are told meanwhile.
#[derive(Debug, Clone, Default)]
struct Notice {
    address: Option<Box<str>>,
    spread_ms: u64,
}

#[derive(Default)]
pub(crate) struct Draining {
    on: AtomicBool,
    /// Which of all drains is under way: a later one, or the end of all, stops those before.
    number: AtomicU64,
    notice: Mutex<Notice>,
}

impl Hub {
    /// Whether new clients are taken.
    ///
    /// # Errors
    /// `shutdown`, with when or where to come instead.
    pub fn takes_clients(&self) -> Result<(), Fault> {
        if self.draining.on.load(Ordering::Relaxed) { Err(self.sent_away()) } else { Ok(()) }
    }

    /// Where clients are sent, if they are.
    pub fn drains_to(&self) -> Option<Box<str>> {
        self.draining.notice.lock().address.clone().filter(|_| self.draining.on.load(Ordering::Relaxed))
    }

    /// Takes clients again. A drain under way stops.
    pub fn end_drain(&self) {
        self.draining.number.fetch_add(1, Ordering::Relaxed);
        self.draining.on.store(false, Ordering::Relaxed);
    }

    fn sent_away(&self) -> Fault {
        let notice = self.draining.notice.lock().clone();
        let fault = Fault::from(Code::Shutdown);
        match notice.address {
            Some(_) => Fault { address: notice.address, ..fault },
            None => {
                let part = u64::from_le_bytes(random::<8>()) % notice.spread_ms.max(1);
                fault.after(part)
            }
        }
    }

    /// Takes no more clients from now on.
    fn close_door(&self, drain: &Drain) -> u64 {
        let rate = if self.limits.connects_per_s == 0 { RATE } else { self.limits.connects_per_s };
        let sessions = self.sessions.read().len() as u64;
        let usual = (sessions * 1_000 / rate).max(SPREAD_MIN_MS);
        let spread_ms = drain.spread.map_or(usual, |s| s.as_millis() as u64);
        *self.draining.notice.lock() = Notice { address: drain.address.clone(), spread_ms };
        self.draining.on.store(true, Ordering::Relaxed);
        self.draining.number.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Takes no more clients, and has those here gone when `within` is over: asked to move at first and ended with `shutdown` then,
    /// or, with an address, ended one after the other. Returns when no link is left, or a second after that; or when
    /// another drain begins or [`Hub::end_drain`] is called.
    pub async fn drain(self: &Arc<Hub>, drain: Drain) {
        let number = self.close_door(&drain);
        self.send_away(drain, number).await;
    }

    /// The same in a task of its own; newcomers are sent away when this returns.
    pub fn begin_drain(self: &Arc<Hub>, drain: Drain) {
        let number = self.close_door(&drain);
        let hub = self.clone();
        tokio::spawn(async move { hub.send_away(drain, number).await });
    }

    async fn send_away(self: &Arc<Hub>, drain: Drain, number: u64) {
        let end = Instant::now() + drain.within;
        if drain.address.is_some() {
            self.send_off(number, end).await;
        } else {
            self.ask_to_move(drain.within).await;
            self.wait(number, end).await;
        }
        for batch in self.all_cells().chunks(BATCH) {
            if !self.is_under_way(number) {
                return;
            }
            self.end_sessions(batch);
            tokio::task::yield_now().await;
        }
        self.wait(number, Instant::now() + Duration::from_secs(1)).await;
    }

    fn is_under_way(&self, number: u64) -> bool {
        self.draining.number.load(Ordering::Relaxed) == number
    }

    fn end_sessions(self: &Arc<Hub>, cells: &[Arc<Cell>]) {
        for cell in cells {
            self.tear_down(cell, &self.sent_away());
        }
        self.end_turn();
    }

    async fn ask_to_move(self: &Arc<Hub>, within: Duration) {
        let data = json!({"reason": "shutdown", "within_ms": within.as_millis() as u64});
        let ask = OutFrame::with("hub:move", &data);
        for batch in self.all_cells().chunks(BATCH) {
            for cell in batch {
                cell.state.lock().core.control(ask.clone());
                turn::cell(cell);
            }
            self.end_turn();
            tokio::task::yield_now().await;
        }
    }

    /// Waits until no link is left, this time has come, or the drain is not wanted any more.
    async fn wait(&self, number: u64, end: Instant) {
        while Instant::now() < end && self.links.load(Ordering::Relaxed) > 0 && self.is_under_way(number) {
            sleep(STEP).await;
        }
    }

    /// Ends sessions evenly, so that the other hub gets them one after the other.
    async fn send_off(self: &Arc<Hub>, number: u64, end: Instant) {
        while self.is_under_way(number) {
            let cells = self.all_cells();
            let left = end.saturating_duration_since(Instant::now());
            if cells.is_empty() || left < STEP {
                return;
            }
            let steps = (left.as_millis() / STEP.as_millis()).max(1) as usize;
            let (now, _) = cells.split_at(cells.len().div_ceil(steps));
            self.end_sessions(now);
            sleep(STEP).await;
        }
    }
}
