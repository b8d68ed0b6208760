//! Signed requests to the backend: one attempt, or a question with its retries.

use super::breaker::Breaker;
use super::counters::Kind;
use super::sign::Signer;
use crate::config::{HookUrl, Hooks};
use crate::http_client::{HttpClient, HttpError};
use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode, Uri, header};
use http_body_util::Full;
use parking_lot::Mutex;
use ring::rand::{SecureRandom as _, SystemRandom};
use serde::de::DeserializeOwned;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::sync::{Semaphore, SemaphorePermit};

const AGENT: &str = concat!("crosspoint/", env!("CARGO_PKG_VERSION"));

/// Why the backend gave no answer that counts.
#[derive(Debug, thiserror::Error)]
pub(super) enum HookError {
    #[error("too many questions wait")]
    Busy,
    #[error("left alone after failures, for {} ms more", .0.as_millis())]
    Open(Duration),
    #[error(transparent)]
    Http(#[from] HttpError),
    #[error("status {0}")]
    Status(StatusCode, Option<Duration>),
    #[error("the answer is not what docs/hooks.md says: {0}")]
    Garbage(String),
}

impl HookError {
    /// Whether the same request may do in a moment.
    fn may_pass(&self) -> bool {
        match self {
            HookError::Http(HttpError::TooLarge(_)) => false,
            HookError::Http(_) => true,
            HookError::Status(status, _) => {
                status.is_server_error()
                    || matches!(*status, StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT)
            }
            HookError::Busy | HookError::Open(_) | HookError::Garbage(_) => false,
        }
    }
}

/// Where a hook goes.
#[derive(Clone)]
pub(super) struct Target {
    pub(super) kind: Kind,
    uri: Uri,
    breaker: Arc<Breaker>,
    turns: Arc<Turns>,
}

/// Of one hook, also where several have one address: clients that send many requests keep nobody from coming in.
struct Turns {
    permits: Semaphore,
    waiting: AtomicUsize,
}

impl Target {
    /// Whether it is left alone now.
    pub(super) fn is_open(&self) -> bool {
        self.breaker.is_open()
    }
}

/// Makes the requests of all hooks.
pub(super) struct Caller {
    http: HttpClient,
    signer: Signer,
    random: SystemRandom,
    timeout: Duration,
    attempts: u64,
    backoff: Duration,
    backoff_max: Duration,
    bytes_max: usize,
    breaker: (u64, Duration),
    /// Of each address, whatever hooks share it.
    breakers: Mutex<HashMap<Uri, Arc<Breaker>>>,
    concurrency: usize,
    waiting_max: usize,
    pub(super) counters: super::counters::Counters,
}

/// One that waits for its turn, until it has it or goes away.
struct Waiting<'a>(&'a AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Caller {
    pub(super) fn new(settings: &Hooks, http: HttpClient) -> Caller {
        let ms = Duration::from_millis;
        Caller {
            http,
            signer: Signer::new(&settings.secrets),
            random: SystemRandom::new(),
            timeout: ms(settings.timeout_ms),
            attempts: settings.attempts,
            backoff: ms(settings.backoff_ms),
            backoff_max: ms(settings.backoff_ms_max),
            bytes_max: settings.response_bytes_max,
            breaker: (settings.breaker_failures, ms(settings.breaker_open_ms)),
            breakers: Mutex::default(),
            concurrency: settings.concurrency.min(Semaphore::MAX_PERMITS),
            waiting_max: settings.queue_max,
            counters: super::counters::Counters::default(),
        }
    }

    /// A hook's address; none where the hook has none.
    pub(super) fn target(&self, kind: Kind, url: Option<&HookUrl>) -> Option<Target> {
        let uri: Uri = url?.as_str().parse().ok()?;
        let make = || {
            let (failures, open) = self.breaker;
            Arc::new(Breaker::new(failures, open))
        };
        let breaker = self.breakers.lock().entry(uri.clone()).or_insert_with(make).clone();
        let turns = Turns { permits: Semaphore::new(self.concurrency), waiting: AtomicUsize::new(0) };
        Some(Target { kind, uri, breaker, turns: Arc::new(turns) })
    }

    /// One attempt. `id` is the same for every attempt at the same thing.
    pub(super) async fn attempt(&self, target: &Target, id: &str, body: Bytes) -> Result<Bytes, HookError> {
        let pass = target.breaker.pass(Instant::now()).map_err(HookError::Open)?;
        self.counters.of(target.kind).attempts.fetch_add(1, Ordering::Relaxed);
        let answer = self.post(target, id, body).await;
        if let Err(error) = &answer {
            self.counters.of(target.kind).failed_attempts.fetch_add(1, Ordering::Relaxed);
            tracing::debug!(hook = target.kind.name(), id, %error, "a hook got no answer");
        }
        // Who answers with a 4xx is well.
        if pass.result(Instant::now(), !answer.as_ref().is_err_and(HookError::may_pass)) {
            tracing::warn!(
                hook = target.kind.name(),
                error = answer.as_ref().err().map(tracing::field::display),
                "a hook's address fails again and again, and is left alone for a while"
            );
        }
        answer
    }

    async fn post(&self, target: &Target, id: &str, body: Bytes) -> Result<Bytes, HookError> {
        let now_s = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
        let signature = self.signer.sign(id, now_s, &body);
        let request = Request::post(target.uri.clone())
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::USER_AGENT, AGENT)
            .header("webhook-id", id)
            .header("webhook-timestamp", now_s)
            .header("webhook-signature", signature)
            .body(Full::new(body))
            .map_err(|e| HookError::Garbage(e.to_string()))?;
        let answer = self.http.send(request, self.bytes_max, self.timeout).await?;
        match answer.status.is_success() {
            true => Ok(answer.body),
            false => Err(HookError::Status(answer.status, retry_after(&answer.headers))),
        }
    }

    /// A question, asked until there is an answer or all attempts are used up.
    pub(super) async fn ask(&self, target: &Target, body: Vec<u8>) -> Result<Bytes, HookError> {
        let _permit = self.permit(&target.turns).await?;
        let (id, body) = (message_id(), Bytes::from(body));
        let mut attempt = 0;
        loop {
            let error = match self.attempt(target, &id, body.clone()).await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            attempt += 1;
            if attempt >= self.attempts || !error.may_pass() {
                return Err(error);
            }
            tokio::time::sleep(self.pause(attempt)).await;
        }
    }

    async fn permit<'a>(&self, turns: &'a Turns) -> Result<SemaphorePermit<'a>, HookError> {
        if let Ok(permit) = turns.permits.try_acquire() {
            return Ok(permit);
        }
        let before = turns.waiting.fetch_add(1, Ordering::Relaxed);
        let _waiting = Waiting(&turns.waiting);
        if before >= self.waiting_max {
            return Err(HookError::Busy);
        }
        let turn = tokio::time::timeout(self.timeout, turns.permits.acquire()).await;
        turn.ok().and_then(Result::ok).ok_or(HookError::Busy)
    }

    /// The wait after so many failed attempts.
    pub(super) fn pause(&self, failed: u64) -> Duration {
        let doublings = u32::try_from(failed.saturating_sub(1)).unwrap_or(u32::MAX).min(20);
        let full = self.backoff.saturating_mul(1 << doublings).min(self.backoff_max);
        let mut bytes = [0; 2];
        // Without randomness all wait the longest.
        let share = match self.random.fill(&mut bytes) {
            Ok(()) => f64::from(u16::from_be_bytes(bytes)) / f64::from(u16::MAX),
            Err(_) => 1.0,
        };
        full.mul_f64(0.5 + share / 2.0)
    }

    /// At most so long is waited, whatever the backend says.
    pub(super) fn pause_max(&self) -> Duration {
        self.backoff_max
    }
}

/// A new name for what is sent to the backend.
pub(super) fn message_id() -> String {
    format!("msg_{}", crosspoint_hub::random_id())
}

/// Reads an answer.
pub(super) fn read<A: DeserializeOwned>(answer: &[u8]) -> Result<A, HookError> {
    serde_json::from_slice(answer).map_err(|e| HookError::Garbage(place(&e)))
}

/// What serde says may quote the answer, which may hold anything.
fn place(error: &serde_json::Error) -> String {
    format!("line {}, column {}", error.line(), error.column())
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(header::RETRY_AFTER)?.to_str().ok()?;
    text.trim().parse().ok().map(Duration::from_secs)
}
