//! The hub's half of a session: one state machine per client, without I/O.
//!
//! Inputs: a link came up or died, a frame came, an event or a direct frame is to be delivered, the link is writable,
//! time passed. Outputs: [`Session::transmit`] (what the link is given), [`Session::poll_action`], [`Session::deadline`].
//!
//! What holds under any order of inputs: frames from the client are handed on once each and in order; frames to the client
//! reach it once each and in order over any number of links, or the session ends; an event that doesn't fit into the outbox
//! comes later out of the room's history, or is announced by one gap.

mod ahead;
mod deliver;
mod inbound;
mod lag;
mod outbox;
#[cfg(test)]
mod tests;
mod volatile;

use crate::code::Code;
use crate::frame::Frame;
use crate::limits::Limits;
use crate::wire::{OutFrame, SharedFrame};
use ahead::Ahead;
use inbound::{Counted, Inbound};
use lag::Lag;
use outbox::Outbox;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::sync::Arc;
use volatile::Volatiles;

/// Names a link within its hub.
pub type LinkId = u64;

/// Names one reading of a room's history within its session, so that a late result is known as such.
pub type ReadId = u64;

/// What the client at the other end can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It said hello: acks, resume, `hub:ping`.
    Resumable,
    /// It did not: no acks, no resume; its library answers the transport's pings.
    Plain,
    /// It only listens (a plain event stream): it never gives a sign of life.
    Listener,
}

/// What the session wants done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Close this link with this code.
    Close(LinkId, Code),
    /// Read the room's history behind this offset (`None`: the room has no history, announce the gap) and call
    /// [`Session::caught_up`] or [`Session::catch_up_failed`].
    CatchUp(Arc<str>, Option<u64>, ReadId),
    /// Ask the link's transport for a sign of life.
    Probe(LinkId),
    /// The session is over.
    End(Code),
}

/// What became of a frame from the client.
#[derive(Debug, PartialEq)]
#[expect(
    clippy::large_enum_variant,
    reason = "it lives for one match; a box would cost an allocation per frame"
)]
pub enum Taken {
    /// Act on it, then on what [`Session::take_early`] returns.
    Act(Frame),
    /// Nothing to do: a duplicate, an early frame, or one of the link's own.
    Nothing,
    /// Too far ahead: not taken. The sender must repeat it from [`Session::received`] + 1.
    Refused,
    /// The client is at fault; the link is to be closed with this code.
    Fault(Code),
    /// The client ended the session.
    Bye,
}

#[derive(Debug)]
struct Link {
    id: LinkId,
    /// The number of the next counted frame on this link.
    next_up: u64,
    heard_at: u64,
    sent_at: u64,
    /// When the client was last asked for a sign of life.
    asked_at: u64,
    /// The transport has no room until it says `writable`.
    blocked: bool,
    /// A beat goes down when nothing else did for so long, ms; 0: the client's own beats are answered.
    beat_ms: u32,
    /// What comes up shows nothing of the way down, so beats go down by themselves.
    one_way: bool,
    /// The hub doesn't read it.
    held: bool,
}

impl Link {
    /// Since when one of the two directions is quiet: a client that only listens must be asked although it is sent much.
    fn quiet_since(&self) -> u64 {
        self.sent_at.min(self.heard_at.max(self.asked_at))
    }

    /// When a beat is due.
    fn beats_at(&self) -> u64 {
        if self.beat_ms > 0 { self.sent_at + u64::from(self.beat_ms) } else { u64::MAX }
    }
}

/// The body of `hub:ack`, `hub:ping` and `hub:pong`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Beat {
    /// Counted frames received.
    #[serde(default)]
    pub received: Option<u64>,
    /// The pinger's stamp, returned as it came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub t: Option<serde_json::Number>,
    /// In a client's ping: the pace of beats it wants from now on, ms. In the pong: the one in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub beat_ms: Option<u64>,
}

/// One client's session, as the hub holds it.
#[derive(Debug)]
pub struct Session {
    limits: Arc<Limits>,
    kind: Kind,
    inbound: Inbound,
    outbox: Outbox,
    volatiles: Volatiles,
    lag: Lag,
    ahead: Ahead,
    /// Link frames for the current link; they have no sequence.
    control: VecDeque<SharedFrame>,
    /// The client was asked to acknowledge up to this frame.
    ack_asked: u64,
    /// Somebody waits for room in the outbox among so many bytes; 0: nobody.
    room_wanted: usize,
    link: Option<Link>,
    /// The link before, until what it was given has left, and when it will be closed.
    old: Option<(Link, u64)>,
    parked_at: u64,
    /// The reason, once it is over.
    ended: Option<Code>,
    end_said: bool,
}

impl Session {
    /// A session without a link.
    pub fn new(now: u64, limits: Arc<Limits>, kind: Kind) -> Session {
        Session {
            limits,
            kind,
            inbound: Inbound::default(),
            outbox: Outbox::default(),
            volatiles: Volatiles::default(),
            lag: Lag::default(),
            ahead: Ahead::default(),
            control: VecDeque::new(),
            ack_asked: 0,
            room_wanted: 0,
            link: None,
            old: None,
            parked_at: now,
            ended: None,
            end_said: false,
        }
    }

    /// A link carries the session from now on; its client has received `received` counted frames, and knows of what it
    /// acknowledged since by the link before. That one is drained; the one before it is returned, to be closed at once.
    ///
    /// # Errors
    /// `session_expired`: the session has ended, can't be resumed, or never sent so much.
    pub fn link_up(&mut self, now: u64, link: LinkId, received: u64) -> Result<Option<LinkId>, Code> {
        let first = self.link.is_none() && self.outbox.last() == 0 && self.inbound.received() == 0;
        if self.ended.is_some() || (self.kind != Kind::Resumable && !first) || !self.outbox.rewind(received) {
            return Err(Code::SessionExpired);
        }
        self.control.clear();
        self.ack_asked = 0;
        let next_up = self.inbound.tell() + 1;
        let new = Link {
            id: link,
            next_up,
            heard_at: now,
            sent_at: now,
            asked_at: now,
            blocked: false,
            beat_ms: 0,
            one_way: false,
            held: false,
        };
        let close = match self.link.replace(new) {
            None => None,
            Some(previous) => {
                self.old.replace((previous, now + self.limits.drain_ms)).map(|(older, _)| older.id)
            }
        };
        Ok(close)
    }

    /// The client wants this pace of beats on the link that carries it, ms; 0 for none. `one_way`: what comes up by this link
    /// shows nothing of its way down. Returns the pace in force.
    pub fn pace(&mut self, wanted_ms: u64, one_way: bool) -> u64 {
        let wants = wanted_ms > 0 && self.limits.beat_ms > 0;
        let beat_ms = if wants { wanted_ms.max(self.limits.beat_ms) } else { 0 };
        if let Some(l) = &mut self.link {
            l.beat_ms = if one_way { u32::try_from(beat_ms).unwrap_or(u32::MAX) } else { 0 };
            l.one_way = one_way;
        }
        beat_ms
    }

    /// The client's beat came: the link lives, and the client is to know that it does.
    pub fn beat(&mut self, now: u64, link: LinkId) {
        self.alive(now, link);
        if self.link() == Some(link) && self.ended.is_none() {
            self.control(OutFrame::beat());
        }
    }

    /// A link is gone.
    pub fn link_down(&mut self, now: u64, link: LinkId) {
        if self.old.as_ref().is_some_and(|(o, _)| o.id == link) {
            self.old = None;
        }
        if self.link.as_ref().is_some_and(|l| l.id == link) {
            self.link = None;
            self.parked_at = now;
            self.control.clear();
            self.volatiles.clear();
            if let Some((_, close_at)) = &mut self.old {
                // Whoever still uses it must come again.
                *close_at = now;
            }
            if self.kind != Kind::Resumable {
                self.end(Code::Bye);
            }
        }
    }

    /// The session is over.
    pub fn end(&mut self, code: Code) {
        self.ended.get_or_insert(code);
    }

    /// Why it is over, if it is.
    pub fn ended(&self) -> Option<Code> {
        self.ended
    }

    /// Of which kind it is.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The link that carries it.
    pub fn link(&self) -> Option<LinkId> {
        self.link.as_ref().map(|l| l.id)
    }

    /// Counted frames received from the client.
    pub fn received(&self) -> u64 {
        self.inbound.received()
    }

    /// The number of the first counted frame that the link which just came up will be given.
    pub fn start(&self) -> u64 {
        self.outbox.acked() + 1
    }

    /// The number of the newest frame to the client.
    pub fn last_sent(&self) -> u64 {
        self.outbox.last()
    }

    /// Whether anything can be resumed from `received: 0`: nothing was counted up, and nothing acknowledged down.
    pub fn is_fresh(&self) -> bool {
        self.inbound.received() == 0 && self.outbox.acked() == 0
    }

    /// A sign of life of a link below the protocol.
    pub fn alive(&mut self, now: u64, link: LinkId) {
        if let Some(l) = self.link_mut(link) {
            l.heard_at = now;
        }
    }

    /// The hub reads this link no further for now: its silence says nothing.
    pub fn hold(&mut self, link: LinkId) {
        if let Some(l) = self.link_mut(link) {
            l.held = true;
        }
    }

    /// The hub reads all links again. Returns whether one had waited.
    pub fn release(&mut self, now: u64) -> bool {
        let mut released = false;
        for l in self.link.iter_mut().chain(self.old.iter_mut().map(|(l, _)| l)).filter(|l| l.held) {
            (l.held, l.heard_at, released) = (false, now, true);
        }
        released
    }

    /// A frame came by a link. `seq` is its number where the transport's uplink says so; else the link's own count holds.
    pub fn receive(&mut self, now: u64, link: LinkId, seq: Option<u64>, frame: Frame) -> Taken {
        if self.ended.is_some() {
            return Taken::Nothing;
        }
        let Some(l) = self.link_mut(link) else { return Taken::Fault(Code::Replaced) };
        l.heard_at = now;
        if !frame.counted() {
            return self.receive_uncounted(link, frame);
        }
        let Some(l) = self.link.as_mut().filter(|l| l.id == link) else {
            // The welcome on the link after said from where to send again. A count that went beyond it would let the
            // client forget frames which the new link has to begin with.
            return Taken::Nothing;
        };
        let seq = match seq {
            Some(seq) => seq,
            None => {
                l.next_up += 1;
                l.next_up - 1
            }
        };
        let ack_by = now + self.limits.ack_delay_ms;
        match self.inbound.take(seq, frame, self.limits.reorder_frames_max, ack_by) {
            Counted::Next(frame) => Taken::Act(frame),
            Counted::Duplicate | Counted::Early => Taken::Nothing,
            Counted::Refused => Taken::Refused,
        }
    }

    /// The next counted frame, if it came before the one just acted on.
    pub fn take_early(&mut self, now: u64) -> Option<Frame> {
        self.inbound.take_early(now + self.limits.ack_delay_ms)
    }

    fn link_mut(&mut self, link: LinkId) -> Option<&mut Link> {
        match (&mut self.link, &mut self.old) {
            (Some(l), _) if l.id == link => Some(l),
            (_, Some((l, _))) if l.id == link => Some(l),
            _ => None,
        }
    }

    fn receive_uncounted(&mut self, link: LinkId, frame: Frame) -> Taken {
        let beat = || frame.parse::<Option<Beat>>().map(Option::unwrap_or_default);
        match frame.kind.as_str() {
            "hub:ack" | "hub:pong" | "hub:ping" => {
                let Ok(beat) = beat() else { return Taken::Fault(Code::BadFrame) };
                if let Some(received) = beat.received
                    && self.kind == Kind::Resumable
                    && !self.outbox.ack(received)
                {
                    return Taken::Fault(Code::BadFrame);
                }
                if frame.kind == "hub:ping" && self.link() == Some(link) {
                    let received = Some(self.inbound.tell());
                    let one_way = self.link.as_ref().is_some_and(|l| l.one_way);
                    let beat_ms = beat.beat_ms.map(|wanted| self.pace(wanted, one_way));
                    self.control(OutFrame::with("hub:pong", &Beat { received, t: beat.t, beat_ms }));
                }
                Taken::Nothing
            }
            "hub:bye" => {
                self.end(Code::Bye);
                Taken::Bye
            }
            // Repeated, in a POST whose answer was lost; and what only the hub's counters are told.
            "hub:hello" | "hub:report" => Taken::Nothing,
            kind if Frame::is_link_kind(kind) => Taken::Fault(Code::BadRequest),
            _ => Taken::Act(frame),
        }
    }

    /// Time passed.
    pub fn tick(&mut self, now: u64) {
        if self.link.is_none() && self.ended.is_none() && now >= self.expires_at() {
            self.end(Code::SessionExpired);
        }
        self.lag.tick(now);
        let Some(l) = &mut self.link else { return };
        if self.kind == Kind::Resumable && !l.blocked && now >= l.quiet_since() + self.limits.heartbeat_ms {
            (l.sent_at, l.asked_at) = (now, now);
            let received = Some(self.inbound.tell());
            self.control(OutFrame::with("hub:ping", &Beat { received, t: None, beat_ms: None }));
        }
    }

    /// The next thing to do, until `None`. Call it after every input.
    pub fn poll_action(&mut self, now: u64) -> Option<Action> {
        if let Some(code) = self.ended {
            if let Some((old, _)) = self.old.take() {
                return Some(Action::Close(old.id, Code::Replaced));
            }
            return (!std::mem::replace(&mut self.end_said, true)).then_some(Action::End(code));
        }
        if let Some((old, _)) = self.old.take_if(|(_, close_at)| *close_at <= now) {
            return Some(Action::Close(old.id, Code::Replaced));
        }
        if let Some(l) = &mut self.link {
            if self.kind != Kind::Listener && !l.held && now >= l.heard_at + self.limits.silence_ms() {
                let id = l.id;
                self.link_down(now, id);
                return Some(Action::Close(id, Code::HeartbeatTimeout));
            }
            if self.kind != Kind::Resumable && now >= l.quiet_since() + self.limits.heartbeat_ms {
                (l.sent_at, l.asked_at) = (now, now);
                return Some(Action::Probe(l.id));
            }
        }
        self.next_catch_up(now)
    }

    /// What waits in the outbox for the client's acknowledgement, in bytes.
    pub fn outbox_bytes(&self) -> usize {
        self.outbox.bytes()
    }

    fn expires_at(&self) -> u64 {
        self.parked_at.saturating_add(self.limits.resume_ms)
    }

    /// When [`Session::tick`] is due next.
    pub fn deadline(&self) -> u64 {
        if self.ended.is_some() {
            return u64::MAX;
        }
        let mut at = self.lag.retry_at();
        if let Some((_, close_at)) = &self.old {
            at = at.min(*close_at);
        }
        let Some(l) = &self.link else { return at.min(self.expires_at()) };
        if self.kind != Kind::Listener && !l.held {
            at = at.min(l.heard_at + self.limits.silence_ms());
        }
        if l.blocked {
            return at;
        }
        at = at.min(l.quiet_since() + self.limits.heartbeat_ms).min(l.beats_at());
        match self.inbound.ack_due() {
            Some(due) if self.kind == Kind::Resumable => at.min(due),
            _ => at,
        }
    }
}
