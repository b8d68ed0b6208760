//! A fault proxy: stands between a client and the hub and breaks what its [`Rules`] say.
//!
//! The bytes of a connection pass three stations:
//!
//! * `lane`: one per direction, between the client's socket and the rest: delay, throttle, swallow, stall,
//!   end after *n* bytes. Works on any bytes.
//! * `engine`: understands HTTP/1.1, applies [`HttpRule`]s to requests and answers. What isn't HTTP/1.1
//!   (TLS, HTTP/2) goes through as it is.
//! * `connection`: owns both sockets and decides how each of them ends.
//!
//! [`FaultProxy`] is the handle, [`Log`] records what happened, [`control`] makes all of it available over HTTP.

mod body;
mod connection;
pub mod control;
mod engine;
mod exchange;
mod handle;
mod head;
mod lane;
mod listen;
mod log;
mod peer;
mod registry;
mod rules;
mod running;
mod tunnel;

pub use handle::{ConnectionInfo, FaultProxy, Options, ProxyError, Select};
pub use log::{Counters, Entry, Event, Log};
pub use rules::{Accept, Action, End, EndAfter, Flow, HttpRule, Lane, Match, Rules};
