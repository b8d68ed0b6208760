//! The way down: what goes into the outbox, what waits in the history, and what the link is given.

use super::lag::Lagging;
use super::{Action, Beat, Kind, LinkId, ReadId, Session};
use crate::code::Code;
use crate::limits::HUB_ACK_EVERY;
use crate::wire::{Event, OutFrame, SharedFrame};
use std::sync::Arc;

/// Link frames that may wait. A client that pings and never reads gets no more pongs.
const CONTROL_MAX: usize = 16;

impl Session {
    /// A link frame for the current link; lost with it, or if too many wait already.
    pub fn control(&mut self, frame: SharedFrame) {
        if self.link.is_some() && self.control.len() < CONTROL_MAX {
            self.control.push_back(frame);
        }
    }

    /// A counted frame that is not a room's event: a reply, a direct message, a presence change.
    ///
    /// # Errors
    /// `slow_consumer`: the outbox holds twice its limit; the session is over.
    pub fn send(&mut self, frame: SharedFrame) -> Result<(), Code> {
        if self.ended.is_some() {
            return Ok(());
        }
        if self.outbox.bytes() + frame.cost() > 2 * self.limits.outbox_bytes_max {
            self.end(Code::SlowConsumer);
            return Err(Code::SlowConsumer);
        }
        self.outbox.push(frame);
        Ok(())
    }

    /// Whether a frame of this cost has room among at most `bytes_max`, or else must wait: then the client is asked to acknowledge
    /// what it has. In an empty outbox every frame has room.
    pub fn has_room(&mut self, cost: usize, bytes_max: usize) -> bool {
        let bytes = self.outbox.bytes();
        let fits = bytes == 0 || bytes + cost <= bytes_max;
        if !fits {
            self.room_wanted = bytes_max;
        }
        fits
    }

    /// Whether somebody waited for room and there is some now: half of what may wait. Says so once.
    pub fn has_room_again(&mut self) -> bool {
        let again = self.room_wanted > 0 && self.outbox.bytes() <= self.room_wanted / 2;
        if again {
            self.room_wanted = 0;
        }
        again
    }

    /// A frame without a sequence, newest wins per key; dropped if there is no link.
    pub fn send_volatile(&mut self, key: &str, frame: SharedFrame) {
        if self.link.is_some() {
            self.volatiles.put(key, frame, self.limits.volatile_keys_max);
        }
    }

    /// An event of a room the session is in.
    pub fn deliver(&mut self, event: &Event) {
        if self.ended.is_some() {
            return;
        }
        if let Some(key) = &event.volatile_key {
            return self.send_volatile(key, event.frame.clone());
        }
        if !self.lag.is_empty()
            && let Some(l) = self.lag.get_mut(&event.room)
        {
            l.seen = l.seen.max(event.offset);
            return;
        }
        if event.offset > 0 && self.ahead.includes(&event.room, event.offset) {
            return;
        }
        if self.outbox.bytes() + event.frame.cost() > self.limits.outbox_bytes_max {
            let (after, seen) = (event.offset.checked_sub(1), event.offset);
            let needs = if seen > 0 { event.frame.cost() } else { 0 };
            let lagging = Lagging { after, seen, needs, ..Lagging::default() };
            return self.lag.insert(event.room.clone(), lagging);
        }
        self.outbox.push(event.frame.clone());
    }

    /// A join begins, or the room's history was found rewritten: its events are kept back until [`Session::caught_up`].
    pub fn begin_join(&mut self, room: Arc<str>) -> ReadId {
        self.ahead.remove(&room);
        self.lag.begin(room)
    }

    /// The session left the room.
    pub fn leave(&mut self, room: &str) {
        self.lag.remove(room);
        self.ahead.remove(room);
    }

    /// What was read from a room's history: a gap to announce first, the events, the offset up to which the history was
    /// read (`u64::MAX` in a room without), and whether it holds more. Events may be left out of a page; where that leaves
    /// none, `upto` must be the last one's. The room goes live if nothing was published meanwhile and all fits; live events
    /// up to `upto` that come late are dropped. The late result of a reading that is no longer wanted (the room was left,
    /// or joined again) does nothing.
    pub fn caught_up(
        &mut self,
        room: &str,
        read: ReadId,
        gap: Option<SharedFrame>,
        events: &[Arc<Event>],
        upto: u64,
        more: bool,
    ) {
        if self.ended.is_some() {
            return;
        }
        let Some(l) = self.lag.finish(room, read) else { return };
        if let Some(gap) = gap {
            self.outbox.push(gap);
        }
        l.needs = 0;
        for event in events {
            if self.outbox.bytes() + event.frame.cost() > self.limits.outbox_bytes_max
                && self.outbox.bytes() > 0
            {
                l.after = Some(event.offset - 1);
                l.needs = event.frame.cost();
                return;
            }
            self.outbox.push(event.frame.clone());
            l.after = Some(event.offset);
        }
        if !more && l.seen <= upto {
            let late = l.seen < upto && upto < u64::MAX;
            let name = self.lag.remove(room);
            if late && let Some(name) = name {
                self.ahead.put(name, upto);
            }
            return;
        }
        if !more || events.is_empty() {
            l.after = Some(upto);
        }
    }

    /// The history could not be read; it is tried again after a second.
    pub fn catch_up_failed(&mut self, now: u64, room: &str, read: ReadId) {
        self.lag.failed(now, room, read);
    }

    pub(super) fn next_catch_up(&mut self, now: u64) -> Option<Action> {
        let (bytes, bytes_max) = (self.outbox.bytes(), self.limits.outbox_bytes_max);
        if self.lag.is_empty() || bytes > bytes_max / 2 {
            return None;
        }
        let (room, after, read) = self.lag.next_to_read(now, bytes, bytes_max)?;
        Some(Action::CatchUp(room, after, read))
    }

    /// Whether a room waits for room in the outbox.
    pub fn is_lagging(&self) -> bool {
        self.lag.waiting()
    }

    /// The link has room again.
    pub fn writable(&mut self, link: LinkId) {
        if let Some(l) = &mut self.link
            && l.id == link
        {
            l.blocked = false;
        }
    }

    /// Gives the link all it takes. `give` is called at most once, with the frames in order, and returns how many were taken.
    pub fn transmit(
        &mut self,
        now: u64,
        give: impl FnOnce(LinkId, &mut dyn Iterator<Item = &SharedFrame>) -> usize,
    ) {
        let asks_ack = self.asks_ack();
        let Some(l) = self.link.as_mut().filter(|l| !l.blocked) else { return };
        if self.kind == Kind::Resumable
            && self.inbound.ack_wanted(now, self.limits.ack_every.min(HUB_ACK_EVERY))
        {
            let received = Some(self.inbound.tell());
            self.control.push_back(OutFrame::with("hub:ack", &Beat { received, t: None, beat_ms: None }));
        }
        let nothing = !self.outbox.has_unsent() && self.control.is_empty() && self.volatiles.is_empty();
        if nothing && !asks_ack {
            if now < l.beats_at() {
                return;
            }
            self.control.push_back(OutFrame::beat());
        }
        let data = || Beat { received: Some(self.inbound.received()), t: None, beat_ms: None };
        let ping = asks_ack.then(|| OutFrame::with("hub:ping", &data()));
        let mut offered = 0;
        let counted = self.control.iter().chain(self.outbox.unsent());
        let mut frames = counted.chain(ping.iter()).chain(self.volatiles.iter());
        let taken = give(l.id, &mut frames.by_ref().inspect(|_| offered += 1));
        // A link that stopped before the end was offered one frame more than it took, or has not asked for the next.
        let left = offered > taken || frames.next().is_some();
        drop(frames);
        l.blocked = left;
        if taken > 0 {
            l.sent_at = now;
        }
        let control = taken.min(self.control.len());
        self.control.drain(..control);
        let counted = (taken - control).min(self.outbox.unsent().len());
        self.outbox.mark_sent(counted);
        let rest = taken - control - counted;
        let asked = usize::from(asks_ack).min(rest);
        if asked > 0 {
            self.ack_asked = self.outbox.sent();
        }
        self.volatiles.taken(rest - asked);
        if self.kind != Kind::Resumable {
            self.outbox.forget_sent();
        }
    }

    /// Whether the outbox is half full of what the client may have without having said so, or somebody waits for room: then a ping
    /// asks. One at a time: its answer acknowledges what went before it.
    fn asks_ack(&self) -> bool {
        let half_full = self.outbox.bytes() > self.limits.outbox_bytes_max / 2;
        (half_full || self.room_wanted > 0)
            && self.kind == Kind::Resumable
            && self.outbox.acked() >= self.ack_asked
    }
}
