//! Event streams and polls with POST uplink for Crosspoint (docs/protocol.md, "SSE with POST uplink" and "Plain event stream").
//!
//! [`Sse`] answers three requests with complete responses; the HTTP front routes them, adds what is its own (CORS) and knows the
//! rest of the request ([`crosspoint_core::LinkInfo`]):
//!
//! * [`Sse::open`]: `POST /sse`, a link as a stream or for polls;
//! * [`Sse::uplink`]: `POST /sse/{link}`, frames up and, in poll mode, the polls;
//! * [`Sse::subscribe`]: `GET /rooms/{room}/events`, a plain event stream.
//!
//! # What an idle stream costs
//!
//! The link itself: about half a KiB. hyper 1.12 adds 10 KiB for an HTTP/1 connection (12.6 KiB resident in all, and 18.4 KiB with
//! hyper-util's `auto` builder), whatever its settings: both of its head buffers are 8 KiB and neither is let go
//! while a response lasts. On plain TCP a connection driven by [`Http1`] is out of hyper once the head of its stream has
//! left: 3.1 KiB resident in all, of which a bare tokio connection is 2.5. It also lets senders write to the socket
//! themselves, which spares each delivery a wake, a poll and a copy.
//!
//! # What the front should set
//!
//! * `http1().max_buf_size(16 << 10)`: the default lets a client that doesn't read make hyper hold 400 KiB;
//! * `http2().max_send_buf_size(64 << 10)`, for the same reason, and `keep_alive_interval`, or dead peers stay;
//! * `half_close(false)` (the default): a client that closes its end is gone;
//! * a service whose future is boxed: hyper keeps room for it as long as the connection lasts;
//! * `TCP_NODELAY`, and `TCP_USER_TIMEOUT` (some 30 s): a body can't end a connection whose peer takes nothing, the system can.

mod block;
mod body;
mod collect;
mod config;
mod direct;
mod http1;
mod late;
mod link;
mod poll;
mod queue;
mod sse;
mod uplink;

pub use body::SseBody;
pub use config::{Config, Random};
pub use http1::{Handover, Http1, into_socket};
pub use sse::Sse;
