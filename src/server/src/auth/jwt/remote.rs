//! Key sets that others publish (JWKS), fetched in the background.

use super::Alg;
use super::jwk;
use super::key::Key;
use super::set::restricted;
use crate::config::JwksUrl;
use crate::http_client::{HttpClient, HttpError};
use http::{Request, StatusCode, header};
use http_body_util::Full;
use parking_lot::Mutex;
use ring::rand::{SecureRandom as _, SystemRandom};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

/// The largest set, bytes.
const BYTES_MAX: usize = 256 << 10;
/// How much longer a client waits than a fetch may take.
const GRACE: Duration = Duration::from_secs(1);

/// When keys are fetched, and how long they are good.
#[derive(Debug, Clone, Copy)]
pub(super) struct Times {
    /// Between two fetches that nobody asked for.
    pub(super) refresh: Duration,
    /// Between two fetches that clients with unknown keys cause, and before one is tried again that failed.
    pub(super) min_interval: Duration,
    /// How long keys are good that can't be fetched any more; zero: for ever.
    pub(super) max_age: Duration,
    /// For one fetch.
    pub(super) timeout: Duration,
}

/// The key set at one URL.
pub(crate) struct Remote {
    url: JwksUrl,
    algs: Vec<Alg>,
    times: Times,
    state: Mutex<State>,
    wanted: Notify,
    /// How many fetches have ended.
    ended: watch::Sender<u64>,
}

struct State {
    keys: Arc<[Key]>,
    fetched: Option<Instant>,
    /// When a client last caused a fetch.
    asked: Option<Instant>,
    /// A fetch runs, or is about to.
    busy: bool,
}

/// Why keys were not fetched.
#[derive(Debug, thiserror::Error)]
enum FetchError {
    #[error(transparent)]
    Http(#[from] HttpError),
    #[error("the answer is {0}")]
    Status(StatusCode),
    #[error(transparent)]
    Form(#[from] super::KeyError),
    #[error("the URL cannot be asked")]
    Url(#[from] http::Error),
}

impl Remote {
    pub(super) fn new(url: JwksUrl, algs: Vec<Alg>, times: Times) -> Remote {
        let state = State { keys: [].into(), fetched: None, asked: None, busy: true };
        let (ended, _) = watch::channel(0);
        Remote { url, algs, times, state: Mutex::new(state), wanted: Notify::new(), ended }
    }

    /// The keys that are good now.
    pub(crate) fn keys(&self) -> Arc<[Key]> {
        let Times { max_age, .. } = self.times;
        let state = self.state.lock();
        let over = state.fetched.is_none_or(|at| !max_age.is_zero() && at.elapsed() > max_age);
        if over { [].into() } else { state.keys.clone() }
    }

    /// Whether a fetch might bring a key that is not here. A token that names none is not worth one, except where there is no key at all.
    pub(super) fn may_have(&self, alg: Alg, kid: Option<&str>) -> bool {
        let of_kind = !Alg::SECRET.contains(&alg) && (self.algs.is_empty() || self.algs.contains(&alg));
        of_kind && (kid.is_some() || self.keys().is_empty())
    }

    /// Waits for a fetch that is under way; else causes one, unless clients did so a moment ago.
    pub(super) async fn refreshed(&self) {
        let mut ended = self.ended.subscribe();
        let before = {
            let mut state = self.state.lock();
            if !state.busy {
                if state.asked.is_some_and(|at| at.elapsed() < self.times.min_interval) {
                    return;
                }
                (state.asked, state.busy) = (Some(Instant::now()), true);
                self.wanted.notify_one();
            }
            *self.ended.borrow()
        };
        // Nobody ends it only where the hub itself ends.
        let _ = tokio::time::timeout(self.times.timeout + GRACE, ended.wait_for(|n| *n > before)).await;
    }

    /// Fetches the keys now, and for ever when it is time.
    pub(super) async fn keep(self: Arc<Remote>, http: HttpClient) {
        let mut failures = 0_u32;
        loop {
            self.state.lock().busy = true;
            let fetched = self.fetch(&http).await;
            let failed = fetched.is_err();
            match fetched {
                Ok(keys) => {
                    if keys.is_empty() {
                        tracing::warn!(url = %self.url, "no key of this set can be used");
                    }
                    let mut state = self.state.lock();
                    (state.keys, state.fetched) = (keys, Some(Instant::now()));
                }
                Err(error) => tracing::warn!(url = %self.url, %error, "keys of tokens were not fetched"),
            }
            self.state.lock().busy = false;
            self.ended.send_modify(|n| *n += 1);
            failures = if failed { failures.saturating_add(1) } else { 0 };
            tokio::select! {
                () = tokio::time::sleep(self.pause(failures)) => {}
                () = self.wanted.notified() => {}
            }
        }
    }

    /// Until the next fetch: a tenth more or less, so that hubs don't come together.
    fn pause(&self, failures: u32) -> Duration {
        let Times { refresh, min_interval, .. } = self.times;
        let pause = match failures {
            0 => refresh,
            n => min_interval.saturating_mul(1 << (n - 1).min(16)).min(refresh),
        };
        let mut byte = [128];
        // Without randomness it is in the middle.
        let _ = SystemRandom::new().fill(&mut byte);
        pause.mul_f64(0.9 + 0.2 * f64::from(byte[0]) / 255.0)
    }

    async fn fetch(&self, http: &HttpClient) -> Result<Arc<[Key]>, FetchError> {
        let accept = "application/jwk-set+json, application/json";
        let request = Request::get(self.url.as_str()).header(header::ACCEPT, accept).body(Full::default())?;
        let answer = http.send(request, BYTES_MAX, self.times.timeout).await?;
        if answer.status != StatusCode::OK {
            return Err(FetchError::Status(answer.status));
        }
        // A secret that is published is none.
        let keys = jwk::read(&answer.body)?.into_iter().filter(|key| !key.is_secret());
        Ok(restricted(keys.collect(), &self.algs))
    }
}
