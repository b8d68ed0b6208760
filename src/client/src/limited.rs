//! What a hub takes too slowly: it waits its turn, and goes again, as slowly as the refusals say.

use crate::client::Client;
use crate::random;
use crosspoint_core::{Code, Fault, Frame};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::OwnedMutexGuard;
use tokio::time::{Instant, sleep_until};

/// When to come again where the hub doesn't say.
const AGAIN: Duration = Duration::from_secs(3);
/// Who was refused goes one by one for so long: refusals are counted by the hub, and many of them end the session.
const CAREFUL: Duration = Duration::from_secs(600);
/// So long after a refusal it is tried whether twice as fast will do.
const EASE: Duration = Duration::from_secs(30);

/// How fast a room, or a user, may be sent to.
#[derive(Debug)]
struct Pace {
    /// Between two that go, as long as there are some.
    gap: Duration,
    /// When the last one went that was taken, as long as there are some.
    taken: Option<Instant>,
    limited: Instant,
    eased: Instant,
}

type Turn = tokio::sync::Mutex<Pace>;

impl Pace {
    fn new() -> Pace {
        let now = Instant::now();
        Pace { gap: Duration::ZERO, taken: None, limited: now, eased: now }
    }

    async fn wait(&self) {
        if let Some(taken) = self.taken {
            sleep_until(taken + self.gap).await;
        }
    }

    fn refused(&mut self, wait: Duration) {
        let now = Instant::now();
        self.gap = self.taken.map_or(Duration::ZERO, |taken| now - taken) + wait;
        (self.limited, self.eased) = (now, now);
    }

    /// `last`: nothing waits behind it.
    fn taken(&mut self, at: Instant, last: bool) {
        self.taken = Some(at).filter(|_| !last);
        if last {
            self.gap = Duration::ZERO;
        } else if self.eased.elapsed() > EASE {
            self.gap /= 2;
            self.eased = Instant::now();
        }
    }
}

/// Rooms and users to which the hub doesn't take so much: what goes there goes one by one, in order.
#[derive(Debug, Default)]
pub(crate) struct Lanes {
    lanes: Mutex<HashMap<String, Arc<Turn>>>,
}

impl Lanes {
    /// Waits for a turn, where turns are taken.
    async fn enter(&self, key: &str) -> Option<OwnedMutexGuard<Pace>> {
        let lane = self.lanes.lock().get(key).cloned()?;
        Some(lane.lock_owned().await)
    }

    /// Waits for a turn; others come after it from now on.
    async fn open(&self, key: &str) -> OwnedMutexGuard<Pace> {
        let lane = {
            let mut lanes = self.lanes.lock();
            let careful = |lane: &Arc<Turn>| lane.try_lock().map_or(true, |p| p.limited.elapsed() < CAREFUL);
            lanes.retain(|_, lane| Arc::strong_count(lane) > 1 || careful(lane));
            lanes.entry(key.into()).or_insert_with(|| Arc::new(Turn::new(Pace::new()))).clone()
        };
        lane.lock_owned().await
    }
}

impl Client {
    /// [`Client::call`], again when the hub says while it answers `rate_limited`.
    pub(crate) async fn call_patiently(&self, mut frame: Frame) -> Result<Frame, Fault> {
        let max = self.shared().options.rate_limited_wait;
        frame.id.get_or_insert_with(|| self.next_id());
        // All joins of a client count together.
        let key = match frame.kind == "hub:join" {
            true => Some(String::new()),
            false => frame.room.clone().or(frame.to.clone()),
        };
        let Some(key) = key else { return self.call(frame).await };
        let lanes = &self.shared().lanes;
        let mut turn = lanes.enter(&key).await;
        let mut waited = Duration::ZERO;
        loop {
            if let Some(pace) = &turn {
                pace.wait().await;
            }
            let went = Instant::now();
            let fault = match self.call(frame.clone()).await {
                Err(fault) if fault.code == Code::RateLimited => fault,
                answer => {
                    if let Some(pace) = &mut turn {
                        // The map has it, and this guard.
                        let last = Arc::strong_count(OwnedMutexGuard::mutex(pace)) <= 2;
                        pace.taken(went, last);
                    }
                    return answer;
                }
            };
            let asked = fault.retry_after_ms.map_or(AGAIN, Duration::from_millis);
            // Not all at the same moment.
            let wait = asked.mul_f64(1.0 + random::fraction() / 10.0).max(Duration::from_millis(1));
            waited = waited.saturating_add(wait);
            if waited > max {
                return Err(fault);
            }
            let until = Instant::now() + wait;
            match &mut turn {
                Some(pace) => pace.refused(wait),
                None => turn = Some(lanes.open(&key).await),
            }
            sleep_until(until).await;
        }
    }
}
