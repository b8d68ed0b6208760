//! The settings of rates: what is taken from a session, a user, an address, and for a room (docs/limits.md).

use serde::{Deserialize, Serialize};

/// What all numbers are to begin with.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Preset {
    /// No limit.
    #[default]
    Off,
    /// [`Rates::public`].
    Public,
}

/// Limits of rates, by scope. Everywhere 0 means that there is no limit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Rates {
    /// What a configuration's reader gave the numbers that nobody set; the hub itself doesn't look at it.
    pub preset: Preset,
    /// Each rate may be used for so long in advance, at once, ms. (At least one unit, and for bytes one message of the largest size.)
    pub burst_ms: u32,
    /// Frames of a session that may be refused at once, and one more each ten seconds; with each further one its link is not read for a second,
    /// and with twice as many the session ends. 0: refused without end.
    pub refused_max: u32,
    /// Users, and addresses, that are known apart at once; further ones share 1,024 sets of limits.
    pub entries_max: usize,
    /// A session's.
    pub session: SessionRates,
    /// A user's, all sessions together.
    pub user: UserRates,
    /// An address's (IPv6: a /64's), all its clients together.
    pub address: AddressRates,
    /// A room's, all its members together.
    pub room: RoomRates,
}

macro_rules! rates {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $field:ident: $kind:ty = $public:literal,)* }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(default, deny_unknown_fields)]
        pub struct $name { $($(#[$doc])* pub $field: $kind,)* }

        impl $name {
            fn public() -> $name {
                $name { $($field: $public,)* }
            }
        }
    };
}

rates! {
    /// Of one session. (Rooms: `limits.rooms_max`; requests: `limits.requests_max`.)
    SessionRates {
        /// Frames that act, per second.
        frames_per_s: u32 = 100,
        /// Bytes of their payloads, per second.
        bytes_per_s: u32 = 1_048_576,
        /// Joins per second.
        joins_per_s: u32 = 20,
        /// Publishes per second.
        publishes_per_s: u32 = 50,
        /// Presence updates (`hub:state`, `hub:peers`) per second.
        states_per_s: u32 = 10,
        /// Bytes of bulk frames per second; what comes sooner waits.
        bulk_bytes_per_s: u32 = 16_777_216,
        /// Messages per second that are read from a link, of every kind: what comes sooner waits.
        reads_per_s: u32 = 400,
    }
}

rates! {
    /// Of one user.
    UserRates {
        /// Frames that act, per second.
        frames_per_s: u32 = 200,
        /// Bytes of their payloads, per second.
        bytes_per_s: u32 = 2_097_152,
        /// Joins per second.
        joins_per_s: u32 = 40,
        /// Publishes per second.
        publishes_per_s: u32 = 100,
        /// Presence updates per second.
        states_per_s: u32 = 20,
        /// Negotiations, new and resumed sessions per second.
        connects_per_s: u32 = 10,
        /// Sessions at once.
        sessions_max: usize = 50,
        /// Rooms that all sessions together are in; one counts for each session.
        rooms_max: usize = 1_000,
        /// Requests of all sessions together that wait for answers.
        requests_max: usize = 512,
    }
}

rates! {
    /// Of one address.
    AddressRates {
        /// Frames that act, per second.
        frames_per_s: u32 = 2_000,
        /// Bytes of their payloads, per second.
        bytes_per_s: u32 = 20_971_520,
        /// Joins per second.
        joins_per_s: u32 = 400,
        /// Publishes per second.
        publishes_per_s: u32 = 1_000,
        /// Presence updates per second.
        states_per_s: u32 = 200,
        /// TCP connections per second, and (apart) negotiations and links per second.
        connects_per_s: u32 = 100,
        /// POSTs of SSE links per second.
        posts_per_s: u32 = 1_000,
        /// TCP connections at once that speak HTTP.
        connections_max: usize = 1_000,
        /// Of these, those that have sent no request yet.
        handshakes_max: usize = 100,
        /// Links at once, of every transport.
        links_max: usize = 1_000,
    }
}

rates! {
    /// Of one room. Namespaces may say otherwise.
    RoomRates {
        /// Publishes of its members per second.
        publishes_per_s: u32 = 500,
        /// Bytes of their payloads, per second.
        bytes_per_s: u32 = 4_194_304,
        /// Joins per second.
        joins_per_s: u32 = 500,
        /// Presence updates per second.
        states_per_s: u32 = 200,
        /// Sessions in it at once.
        sessions_max: usize = 0,
    }
}

impl Default for Rates {
    fn default() -> Rates {
        Rates {
            preset: Preset::Off,
            burst_ms: 5_000,
            refused_max: 100,
            entries_max: 100_000,
            session: SessionRates::default(),
            user: UserRates::default(),
            address: AddressRates::default(),
            room: RoomRates::default(),
        }
    }
}

impl Rates {
    /// What is recommended for a hub on the Internet.
    pub fn public() -> Rates {
        Rates {
            preset: Preset::Public,
            session: SessionRates::public(),
            user: UserRates::public(),
            address: AddressRates::public(),
            room: RoomRates::public(),
            ..Rates::default()
        }
    }
}
