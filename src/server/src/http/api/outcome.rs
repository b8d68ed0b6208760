//! What a request came to.

use crate::http::problem::{self, Problem};
use crate::http::reply::{self, Reply};
use bytes::Bytes;
use crosspoint_core::{Code, Fault};
use http::StatusCode;
use serde::Serialize;
use serde_json::json;

/// An answer that can be given again.
#[derive(Debug, Clone)]
pub(super) struct Outcome {
    pub(super) status: StatusCode,
    pub(super) body: Bytes,
    fault: Option<Fault>,
    /// Whether asking again may not do it again.
    pub(super) is_decided: bool,
}

impl Outcome {
    pub(super) fn done(value: &impl Serialize) -> Result<Outcome, Fault> {
        let body = serde_json::to_vec(value).map_err(|_| Code::Internal)?;
        Ok(Outcome { status: StatusCode::OK, body: body.into(), fault: None, is_decided: true })
    }

    pub(super) fn failed(fault: Fault) -> Outcome {
        let status = problem::status(&fault);
        let body = serde_json::to_vec(&Problem::new(&fault, status)).unwrap_or_default();
        let is_decided = status.is_client_error()
            && !matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT);
        Outcome { status, body: body.into(), fault: Some(fault), is_decided }
    }

    /// It failed on the way: `published` was done before.
    pub(super) fn broken_off(fault: Fault, published: &impl Serialize) -> Outcome {
        #[derive(Serialize)]
        struct Broken<'a, T> {
            #[serde(flatten)]
            problem: Problem<'a>,
            published: &'a T,
        }
        let status = problem::status(&fault);
        let broken = Broken { problem: Problem::new(&fault, status), published };
        let body = serde_json::to_vec(&broken).unwrap_or_default();
        Outcome { status, body: body.into(), fault: Some(fault), is_decided: true }
    }

    pub(super) fn into_reply(self) -> Reply {
        match &self.fault {
            None => reply::with(self.status, "application/json", self.body),
            Some(fault) => {
                let mut reply = problem::mark(reply::faulty(self.status, fault, &json!(null)));
                *reply.body_mut() = self.body.into();
                reply
            }
        }
    }
}

impl From<Result<Outcome, Fault>> for Outcome {
    fn from(result: Result<Outcome, Fault>) -> Outcome {
        result.unwrap_or_else(Outcome::failed)
    }
}
