//! Who may come in: every way of showing who one is, by every transport, in every condition; API keys; tickets; and that no secret ever comes
//! out again.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

mod backend;
mod credentials;
mod doors;
mod hub;
mod keys;
mod secrets;
mod several;
#[allow(dead_code, unused_imports)]
#[path = "../conformance/support/mod.rs"]
mod support;
mod table;
mod tickets;
