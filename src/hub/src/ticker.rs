//! The one task that looks at the clock for everybody.

use crate::hub::{Hub, Timer};
use crate::permit::Removal;
use crate::turn;
use crate::wheel::TICK_MS;
use crosspoint_core::session::Action;
use crosspoint_core::wire::OutFrame;
use crosspoint_core::{Code, Frame};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::time::{Instant, MissedTickBehavior};

/// Ticks between two sweeps of the engine (5 s).
const SWEEP_TICKS: u64 = 5_000 / TICK_MS;

pub(crate) fn spawn(hub: &Arc<Hub>) {
    let hub = Arc::downgrade(hub);
    tokio::spawn(async move {
        let mut interval = tokio::time::interval(Duration::from_millis(TICK_MS));
        interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut last = Instant::now();
        for tick in 1u64.. {
            interval.tick().await;
            let Some(hub) = Weak::upgrade(&hub) else { return };
            let since = std::mem::replace(&mut last, Instant::now()).elapsed();
            hub.admission.late((since.as_millis() as u64).saturating_sub(TICK_MS));
            hub.tick();
            if tick.is_multiple_of(SWEEP_TICKS) {
                hub.engine.sweep();
                hub.revocations.sweep();
                hub.moderations.sweep();
                hub.rates.sweep();
            }
        }
    });
}

impl Hub {
    fn tick(self: &Arc<Hub>) {
        let now = self.clock.now();
        for timer in self.timers.due(now) {
            match timer {
                Timer::Session(cell, at) => {
                    let Some(cell) = cell.upgrade() else { continue };
                    let actions = {
                        let mut state = cell.state.lock();
                        if !state.timers.fired(at) {
                            continue;
                        }
                        if state.grant_is_over(now) {
                            drop(state);
                            self.tear_down(&cell, &Code::TokenExpired.into());
                            continue;
                        }
                        state.tell_expiring(now);
                        let token_ends = now >= state.token_end;
                        self.rates.forget(&mut state);
                        state.core.tick(now);
                        let actions = state.flush(now);
                        drop(state);
                        if token_ends {
                            self.enforce(&cell, &Removal::by_grant());
                        }
                        actions
                    };
                    let silent = |a: &&Action| matches!(a, Action::Close(_, Code::HeartbeatTimeout));
                    let silent = actions.iter().filter(silent).count();
                    self.stats.heartbeat_timeouts.fetch_add(silent as u64, Ordering::Relaxed);
                    self.perform(&cell, actions);
                    self.schedule(&cell);
                }
                Timer::Hello(link) => {
                    if let Some(link) = link.upgrade().filter(|l| l.waits()) {
                        link.close(&Code::HelloTimeout.into());
                    }
                }
                Timer::Leave { room, user, session, reason } => {
                    let answer = self.engine.leave(&room, &user, &session, reason);
                    self.finish(async move {
                        let _ = answer.await;
                    });
                }
                Timer::Bye(cell) => {
                    if let Some(cell) = cell.upgrade() {
                        self.tear_down(&cell, &Code::Bye.into());
                    }
                }
                Timer::Request(request) => self.request_timed_out(&request),
            }
        }
        self.announce();
        self.end_turn();
    }

    /// Tells the rooms what changed in their presence.
    fn announce(&self) {
        let rooms = std::mem::take(&mut *self.announcements.lock());
        for room in rooms {
            let (changes, to, more) = room.take_changes();
            if more {
                self.announcements.lock().push(room.clone());
            }
            if to.is_empty() {
                continue;
            }
            let frame = Frame::with("hub:presence", &changes).room(&*room.name);
            let frame = Arc::new(OutFrame::new(&frame));
            for cell in &to {
                cell.send(frame.clone());
                turn::cell(cell);
            }
        }
    }
}
