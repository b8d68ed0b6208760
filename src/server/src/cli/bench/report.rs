//! What a load came to.

use super::procfs::Reading;
use serde::Serialize;
use std::fmt;

#[derive(Debug, Default, Serialize)]
pub(super) struct Report {
    pub(super) load: String,
    pub(super) connections: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) published: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) deliveries: Option<Deliveries>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) latency: Option<Latency>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) per_s: Option<f64>,
    /// The hub's CPU time per delivery (or connection, or echo), µs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) hub_cpu_us_each: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) hub_cpu_percent: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) hub_kib_each: Option<f64>,
}

#[derive(Debug, Default, Clone, Copy, Serialize)]
pub(super) struct Deliveries {
    pub(super) expected: u64,
    pub(super) received: u64,
    pub(super) out_of_order: u64,
}

/// Latencies in µs, from when the message was due.
#[derive(Debug, Default, Clone, Copy, Serialize)]
pub(super) struct Latency {
    p50_us: u32,
    p90_us: u32,
    p99_us: u32,
    max_us: u32,
}

impl Latency {
    pub(super) fn of(mut all: Vec<u32>) -> Option<Latency> {
        all.sort_unstable();
        let last = all.len().checked_sub(1)?;
        let at = |q: f64| all[((last as f64) * q).round() as usize];
        Some(Latency { p50_us: at(0.5), p90_us: at(0.9), p99_us: at(0.99), max_us: all[last] })
    }
}

impl Latency {
    pub(super) fn p99_us(&self) -> u32 {
        self.p99_us
    }
}

impl fmt::Display for Latency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = |us: u32| f64::from(us) / 1000.0;
        let Latency { p50_us, p90_us, p99_us, max_us } = *self;
        let (p50, p90, p99, max) = (ms(p50_us), ms(p90_us), ms(p99_us), ms(max_us));
        write!(f, "p50 {p50:.2}, p90 {p90:.2}, p99 {p99:.2}, max {max:.2}")
    }
}

impl Report {
    /// Adds what the hub's process spent between two readings on `n` things.
    pub(super) fn spent(&mut self, before: Option<Reading>, after: Option<Reading>, n: u64) {
        let (Some(before), Some(after)) = (before, after) else { return };
        self.hub_cpu_us_each = Some(after.cpu_us_since(&before) / n.max(1) as f64);
        self.hub_cpu_percent = Some(after.cpu_percent_since(&before));
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}: {} connections", self.load, self.connections)?;
        if let Some(d) = self.deliveries {
            let lost = d.expected.saturating_sub(d.received);
            let published = self.published.unwrap_or(0);
            writeln!(
                f,
                "  published {published}, delivered {} of {}: {lost} lost, {} out of order",
                d.received, d.expected, d.out_of_order
            )?;
        }
        if let Some(n) = self.per_s {
            writeln!(f, "  {n:.0} per second")?;
        }
        if let Some(l) = self.latency {
            writeln!(f, "  latency from due, ms: {l}")?;
        }
        if let (Some(us), Some(percent)) = (self.hub_cpu_us_each, self.hub_cpu_percent) {
            writeln!(f, "  hub CPU: {us:.2} µs each, {percent:.0} % of a core")?;
        }
        if let Some(kib) = self.hub_kib_each {
            writeln!(f, "  hub memory: {kib:.2} KiB each")?;
        }
        Ok(())
    }
}
