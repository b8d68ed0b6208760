//! Networks that break what passes through them, while every message is counted. No wait here is anything but a deadline.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

mod links;
mod middleboxes;
mod overtaking;
mod posts;
mod reports;
mod scene;
mod services;
mod silence;
mod udp;
