//! What goes wrong, and the quiet after it.

use crate::link::LinkId;
use crate::world::{Check, Event, World};
use crosspoint_core::client::Input;
use crosspoint_core::{Code, OutFrame};
use serde_json::json;
use std::sync::Arc;

impl World {
    pub(crate) fn fault(&mut self) -> Check {
        if self.quiet {
            return Ok(());
        }
        let next = self.rng.within(self.profile.fault_ms);
        self.schedule(next, Event::Fault);
        let f = self.profile.faults;
        let weights = [
            f.kill, f.half, f.stall, f.migrate, f.race, f.expire, f.restart, f.rewrite, f.trim, f.evict,
            f.bye, f.hole, f.sleep, f.pace,
        ];
        let peer = self.rng.below(self.peers.len() as u64) as usize;
        let open: Vec<LinkId> = self.peers[peer].links.iter().copied().collect();
        let link = if open.is_empty() { None } else { Some(*self.rng.pick(&open)) };
        let rooms: Vec<Arc<str>> = self.hub.rooms.keys().cloned().collect();
        let room = self.rng.pick(&rooms).clone();
        match (self.rng.weighted(&weights), link) {
            (0, Some(link)) => self.kill(link, true, true),
            (1, Some(link)) => {
                let up = self.rng.chance(500);
                self.kill(link, up, !up);
            }
            (2, Some(link)) => self.stall(link),
            (3, _) => self.connect(peer, "manual")?,
            (4, _) => {
                self.connect(peer, "up")?;
                self.schedule(1, Event::Connect(peer, "down"));
            }
            (5, _) => self.stay_away(peer, &open),
            (6, _) => self.restart(),
            (7, _) => self.rewrite(&room, true),
            (8, _) => {
                let keeps = self.rng.below(4) as usize;
                if let Some(room) = self.hub.rooms.get_mut(&room) {
                    room.trim(keeps);
                }
                self.trace(|| format!("hub: {room} is trimmed to {keeps}"));
            }
            (9, _) => self.evict()?,
            (10, _) if self.model.living() > 1 && !self.peers[peer].gone => self.say_bye(peer)?,
            (11, Some(link)) => self.hole(link),
            (12, _) => self.sleep(peer),
            (13, _) if !self.peers[peer].gone => self.pace(peer)?,
            _ => {}
        }
        Ok(())
    }

    fn hole(&mut self, id: LinkId) {
        let which = self.rng.below(3);
        let now = self.now;
        let Some(link) = self.links.get_mut(&id) else { return };
        if which != 0 {
            link.up.kill();
        }
        if which != 1 {
            link.down.kill();
        }
        link.dead_since.get_or_insert(now);
        self.trace(|| format!("link {id}: a black hole ({which})"));
    }

    fn pace(&mut self, peer: usize) -> Check {
        let times = *self.rng.pick(&[0, 1, 1, 3]);
        if self.peers[peer].asleep_until > self.now {
            return Ok(());
        }
        self.client(peer, Input::Pace { beat_ms: times * self.limits.beat_ms })
    }

    fn sleep(&mut self, peer: usize) {
        let until = self.peers[peer].asleep_until.max(self.now + self.rng.within((500, 20_000)));
        self.peers[peer].asleep_until = until;
        self.at(until, Event::Wake);
        self.trace(|| format!("client {peer}: sleeps until {until}"));
    }

    fn stall(&mut self, id: LinkId) {
        let until = self.now + self.rng.within((50, 1_500));
        let up = self.rng.chance(300);
        let Some(link) = self.links.get_mut(&id) else { return };
        if up {
            link.up.stalled_until = until;
        } else {
            link.down.stalled_until = until;
        }
        self.at(until, if up { Event::Up(id) } else { Event::Down(id) });
        self.trace(|| format!("link {id}: stalls until {until} (up {up})"));
    }

    fn stay_away(&mut self, peer: usize, open: &[LinkId]) {
        let until = self.now + self.limits.resume_ms + self.rng.within((0, 2_000));
        self.peers[peer].away_until = until;
        self.trace(|| format!("client {peer}: away until {until}"));
        for link in open {
            self.kill(*link, true, true);
            self.schedule(0, Event::ClientNotices(*link));
            self.schedule(0, Event::HubNotices(*link));
        }
    }

    /// All sessions are gone; history is kept, rolled back, or gone too.
    fn restart(&mut self) {
        self.trace(|| String::from("hub: restarts"));
        for name in std::mem::take(&mut self.hub.sessions).into_keys() {
            self.model.session_ended(&name);
        }
        self.hub.requests.clear();
        self.hub.services.clear();
        self.hub.dirty.clear();
        for link in self.links.values_mut() {
            link.hub_open = false;
            link.session = None;
            link.up.kill();
            link.down.kill();
        }
        let open: Vec<_> = self.links.iter().filter(|(_, l)| l.client_open).map(|(id, _)| *id).collect();
        for id in open {
            let noticed = self.rng.within((0, 300));
            self.schedule(noticed, Event::ClientNotices(id));
        }
        for name in self.hub.rooms.keys().cloned().collect::<Vec<_>>() {
            if let Some(room) = self.hub.rooms.get_mut(&name) {
                room.fed += room.feed.iter().filter(|e| e.volatile_key.is_none()).count() as u64;
                room.feed.clear();
            }
            if self.rng.chance(300) {
                self.rewrite(&name, false);
            }
        }
    }

    /// The hub ends a session, or asks its client to move.
    fn evict(&mut self) -> Check {
        let names: Vec<_> = self.hub.sessions.keys().cloned().collect();
        if names.is_empty() {
            return Ok(());
        }
        let name = self.rng.pick(&names).clone();
        let ends = self.rng.chance(500);
        let Some(session) = self.hub.sessions.get_mut(&name) else { return Ok(()) };
        if ends {
            session.core.end(Code::Forbidden);
        } else {
            let data = json!({"reason": "retired", "to": "sse", "within_ms": 1_000});
            session.core.control(OutFrame::with("hub:move", &data));
        }
        self.hub.dirty.insert(name);
        Ok(())
    }

    pub(crate) fn begin_quiet(&mut self) {
        self.trace(|| String::from("quiet"));
        self.quiet = true;
        self.profile.post_loss = 0;
        self.profile.read_failures = 0;
        let now = self.now;
        for link in self.links.values_mut() {
            link.up.stalled_until = link.up.stalled_until.min(now);
            link.down.stalled_until = link.down.stalled_until.min(now);
        }
        for id in self.links.keys().copied().collect::<Vec<_>>() {
            self.at(now, Event::Up(id));
            self.at(now, Event::Down(id));
        }
    }
}
