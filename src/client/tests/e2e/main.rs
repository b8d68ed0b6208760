//! The client against the real hub, in one process, over loopback. No wait here is anything but a deadline.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

mod bulk;
mod faults;
mod identity;
mod links;
mod load;
mod moves;
mod recovers;
mod redirects;
mod refused;
mod reports;
mod rooms;
mod stalls;
mod support;
mod tls;
mod tokens;
