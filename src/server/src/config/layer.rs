//! The three places settings come from, each read into a flat list: the file, the environment, the flags.

use super::error::{ConfigError, Source};
use serde_json::{Map, Number, Value};
use std::path::Path;
use toml::de::{DeTable, DeValue};

/// Every variable of the hub begins so; sections are parted from keys by two underscores.
pub const ENV_PREFIX: &str = "CROSSPOINT_";

/// One value that somebody set.
#[derive(Debug, Clone, PartialEq)]
pub struct Setting {
    /// The key, dotted.
    pub key: String,
    /// As written: text from environment and flags, typed from the file.
    pub value: Value,
    /// Where.
    pub source: Source,
    /// Lines of an array's elements, where the source has lines.
    pub lines: Vec<usize>,
}

/// The variable that sets this key: `limits.rooms_max` is `CROSSPOINT_LIMITS__ROOMS_MAX`.
pub fn env_name(key: &str) -> String {
    format!("{ENV_PREFIX}{}", key.replace('.', "__").to_ascii_uppercase())
}

/// Settings among `vars`. Variables with the prefix but without two underscores may belong to others (Kubernetes names
/// some so after a service) and are left alone unless a top-level key has that name.
pub(super) fn from_env(vars: impl Iterator<Item = (String, String)>, known: &[String]) -> Vec<Setting> {
    let mut found: Vec<Setting> = vars
        .filter_map(|(name, text)| {
            let rest = name.strip_prefix(ENV_PREFIX)?;
            let key = rest.replace("__", ".").to_ascii_lowercase();
            (rest.contains("__") || known.contains(&key)).then(|| Setting {
                key,
                value: Value::String(text),
                source: Source::Env(name),
                lines: vec![],
            })
        })
        .collect();
    found.sort_by(|a, b| a.key.cmp(&b.key));
    found
}

/// Settings of a file's text.
pub(super) fn from_toml(text: &str, path: &Path) -> Result<Vec<Setting>, Box<ConfigError>> {
    let line = |at: usize| 1 + text.as_bytes()[..at.min(text.len())].iter().filter(|b| **b == b'\n').count();
    let table = DeTable::parse(text).map_err(|e| {
        // Its Display would print the line, which may hold a secret.
        Box::new(ConfigError {
            key: "(syntax)".into(),
            place: Source::File(path.into(), e.span().map_or(1, |s| line(s.start))),
            problem: e.message().replace('\n', ", "),
            fix: "correct the TOML (toml.io)".into(),
        })
    })?;
    let mut out = vec![];
    flatten("", table.get_ref(), &mut |key, value, at| {
        let lines = match value {
            DeValue::Array(items) => items.iter().map(|i| line(i.span().start)).collect(),
            _ => vec![],
        };
        out.push(Setting { key, value: json(value), source: Source::File(path.into(), line(at)), lines });
    });
    Ok(out)
}

fn flatten(prefix: &str, table: &DeTable<'_>, take: &mut impl FnMut(String, &DeValue<'_>, usize)) {
    for (name, value) in table {
        let key = if prefix.is_empty() {
            name.get_ref().to_string()
        } else {
            format!("{prefix}.{}", name.get_ref())
        };
        match value.get_ref() {
            DeValue::Table(inner) => flatten(&key, inner, take),
            other => take(key, other, name.span().start),
        }
    }
}

/// TOML as JSON; what JSON doesn't have (dates, infinities) becomes text, which no key takes.
pub(super) fn json(value: &DeValue<'_>) -> Value {
    match value {
        DeValue::String(s) => Value::String(s.to_string()),
        DeValue::Integer(i) => i64::from_str_radix(i.as_str(), i.radix())
            .map_or_else(|_| Value::String(i.to_string()), |n| Value::Number(n.into())),
        DeValue::Float(x) => x
            .as_str()
            .parse()
            .ok()
            .and_then(Number::from_f64)
            .map_or_else(|| Value::String(x.to_string()), Value::Number),
        DeValue::Boolean(b) => Value::Bool(*b),
        DeValue::Datetime(t) => Value::String(t.to_string()),
        DeValue::Array(items) => Value::Array(items.iter().map(|i| json(i.get_ref())).collect()),
        DeValue::Table(t) => {
            let pairs = t.iter().map(|(k, v)| (k.get_ref().to_string(), json(v.get_ref())));
            Value::Object(pairs.collect::<Map<_, _>>())
        }
    }
}
