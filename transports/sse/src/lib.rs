//! Event streams and polls with POST uplink for Crosspoint.
mod block;
mod body;
mod collect;
mod config;
mod link;
mod poll;
mod queue;
mod sse;
mod uplink;

pub use body::SseBody;
pub use config::{Config, Random};
pub use sse::Sse;
