//! The hub's settings: limits, and namespaces (what holds for the rooms whose names begin alike).

use crate::hooks::HookPoint;
use crate::rates::{Rates, RoomRates};
use crate::tickets::TicketBinding;
use crosspoint_core::Limits;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Settings of a hub.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HubConfig {
    /// Every bound.
    pub limits: Limits,
    /// What negotiation's tickets are bound to.
    pub ticket_binding: TicketBinding,
    /// Limits of rates.
    pub rates: Rates,
    /// The namespaces; the longest prefix that fits a room's name holds. Without one for `""`, the defaults hold.
    pub namespaces: Vec<Namespace>,
    /// So long before the end of a session's grant its client is told, ms; a fifth of the token's life if that is less.
    pub expiring_ms: u64,
}

impl Default for HubConfig {
    fn default() -> HubConfig {
        HubConfig {
            limits: Limits::default(),
            ticket_binding: TicketBinding::default(),
            rates: Rates::default(),
            namespaces: vec![],
            expiring_ms: 60_000,
        }
    }
}

/// What holds for rooms whose names begin with `prefix`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Namespace {
    /// The beginning of the names, such as `chat:`; empty for all other rooms.
    pub prefix: String,
    /// Events a room's history keeps; 0: the room has no history.
    pub history_events: usize,
    /// Bytes a room's history keeps.
    pub history_bytes: usize,
    /// How long events are kept, ms; 0: as long as there is room.
    pub history_ms: u64,
    /// How long a publish's id is remembered, ms, so that a repetition is not stored twice.
    pub dedup_ms: u64,
    /// Whether the hub keeps who is here.
    pub presence: bool,
    /// How long after a user's last session ended they are announced as gone, ms.
    pub leave_delay_ms: u64,
    /// Whether sessions in a room may signal each other and be on its roster of peers.
    pub signal: bool,
    /// Sessions on that roster at most.
    pub peers_max: usize,
    /// Whether the hub relays files between peers, as signals by their bulk sessions.
    pub files: bool,
    /// Bytes per second of such files that it takes from a session; 0: as many as come.
    pub files_bytes_per_s: u64,
    /// Whether anybody may read the room's plain event stream without a token.
    pub public: bool,
    /// What a backend is asked and told about the rooms.
    pub hooks: Vec<HookPoint>,
    /// Files of JSON Schemas, by the type of the events whose payloads must fit; `*` is for all other types.
    pub schemas: BTreeMap<String, String>,
    /// Whether types without a schema are refused.
    pub schemas_strict: bool,
    /// Publishes that a room takes of its members per second, instead of what `rates.room` says; so are the following.
    pub publishes_per_s: Option<u32>,
    /// Bytes of their payloads per second.
    pub bytes_per_s: Option<u32>,
    /// Joins per second.
    pub joins_per_s: Option<u32>,
    /// Presence updates per second.
    pub states_per_s: Option<u32>,
    /// Sessions that may be in a room.
    pub sessions_max: Option<usize>,
}

impl Namespace {
    /// Whether the rooms have this hook.
    pub fn asks(&self, point: HookPoint) -> bool {
        self.hooks.contains(&point)
    }
}

impl Namespace {
    /// The file with the schema of events of this type.
    pub fn schema_of(&self, kind: &str) -> Option<&str> {
        self.schemas.get(kind).or_else(|| self.schemas.get("*")).map(String::as_str)
    }

    /// The limits of one of its rooms.
    pub(crate) fn rates(&self, room: &RoomRates) -> RoomRates {
        RoomRates {
            publishes_per_s: self.publishes_per_s.unwrap_or(room.publishes_per_s),
            bytes_per_s: self.bytes_per_s.unwrap_or(room.bytes_per_s),
            joins_per_s: self.joins_per_s.unwrap_or(room.joins_per_s),
            states_per_s: self.states_per_s.unwrap_or(room.states_per_s),
            sessions_max: self.sessions_max.unwrap_or(room.sessions_max),
        }
    }
}

impl Default for Namespace {
    fn default() -> Namespace {
        Namespace {
            prefix: String::new(),
            history_events: 0,
            history_bytes: 4 << 20,
            history_ms: 0,
            dedup_ms: 120_000,
            presence: true,
            leave_delay_ms: 3_000,
            signal: true,
            peers_max: 64,
            files: true,
            files_bytes_per_s: 16 << 20,
            public: false,
            schemas: BTreeMap::new(),
            schemas_strict: false,
            publishes_per_s: None,
            bytes_per_s: None,
            joins_per_s: None,
            states_per_s: None,
            sessions_max: None,
            hooks: vec![],
        }
    }
}

/// The namespaces in the order of matching.
#[derive(Debug)]
pub(crate) struct Namespaces(Vec<Arc<Namespace>>);

impl Namespaces {
    pub(crate) fn new(mut list: Vec<Namespace>) -> Namespaces {
        if !list.iter().any(|n| n.prefix.is_empty()) {
            list.push(Namespace::default());
        }
        list.sort_by_key(|n| std::cmp::Reverse(n.prefix.len()));
        Namespaces(list.into_iter().map(Arc::new).collect())
    }

    pub(crate) fn of(&self, room: &str) -> &Arc<Namespace> {
        let last = self.0.len() - 1;
        self.0.iter().find(|n| room.starts_with(&n.prefix)).unwrap_or(&self.0[last])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_prefix_holds() {
        let ns = |prefix: &str| Namespace { prefix: prefix.into(), ..Namespace::default() };
        let all = Namespaces::new(vec![ns("chat:"), ns("chat:vip:")]);
        assert_eq!(all.of("chat:vip:1").prefix, "chat:vip:");
        assert_eq!(all.of("chat:1").prefix, "chat:");
        assert_eq!(all.of("call:1").prefix, "");
    }
}
