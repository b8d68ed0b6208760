//! ICE servers: what clients need to reach each other by WebRTC (docs/protocol.md, ICE servers). The hub only passes on what is issued elsewhere.

use crate::cell::Cell;
use crate::hub::Hub;
use crosspoint_core::Grant;
use serde::Serialize;
use std::fmt;
use std::sync::Arc;

/// One entry, in the shape of W3C WebRTC's `RTCIceServer`.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct IceServer {
    /// `stun:`, `turn:` and `turns:` addresses (RFC 7064, RFC 7065).
    pub urls: Vec<String>,
    /// The name to give there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// Its password.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credential: Option<String>,
}

impl fmt::Debug for IceServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IceServer").field("urls", &self.urls).finish_non_exhaustive()
    }
}

/// What one client is given.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Ice {
    /// Perhaps none.
    pub ice_servers: Vec<IceServer>,
    /// How long the credentials may be used to begin, ms; `None`: none of them ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ice_ms: Option<u64>,
}

/// Issues ICE servers, with credentials.
pub trait IceSource: Send + Sync {
    /// Those for the user of this grant.
    fn issue(&self, grant: &Grant) -> Ice;
}

impl Hub {
    /// From now on clients get ICE servers from there. Only the first source counts.
    pub fn offer_ice(&self, source: Arc<dyn IceSource>) {
        // A second one is ignored, as said.
        let _ = self.ice.set(source);
    }

    /// The ICE servers for the user of this grant; for nobody in particular there are none.
    pub fn ice(&self, grant: &Grant) -> Ice {
        match self.ice.get() {
            Some(source) if !grant.user.is_empty() => source.issue(grant),
            _ => Ice::default(),
        }
    }

    pub(crate) fn ice_for(&self, cell: &Cell) -> Ice {
        let grant = cell.state.lock().grant.clone();
        self.ice(&grant)
    }
}
