//! The Crosspoint hub as one program, and as a library for those who start it inside another.
//!
//! * [`config`]: from defaults, file, environment and flags to one checked [`config::Config`].
//! * [`auth`]: tokens, dev mode, API keys.
//! * [`Server`]: starts the parts in order and gives a [`Running`] server that can be shut down.
//! * [`cli`]: the commands of the binary; [`logs`]: what it writes about itself.

pub mod auth;
pub mod cli;
pub mod config;
mod hooks;
mod http;
mod http_client;
mod ice;
pub mod logs;
mod ports;
mod schemas;
mod server;
mod tls;

pub use server::{Running, Server, StartError};
pub use tls::TlsError;
