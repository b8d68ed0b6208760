//! WebTransport links (draft-ietf-webtrans-http3 over QUIC, RFC 9000): every delivery class by its own means.
//!
//! The first bidirectional stream that the client opens carries the link's frames, each behind its length ([`decode`]).
//! Another one may carry a bulk link beside it, and gives way to it. Volatile frames go as datagrams (RFC 9221), one each. [`Endpoint`] takes sessions, holds their certificate and
//! rotates it where it is its own; a [`Gate`] decides who comes in.
//!
//! Heartbeats, hello timeouts and everything above messages are the hub's business.

mod address;
mod beside;
mod certificate;
mod codes;
mod config;
mod counters;
pub mod decode;
mod door;
mod encode;
mod endpoint;
mod link;
mod session;

pub use certificate::{Certificate, CertificateError};
pub use config::{Config, PerAddress};
pub use counters::Counters;
pub use door::{Gate, Refusal, Request};
pub use encode::message;
pub use endpoint::{Endpoint, StartError};
