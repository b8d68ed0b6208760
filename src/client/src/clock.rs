//! The one clock of a client: whole milliseconds since it was made, of tokio's time (which tests may pause).

use std::time::Duration;
use tokio::time::Instant;

#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    start: Instant,
}

impl Clock {
    pub(crate) fn new() -> Clock {
        Clock { start: Instant::now() }
    }

    pub(crate) fn now(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// The instant of this time; far away for `u64::MAX`.
    pub(crate) fn at(&self, ms: u64) -> Instant {
        const FAR: Duration = Duration::from_secs(86_400);
        self.start.checked_add(Duration::from_millis(ms)).unwrap_or_else(|| Instant::now() + FAR)
    }
}
