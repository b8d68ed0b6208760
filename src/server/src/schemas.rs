//! The shapes of payloads: JSON Schemas of namespaces, read and compiled when the hub starts.

use crosspoint_core::{Code, Fault};
use crosspoint_hub::{Namespace, PayloadCheck};
use jsonschema::{PatternOptions, Validator};
use serde_json::Value;
use serde_json::value::RawValue;
use std::collections::HashMap;

/// The largest file of a schema, bytes.
const FILE_BYTES_MAX: u64 = 1 << 20;
/// Characters of an answer that say where, and what.
const PLACE_MAX: usize = 200;
const PROBLEM_MAX: usize = 300;

/// Compiled schemas, by the file they are in.
pub(crate) struct Schemas(HashMap<String, Validator>);

impl Schemas {
    /// Those of these namespaces.
    ///
    /// # Errors
    /// What is wrong with which file, of which namespace.
    pub(crate) fn read(namespaces: &[Namespace]) -> Result<Schemas, String> {
        let mut schemas = HashMap::new();
        for namespace in namespaces {
            for (kind, file) in &namespace.schemas {
                let wrong = |problem: String| {
                    format!("the schema of `{kind}` in `{}`, {file}: {problem:.500}", namespace.prefix)
                };
                if !schemas.contains_key(file) {
                    schemas.insert(file.clone(), compile(file).map_err(wrong)?);
                }
            }
        }
        Ok(Schemas(schemas))
    }
}

/// Schemas refer to nothing outside their own file, and their patterns take linear time, whatever a client sends.
fn compile(file: &str) -> Result<Validator, String> {
    let bytes = std::fs::metadata(file).map_err(|e| format!("cannot be read: {e}"))?.len();
    if bytes > FILE_BYTES_MAX {
        return Err(format!("has {bytes} bytes, more than {FILE_BYTES_MAX}"));
    }
    let text = std::fs::read_to_string(file).map_err(|e| format!("cannot be read: {e}"))?;
    let schema: Value = serde_json::from_str(&text).map_err(|e| format!("is not JSON: {e}"))?;
    let options = jsonschema::options().offline().with_pattern_options(PatternOptions::regex());
    options.build(&schema).map_err(|e| format!("is no JSON Schema: {e}"))
}

impl PayloadCheck for Schemas {
    fn check(&self, namespace: &Namespace, kind: &str, data: &RawValue) -> Result<(), Fault> {
        let Some(schema) = namespace.schema_of(kind).and_then(|file| self.0.get(file)) else { return Ok(()) };
        let bad = |text: String| Err(Fault::new(Code::BadRequest, text));
        let data: Value = match serde_json::from_str(data.get()) {
            Ok(data) => data,
            Err(e) => return bad(format!("The payload can't be read: {e:.300}")),
        };
        match schema.validate(&data) {
            Ok(()) => Ok(()),
            Err(e) => {
                // Masked: a message does not repeat what it doesn't like, however large.
                let (place, problem) = (e.instance_path().to_string(), e.masked().to_string());
                let place = if place.is_empty() { "/" } else { &*place };
                bad(format!(
                    "The payload does not fit its schema at {place:.PLACE_MAX$}: {problem:.PROBLEM_MAX$}"
                ))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use serde_json::value::to_raw_value;

    fn namespace(schema: &str) -> (std::path::PathBuf, Namespace) {
        use std::sync::atomic::{AtomicU32, Ordering};
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!(
            "crosspoint-schema-{}-{}.json",
            std::process::id(),
            COUNT.fetch_add(1, Ordering::Relaxed)
        );
        let path = std::env::temp_dir().join(name);
        std::fs::write(&path, schema).unwrap();
        let schemas = [("msg".to_string(), path.to_str().unwrap().to_string())].into();
        (path, Namespace { prefix: "chat:".into(), schemas, ..Namespace::default() })
    }

    #[test]
    fn a_payload_fits_or_is_told_where_it_does_not() {
        let schema = json!({"type": "object", "required": ["text"], "properties": {
            "text": {"type": "string", "maxLength": 5}, "to": {"type": "array", "items": {"type": "integer"}}}});
        let (path, namespace) = namespace(&schema.to_string());
        let schemas = Schemas::read(std::slice::from_ref(&namespace)).unwrap();
        std::fs::remove_file(path).unwrap();
        let check = |data: Value| schemas.check(&namespace, "msg", &to_raw_value(&data).unwrap());
        assert!(check(json!({"text": "short", "to": [1, 2]})).is_ok());
        let fault = check(json!({"text": "short", "to": [1, "x".repeat(10_000)]})).unwrap_err();
        assert_eq!(fault.code, Code::BadRequest);
        assert!(fault.message.contains("at /to/1: "), "{}", fault.message);
        assert!(fault.message.len() < 600, "it repeats nothing large");
        let at_all = check(json!(null)).unwrap_err().message;
        assert!(at_all.contains("at /: "), "{at_all}");
        assert!(schemas.check(&namespace, "other", &to_raw_value(&1).unwrap()).is_ok());
    }

    #[test]
    fn what_is_no_schema_is_found_at_once() {
        for (text, problem) in [
            ("{", "is not JSON"),
            (r#"{"type": "elephant"}"#, "is no JSON Schema"),
            (r#"{"$ref": "https://example.com/other.json"}"#, "is no JSON Schema"),
            (r#"{"pattern": "(?<=a)b"}"#, "is no JSON Schema"),
        ] {
            let (path, namespace) = namespace(text);
            let error = Schemas::read(&[namespace]).map(|_| ()).unwrap_err();
            std::fs::remove_file(path).unwrap();
            assert!(error.contains(problem) && error.contains("`msg` in `chat:`"), "{error}");
        }
        let missing =
            Namespace { schemas: [("*".into(), "/nowhere/at.all".into())].into(), ..Namespace::default() };
        assert!(Schemas::read(&[missing]).map(|_| ()).unwrap_err().contains("cannot be read"));
    }
}
