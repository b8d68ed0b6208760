//! Kinds of weather. A profile and a seed make one run.

use crate::rng::Rng;
use crosspoint_core::Limits;
use crosspoint_core::client::ClientConfig;

/// What can happen to a run from outside, as weights.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Faults {
    /// A link dies; each end notices soon, late, or never.
    pub(crate) kill: u64,
    /// One direction of a link dies.
    pub(crate) half: u64,
    /// A receiver takes nothing for a while.
    pub(crate) stall: u64,
    /// A client moves to another link, make-before-break.
    pub(crate) migrate: u64,
    /// A client says two hellos on two links.
    pub(crate) race: u64,
    /// A client is away for longer than its session lives.
    pub(crate) expire: u64,
    /// The hub restarts; history is kept, gone or rolled back.
    pub(crate) restart: u64,
    /// A room's history is rewritten under its members.
    pub(crate) rewrite: u64,
    /// A room's history is trimmed.
    pub(crate) trim: u64,
    /// A session is ended by the hub, or asked to move.
    pub(crate) evict: u64,
    /// A client says goodbye for good.
    pub(crate) bye: u64,
    /// One or both directions of a link die, and nobody is told.
    pub(crate) hole: u64,
    /// A client's machine sleeps.
    pub(crate) sleep: u64,
    /// A client wants another pace of beats.
    pub(crate) pace: u64,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Profile {
    pub(crate) name: &'static str,
    pub(crate) clients: (u64, u64),
    pub(crate) run_ms: u64,
    pub(crate) heartbeat_ms: (u64, u64),
    /// The pace of beats; 0 for none.
    pub(crate) beat_ms: (u64, u64),
    /// Between two acts of one application.
    pub(crate) app_ms: (u64, u64),
    pub(crate) fault_ms: (u64, u64),
    pub(crate) faults: Faults,
    /// WebSocket, SSE stream, SSE poll.
    pub(crate) links: [u64; 3],
    pub(crate) latency_ms: (u64, u64),
    /// Requests and answers of POSTs and polls that get lost, per mille each.
    pub(crate) post_loss: u64,
    pub(crate) outbox_bytes: (u64, u64),
    pub(crate) reorder_frames: (u64, u64),
    pub(crate) queue_max: (u64, u64),
    /// Bytes that a link takes before it is blocked.
    pub(crate) window_bytes: (u64, u64),
    /// Events that a room with history keeps.
    pub(crate) kept_events: (u64, u64),
    /// Readings of history that fail, per mille.
    pub(crate) read_failures: u64,
}

const CALM: Profile = Profile {
    name: "calm",
    clients: (2, 4),
    run_ms: 3_000,
    heartbeat_ms: (300, 1_500),
    beat_ms: (0, 0),
    app_ms: (20, 200),
    fault_ms: (300, 1_500),
    faults: Faults {
        migrate: 4,
        trim: 1,
        bye: 1,
        kill: 0,
        half: 0,
        stall: 0,
        race: 0,
        expire: 0,
        restart: 0,
        rewrite: 0,
        evict: 0,
        hole: 0,
        sleep: 0,
        pace: 0,
    },
    links: [3, 1, 1],
    latency_ms: (1, 40),
    post_loss: 0,
    outbox_bytes: (20_000, 100_000),
    reorder_frames: (32, 128),
    queue_max: (500, 1_000),
    window_bytes: (4_000, 20_000),
    kept_events: (20, 200),
    read_failures: 0,
};

/// All profiles; each is a test of its own.
pub(crate) const PROFILES: &[Profile] = &[
    CALM,
    Profile {
        name: "links",
        fault_ms: (30, 600),
        faults: Faults { kill: 6, half: 3, stall: 2, migrate: 5, race: 2, ..CALM.faults },
        ..CALM
    },
    Profile {
        name: "posts",
        links: [1, 3, 3],
        latency_ms: (1, 150),
        post_loss: 150,
        reorder_frames: (2, 12),
        fault_ms: (100, 900),
        faults: Faults { kill: 2, half: 1, migrate: 3, race: 1, ..CALM.faults },
        ..CALM
    },
    Profile {
        name: "outbox",
        app_ms: (5, 80),
        outbox_bytes: (600, 4_000),
        window_bytes: (100, 1_500),
        queue_max: (5, 60),
        kept_events: (4, 60),
        read_failures: 50,
        fault_ms: (50, 500),
        faults: Faults { stall: 8, kill: 1, migrate: 2, trim: 3, rewrite: 2, ..CALM.faults },
        ..CALM
    },
    Profile {
        name: "restarts",
        fault_ms: (200, 900),
        faults: Faults { restart: 4, expire: 4, rewrite: 2, evict: 2, kill: 1, trim: 2, ..CALM.faults },
        kept_events: (4, 60),
        read_failures: 30,
        ..CALM
    },
    Profile {
        name: "everything",
        clients: (2, 5),
        links: [2, 2, 1],
        app_ms: (5, 150),
        fault_ms: (20, 400),
        faults: Faults {
            kill: 6,
            half: 3,
            stall: 4,
            migrate: 5,
            race: 3,
            expire: 2,
            restart: 1,
            rewrite: 2,
            trim: 3,
            evict: 1,
            bye: 1,
            hole: 0,
            sleep: 0,
            pace: 0,
        },
        latency_ms: (1, 100),
        post_loss: 80,
        outbox_bytes: (600, 6_000),
        reorder_frames: (2, 32),
        queue_max: (5, 100),
        window_bytes: (100, 4_000),
        kept_events: (3, 60),
        read_failures: 50,
        ..CALM
    },
    Profile {
        name: "silence",
        run_ms: 30_000,
        heartbeat_ms: (8_000, 12_000),
        beat_ms: (300, 2_500),
        app_ms: (50, 2_000),
        fault_ms: (200, 8_000),
        faults: Faults { hole: 6, sleep: 3, pace: 2, migrate: 2, kill: 1, bye: 0, ..CALM.faults },
        links: [2, 1, 1],
        ..CALM
    },
];

impl Profile {
    pub(crate) fn named(name: &str) -> Option<Profile> {
        PROFILES.iter().copied().find(|p| p.name == name)
    }

    pub(crate) fn has_beats(&self) -> bool {
        self.beat_ms.1 > 0
    }

    pub(crate) fn limits(&self, rng: &mut Rng) -> Limits {
        Limits {
            outbox_bytes_max: rng.within(self.outbox_bytes) as usize,
            reorder_frames_max: rng.within(self.reorder_frames) as usize,
            volatile_keys_max: rng.within((1, 4)) as usize,
            heartbeat_ms: rng.within(self.heartbeat_ms),
            resume_ms: rng.within((1_000, 4_000)),
            drain_ms: rng.within((20, 400)),
            ack_every: rng.within((1, 32)),
            ack_delay_ms: rng.within((5, 300)),
            request_ms: rng.within((200, 1_000)),
            beat_ms: if self.has_beats() { rng.within(self.beat_ms) } else { 0 },
            ..Limits::default()
        }
    }

    pub(crate) fn client_config(&self, rng: &mut Rng, limits: &Limits) -> ClientConfig {
        // Whose replies fit into the outbox, as those of the default do.
        let window = (limits.outbox_bytes_max / 250).clamp(1, 64);
        ClientConfig {
            queue_max: rng.within(self.queue_max) as usize,
            window: rng.within((1, window as u64)) as usize,
            welcome_ms: rng.within((300, 1_500)),
            beat_ms: limits.beat_ms,
            ..ClientConfig::default()
        }
    }
}
