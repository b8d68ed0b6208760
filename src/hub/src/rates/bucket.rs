//! Token buckets: governor's generic cell rate algorithm, with its state where the bucket's owner is, eight bytes each.

use crate::clock::Clock;
use governor::clock::Clock as _;
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::StateStore;
use governor::{Quota, RateLimiter};
use std::hash::{Hash, Hasher};
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// What is counted. Each scope has the first ones, as many as it needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Frames,
    Bytes,
    Joins,
    Publishes,
    States,
    /// Frames of a session that were refused.
    Refusals,
    /// Negotiations, links and sessions.
    Connects,
    /// TCP connections.
    Connections,
    /// POSTs of SSE links.
    Posts,
}

/// When it would be full again, in ns of the hub's clock: 0 is a full one.
#[derive(Debug, Default)]
pub(crate) struct Bucket(AtomicU64);

/// governor wants keys that maps could hold; here the key is the state, and no map holds it.
impl Hash for Bucket {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.load(Relaxed).hash(state);
    }
}

impl PartialEq for Bucket {
    fn eq(&self, other: &Bucket) -> bool {
        self.0.load(Relaxed) == other.0.load(Relaxed)
    }
}

impl Eq for Bucket {}

impl Clone for Bucket {
    fn clone(&self) -> Bucket {
        Bucket(AtomicU64::new(self.0.load(Relaxed)))
    }
}

/// Buckets of one owner.
#[derive(Debug)]
pub(crate) struct Buckets<const N: usize>([Bucket; N]);

impl<const N: usize> Default for Buckets<N> {
    fn default() -> Buckets<N> {
        Buckets(std::array::from_fn(|_| Bucket::default()))
    }
}

impl<const N: usize> Buckets<N> {
    /// Whether all of them are full.
    pub(crate) fn are_full(&self, clock: Clock) -> bool {
        let now = Time(clock).now().as_u64();
        self.0.iter().all(|b| b.0.load(Relaxed) <= now)
    }

    /// How many are missing in a bucket that gets one back in each `period`.
    pub(crate) fn missing(&self, kind: Kind, clock: Clock, period: Duration) -> u64 {
        let full_at = Duration::from_nanos(self.0[kind as usize].0.load(Relaxed));
        let until = full_at.saturating_sub(Duration::from_nanos(clock.now_ns()));
        until.as_millis().div_ceil(period.as_millis().max(1)) as u64
    }
}

/// The state is in the key.
#[derive(Debug)]
struct InKey;

impl StateStore for InKey {
    type Key = Bucket;

    fn measure_and_replace<T, F, E>(&self, key: &Bucket, f: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let mut before = key.0.load(Relaxed);
        loop {
            let (outcome, next) = f(Some(before.into()))?;
            match key.0.compare_exchange_weak(before, next.into(), Relaxed, Relaxed) {
                Ok(_) => return Ok(outcome),
                Err(now) => before = now,
            }
        }
    }
}

/// The hub's clock, as governor reads it.
#[derive(Debug, Clone, Copy)]
struct Time(Clock);

impl governor::clock::Clock for Time {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        self.0.now_ns().into()
    }
}

/// One limit, for any number of buckets.
pub(crate) struct Limit {
    limiter: RateLimiter<Bucket, InKey, Time, NoOpMiddleware<Nanos>>,
    burst: NonZeroU32,
}

impl Limit {
    /// So many in each period of so long, `burst` at once. `None` where `count` is 0.
    pub(crate) fn new(clock: Clock, count: u32, period: Duration, burst: u64) -> Option<Limit> {
        let burst = NonZeroU32::new(u32::try_from(burst).unwrap_or(u32::MAX)).unwrap_or(NonZeroU32::MIN);
        let each = period.checked_div(count)?.max(Duration::from_nanos(1));
        let quota = Quota::with_period(each)?.allow_burst(burst);
        let limiter = RateLimiter::new(quota, InKey, Time(clock));
        Some(Limit { limiter, burst })
    }

    /// Takes so many out of a bucket (all it can hold, where that is less).
    ///
    /// # Errors
    /// The time until there are enough.
    pub(crate) fn take(&self, bucket: &Bucket, count: u32) -> Result<(), Duration> {
        let Some(count) = NonZeroU32::new(count).map(|n| n.min(self.burst)) else { return Ok(()) };
        match self.limiter.check_key_n(bucket, count) {
            Ok(Err(not_until)) => Err(not_until.wait_time_from(self.limiter.clock().now())),
            Ok(Ok(())) | Err(_) => Ok(()),
        }
    }
}

/// The limits of one scope, by kind.
pub(crate) struct Limits<const N: usize> {
    by_kind: [Option<Limit>; N],
    /// Whether there is any.
    pub(crate) on: bool,
}

/// How much may come at once.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bursts {
    pub(crate) clock: Clock,
    pub(crate) ms: u32,
    /// A message of the largest size must fit.
    pub(crate) bytes_min: usize,
}

impl<const N: usize> Limits<N> {
    /// The limits with so many of each kind per second.
    pub(crate) fn new(bursts: Bursts, per_s: &[(Kind, u32)]) -> Limits<N> {
        let mut limits = Limits { by_kind: [const { None }; N], on: false };
        for (kind, count) in per_s {
            let least = if *kind == Kind::Bytes { bursts.bytes_min as u64 } else { 1 };
            let burst = (u64::from(*count) * u64::from(bursts.ms) / 1_000).max(least);
            limits.set(*kind, Limit::new(bursts.clock, *count, Duration::from_secs(1), burst));
        }
        limits
    }

    pub(crate) fn set(&mut self, kind: Kind, limit: Option<Limit>) {
        self.on |= limit.is_some();
        self.by_kind[kind as usize] = limit;
    }

    /// Takes from the owner's bucket of this kind.
    ///
    /// # Errors
    /// The time until there is enough in it.
    pub(crate) fn take(&self, buckets: &Buckets<N>, kind: Kind, count: u32) -> Result<(), Duration> {
        match &self.by_kind[kind as usize] {
            Some(limit) => limit.take(&buckets.0[kind as usize], count),
            None => Ok(()),
        }
    }
}
