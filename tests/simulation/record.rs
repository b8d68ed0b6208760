//! What a client was told and answered, as test vectors for its mirrors in other languages.

use crosspoint_core::client::{ClientConfig, Input, Output};
use serde_json::{Value, json};

/// A file's size is bounded: a longer record is cut at a line.
const BYTES_MAX: usize = 120_000;

/// One JSON object per line: first the configuration, then each input with what came of it.
pub(crate) struct Record {
    config: Value,
    lines: Option<String>,
    full: bool,
}

impl Record {
    pub(crate) fn new(config: &ClientConfig) -> Record {
        Record { config: json!({ "config": config }), lines: None, full: false }
    }

    pub(crate) fn begin(&mut self) {
        self.lines = Some(format!("{}\n", self.config));
    }

    pub(crate) fn text(&self) -> &str {
        self.lines.as_deref().unwrap_or_default()
    }

    pub(crate) fn input(&self, input: &Input) -> Value {
        if self.lines.is_none() || self.full {
            return Value::Null;
        }
        serde_json::to_value(input).unwrap_or_default()
    }

    pub(crate) fn outputs(&mut self, now: u64, input: Value, taken: bool, outputs: &[Output], deadline: u64) {
        let Some(lines) = self.lines.as_mut().filter(|_| !self.full) else { return };
        let mut line = json!({"now": now, "in": input});
        if !taken {
            line["err"] = Value::Bool(true);
        }
        line["out"] = serde_json::to_value(outputs).unwrap_or_default();
        line["deadline"] = if deadline == u64::MAX { Value::Null } else { deadline.into() };
        let line = line.to_string();
        self.full = lines.len() + line.len() >= BYTES_MAX;
        if !self.full {
            lines.push_str(&line);
            lines.push('\n');
        }
    }
}
