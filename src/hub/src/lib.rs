//! The Crosspoint hub as a library: put any [`crosspoint_core::Acceptor`]-speaking transport in front of
//! [`Hub::acceptor`], any [`engine::Engine`] behind it.
//!
//! * [`Hub`] is the whole: construct it, hand its acceptor to transports, publish, read, drain.
//! * [`HubConfig`] has every limit, and the namespaces rooms belong to; [`Authenticator`] says who a client is.
//! * Inside, one way of data: a link's messages (`link`) enter a session (`cell`, core's state machine), are acted on
//!   (`act`, `join`, `publish`, `requests`, `peers`, `bulk`), reach rooms (`room`) through the engine, and leave at the end of the turn
//!   (`turn`). Time comes from one wheel (`wheel`, `ticker`).
//! * At the door: who may come in when (`admission`), where all are sent when the hub stops (`drain`), and how they got here (`reach`).
//!   Offers of links that need an exchange first (`offers`) are passed on.
//! * Who it is that comes (`auth`, `greeting` while that takes time), what they may do and lose (`permit`, `revoke`), what members and backends do to others (`moderate`
//!   over `moderation`, `force`).
//! * How much of all that one client, user, address or room may have: `rates`. What is published may have a shape (`payloads`).

mod act;
mod admission;
mod api;
mod auth;
mod backend;
mod bulk;
mod cell;
mod clock;
mod config;
mod drain;
pub mod engine;
mod feed;
mod force;
mod greeting;
mod hello;
mod hooks;
mod hub;
mod ice;
mod join;
mod link;
mod moderate;
mod moderation;
mod offers;
mod payloads;
mod peers;
mod permit;
mod publish;
mod rates;
mod reach;
mod requests;
mod revoke;
mod room;
mod stats;
mod ticker;
mod tickets;
mod turn;
mod watch;
mod wheel;

pub use admission::AdmissionStats;
pub use api::{RoomInfo, SessionInfo};
pub use auth::{Ask, Authenticator, Purpose};
pub use config::{HubConfig, Namespace};
pub use drain::Drain;
pub use engine::{Engine, HistoryFrom, HistoryPage, HistoryQuery, Member, MemoryEngine, Published};
pub use force::Whom;
pub use hooks::{
    Asker, Content, HookPoint, Hooks, JoinAsk, Notification, PublishAsk, RequestAnswer, RequestAsk, Rewrite,
};
pub use hub::{Hub, random_id};
pub use ice::{Ice, IceServer, IceSource};
pub use moderation::{Action, Moderated, Moderation, REASON_BYTES_MAX};
pub use offers::{Answered, Offers};
pub use payloads::PayloadCheck;
pub use rates::{AddressRates, Connection, Preset, Rates, Refused, RoomRates, SessionRates, UserRates};
pub use reach::{BUCKETS_MS, HistogramStats, MoveStats, ReachStats, ReportedStats, WayStats};
pub use revoke::{Revocation, TOKEN_ID_BYTES_MAX};
pub use stats::Stats;
pub use tickets::TicketBinding;
