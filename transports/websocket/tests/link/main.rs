//! WebSocket links over real sockets, seen from both ends.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod backpressure;
mod closing;
mod echo;
mod handshake;
mod streams;
mod support;
