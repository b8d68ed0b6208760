//! `POST /batch`: several operations in one request, each with an answer of its own.

use super::act_alone;
use super::call::{Call, Query};
use super::outcome::Outcome;
use super::place::Place;
use bytes::Bytes;
use crosspoint_core::{Code, Fault, Raw};
use percent_encoding::percent_decode_str;
use serde::{Deserialize, Serialize};
use serde_json::json;
use serde_json::value::RawValue;

/// Operations in one request.
const OPERATIONS_MAX: usize = 100;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Batch {
    operations: Vec<Item>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Item {
    #[serde(default)]
    method: Method,
    path: String,
    #[serde(default)]
    body: Option<Raw>,
}

/// What acts; what reads would make answers large.
#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
enum Method {
    #[default]
    Post,
    Delete,
}

#[derive(Serialize)]
struct Answer {
    status: u16,
    body: Raw,
}

/// Does them in order, each whatever became of those before it.
pub(super) async fn batch(call: &Call) -> Result<Outcome, Fault> {
    let Batch { operations } = call.read()?;
    if operations.len() > OPERATIONS_MAX {
        return Err(Fault::new(Code::LimitExceeded, format!("A batch may have {OPERATIONS_MAX} operations")));
    }
    let mut results = vec![];
    for item in operations {
        let outcome = match item_call(call, item) {
            Ok(call) => act_alone(&call).await.into(),
            Err(fault) => Outcome::failed(fault),
        };
        let body: &RawValue = serde_json::from_slice(&outcome.body).map_err(|_| Code::Internal)?;
        results.push(Answer { status: outcome.status.as_u16(), body: body.to_owned() });
    }
    Outcome::done(&json!({ "results": results }))
}

fn item_call(batch: &Call, item: Item) -> Result<Call, Fault> {
    let nowhere = || Fault::new(Code::NotFound, "There is nothing at this address that a batch can do");
    let path = item.path.strip_prefix("/api/v1").unwrap_or(&item.path);
    let parts = path.strip_prefix('/').ok_or_else(nowhere)?.split('/');
    let parts: Vec<_> = parts
        .map(|part| percent_decode_str(part).decode_utf8())
        .collect::<Result<_, _>>()
        .map_err(|_| nowhere())?;
    let parts: Vec<&str> = parts.iter().map(|part| &**part).collect();
    let method = match item.method {
        Method::Post => "POST",
        Method::Delete => "DELETE",
    };
    let (operation, names) = Place::of(&parts).operation(method).ok_or_else(nowhere)?;
    batch.caller.may(operation)?;
    let body = item.body.map_or_else(Bytes::new, |body| Bytes::copy_from_slice(body.get().as_bytes()));
    Ok(Call { operation, names, body, query: Query::default(), ..batch.clone() })
}
