//! Links in motion: opening, carrying, dying, closing.

use crate::link::{Kind, Link, LinkId};
use crate::world::{Check, Event, World};
use crosspoint_core::client::Input;
use crosspoint_core::{Code, Fault, Frame, OutFrame, SharedFrame};

/// The type that stands for a beat on its way up.
pub(crate) const BEAT: &str = "{}";

impl World {
    pub(crate) fn open_link(&mut self, peer: usize) -> LinkId {
        let kinds = [Kind::WebSocket, Kind::Sse, Kind::Poll];
        let kind = kinds[self.rng.weighted(&self.profile.links)];
        let id = self.links.len() as LinkId + 1;
        self.links.insert(id, Link::new(peer, kind));
        self.peers[peer].links.insert(id);
        if kind == Kind::Poll {
            self.schedule(1, Event::Poll(id));
        }
        self.trace(|| format!("link {id}: {kind:?} of client {peer}"));
        id
    }

    pub(crate) fn latency(&mut self) -> u64 {
        self.rng.within(self.profile.latency_ms)
    }

    /// The client puts a frame on a link.
    pub(crate) fn send_up(&mut self, id: LinkId, seq: Option<u64>, frame: Frame) -> Check {
        let at = self.now + self.latency();
        let Some(link) = self.links.get_mut(&id).filter(|l| l.client_open) else { return Ok(()) };
        if let Some(seq) = seq {
            if link.last_up.is_some_and(|last| seq != last + 1) {
                return Err(format!("link {id}: frame {seq} follows frame {:?}", link.last_up));
            }
            link.last_up = Some(seq);
        }
        if link.kind == Kind::WebSocket {
            let bytes = frame.data.as_ref().map_or(0, |d| d.get().len());
            if let Some(at) = link.up.push(at, bytes, (None, frame)) {
                self.at(at, Event::Up(id));
            }
            return Ok(());
        }
        link.posts.waiting.push_back((seq, frame));
        self.batch_later(id);
        Ok(())
    }

    /// The client shows that the way up lives.
    pub(crate) fn beat_up(&mut self, id: LinkId) {
        let at = self.now + self.latency();
        let Some(link) = self.links.get_mut(&id).filter(|l| l.client_open) else { return };
        match link.kind {
            Kind::WebSocket => {
                if let Some(at) = link.up.push(at, 2, (None, Frame::new(BEAT))) {
                    self.at(at, Event::Up(id));
                }
            }
            Kind::Sse => {
                link.posts.beat = true;
                self.batch_later(id);
            }
            Kind::Poll => {}
        }
    }

    /// Frames of a link's stream reach the hub.
    pub(crate) fn pump_up(&mut self, id: LinkId) -> Check {
        let now = self.now;
        let Some(link) = self.links.get_mut(&id) else { return Ok(()) };
        let (frames, next) = link.up.due(now);
        if let Some(at) = next {
            self.at(at, Event::Up(id));
        }
        for (seq, frame) in frames {
            self.hub_receives(id, seq, frame)?;
        }
        Ok(())
    }

    /// Frames of a link's stream reach the client.
    pub(crate) fn pump_down(&mut self, id: LinkId) -> Check {
        let (now, window) = (self.now, self.window);
        let Some(link) = self.links.get_mut(&id) else { return Ok(()) };
        let (frames, next) = link.down.due(now);
        let writable = link.down.blocked && link.down.has_room(window);
        if writable {
            link.down.blocked = false;
        }
        if let Some(at) = next {
            self.at(at, Event::Down(id));
        }
        if writable {
            self.hub_writable(id);
        }
        for frame in frames {
            self.client_receives(id, &frame)?;
        }
        Ok(())
    }

    /// The hub gives a link frames; returns how many it took.
    pub(crate) fn give(
        link: &mut Link,
        window: usize,
        at: u64,
        frames: &mut dyn Iterator<Item = &SharedFrame>,
    ) -> (Vec<SharedFrame>, Option<u64>) {
        let (mut taken, mut wake) = (vec![], None);
        loop {
            if !link.has_room(window) {
                // Asks for no further frame: a transport may, or may not.
                link.down.blocked = true;
                break;
            }
            let Some(frame) = frames.next() else { break };
            taken.push(frame.clone());
            match link.kind {
                Kind::Poll if frame.is_beat() => {}
                Kind::Poll => link.poll.out.push(frame.clone()),
                _ => wake = link.down.push(at, frame.cost(), frame.clone()).or(wake),
            }
        }
        (taken, wake)
    }

    /// The hub closes a link, saying why.
    pub(crate) fn hub_closes(&mut self, id: LinkId, code: Code) {
        let at = self.now + self.latency();
        let Some(link) = self.links.get_mut(&id).filter(|l| l.hub_open) else { return };
        link.hub_open = false;
        link.session = None;
        let last = OutFrame::with("hub:close", &Fault::from(code));
        if link.kind == Kind::Poll {
            link.poll.out.push(last);
            self.answer_waiting_poll(id);
        } else {
            if let Some(at) = link.down.push(at, last.cost(), last) {
                self.at(at, Event::Down(id));
            }
            let noticed = 1 + 2 * self.latency();
            self.schedule(noticed, Event::ClientNotices(id));
        }
    }

    /// The client is done with a link. What it has sent may still arrive.
    pub(crate) fn client_closes(&mut self, id: LinkId) {
        let Some(link) = self.links.get_mut(&id).filter(|l| l.client_open) else { return };
        link.client_open = false;
        self.peers[link.peer].links.remove(&id);
        if !self.rng.chance(100) {
            let noticed = 1 + 2 * self.latency();
            self.schedule(noticed, Event::HubNotices(id));
        }
    }

    pub(crate) fn client_notices(&mut self, id: LinkId) -> Check {
        let Some(link) = self.links.get_mut(&id).filter(|l| l.client_open) else { return Ok(()) };
        let peer = link.peer;
        link.client_open = false;
        self.peers[peer].links.remove(&id);
        self.client(peer, Input::Closed { link: id })
    }

    pub(crate) fn hub_notices(&mut self, id: LinkId) {
        let now = self.now;
        let Some(link) = self.links.get_mut(&id).filter(|l| l.hub_open) else { return };
        link.hub_open = false;
        if let Some(name) = link.session.take()
            && let Some(session) = self.hub.sessions.get_mut(&name)
        {
            session.core.link_down(now, u64::from(id));
            self.hub.dirty.insert(name);
        }
    }

    /// Cuts one or both directions; each end notices soon, late, or never.
    pub(crate) fn kill(&mut self, id: LinkId, up: bool, down: bool) {
        let Some(link) = self.links.get_mut(&id) else { return };
        if up {
            link.up.kill();
        }
        if down {
            link.down.kill();
        }
        self.trace(|| format!("link {id}: dies (up {up}, down {down})"));
        for event in [Event::ClientNotices(id), Event::HubNotices(id)] {
            match self.rng.below(3) {
                0 => self.schedule(1, event),
                1 => {
                    let late = self.rng.within((10, 2_000));
                    self.schedule(late, event);
                }
                _ => {}
            }
        }
    }

    fn client_receives(&mut self, id: LinkId, frame: &SharedFrame) -> Check {
        let Some(link) = self.links.get(&id).filter(|l| l.client_open) else { return Ok(()) };
        let peer = link.peer;
        if frame.is_beat() {
            let answers = link.kind == Kind::WebSocket;
            return self
                .client(peer, if answers { Input::Beat { link: id } } else { Input::Heard { link: id } });
        }
        let text = frame.text();
        // Runs without beats are those of before.
        let bytes = if self.profile.has_beats() { text.len() as u64 } else { 0 };
        let frame = Frame::decode_text(&text).map_err(|e| format!("the hub's frame: {e}"))?;
        self.client(peer, Input::Frame { link: id, frame, bytes })
    }

    pub(crate) fn clients_receive(&mut self, id: LinkId, frames: &[SharedFrame]) -> Check {
        frames.iter().try_for_each(|frame| self.client_receives(id, frame))
    }
}
