//! What the backend may answer, and what becomes of it.

use super::caller::{Caller, HookError, Target, read};
use crate::config::OnFailure;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use crosspoint_core::{Cap, Code, Fault, Raw};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};
use std::sync::atomic::Ordering;

/// The longest sentence of a backend that clients are shown.
const MESSAGE_CHARS_MAX: usize = 300;
/// What a refusal may say; the others are about links and frames.
const CODES: [Code; 12] = [
    Code::BadRequest,
    Code::Unauthorized,
    Code::TokenExpired,
    Code::TokenRevoked,
    Code::Forbidden,
    Code::NotFound,
    Code::Muted,
    Code::Banned,
    Code::LimitExceeded,
    Code::RateLimited,
    Code::Timeout,
    Code::Unavailable,
];

/// The body of a request.
#[derive(Serialize)]
pub(super) struct Body<'a, T> {
    #[serde(rename = "type")]
    pub(super) kind: &'a str,
    pub(super) data: T,
}

/// The part of an answer that all questions have.
#[derive(Deserialize)]
struct Verdict {
    allow: bool,
    code: Option<String>,
    message: Option<String>,
    retry_after_ms: Option<u64>,
}

/// Of a join.
#[derive(Deserialize)]
pub(super) struct Joining {
    #[serde(default)]
    pub(super) deny: Vec<Cap>,
}

/// Of a publish.
#[derive(Deserialize)]
pub(super) struct Publishing {
    #[serde(rename = "type")]
    pub(super) kind: Option<String>,
    #[serde(default, deserialize_with = "given")]
    pub(super) data: Option<Raw>,
    pub(super) data64: Option<String>,
}

/// `null` is data, too.
pub(super) fn given<'de, D: Deserializer<'de>>(d: D) -> Result<Option<Raw>, D::Error> {
    Raw::deserialize(d).map(Some)
}

impl Verdict {
    fn fault(self) -> Fault {
        let code = self.code.as_deref().and_then(Code::from_name).filter(|code| CODES.contains(code));
        let code = code.unwrap_or(Code::Forbidden);
        let message = self.message.filter(|text| !text.is_empty());
        let message = message.unwrap_or_else(|| code.message().into());
        let fault = Fault::new(code, message.chars().take(MESSAGE_CHARS_MAX).collect::<String>());
        Fault { retry_after_ms: self.retry_after_ms, ..fault }
    }
}

/// Bytes in `data64`.
pub(super) fn payload(data64: Option<String>) -> Result<Option<Bytes>, HookError> {
    let Some(text) = data64 else { return Ok(None) };
    let bytes = STANDARD.decode(text).map_err(|_| HookError::Garbage("`data64` is not base64".into()))?;
    Ok(Some(bytes.into()))
}

impl Caller {
    /// Asks whether something may be. `None`: the hook failed, and is not to matter.
    pub(super) async fn verdict<T: DeserializeOwned>(
        &self,
        target: &Target,
        on_failure: OnFailure,
        data: impl Serialize,
        check: impl FnOnce(T) -> Result<T, HookError>,
    ) -> Result<Option<T>, Fault> {
        let body =
            serde_json::to_vec(&Body { kind: target.kind.name(), data }).map_err(|_| Code::Internal)?;
        let counters = self.counters.of(target.kind);
        let error = match self.ask(target, body).await.and_then(|answer| judge(&answer, check)) {
            Ok(Ok(then)) => {
                counters.allowed.fetch_add(1, Ordering::Relaxed);
                return Ok(Some(then));
            }
            Ok(Err(refusal)) => {
                counters.refused.fetch_add(1, Ordering::Relaxed);
                return Err(refusal);
            }
            Err(error) => error,
        };
        counters.failed.fetch_add(1, Ordering::Relaxed);
        self.failure(target, &error, on_failure).map(|()| None)
    }

    fn failure(&self, target: &Target, error: &HookError, on_failure: OnFailure) -> Result<(), Fault> {
        tracing::debug!(hook = target.kind.name(), %error, ?on_failure, "a hook failed");
        match on_failure {
            OnFailure::Allow => Ok(()),
            OnFailure::Refuse => Err(unavailable()),
        }
    }
}

/// What was allowed, or the refusal.
fn judge<T: DeserializeOwned>(
    answer: &[u8],
    check: impl FnOnce(T) -> Result<T, HookError>,
) -> Result<Result<T, Fault>, HookError> {
    // Twice, because serde can't flatten raw values.
    let verdict: Verdict = read(answer)?;
    match verdict.allow {
        true => check(read(answer)?).map(Ok),
        false => Ok(Err(verdict.fault())),
    }
}

/// What clients are told of a hook that failed: nothing of the backend.
pub(super) fn unavailable() -> Fault {
    Fault::new(Code::Unavailable, "The backend does not answer now")
}
