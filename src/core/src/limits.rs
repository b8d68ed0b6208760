//! Every bound of the hub in one place, with its default. Sizes are bytes, times milliseconds, unless named otherwise.

use serde::{Deserialize, Serialize};

/// Frames of a client after which the hub acknowledges at the latest: a client's memory may be small.
pub const HUB_ACK_EVERY: u64 = 64;

/// The bounds in force. Each has a default that suits a public hub on one machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// The largest message a client may send, after decompression and unmasking.
    pub frame_bytes_max: usize,
    /// The largest body of an uplink or API POST.
    pub post_bytes_max: usize,
    /// Rooms a session may be in.
    pub rooms_max: usize,
    /// Rooms the hub holds; joining a further one is `unavailable`.
    pub hub_rooms_max: usize,
    /// Sessions the hub holds, parked ones too; a further one is `unavailable`.
    pub sessions_max: usize,
    /// Links that wait for their hello.
    pub links_waiting_max: usize,
    /// Unacknowledged bytes a session may have; beyond, rooms are read from history. Direct messages may use as much again.
    pub outbox_bytes_max: usize,
    /// Bulk frames a client may have waiting for their replies.
    pub bulk_frames_max: usize,
    /// Bytes of bulk frames that wait: for replies on their way up, for acknowledgements on their way down.
    pub bulk_bytes_max: usize,
    /// Newest-wins keys a session may have waiting.
    pub volatile_keys_max: usize,
    /// Early counted frames a session holds until the missing ones come.
    pub reorder_frames_max: usize,
    /// Frames of a session that wait for a slow engine before the link is not read any further.
    pub inbox_frames_max: usize,
    /// Invalid messages on a link before it is closed.
    pub bad_frames_max: u32,
    /// Requests a session may have waiting for answers.
    pub requests_max: usize,
    /// Events one history reply may hold.
    pub history_page_max: usize,
    /// The largest presence state.
    pub state_bytes_max: usize,
    /// Silence after which a ping is sent; one and a half times it after which the link is given up.
    pub heartbeat_ms: u64,
    /// The quickest pace of beats that clients may have: so soon and a little later a client notices that its link is dead. 0: no
    /// beats, silence is noticed by the heartbeat.
    pub beat_ms: u64,
    /// The time a link has for its hello.
    pub hello_ms: u64,
    /// How long a session lives without a link.
    pub resume_ms: u64,
    /// How long an old link may live beside its successor.
    pub drain_ms: u64,
    /// A client acknowledges at least every so many counted frames … It can be rare: acks only free memory, since a resume says what was
    /// received anyway, and a session whose outbox is half full asks for one. The hub acknowledges at least as often, and
    /// at least every [`HUB_ACK_EVERY`](crate::limits::HUB_ACK_EVERY) frames.
    pub ack_every: u64,
    /// … and at the latest so long after the first unacknowledged one.
    pub ack_delay_ms: u64,
    /// How long a request waits for its answer if the asker doesn't say.
    pub request_ms: u64,
    /// The longest a request may wait.
    pub request_ms_max: u64,
    /// The life of a negotiation ticket.
    pub ticket_ms: u64,
    /// Revocations of tokens that the hub remembers; a further one is `limit_exceeded`.
    pub revocations_max: usize,
    /// Users of a room that are muted or banned at a time.
    pub room_moderated_max: usize,
    /// The same of all rooms together.
    pub moderated_max: usize,
    /// Clients that may come in within a second, by negotiation, hello or plain connection; the others are told when to come again.
    /// 0: as many as come.
    pub connects_per_s: u64,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            frame_bytes_max: 64 << 10,
            post_bytes_max: 256 << 10,
            rooms_max: 256,
            hub_rooms_max: 100_000,
            sessions_max: 100_000,
            links_waiting_max: 10_000,
            outbox_bytes_max: 1 << 20,
            bulk_frames_max: 16,
            bulk_bytes_max: 512 << 10,
            volatile_keys_max: 64,
            reorder_frames_max: 128,
            inbox_frames_max: 256,
            bad_frames_max: 20,
            requests_max: 256,
            history_page_max: 1000,
            state_bytes_max: 1024,
            heartbeat_ms: 10_000,
            beat_ms: 2_500,
            hello_ms: 10_000,
            resume_ms: 60_000,
            drain_ms: 2_000,
            ack_every: 512,
            ack_delay_ms: 10_000,
            request_ms: 10_000,
            request_ms_max: 60_000,
            ticket_ms: 30_000,
            revocations_max: 100_000,
            room_moderated_max: 1_000,
            moderated_max: 100_000,
            connects_per_s: 2_000,
        }
    }
}

impl Limits {
    /// Silence after which a link is given up, in ms.
    pub fn silence_ms(&self) -> u64 {
        self.heartbeat_ms + self.heartbeat_ms / 2
    }

    /// What the welcome tells a client.
    pub fn for_client(&self) -> ClientLimits {
        ClientLimits {
            frame_bytes_max: self.frame_bytes_max,
            post_bytes_max: self.post_bytes_max,
            rooms_max: self.rooms_max,
            outbox_bytes_max: self.outbox_bytes_max,
            bad_frames_max: self.bad_frames_max,
            reorder_frames_max: self.reorder_frames_max,
            bulk_frames_max: self.bulk_frames_max,
            bulk_bytes_max: self.bulk_bytes_max,
        }
    }

    /// The bounds of a bulk session, which is one among others: its frames are large.
    pub fn for_bulk(&self) -> Limits {
        Limits {
            outbox_bytes_max: self.bulk_bytes_max,
            reorder_frames_max: self.reorder_frames_max.min(self.bulk_frames_max),
            inbox_frames_max: self.bulk_frames_max,
            // It lives as long as its main session.
            resume_ms: u64::MAX,
            ..self.clone()
        }
    }
}

/// The limits a client must keep; sizes in bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ClientLimits {
    /// The largest message.
    pub frame_bytes_max: usize,
    /// The largest uplink POST body.
    pub post_bytes_max: usize,
    /// Rooms a session may be in.
    pub rooms_max: usize,
    /// Unacknowledged bytes before rooms are read from history.
    pub outbox_bytes_max: usize,
    /// Invalid messages before the link is closed.
    pub bad_frames_max: u32,
    /// Early frames the hub holds for a session.
    pub reorder_frames_max: usize,
    /// Bulk frames that may wait for their replies.
    pub bulk_frames_max: usize,
    /// Bytes they may have together.
    pub bulk_bytes_max: usize,
}
