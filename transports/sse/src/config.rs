use crosspoint_core::Limits;
use std::fmt;
use std::sync::Arc;

/// Sixteen bytes that nobody can guess.
pub type Random = Arc<dyn Fn() -> [u8; 16] + Send + Sync>;

/// The bounds of the transport. Sizes are bytes, times milliseconds.
#[derive(Clone)]
pub struct Config {
    /// The largest request body; beyond: `frame_too_large`.
    pub post_bytes_max: usize,
    /// The largest frame in a body; beyond: `frame_too_large`.
    pub frame_bytes_max: usize,
    /// How far ahead of the missing ones frames may come; beyond: `out_of_order`. The session's own limit.
    pub reorder_frames_max: usize,
    /// Links at a time; a further one is `unavailable`.
    pub links_max: usize,
    /// The time a request body may take. Default 10,000.
    pub body_ms: u64,
    /// How long a POST waits for a session whose inbox is full before it is answered with `timeout`. Default 20,000.
    pub inbox_ms: u64,
    /// The longest wait of a poll. Default 25,000.
    pub poll_ms_max: u64,
    /// How long after its last request a poll link is taken for gone. Default 30,000.
    pub poll_idle_ms: u64,
    /// How long a link that the hub closed has to hand over what it holds. Default 5,000.
    pub close_ms: u64,
    /// How long after its stream a link still takes a `hub:bye`. Default 5,000.
    pub late_ms: u64,
    /// Names and keys of links are drawn here.
    pub random: Random,
}

impl Config {
    /// The bounds that go with the hub's.
    pub fn new(limits: &Limits, random: Random) -> Config {
        Config {
            post_bytes_max: limits.post_bytes_max,
            frame_bytes_max: limits.frame_bytes_max,
            reorder_frames_max: limits.reorder_frames_max,
            links_max: limits.sessions_max.saturating_add(limits.links_waiting_max),
            body_ms: 10_000,
            inbox_ms: 20_000,
            poll_ms_max: 25_000,
            poll_idle_ms: 30_000,
            close_ms: 5_000,
            late_ms: 5_000,
            random,
        }
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config").field("links_max", &self.links_max).finish_non_exhaustive()
    }
}
