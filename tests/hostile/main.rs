//! Clients that mean no good. Two others chat all the while and must not notice; afterwards the hub, a process of its own, must hold
//! no more than before.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

mod bytes;
mod floods;
mod half_open;
mod hub;
mod requests;
mod siege;
mod silence;
mod slow;
mod webrtc;
mod webtransport;
mod wire;
