//! `[rates]`: the numbers that nobody set are those of the preset.

use super::Config;
use super::check::Report;
use crosspoint_hub::{Preset, Rates};
use serde::Deserialize as _;
use serde_json::Value;

/// A unit takes a nanosecond at least.
const PER_S_MAX: u64 = 1_000_000_000;

impl Config {
    /// Fills in what the preset says, where `is_set` doesn't find that somebody set it.
    pub(super) fn assume_rates(&mut self, is_set: impl Fn(&str) -> bool) {
        if self.rates.preset != Preset::Public {
            return;
        }
        let trees = (serde_json::to_value(&self.rates), serde_json::to_value(Rates::public()));
        let (Ok(mut rates), Ok(Value::Object(public))) = trees else { return };
        for (scope, fields) in &public {
            for (name, value) in fields.as_object().into_iter().flatten() {
                if !is_set(&format!("rates.{scope}.{name}")) {
                    rates[scope][name] = value.clone();
                }
            }
        }
        if let Ok(rates) = Rates::deserialize(rates) {
            self.rates = rates;
        }
    }
}

pub(super) fn check(config: &Config, fault: &mut Report<'_>) {
    let rates = serde_json::to_value(&config.rates).unwrap_or_default();
    for (scope, fields) in rates.as_object().into_iter().flatten() {
        for (name, value) in fields.as_object().into_iter().flatten() {
            if name.ends_with("_per_s") && value.as_u64().is_some_and(|n| n > PER_S_MAX) {
                let key = format!("rates.{scope}.{name}");
                fault(&key, format!("is above {PER_S_MAX}"), "give 0 for no limit");
            }
        }
    }
    let rates = &config.rates;
    for (key, value) in
        [("rates.burst_ms", rates.burst_ms as usize), ("rates.entries_max", rates.entries_max)]
    {
        if value == 0 {
            fault(key, "is 0".into(), "give at least 1");
        }
    }
}
