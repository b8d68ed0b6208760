//! The bounds of an endpoint and its links, and what QUIC is told of them.

use std::sync::Arc;
use std::time::Duration;
use wtransport::config::QuicTransportConfig;
use wtransport::quinn::{IdleTimeout, VarInt};

/// What QUIC holds of a link that is sent but not acknowledged, bytes: what a slow reader costs beside its outbox, and what a fast
/// one gets per round trip. Bulk has its own beside it, so that it never takes the first link's.
const SEND_WINDOW: u64 = 512 << 10;
/// What one stream of a client may have in flight before it is read, bytes.
const STREAM_WINDOW: u32 = 256 << 10;
/// All streams of a client together.
const WINDOW: u32 = 768 << 10;
/// Datagrams that wait; of a full queue the oldest goes, bytes.
const DATAGRAMS_OUT: usize = 16 << 10;
const DATAGRAMS_IN: usize = 32 << 10;
/// Streams a client may have open at once: HTTP/3's own, the links', and some to be told that they are one too many.
const BI_STREAMS: u32 = 5;
const UNI_STREAMS: u32 = 16;

/// The bounds in force.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where sessions are opened.
    pub path: String,
    /// The largest message in bytes; a larger one closes the link with `frame_too_large`.
    pub frame_bytes_max: usize,
    /// What a bulk session may have unacknowledged, bytes.
    pub bulk_bytes_max: usize,
    /// How long a link that is being closed may take to send what was begun and to see the other end's close.
    pub close_wait: Duration,
    /// The time a client has from its first packet to the stream that carries the link.
    pub open_wait: Duration,
    /// Silence after which QUIC gives a connection up.
    pub idle: Duration,
    /// Silence after which QUIC asks for a sign of life.
    pub keep_alive: Duration,
    /// Sessions at once, those that are being opened among them.
    pub sessions_max: usize,
    /// What one address may do. IPv6 counts by /64.
    pub per_address: PerAddress,
}

/// What one address may do.
#[derive(Debug, Clone, Copy)]
pub struct PerAddress {
    /// Sessions at once; a further one is refused before its handshake.
    pub sessions_max: usize,
    /// Streams beside those of the links per second, and as many at once; one more closes its link.
    pub streams_per_s: u32,
    /// Datagrams per second, and as many at once; further ones are dropped.
    pub datagrams_per_s: u32,
}

impl Config {
    /// With this bound on messages, in bytes, and the hub's heartbeat: QUIC asks before the hub does, and gives up after it.
    pub fn new(frame_bytes_max: usize, heartbeat: Duration) -> Config {
        Config {
            path: "/webtransport".into(),
            frame_bytes_max,
            bulk_bytes_max: 512 << 10,
            close_wait: Duration::from_secs(2),
            open_wait: Duration::from_secs(10),
            idle: heartbeat * 3 / 2 + Duration::from_secs(5),
            keep_alive: heartbeat * 2 / 5,
            sessions_max: 10_000,
            per_address: PerAddress { sessions_max: 2_000, streams_per_s: 100, datagrams_per_s: 5_000 },
        }
    }

    pub(crate) fn quic(&self) -> Arc<QuicTransportConfig> {
        let mut quic = QuicTransportConfig::default();
        let idle = IdleTimeout::try_from(self.idle).unwrap_or(IdleTimeout::from(VarInt::from_u32(30_000)));
        quic.max_idle_timeout(Some(idle))
            .keep_alive_interval(Some(self.keep_alive))
            .max_concurrent_bidi_streams(VarInt::from_u32(BI_STREAMS))
            .max_concurrent_uni_streams(VarInt::from_u32(UNI_STREAMS))
            .stream_receive_window(VarInt::from_u32(STREAM_WINDOW))
            .receive_window(VarInt::from_u32(WINDOW))
            .send_window(SEND_WINDOW + self.bulk_bytes_max as u64)
            .datagram_receive_buffer_size(Some(DATAGRAMS_IN))
            .datagram_send_buffer_size(DATAGRAMS_OUT);
        Arc::new(quic)
    }
}
