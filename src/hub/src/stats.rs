//! What the hub counts.

use crate::hub::Hub;
use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        #[derive(Default)]
        pub(crate) struct Counters { $(pub(crate) $name: AtomicU64,)* }

        /// A reading of the hub's counters (since its start) and gauges (now).
        #[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
        pub struct Stats {
            $($(#[$doc])* pub $name: u64,)*
            /// Links now.
            pub links: u64,
            /// Links now that have not said hello.
            pub links_waiting: u64,
            /// Sessions now, parked ones too.
            pub sessions: u64,
            /// Bulk sessions now.
            pub bulk_sessions: u64,
            /// Users with a session now.
            pub users: u64,
            /// Rooms with members now.
            pub rooms: u64,
            /// Services that sessions are attached as now.
            pub services: u64,
            /// Requests that wait for answers now.
            pub requests_waiting: u64,
            /// Timers set now.
            pub timers: u64,
        }

        impl Hub {
            /// A reading of the counters and gauges.
            pub fn stats(&self) -> Stats {
                Stats {
                    $($name: self.stats.$name.load(Ordering::Relaxed),)*
                    links: self.links.load(Ordering::Relaxed) as u64,
                    links_waiting: self.links_waiting.load(Ordering::Relaxed) as u64,
                    sessions: self.sessions.read().len() as u64,
                    bulk_sessions: self.bulk.read().len() as u64,
                    users: self.users.read().len() as u64,
                    rooms: self.rooms.read().len() as u64,
                    services: self.services.read().len() as u64,
                    requests_waiting: self.requests.under_way() as u64,
                    timers: self.timers.len() as u64,
                }
            }
        }
    };
}

counters! {
    /// Links that came up.
    links_opened,
    /// Messages from clients.
    messages_in,
    /// Messages that were no frames.
    bad_frames,
    /// Sessions begun.
    sessions_opened,
    /// Sessions resumed after a lost link.
    resumes,
    /// Sessions moved while the link before was alive.
    moves,
    /// Hellos that could not resume their session.
    resume_failures,
    /// Hellos refused.
    refused,
    /// Sessions ended for reading too slowly.
    slow_consumers,
    /// Links given up for silence.
    heartbeat_timeouts,
    /// Events published.
    published,
    /// Publishes that were repetitions.
    duplicates,
    /// Events put into members' outboxes (or kept for them in history).
    deliveries,
    /// Gaps announced.
    gaps,
    /// Signals between peers.
    signals,
    /// Bulk frames delivered.
    bulk_frames,
    /// Requests between clients and services.
    requests,
    /// Payloads that did not fit their schema.
    payloads_refused,
    /// Frames answered with `rate_limited`.
    rate_limited,
    /// Volatile frames over a rate, dropped.
    rate_dropped,
    /// Messages after which a link waited to be read at its pace.
    rate_slowed,
    /// Times that a session was not read for a second, because it had too many frames refused.
    rate_paused,
    /// Requests that nobody answered in time.
    request_timeouts,
}
