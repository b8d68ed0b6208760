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
    let codes: Vec<&str> = Code::ALL.iter().map(|code| code.name()).collect();
    components["schemas"]["Code"] = json!({ "enum": codes, "description": "Stable; newer hubs may have more (docs/protocol.md, Codes)." });
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::api::place::ADDRESSES;
    use std::collections::{BTreeMap, BTreeSet};

    fn written() -> Value {
        serde_json::from_slice(&document()).unwrap()
    }

    /// What a reference names.
    fn resolve<'a>(document: &'a Value, value: &'a Value) -> &'a Value {
        let reference = value["$ref"].as_str();
        reference.map_or(value, |r| document.pointer(r.trim_start_matches('#')).expect("it leads somewhere"))
    }

    #[test]
    fn every_operation_is_described_and_no_other() {
        let document = written();
        let mut described = BTreeMap::new();
        for (path, item) in document["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap().iter().filter(|(m, _)| *m != "parameters") {
                let own = operation["parameters"].as_array().into_iter().flatten();
                let parameters = own.map(|p| resolve(&document, p)).filter(|p| p["in"] == "query");
                let parameters: BTreeSet<_> = parameters.map(|p| p["name"].as_str().unwrap()).collect();
                let says = operation["description"].as_str().unwrap();
                let scope = says.split_once("Scope: ").map(|(_, scope)| scope.trim_end_matches('.'));
                described.insert((path.as_str(), method.to_uppercase()), (parameters, scope));
            }
        }
        let done = ADDRESSES.iter().flat_map(|a| a.operations.iter().map(move |(m, op)| (a.path, *m, op)));
        let done: BTreeMap<_, _> = done
            .map(|(path, method, op)| {
                let scope = op.scope().map(crate::auth::Scope::name);
                ((path, method.to_string()), (op.parameters().iter().copied().collect(), scope))
            })
            .collect();
        assert_eq!(described, done);
    }

    #[test]
    fn references_lead_somewhere_and_names_are_unique() {
        let document = written();
        let mut waiting = vec![&document];
        while let Some(value) = waiting.pop() {
            resolve(&document, value);
            match value {
                Value::Object(members) => waiting.extend(members.values()),
                Value::Array(items) => waiting.extend(items),
                _ => {}
            }
        }
        let items = document["paths"].as_object().unwrap().values();
        let operations = items.flat_map(|item| item.as_object().unwrap().values());
        let ids: Vec<_> = operations.filter_map(|op| op["operationId"].as_str()).collect();
        assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len());
        assert_eq!(document["info"]["version"], env!("CARGO_PKG_VERSION"));
        assert!(document["x-problems"]["not_found"]["status"] == 404);
    }

    #[test]
    fn examples_are_as_their_schemas_say() {
        let document = written();
        let mut checked = 0;
        let mut waiting = vec![&document];
        while let Some(value) = waiting.pop() {
            let examples =
                value["examples"].as_object().into_iter().flat_map(|e| e.values().map(|e| &e["value"]));
            for example in examples.chain(value.get("example")) {
                // References are looked up in the whole document.
                let mut schema = json!({ "allOf": [value["schema"]] });
                schema["components"] = document["components"].clone();
                let validator = jsonschema::draft202012::new(&schema).expect("a schema");
                let wrong: Vec<_> = validator.iter_errors(example).map(|e| e.to_string()).collect();
                assert!(wrong.is_empty(), "{example}: {wrong:?}");
                checked += 1;
            }
            match value {
                Value::Object(members) => waiting.extend(members.values()),
                Value::Array(items) => waiting.extend(items),
                _ => {}
            }
        }
        assert!(checked > 60, "{checked} examples");
    }
}
