//! The document that describes the API (OpenAPI 3.1): put together from its parts, and what all operations have in common.

use bytes::Bytes;
use crosspoint_core::Code;
use serde_json::{Map, Value, json};
use std::sync::LazyLock;

const FRAME: &str = include_str!("openapi/frame.json");
const SCHEMAS: &str = include_str!("openapi/schemas.json");
/// Addresses, by what they are about.
const PATHS: [&str; 4] = [
    include_str!("openapi/publishing.json"),
    include_str!("openapi/rooms.json"),
    include_str!("openapi/users.json"),
    include_str!("openapi/hub.json"),
];
/// What every operation may answer.
const EVERYWHERE: [(&str, &str); 8] = [
    ("400", "BadRequest"),
    ("401", "Unauthorized"),
    ("403", "Forbidden"),
    ("406", "NotAcceptable"),
    ("429", "TooFast"),
    ("500", "Internal"),
    ("503", "Unavailable"),
    ("504", "Timeout"),
];
/// What every operation with a body may answer.
const WITH_BODY: [(&str, &str); 3] =
    [("413", "TooLarge"), ("415", "UnsupportedMediaType"), ("422", "IdempotencyMismatch")];

/// The document, as it is served.
pub(in crate::http) fn document() -> Bytes {
    static DOCUMENT: LazyLock<Bytes> =
        LazyLock::new(|| build().map_or_else(|_| Bytes::new(), |document| document.to_string().into()));
    DOCUMENT.clone()
}

fn build() -> serde_json::Result<Value> {
    let mut document: Map<String, Value> = serde_json::from_str(FRAME)?;
    let mut components: Map<String, Value> = match document.remove("components") {
        Some(Value::Object(components)) => components,
        _ => Map::new(),
    };
    components.insert("schemas".into(), serde_json::from_str(SCHEMAS)?);
    let mut paths = Map::new();
    for part in PATHS {
        let part: Map<String, Value> = serde_json::from_str(part)?;
        paths.extend(part.into_iter().map(|(path, item)| (path, complete(item))));
    }
    document.insert("paths".into(), paths.into());
    document.insert("components".into(), components.into());
    document.insert("x-problems".into(), problems());
    if let Some(info) = document.get_mut("info") {
        info["version"] = env!("CARGO_PKG_VERSION").into();
    }
    Ok(document.into())
}

/// An address, its operations with what all have in common.
fn complete(item: Value) -> Value {
    let Value::Object(mut item) = item else { return item };
    for (method, operation) in item.iter_mut().filter(|(name, _)| *name != "parameters") {
        let posts = method == "post";
        let common = EVERYWHERE.iter().chain(WITH_BODY.iter().filter(|_| posts));
        for (status, name) in common {
            let reference = json!({ "$ref": format!("#/components/responses/{name}") });
            if operation["responses"].get(status).is_none() {
                operation["responses"][status] = reference;
            }
        }
        if posts {
            let key = json!({ "$ref": "#/components/parameters/IdempotencyKey" });
            match operation.get_mut("parameters").and_then(Value::as_array_mut) {
                Some(parameters) => parameters.push(key),
                None => operation["parameters"] = json!([key]),
            }
            let replayed = json!({ "$ref": "#/components/headers/IdempotencyReplayed" });
            operation["responses"]["200"]["headers"]["Idempotency-Replayed"] = replayed;
        }
    }
    item.into()
}

/// The types of problems, as the codes say.
fn problems() -> Value {
    let problem = |code: &Code| {
        let (title, status, retry) = (code.message(), code.http(), code.retry());
        (code.name().to_string(), json!({ "title": title, "status": status, "retry": retry }))
    };
    Value::Object(Code::ALL.iter().map(problem).collect())
}
