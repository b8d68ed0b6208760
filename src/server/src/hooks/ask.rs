//! Join, publish and request: what the hub asks on behalf of sessions.

use super::answer::{Body, Joining, Publishing, given, payload, unavailable};
use super::caller::{Caller, HookError, Target, read};
use crate::config::OnFailure;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use crosspoint_core::frame::{AnswerError, TYPE_BYTES_MAX};
use crosspoint_core::{Cap, Code, Fault, Raw};
use crosspoint_hub::{Asker, Content, JoinAsk, PublishAsk, RequestAnswer, RequestAsk, Rewrite};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::sync::atomic::Ordering;

#[derive(Serialize)]
struct JoinData<'a> {
    room: &'a str,
    #[serde(flatten)]
    asker: &'a Asker,
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<&'a RawValue>,
}

#[derive(Serialize)]
struct ContentData<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data64: Option<String>,
}

#[derive(Serialize)]
struct PublishData<'a> {
    room: &'a str,
    #[serde(flatten)]
    asker: &'a Asker,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    #[serde(flatten)]
    content: ContentData<'a>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    volatile: bool,
}

#[derive(Serialize)]
struct RequestData<'a> {
    to: &'a str,
    #[serde(flatten)]
    asker: &'a Asker,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    #[serde(flatten)]
    content: ContentData<'a>,
}

#[derive(Deserialize)]
struct Answered {
    #[serde(default, deserialize_with = "given")]
    data: Option<Raw>,
    data64: Option<String>,
    error: Option<AnswerError>,
}

impl<'a> From<&'a Content> for ContentData<'a> {
    fn from(content: &'a Content) -> ContentData<'a> {
        ContentData {
            kind: &content.kind,
            data: content.data.as_deref(),
            data64: content.payload.as_ref().map(|bytes| STANDARD.encode(bytes)),
        }
    }
}

/// Where a question goes, and what its failure comes to.
#[derive(Clone)]
pub(super) struct AskHook {
    pub(super) target: Target,
    pub(super) on_failure: OnFailure,
}

pub(super) async fn join(caller: &Caller, hook: &AskHook, ask: JoinAsk) -> Result<Vec<Cap>, Fault> {
    let data = JoinData { room: &ask.room, asker: &ask.asker, state: ask.state.as_deref() };
    let check = |answer: Joining| match answer.deny.contains(&Cap::Join) {
        true => Err(HookError::Garbage("who may join is not denied `join`".into())),
        false => Ok(answer),
    };
    let joining = caller.verdict(&hook.target, hook.on_failure, data, check).await?;
    Ok(joining.map(|joining| joining.deny).unwrap_or_default())
}

pub(super) async fn publish(caller: &Caller, hook: &AskHook, ask: PublishAsk) -> Result<Rewrite, Fault> {
    let data = PublishData {
        room: &ask.room,
        asker: &ask.asker,
        id: ask.id.as_deref(),
        content: (&ask.content).into(),
        volatile: ask.volatile,
    };
    let mut rewrite = Rewrite::default();
    let check = |answer: Publishing| {
        let Publishing { kind, data, data64 } = answer;
        if kind.as_ref().is_some_and(|k| !(1..=TYPE_BYTES_MAX).contains(&k.len()) || k.starts_with("hub:")) {
            return Err(HookError::Garbage("`type` is no type of the application".into()));
        }
        let payload = payload(data64)?;
        let content = (data.is_some() || payload.is_some()).then_some((data, payload));
        rewrite = Rewrite { kind, content };
        Ok(Publishing { kind: None, data: None, data64: None })
    };
    caller.verdict(&hook.target, hook.on_failure, data, check).await?;
    Ok(rewrite)
}

pub(super) async fn request(
    caller: &Caller,
    target: &Target,
    ask: RequestAsk,
) -> Result<RequestAnswer, Fault> {
    let data =
        RequestData { to: &ask.to, asker: &ask.asker, id: ask.id.as_deref(), content: (&ask.content).into() };
    let body = serde_json::to_vec(&Body { kind: target.kind.name(), data }).map_err(|_| Code::Internal)?;
    let counters = caller.counters.of(target.kind);
    let answer = caller.ask(target, body).await.and_then(|answer| answered(&answer, ask.id.is_some()));
    let counter = match &answer {
        Ok(Ok(_)) => &counters.allowed,
        Ok(Err(_)) => &counters.refused,
        Err(error) => {
            tracing::debug!(hook = target.kind.name(), %error, "a hook failed");
            &counters.failed
        }
    };
    counter.fetch_add(1, Ordering::Relaxed);
    answer.map_err(|_| unavailable())
}

/// Who wants no reply takes any answer.
fn answered(answer: &[u8], wanted: bool) -> Result<RequestAnswer, HookError> {
    if !wanted {
        return Ok(Ok((None, None)));
    }
    let Answered { data, data64, error } = read(answer)?;
    if let Some(error) = error {
        return Ok(Err(error));
    }
    let payload = payload(data64)?;
    match data.is_some() || payload.is_some() {
        true => Ok(Ok((data, payload))),
        false => Err(HookError::Garbage("there is neither `data` nor `error`".into())),
    }
}
