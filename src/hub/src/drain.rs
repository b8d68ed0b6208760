//! Shutting down without losing anybody: clients are told to move, then told why they are closed.

use crate::hub::Hub;
use crate::turn;
use crosspoint_core::Code;
use crosspoint_core::wire::OutFrame;
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// Sessions between two pauses, so that their clients don't all come back at once.
const BATCH: usize = 256;

impl Hub {
    /// Takes no more clients, asks those here to move, and after `within` ends what is left with `shutdown`. Returns when
    /// no link is left, or a second after that.
    pub async fn drain(self: &Arc<Hub>, within: Duration) {
        self.accepting.store(false, Ordering::Relaxed);
        let deadline = Instant::now() + within;
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
        while Instant::now() < deadline && self.links.load(Ordering::Relaxed) > 0 {
            sleep(Duration::from_millis(20)).await;
        }
        for batch in self.all_cells().chunks(BATCH) {
            for cell in batch {
                self.tear_down(cell, &Code::Shutdown.into());
            }
            self.end_turn();
            tokio::task::yield_now().await;
        }
        let deadline = Instant::now() + Duration::from_secs(1);
        while Instant::now() < deadline && self.links.load(Ordering::Relaxed) > 0 {
            sleep(Duration::from_millis(20)).await;
        }
    }
}
