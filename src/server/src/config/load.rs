//! Layers the sources over the defaults: flags > environment > file > defaults.

use super::error::{ConfigError, ConfigErrors, Source};
use super::layer::{self, Setting, json};
use super::{ApiKey, Config, Issuer, Service, TokenKey, check};
use crosspoint_hub::Namespace;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::PathBuf;
use toml::de::DeValue;

/// The raw material of a configuration.
#[derive(Debug, Clone, Default)]
pub struct Inputs {
    /// A file that must exist (`--config`, `CROSSPOINT_CONFIG`).
    pub file: Option<PathBuf>,
    /// A file that is read if it exists (`./crosspoint.toml`).
    pub file_if_there: Option<PathBuf>,
    /// The environment.
    pub env: Vec<(String, String)>,
    /// Key, value and flag as written.
    pub flags: Vec<(String, String, String)>,
}

/// Reads everything and checks it.
///
/// # Errors
/// All faults that can be found in one go.
pub fn load(inputs: &Inputs) -> Result<Config, ConfigErrors> {
    let mut errors = vec![];
    let defaults = serde_json::to_value(Config::default()).unwrap_or_default();
    let known = keys(&defaults);

    let mut settings = file(inputs).unwrap_or_else(|e| {
        errors.push(*e);
        vec![]
    });
    settings.extend(layer::from_env(inputs.env.iter().cloned(), &known));
    settings.extend(inputs.flags.iter().map(|(key, value, flag)| Setting {
        key: key.clone(),
        value: Value::String(value.clone()),
        source: Source::Flag(flag.clone()),
        lines: vec![],
    }));

    let mut merged = Merge { tree: defaults.clone(), config: Config::default(), sources: BTreeMap::new() };
    for setting in settings {
        if let Err(e) = merged.put(setting, &defaults, &known) {
            errors.push(e);
        }
    }
    if merged.config.is_open() && !merged.sources.contains_key("transports.webtransport.enabled") {
        let webtransport = &mut merged.config.transports.webtransport;
        (webtransport.enabled, webtransport.assumed) = (true, true);
    }
    if merged.config.is_open() && !merged.sources.contains_key("transports.webrtc.enabled") {
        let webrtc = &mut merged.config.transports.webrtc;
        (webrtc.enabled, webrtc.assumed) = (true, true);
    }
    let Merge { config, sources, .. } = &mut merged;
    config.assume_ice(|key| sources.contains_key(key));
    config.assume_rates(|key| sources.contains_key(key));
    // A value that could not be read would only cause follow-up errors.
    if errors.is_empty() {
        check::check(&merged.config, &merged.sources, &mut errors);
    }
    if errors.is_empty() { Ok(merged.config) } else { Err(ConfigErrors(errors)) }
}

fn file(inputs: &Inputs) -> Result<Vec<Setting>, Box<ConfigError>> {
    let must = inputs.file.as_ref();
    let Some(path) = must.or(inputs.file_if_there.as_ref()) else { return Ok(vec![]) };
    match std::fs::read_to_string(path) {
        Ok(text) => layer::from_toml(&text, path),
        Err(e) if must.is_none() && e.kind() == std::io::ErrorKind::NotFound => Ok(vec![]),
        Err(e) => Err(Box::new(ConfigError {
            key: "(file)".into(),
            place: Source::File(path.clone(), 1),
            problem: format!("cannot be read: {e}"),
            fix: "name a readable file with --config or CROSSPOINT_CONFIG".into(),
        })),
    }
}

/// All dotted keys of a tree.
fn keys(tree: &Value) -> Vec<String> {
    fn walk(prefix: &str, tree: &Value, out: &mut Vec<String>) {
        let Value::Object(map) = tree else { return out.push(prefix.into()) };
        for (name, value) in map {
            walk(&if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") }, value, out);
        }
    }
    let mut out = vec![];
    walk("", tree, &mut out);
    out
}

struct Merge {
    tree: Value,
    config: Config,
    sources: BTreeMap<String, Source>,
}

impl Merge {
    fn put(&mut self, setting: Setting, defaults: &Value, known: &[String]) -> Result<(), ConfigError> {
        let Setting { key, value, source, lines } = setting;
        let error = |place: Source, problem: String, fix: String| {
            Err(ConfigError { key: key.clone(), place, problem, fix })
        };
        if !known.contains(&key) {
            return error(
                source,
                "there is no such key".into(),
                format!("known here: {}", siblings(&key, known)),
            );
        }
        let pointer = format!("/{}", key.replace('.', "/"));
        let default = defaults.pointer(&pointer).unwrap_or(&Value::Null);
        let (wanted, example) = shape(default);
        let fix = format!("give {wanted}, like {example}");
        let value = match (&source, value) {
            (Source::File(..), value) => value,
            (_, Value::String(text)) => match typed(&text, default) {
                Some(value) => value,
                None => return error(source, format!("is not {wanted}"), fix),
            },
            (_, value) => value,
        };
        if !fits(&value, default) {
            return error(source, format!("is {}, not {wanted}", kind(&value)), fix);
        }
        for (i, item) in value.as_array().into_iter().flatten().enumerate() {
            if let Some(problem) = wrong_item(&key, item) {
                let source = match (&source, lines.get(i)) {
                    (Source::File(path, _), Some(line)) => Source::File(path.clone(), *line),
                    _ => source,
                };
                let problem = format!("number {}: {problem}", i + 1);
                return error(source, problem, "see docs/configuration.md".into());
            }
        }
        let mut tree = self.tree.clone();
        if let Some(slot) = tree.pointer_mut(&pointer) {
            *slot = value;
        }
        match Config::deserialize(&tree) {
            Ok(config) => {
                (self.tree, self.config) = (tree, config);
                self.sources.insert(key, source);
                Ok(())
            }
            Err(e) => error(source, e.to_string(), fix),
        }
    }
}

fn siblings(key: &str, known: &[String]) -> String {
    let section = key.rsplit_once('.').map_or("", |(section, _)| section);
    let inside = |k: &&String| k.rsplit_once('.').map_or("", |(s, _)| s) == section;
    let mut names: Vec<&str> = known.iter().filter(inside).map(String::as_str).collect();
    if names.is_empty() {
        names = known.iter().map(|k| k.split('.').next().unwrap_or(k)).collect();
        names.dedup();
    }
    names.join(", ")
}

/// Text from the environment or a flag, read as what the default is.
fn typed(text: &str, default: &Value) -> Option<Value> {
    match default {
        Value::Bool(_) => text.parse().ok().map(Value::Bool),
        Value::Number(_) => text.replace('_', "").parse::<u64>().ok().map(Value::from),
        Value::Array(_) if text.trim_start().starts_with('[') => {
            DeValue::parse(text).ok().map(|value| json(value.get_ref()))
        }
        Value::Array(_) => {
            let parts = text.split(',').map(str::trim).filter(|p| !p.is_empty());
            Some(parts.map(Value::from).collect())
        }
        _ => Some(Value::from(text)),
    }
}

fn fits(value: &Value, default: &Value) -> bool {
    match default {
        Value::Bool(_) => value.is_boolean(),
        Value::Number(_) => value.is_u64(),
        Value::Array(_) => value.is_array(),
        _ => value.is_string(),
    }
}

/// What is wrong with an item of a list of tables.
fn wrong_item(key: &str, item: &Value) -> Option<String> {
    let read = match key {
        "namespaces" => |item| Namespace::deserialize(item).err(),
        "auth.services" => |item| Service::deserialize(item).err(),
        "auth.keys" => |item| TokenKey::deserialize(item).err(),
        "auth.issuers" => |item| Issuer::deserialize(item).err(),
        "auth.api_keys" if item.is_object() => |item| ApiKey::deserialize(item).err(),
        _ => return None,
    };
    if !item.is_object() {
        // serde would quote it, and it may be a secret.
        return Some(format!("is {}, not a table", kind(item)));
    }
    read(item).map(|e: serde_json::Error| e.to_string())
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::Array(_) => "a list",
        Value::Object(_) => "a table",
        _ => "text",
    }
}

fn shape(default: &Value) -> (&'static str, String) {
    let wanted = match default {
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a whole number that is not negative",
        Value::Array(_) => return ("a list", "[…]".into()),
        Value::Null => return ("text", "\"…\"".into()),
        _ => "text",
    };
    (wanted, default.to_string())
}

#[cfg(test)]
mod tests;
