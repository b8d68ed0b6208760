//! The STUN and TURN server inside Crosspoint: STUN (RFC 8489) for everybody, TURN (RFC 8656) over UDP and TCP for who has credentials.
//!
//! Allocations, permissions, channels and the encoding of what is relayed are the `turn` crate's. Its own server has no filter of peers, no
//! quotas and no bound on the nonces that it remembers, so what comes from the network is read, authenticated and bounded here, and the
//! relay sockets are ours ([`relay`]): they exchange datagrams only with addresses that the filter ([`peers`]) lets through.

mod account;
mod addresses;
mod allocate;
mod bucket;
mod client;
mod config;
mod counters;
mod credentials;
mod message;
mod nonce;
mod peers;
mod relay;
mod request;
mod respond;
mod server;
mod shared;
mod tcp;
mod udp;

pub use config::{Config, Quotas, Turn};
pub use counters::Counters;
pub use credentials::{Credentials, Issued};
pub use server::{Server, StartError};
