//! Links by DataChannel, with the webrtc crate's own peer at the other end.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod closing;
mod echo;
mod flow;
mod hostile;
mod support;
