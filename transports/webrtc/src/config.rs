//! The bounds of an endpoint and its links.

use std::net::IpAddr;
use std::time::Duration;

/// The bounds in force.
#[derive(Debug, Clone)]
pub struct Config {
    /// Addresses told to clients instead of those listened on; the port is the socket's.
    pub public_addresses: Vec<IpAddr>,
    /// The largest message in bytes; a larger one closes the link with `frame_too_large`.
    pub frame_bytes_max: usize,
    /// How long a link that is being closed may take until the other end has what was sent.
    pub close_wait: Duration,
    /// The time a client has from its offer to its open channel.
    pub open_wait: Duration,
    /// Silence after which ICE gives a peer up.
    pub idle: Duration,
    /// Peers at once, those that are being opened among them.
    pub peers_max: usize,
    /// What one address may do. IPv6 counts by /64.
    pub per_address: PerAddress,
}

/// What one address may do.
#[derive(Debug, Clone, Copy)]
pub struct PerAddress {
    /// Peers at once; a further offer is refused.
    pub peers_max: usize,
    /// Offers per second, and as many at once; further ones are refused.
    pub offers_per_s: u32,
}

impl Config {
    /// With this bound on messages, in bytes, and the hub's heartbeat: ICE gives up after the hub does.
    pub fn new(frame_bytes_max: usize, heartbeat: Duration) -> Config {
        Config {
            public_addresses: vec![],
            frame_bytes_max,
            close_wait: Duration::from_secs(2),
            open_wait: Duration::from_secs(10),
            idle: heartbeat * 3 / 2 + Duration::from_secs(5),
            peers_max: 10_000,
            per_address: PerAddress { peers_max: 500, offers_per_s: 20 },
        }
    }
}
