//! WebSocket links (RFC 6455): the handshake, and frames in both directions at the cost of little more than the system calls.
//!
//! [`upgrade`] answers the request, [`Accept::serve`] runs the link. Nothing is buffered for an idle link: what arrives is read
//! into a buffer of the worker thread, and what the hub sends is written on the thread that sends it, straight from the bytes
//! that all receivers share. Only what the kernel refuses of a frame already begun is kept, and the link's own task
//! sends it when the socket has room.
//!
//! Heartbeats, hello timeouts and everything above messages are the hub's business.

mod conn;
mod encode;
mod handshake;
mod inbound;
mod link;
mod mask;
mod outbound;
mod scratch;
mod serve;
mod task;

pub use encode::message;
pub use handshake::{Accept, Refusal, SUBPROTOCOL, upgrade};
pub use serve::{Config, serve, serve_io, serve_tcp};
