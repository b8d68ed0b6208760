//! What a hub takes too slowly: it waits its turn, and goes again.

use crate::client::Client;
use crate::random;
use crosspoint_core::{Code, Fault, Frame};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::sync::OwnedMutexGuard;

/// When to come again where the hub doesn't say.
const AGAIN: Duration = Duration::from_secs(3);

type Turn = tokio::sync::Mutex<()>;

/// Rooms and users to which the hub takes too much: what goes there goes one by one, in order, until nothing waits.
#[derive(Debug, Default)]
pub(crate) struct Lanes {
    lanes: Mutex<HashMap<String, Weak<Turn>>>,
}

impl Lanes {
    /// Waits for a turn, where turns are taken.
    async fn enter(&self, key: &str) -> Option<OwnedMutexGuard<()>> {
        let lane = self.lanes.lock().get(key).and_then(Weak::upgrade)?;
        Some(lane.lock_owned().await)
    }

    /// Waits for a turn; others come after it from now on.
    async fn open(&self, key: &str) -> OwnedMutexGuard<()> {
        let lane = {
            let mut lanes = self.lanes.lock();
            lanes.retain(|_, lane| lane.strong_count() > 0);
            let known = lanes.get(key).and_then(Weak::upgrade);
            known.unwrap_or_else(|| {
                let lane = Arc::new(Turn::default());
                lanes.insert(key.into(), Arc::downgrade(&lane));
                lane
            })
        };
        lane.lock_owned().await
    }
}

impl Client {
    /// [`Client::call`], again when the hub says while it answers `rate_limited`.
    pub(crate) async fn call_patiently(&self, mut frame: Frame) -> Result<Frame, Fault> {
        let max = self.shared().options.rate_limited_wait;
        frame.id.get_or_insert_with(|| self.next_id());
        let Some(key) = frame.room.clone().or(frame.to.clone()) else { return self.call(frame).await };
        let lanes = &self.shared().lanes;
        let mut turn = lanes.enter(&key).await;
        let mut waited = Duration::ZERO;
        loop {
            let fault = match self.call(frame.clone()).await {
                Err(fault) if fault.code == Code::RateLimited => fault,
                answer => return answer,
            };
            let asked = fault.retry_after_ms.map_or(AGAIN, Duration::from_millis);
            // Not all at the same moment.
            let wait = asked.mul_f64(1.0 + random::fraction() / 10.0).max(Duration::from_millis(1));
            waited = waited.saturating_add(wait);
            if waited > max {
                return Err(fault);
            }
            if turn.is_none() {
                turn = Some(lanes.open(&key).await);
            }
            tokio::time::sleep(wait).await;
        }
    }
}
