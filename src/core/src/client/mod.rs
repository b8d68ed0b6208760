//! The client's half of a session: one state machine, without I/O. The TypeScript SDK mirrors it; vectors made by the
//! simulation keep the two the same, so [`Input`] and [`Output`] have a JSON form.
//!
//! The driver opens links (which, and when, is its business), feeds [`Client::handle`], and does what [`Client::poll`]
//! says. Frames are sent once a link is welcomed, again on the next link if they were not acknowledged, and again in a new
//! session if they have an `id` and no reply. Frames from the hub come out once each and in order.

mod links;
mod pulse;
mod rooms;
mod state;
#[cfg(test)]
mod tests;
mod up;

pub use state::{ClientConfig, Hello, Identity, Welcome};

use crate::code::{Code, Fault};
use crate::frame::Frame;
use links::Links;
use pulse::Patience;
use rooms::Rooms;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use up::Uplink;

/// Names a link; the driver chooses it, never twice.
pub type LinkId = u32;

/// What happens to the client.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case")]
pub enum Input {
    /// A link's transport is open: say hello on it. `auth` is merged into the hello's data (ticket, token, user, info, client).
    Hello {
        /// The link.
        link: LinkId,
        /// Why this link: `connect`, `lost`, `up`, `down`, `manual`, `asked`.
        cause: String,
        /// Merged into the hello.
        auth: serde_json::Map<String, serde_json::Value>,
    },
    /// A frame came.
    Frame {
        /// By this link.
        link: LinkId,
        /// The frame.
        frame: Frame,
        /// The size of the message that it came in; 0 where that is not known.
        #[serde(default, skip_serializing_if = "is_zero")]
        bytes: u64,
    },
    /// A link is gone, or was given up.
    Closed {
        /// The link.
        link: LinkId,
    },
    /// The application sends a frame. A `hub:join`, `hub:leave` or `hub:state` without an `id` is given one: its reply is needed.
    Send {
        /// The frame.
        frame: Frame,
    },
    /// The hub acknowledged outside the frames (the answer to a POST). That shows that the way up is alive, not the way down.
    Acked {
        /// By this link.
        link: LinkId,
        /// Counted frames received.
        received: u64,
    },
    /// The way down is alive: something came that is no frame and answers nothing.
    Heard {
        /// This link's.
        link: LinkId,
    },
    /// A beat came on a link that answers beats: both ways are alive.
    Beat {
        /// This link's.
        link: LinkId,
    },
    /// Frames may wait that the driver has not read: nobody is judged by what came so far.
    Unread {
        /// By this link.
        link: LinkId,
    },
    /// Another pace of beats is wanted from now on, or a sign of life at once (with the pace as it is).
    Pace {
        /// Milliseconds; 0 for no beats.
        beat_ms: u64,
    },
    /// Time passed; due at [`Client::deadline`].
    Tick,
    /// The application ends the session, and forgets what it waited for.
    Bye,
}

/// What the driver is to do or to tell the application.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case")]
pub enum Output {
    /// Write this frame to the link. `seq` is its number if it is counted.
    Transmit {
        /// To this link.
        link: LinkId,
        /// The number of a counted frame.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        seq: Option<u64>,
        /// The frame.
        frame: Frame,
    },
    /// Show that the way up of this link lives: by a beat, which is answered, or by a request without frames. A link that polls
    /// does so anyway.
    Beat {
        /// This link.
        link: LinkId,
    },
    /// Close the link; it is not needed any more.
    Close {
        /// The link.
        link: LinkId,
        /// Why.
        code: Code,
    },
    /// For the application: an event, a direct message, a request, a reply, a presence change, a gap.
    Event {
        /// The frame.
        frame: Frame,
    },
    /// The link was welcomed and carries the session.
    Welcomed {
        /// The link.
        link: LinkId,
        /// The session.
        session: String,
        /// Who the hub takes the client for.
        user: String,
        /// Whether the session went on.
        resumed: bool,
    },
    /// A room was joined again in a new session.
    Rejoined {
        /// The room.
        room: String,
        /// The reply's data.
        data: serde_json::Value,
    },
    /// Joining a room again failed.
    RejoinFailed {
        /// The room.
        room: String,
        /// Why.
        code: Code,
    },
    /// A new session: so many frames without an id may not have arrived, and won't be sent again.
    Lost {
        /// How many.
        frames: u64,
    },
    /// The hub closes the link, and says what to do next.
    Refused {
        /// The link.
        link: LinkId,
        /// Its reason.
        fault: Fault,
    },
    /// The hub wants the client on another link, soon.
    Move {
        /// The transport's name, if it matters.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        to: Option<String>,
        /// In this time, ms.
        within_ms: u64,
        /// Why.
        reason: String,
    },
    /// A pong to a stamped ping: the round trip took so long.
    Rtt {
        /// By this link.
        link: LinkId,
        /// Milliseconds.
        ms: u64,
    },
    /// The hub has these frames for good as far as this session goes.
    Acked {
        /// Counted frames received.
        received: u64,
    },
}

fn is_zero(n: &u64) -> bool {
    *n == 0
}

/// The application asked for more than may wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0} frames wait already")]
pub struct QueueFull(pub usize);

/// One client's session, as the client holds it.
#[derive(Debug)]
pub struct Client {
    config: ClientConfig,
    session: Option<Identity>,
    /// Counted frames received.
    received: u64,
    ack_due: Option<u64>,
    acked: u64,
    links: Links,
    patience: Patience,
    up: Uplink,
    rooms: Rooms,
    out: VecDeque<Output>,
    /// Counted frames that came again and were dropped.
    duplicates: u64,
    ids: u64,
}

impl Client {
    /// A client without a session.
    pub fn new(config: ClientConfig) -> Client {
        Client {
            config,
            session: None,
            received: 0,
            ack_due: None,
            acked: 0,
            links: Links::default(),
            patience: Patience::default(),
            up: Uplink::default(),
            rooms: Rooms::default(),
            out: VecDeque::new(),
            duplicates: 0,
            ids: 0,
        }
    }

    /// Takes an input.
    ///
    /// # Errors
    /// Only [`Input::Send`] fails: too many frames wait; nothing was taken.
    pub fn handle(&mut self, now: u64, input: Input) -> Result<(), QueueFull> {
        match input {
            Input::Hello { link, cause, auth } => self.hello(now, link, cause, auth),
            Input::Frame { link, frame, bytes } => self.frame(now, link, frame, bytes),
            Input::Closed { link } => self.links.closed(link),
            Input::Send { frame } => return self.send(now, frame),
            Input::Acked { link, received } => {
                self.confirmed(now, link);
                self.hub_received(link, received);
            }
            Input::Heard { link } => self.links.heard(link, now),
            Input::Beat { link } => self.beat(now, link),
            Input::Unread { link } => {
                self.links.heard(link, now);
                self.confirmed(now, link);
            }
            Input::Pace { beat_ms } => self.pace(now, beat_ms),
            Input::Tick => self.tick(now),
            Input::Bye => self.bye(now),
        }
        Ok(())
    }

    /// The next thing to do, until `None`.
    pub fn poll(&mut self) -> Option<Output> {
        self.out.pop_front()
    }

    /// The session's name, once there is one.
    pub fn session(&self) -> Option<&str> {
        self.session.as_ref().map(|s| s.session.as_str())
    }

    /// The session and its secret.
    pub fn identity(&self) -> Option<&Identity> {
        self.session.as_ref()
    }

    /// The link that carries the session.
    pub fn link(&self) -> Option<LinkId> {
        self.links.current()
    }

    /// Counted frames received.
    pub fn received(&self) -> u64 {
        self.received
    }

    /// Counted frames that came again and were dropped.
    pub fn duplicates(&self) -> u64 {
        self.duplicates
    }

    /// Frames that the hub has not acknowledged, or that wait for their reply.
    pub fn waiting(&self) -> usize {
        self.up.waiting()
    }

    fn frame(&mut self, now: u64, link: LinkId, frame: Frame, bytes: u64) {
        let Some(l) = self.links.get_mut(link) else { return };
        l.pulse.heard(now, bytes);
        if Frame::is_link_kind(&frame.kind) {
            return self.link_frame(now, link, frame);
        }
        if frame.volatile.is_some() {
            return self.out.push_back(Output::Event { frame });
        }
        let Some(next) = &mut l.next_down else {
            // Counted frames before the welcome: the hub is at fault; without a count they mean nothing.
            return self.give_up(link, Code::BadFrame);
        };
        let seq = *next;
        *next += 1;
        if seq > self.received + 1 {
            return self.give_up(link, Code::OutOfOrder);
        }
        self.ack_due.get_or_insert(now + self.config.ack_delay_ms);
        if seq <= self.received {
            self.duplicates += 1;
        } else {
            self.received = seq;
            self.deliver(now, frame);
        }
        if self.received - self.acked >= self.config.ack_every {
            self.ack(now);
        }
    }

    fn deliver(&mut self, now: u64, frame: Frame) {
        if let "hub:reply" | "hub:error" = frame.kind.as_str()
            && let Some(id) = frame.id.clone()
        {
            let asked = self.up.answered(&id, Rooms::wants_reply);
            self.flush(now);
            if self.rooms.answered(&id, asked, &frame, &mut self.out) {
                return;
            }
        }
        self.rooms.observe(&frame);
        self.out.push_back(Output::Event { frame });
    }

    /// A link that breaks the protocol or doesn't answer.
    fn give_up(&mut self, link: LinkId, code: Code) {
        self.links.closed(link);
        self.out.push_back(Output::Close { link, code });
    }
}
