//! What a server is told.

use ipnet::IpNet;
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

/// Settings of a server.
#[derive(Clone)]
pub struct Config {
    /// STUN requests per second that are taken from an address (with IPv6: from a /64), twice as many at once.
    pub address_requests_per_s: u32,
    /// Without it the server answers STUN only.
    pub turn: Option<Turn>,
}

/// Settings of the relay.
#[derive(Clone)]
pub struct Turn {
    /// The secret of the credentials.
    pub secret: Vec<u8>,
    /// Addresses at which peers find the relay; the first one of each family counts.
    pub public: Vec<IpAddr>,
    /// Ports of relayed addresses.
    pub ports: RangeInclusive<u16>,
    /// Networks of peers that are let through whatever they are.
    pub allow_peers: Vec<IpNet>,
    /// Bounds.
    pub quotas: Quotas,
}

/// Bounds of the relay.
#[derive(Debug, Clone)]
pub struct Quotas {
    /// Allocations at once.
    pub allocations_max: usize,
    /// Allocations of one user at once.
    pub user_allocations_max: usize,
    /// Bytes per second that are relayed for a user, both directions together, twice as many at once.
    pub user_bytes_per_s: u64,
    /// Bytes that are relayed for a user in 24 hours.
    pub user_bytes_per_day: u64,
    /// Bytes per second that are relayed for all; 0: no bound.
    pub bytes_per_s: u64,
    /// The longest life of an allocation, however often it is refreshed.
    pub allocation_life: Duration,
    /// TCP connections at once.
    pub connections_max: usize,
    /// TCP connections of one address (with IPv6: of a /64) at once.
    pub address_connections_max: usize,
}

impl Default for Quotas {
    fn default() -> Quotas {
        Quotas {
            allocations_max: 1_000,
            user_allocations_max: 16,
            user_bytes_per_s: 2_000_000,
            user_bytes_per_day: 20_000_000_000,
            bytes_per_s: 0,
            allocation_life: Duration::from_secs(12 * 3600),
            connections_max: 1_000,
            address_connections_max: 100,
        }
    }
}
