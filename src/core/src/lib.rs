//! The core of Crosspoint, in the sans-I/O style: inputs go in with the time they happened at, outputs are
//! polled out, and nothing here performs I/O, reads a clock or draws a random number.
//!
//! * What travels: [`frame`] (one JSON object), [`wire`] (a frame encoded once for all its receivers),
//!   [`position`] (a place in a room's history), [`code`] (every close and error code).
//! * What carries it: [`link`], the traits between transports and the hub.
//! * The hub's half of a session: [`session`]. The client's half: [`client`].
//! * Choices and bounds: [`negotiate`] (a pure ranking that explains itself), [`limits`], [`grant`].
//! * What clients tell of their links: [`report`].
//!
//! All times are milliseconds of one monotonic clock of the caller's, except where a name says `unix`.

pub mod client;
pub mod code;
pub mod frame;
pub mod grant;
pub mod limits;
pub mod link;
pub mod negotiate;
pub mod position;
pub mod report;
pub mod session;
pub mod wire;

pub use code::{Code, Fault, Retry};
pub use frame::{Frame, FrameError, Raw};
pub use grant::{Cap, Grant};
pub use limits::Limits;
pub use link::{Acceptor, Flow, LinkInfo, LinkPeer, LinkSender, Message, Transport};
pub use position::Position;
pub use report::Report;
pub use wire::{OutFrame, SharedFrame, Wire};

/// The protocol's version, as in hello and welcome.
pub const VERSION: u32 = 1;
