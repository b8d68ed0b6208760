//! What the hub asks and tells a backend by HTTP (docs/hooks.md).
#![allow(missing_docs, unreachable_pub)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../common/mod.rs"]
mod common;

mod asks;
mod backend;
mod connect;
mod failures;
mod notify;
mod verify;
