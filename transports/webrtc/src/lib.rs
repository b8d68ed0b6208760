//! WebRTC links: the hub is the other end of clients' DataChannels (RFC 8831).
//!
//! A client's offer is answered ([`Endpoint::answer`]); its packets then come to one of the endpoint's UDP sockets, which all
//! peers share, and find their peer by the user name of its checks and the addresses it answered. Each peer is one task, in which
//! the sans-I/O core of the webrtc crate does ICE (lite), DTLS and SCTP; sockets, clocks and queues are ours, and bounded.
//! Messages longer than the channel's go in [`parts`].
//!
//! Heartbeats, hello timeouts and everything above messages are the hub's business.

mod address;
mod config;
mod counters;
mod endpoint;
mod lane;
mod link;
pub mod parts;
mod peer;
mod routes;
mod sdp;
mod socket;
mod stun;

pub use config::{Config, PerAddress};
pub use counters::Counters;
pub use endpoint::{Answer, Endpoint, StartError};
pub use sdp::OFFER_BYTES_MAX;
pub use socket::bind;
