//! The ways in which this client can carry a session.

use crosspoint_core as core;
use serde::{Deserialize, Serialize};
use std::fmt;

/// A way to carry a session; `sse-poll` is SSE whose answers end after each batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Transport {
    /// RFC 6455.
    #[serde(rename = "websocket")]
    WebSocket,
    /// An event stream down, POSTs up.
    #[serde(rename = "sse")]
    Sse,
    /// Polls down, POSTs up.
    #[serde(rename = "sse-poll")]
    SsePoll,
    /// WebTransport over HTTP/3: needs UDP, so it is moved up to.
    #[serde(rename = "webtransport")]
    WebTransport,
}

impl Transport {
    /// All that this client can do; in the order to try if nobody asks the hub.
    pub const ALL: [Transport; 4] =
        [Transport::WebSocket, Transport::Sse, Transport::SsePoll, Transport::WebTransport];
    /// Those that need nothing but TCP.
    pub const OVER_TCP: [Transport; 3] = [Transport::WebSocket, Transport::Sse, Transport::SsePoll];

    /// The name: `websocket`, `sse`, `sse-poll` or `webtransport`.
    pub const fn name(self) -> &'static str {
        match self {
            Transport::WebSocket => "websocket",
            Transport::Sse => "sse",
            Transport::SsePoll => "sse-poll",
            Transport::WebTransport => "webtransport",
        }
    }

    /// The transport of this name, or `None`.
    pub fn from_name(name: &str) -> Option<Transport> {
        Transport::ALL.into_iter().find(|t| t.name() == name)
    }

    /// What negotiation calls it: polls are a way of using SSE.
    pub const fn family(self) -> core::Transport {
        match self {
            Transport::WebSocket => core::Transport::WebSocket,
            Transport::Sse | Transport::SsePoll => core::Transport::Sse,
            Transport::WebTransport => core::Transport::WebTransport,
        }
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
