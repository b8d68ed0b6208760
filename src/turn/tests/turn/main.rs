//! The server as clients and peers see it: the `turn` crate's client, and one that says what no client would.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod allocations;
mod credentials;
mod malformed;
mod peers;
mod quotas;
mod raw;
mod support;
mod tcp;
