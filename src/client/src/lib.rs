//! Rust client of Crosspoint: one session with a hub, over WebSocket, event streams or polls, whichever the network lets
//! through, and moved between them without losing, doubling or reordering anything.
//!
//! ```no_run
//! # async fn example() -> Result<(), crosspoint_client::Fault> {
//! use crosspoint_client::{Client, ClientEvent, JoinOptions, Options, PublishOptions};
//!
//! let client = Client::connect(Options::user("http://127.0.0.1:3001", "alice"));
//! let mut events = client.events();
//! client.ready().await?;
//! client.room("chat:lobby", JoinOptions::default()).await?;
//! client.publish("chat:lobby", "message", "hello", PublishOptions::default()).await?;
//! while let Some(event) = events.next().await {
//!     if let ClientEvent::Frame(frame) = event {
//!         println!("{}", frame.encode_text());
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! * What an application holds: [`Client`], made with [`Options`]; what it reads: [`Events`].
//! * The session is core's client machine (`crosspoint_core::client`), driven by one task per client, which opens a link
//!   (one task each) wherever a race over the hub's offers finds one.
//! * [`raw`] opens links without all this, for tests and benches that speak the protocol by hand.

mod backoff;
mod bulk;
mod calls;
mod client;
mod clock;
mod driver;
mod event;
mod limited;
mod link;
mod moderation;
mod negotiate;
mod net;
mod options;
mod plan;
mod race;
mod random;
pub mod raw;
mod rooms;
mod status;
mod token;
mod transport;

pub use backoff::BackoffOptions;
pub use calls::{History, Joined, Member, Published, RequestError};
pub use client::Client;
pub use crosspoint_core::frame::AnswerError;
pub use crosspoint_core::{Code, Fault, Frame, Retry};
pub use event::{ClientEvent, Events, State};
pub use moderation::{Moderate, Moderated};
pub use options::{HistoryOptions, JoinOptions, Options, PublishOptions};
pub use status::{Counts, Status};
pub use token::Token;
pub use transport::Transport;

/// The examples of the manual compile.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/rust.md")]
struct Manual;
