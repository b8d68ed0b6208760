//! Structured logs on standard error. House rule: no token, key, payload or person's address at any level that is on by
//! default; names of rooms and users at none.

use crate::config::{Log, LogFormat};
use tracing::Level;
use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::{FilterExt as _, filter_fn};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::{SubscriberInitExt as _, TryInitError};

/// Whether a library may write whole requests at this level, URLs and credentials among them. The hub writes none of its lines, whatever
/// level is asked for.
fn tells_all(target: &str, level: &Level) -> bool {
    *level > Level::INFO && target.split("::").next() == Some("wtransport")
}

/// Starts logging for the whole process.
///
/// # Errors
/// When somebody did so before.
pub fn start(log: &Log) -> Result<(), TryInitError> {
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let layer = match log.format {
        LogFormat::Text => lines.with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr())).boxed(),
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
    };
    let filter = log.level.targets().and(filter_fn(|line| !tells_all(line.target(), line.level())));
    tracing_subscriber::registry().with(layer.with_filter(filter)).try_init()
}
