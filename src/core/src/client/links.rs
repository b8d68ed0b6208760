//! A client's links, and what is said on them: hello and welcome, heartbeats, acks, goodbyes.

use super::pulse::{Due, Pulse};
use super::state::{Hello, Identity, Welcome};
use super::{Client, LinkId, Output, QueueFull, Rooms};
use crate::VERSION;
use crate::code::{Code, Fault};
use crate::frame::Frame;
use crate::session::Beat;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// A tick that comes so much later than it was due says more of this machine than of any link, ms.
const LATE_MS: u64 = 1_000;

#[derive(Debug)]
pub(super) struct Link {
    /// The number of the next counted frame from the hub; `None` before the welcome.
    pub(super) next_down: Option<u64>,
    pub(super) pulse: Pulse,
    pub(super) sent_at: u64,
    hello_at: u64,
}

#[derive(Debug, Default)]
pub(super) struct Links {
    links: BTreeMap<LinkId, Link>,
    current: Option<LinkId>,
    /// The link that the newest hello went to.
    asked: Option<LinkId>,
}

impl Links {
    pub(super) fn current(&self) -> Option<LinkId> {
        self.current
    }

    pub(super) fn get_mut(&mut self, link: LinkId) -> Option<&mut Link> {
        self.links.get_mut(&link)
    }

    pub(super) fn heard(&mut self, link: LinkId, now: u64) {
        if let Some(l) = self.links.get_mut(&link) {
            l.pulse.heard(now, 0);
        }
    }

    fn current_mut(&mut self) -> Option<(LinkId, &mut Link)> {
        let id = self.current?;
        self.links.get_mut(&id).map(|l| (id, l))
    }

    pub(super) fn closed(&mut self, link: LinkId) {
        self.links.remove(&link);
        self.current.take_if(|l| *l == link);
        self.asked.take_if(|l| *l == link);
    }
}

#[derive(Deserialize)]
struct MoveData {
    #[serde(default)]
    to: Option<String>,
    #[serde(default)]
    within_ms: u64,
    #[serde(default)]
    reason: String,
}

impl Client {
    pub(super) fn hello(&mut self, now: u64, link: LinkId, cause: String, auth: Map<String, Value>) {
        let hello = Hello {
            version: VERSION,
            session: self.session.as_ref().map(|s| s.session.clone()),
            resume: self.session.as_ref().map(|s| s.resume.clone()),
            received: self.received,
            beat_ms: self.config.beat_ms,
            cause: Some(cause),
            ..Hello::default()
        };
        let Ok(Value::Object(mut data)) = serde_json::to_value(&hello) else { return };
        data.extend(auth);
        if let Some(previous) = self.links.asked {
            self.give_up(previous, Code::Replaced);
        }
        let l = Link { next_down: None, pulse: Pulse::new(now), sent_at: now, hello_at: now };
        self.links.links.insert(link, l);
        self.links.asked = Some(link);
        self.transmit(now, link, None, Frame::with("hub:hello", &data));
    }

    pub(super) fn transmit(&mut self, now: u64, link: LinkId, seq: Option<u64>, frame: Frame) {
        if let Some(l) = self.links.get_mut(link) {
            l.sent_at = now;
        }
        self.out.push_back(Output::Transmit { link, seq, frame });
    }

    pub(super) fn link_frame(&mut self, now: u64, link: LinkId, frame: Frame) {
        match frame.kind.as_str() {
            "hub:welcome" => match frame.parse::<Welcome>() {
                Ok(w) => self.welcome(now, link, w),
                Err(_) => self.give_up(link, Code::BadFrame),
            },
            "hub:ack" | "hub:ping" | "hub:pong" => {
                let beat = frame.parse::<Option<Beat>>().ok().flatten().unwrap_or_default();
                if let Some(received) = beat.received
                    && !self.hub_received(link, received)
                {
                    return;
                }
                if frame.kind == "hub:ping" {
                    let pong = Beat { received: Some(self.tell()), t: beat.t, beat_ms: None };
                    self.transmit(now, link, None, Frame::with("hub:pong", &pong));
                } else if frame.kind == "hub:pong" {
                    self.pong(now, link, &beat);
                }
            }
            "hub:close" => {
                let fault = frame.parse().unwrap_or_else(|_| Fault::from(Code::Internal));
                self.links.closed(link);
                self.out.push_back(Output::Refused { link, fault });
            }
            "hub:move" => {
                if let Ok(MoveData { to, within_ms, reason }) = frame.parse() {
                    self.out.push_back(Output::Move { to, within_ms, reason });
                }
            }
            _ => self.give_up(link, Code::BadFrame),
        }
    }

    fn welcome(&mut self, now: u64, link: LinkId, w: Welcome) {
        if self.links.asked != Some(link) {
            // A hello on another link came later: that one has the session.
            return self.give_up(link, Code::Replaced);
        }
        self.links.asked = None;
        let same = self.session.as_ref().is_some_and(|s| s.session == w.session);
        // Below the count is fine: the link before may have brought frames since the hello.
        let start_max = if same { self.received + 1 } else { 1 };
        let taken = if same { self.up.resume(w.received) } else { w.received == 0 };
        if w.resumed != same || w.start == 0 || w.start > start_max || !taken {
            return self.give_up(link, Code::BadFrame);
        }
        if let Some(previous) = self.links.current.replace(link) {
            self.give_up(previous, Code::Replaced);
            self.links.current = Some(link);
        }
        if w.heartbeat_ms > 0 {
            self.config.heartbeat_ms = w.heartbeat_ms;
        }
        self.config.ack_every = w.ack_every.max(1);
        self.config.ack_delay_ms = w.ack_delay_ms;
        let beat_ms = if self.config.beat_ms > 0 { w.beat_ms } else { 0 };
        if let Some(l) = self.links.get_mut(link) {
            l.next_down = Some(w.start);
            l.pulse = Pulse::new(now);
            l.pulse.beat_ms = beat_ms;
        }
        self.session = Some(Identity { session: w.session.clone(), resume: w.resume });
        let (session, user) = (w.session, w.user);
        self.out.push_back(Output::Welcomed { link, session, user, resumed: same });
        if same {
            self.out.push_back(Output::Acked { received: w.received });
        } else {
            self.begin_session();
        }
        self.flush(now);
    }

    fn begin_session(&mut self) {
        (self.received, self.acked, self.ack_due) = (0, 0, None);
        let ids = &mut self.ids;
        let joins = self.rooms.rejoin(|| own_id(ids));
        let lost = self.up.new_session(joins);
        if lost > 0 {
            self.out.push_back(Output::Lost { frames: lost });
        }
    }

    /// Sends what waits, if a link carries the session and not too many replies are due.
    pub(super) fn flush(&mut self, now: u64) {
        let Some(link) = self.links.current else { return };
        while let Some((seq, frame)) = self.up.next_unsent(self.config.window) {
            self.transmit(now, link, Some(seq), frame);
        }
    }

    pub(super) fn send(&mut self, now: u64, mut frame: Frame) -> Result<(), QueueFull> {
        if !frame.counted() {
            if let Some(link) = self.links.current {
                self.transmit(now, link, None, frame);
            }
            return Ok(());
        }
        if self.up.waiting() >= self.config.queue_max {
            return Err(QueueFull(self.up.waiting()));
        }
        if Rooms::wants_reply(&frame) && frame.id.is_none() {
            frame.id = Some(own_id(&mut self.ids));
        }
        self.up.push(frame);
        self.flush(now);
        Ok(())
    }

    /// The hub says what it has received. `false`: it can't have, and the link was given up.
    pub(super) fn hub_received(&mut self, link: LinkId, received: u64) -> bool {
        if self.links.current != Some(link) {
            return true;
        }
        if !self.up.ack(received) {
            self.give_up(link, Code::BadFrame);
            return false;
        }
        self.out.push_back(Output::Acked { received });
        true
    }

    fn tell(&mut self) -> u64 {
        self.acked = self.received;
        self.ack_due = None;
        self.received
    }

    pub(super) fn ack(&mut self, now: u64) {
        if let Some(link) = self.links.current {
            let received = self.tell();
            self.transmit(now, link, None, Frame::with("hub:ack", &json!({"received": received})));
        }
    }

    pub(super) fn tick(&mut self, now: u64) {
        if now > self.deadline().saturating_add(LATE_MS) {
            self.forgive(now);
        }
        if self.ack_due.is_some_and(|due| due <= now) {
            self.ack(now);
        }
        let late = |l: &Link| l.next_down.is_none() && now >= l.hello_at + self.config.welcome_ms;
        let links = &self.links.links;
        let silent: Vec<_> = links.iter().filter(|(_, l)| late(l)).map(|(id, _)| *id).collect();
        silent.into_iter().for_each(|link| self.give_up(link, Code::HelloTimeout));
        let heartbeat_ms = self.config.heartbeat_ms;
        let Some((link, l)) = self.links.current_mut() else { return };
        match l.pulse.due(now, heartbeat_ms, &mut self.patience) {
            Due::Death => self.give_up(link, Code::HeartbeatTimeout),
            Due::Beat => {
                l.sent_at = now;
                l.pulse.ask(now, true, self.up.unacked_bytes(), heartbeat_ms);
                self.out.push_back(Output::Beat { link });
            }
            Due::Nothing if now >= l.sent_at + heartbeat_ms => self.ping(now, None),
            Due::Nothing => {}
        }
    }

    /// A tick comes late: whoever slept has heard nobody, and judges nobody by that.
    fn forgive(&mut self, now: u64) {
        let (heartbeat_ms, welcome_ms) = (self.config.heartbeat_ms, self.config.welcome_ms);
        let patience_ms = self.patience.ms(heartbeat_ms);
        for l in self.links.links.values_mut() {
            if l.next_down.is_none() {
                l.hello_at = l.hello_at.max((now + patience_ms).saturating_sub(welcome_ms));
            } else {
                l.pulse.forgive(now, heartbeat_ms, patience_ms);
            }
        }
        self.ping(now, None);
    }

    /// Asks for a sign of life, and perhaps for another pace of beats.
    pub(super) fn ping(&mut self, now: u64, beat_ms: Option<u64>) {
        let received = Some(self.tell());
        let (heartbeat_ms, unacked) = (self.config.heartbeat_ms, self.up.unacked_bytes());
        let Some((link, l)) = self.links.current_mut() else { return };
        l.pulse.ask(now, false, unacked, heartbeat_ms);
        let ping = Beat { received, t: Some(now.into()), beat_ms };
        self.transmit(now, link, None, Frame::with("hub:ping", &ping));
    }

    fn pong(&mut self, now: u64, link: LinkId, pong: &Beat) {
        self.confirmed(now, link);
        if let (Some(beat_ms), Some(l)) = (pong.beat_ms, self.links.get_mut(link)) {
            l.pulse.beat_ms = beat_ms;
        }
        if let Some(t) = pong.t.as_ref().and_then(serde_json::Number::as_f64) {
            self.measured(link, now.saturating_sub(t as u64));
        }
    }

    /// The way up of this link lives.
    pub(super) fn confirmed(&mut self, now: u64, link: LinkId) -> Option<u64> {
        self.links.get_mut(link)?.pulse.confirmed(now, &mut self.patience)
    }

    pub(super) fn beat(&mut self, now: u64, link: LinkId) {
        self.links.heard(link, now);
        if let Some(ms) = self.confirmed(now, link) {
            self.measured(link, ms);
        }
    }

    fn measured(&mut self, link: LinkId, ms: u64) {
        self.patience.measured(ms);
        self.out.push_back(Output::Rtt { link, ms });
    }

    pub(super) fn pace(&mut self, now: u64, beat_ms: u64) {
        self.config.beat_ms = beat_ms;
        self.ping(now, Some(beat_ms));
    }

    /// The pace of beats in force on the link that carries the session, ms; 0 where there are none. Who polls waits so long.
    pub fn beat_ms(&self) -> u64 {
        let current = self.links.current.and_then(|id| self.links.links.get(&id));
        current.map_or(0, |l| l.pulse.beat_ms)
    }

    /// When [`Input::Tick`] is due next; `u64::MAX` for never.
    pub fn deadline(&self) -> u64 {
        let heartbeat_ms = self.config.heartbeat_ms;
        let patience_ms = self.patience.ms(heartbeat_ms);
        let mut at = u64::MAX;
        for (id, l) in &self.links.links {
            if l.next_down.is_none() {
                at = at.min(l.hello_at + self.config.welcome_ms);
            } else if self.links.current == Some(*id) {
                at = at.min(l.pulse.deadline(heartbeat_ms, patience_ms)).min(l.sent_at + heartbeat_ms);
            }
        }
        match (self.ack_due, self.links.current) {
            (Some(due), Some(_)) => at.min(due),
            _ => at,
        }
    }

    /// How far the client has come in a room that has a history, as it would say on joining again.
    pub fn position(&self, room: &str) -> Option<String> {
        self.rooms.position(room).map(ToString::to_string)
    }

    pub(super) fn bye(&mut self, now: u64) {
        if let Some(link) = self.links.current {
            self.transmit(now, link, None, Frame::new("hub:bye"));
        }
        let all: Vec<_> = self.links.links.keys().copied().collect();
        all.into_iter().for_each(|link| self.give_up(link, Code::Bye));
        self.session = None;
        (self.received, self.acked, self.ack_due) = (0, 0, None);
        (self.up, self.rooms) = Default::default();
    }
}

fn own_id(ids: &mut u64) -> String {
    *ids += 1;
    format!("hub~{ids}")
}
