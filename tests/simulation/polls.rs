//! The downlink of an SSE link in poll mode: batches, repeated until they are named.

use crate::link::LinkId;
use crate::world::{Check, Event, World};
use crosspoint_core::SharedFrame;
use crosspoint_core::client::Input;

const WAIT_MS: u64 = 150;
const TRIES_MAX: u32 = 8;

impl World {
    /// The client polls, naming the last batch it has.
    pub(crate) fn poll(&mut self, id: LinkId) {
        let Some(link) = self.links.get_mut(&id).filter(|l| l.client_open) else { return };
        link.poll.attempt += 1;
        let (attempt, named, dead) = (link.poll.attempt, link.poll.have, link.up.dead);
        let patience = WAIT_MS + self.rng.within((150, 500));
        self.schedule(patience, Event::PollTimeout(id, attempt));
        if !dead && !self.rng.chance(self.profile.post_loss) {
            let after = self.latency();
            self.schedule(after, Event::PollArrives(id, named, attempt));
        }
    }

    pub(crate) fn poll_arrives(&mut self, id: LinkId, named: u64, attempt: u64) {
        let Some(link) = self.links.get_mut(&id) else { return };
        let poll = &mut link.poll;
        if named + 1 == poll.batch {
            let (batch, frames) = (poll.batch, poll.sent.clone());
            return self.answer_poll(id, batch, frames);
        }
        if named != poll.batch {
            return;
        }
        if poll.out.is_empty() && link.hub_open {
            poll.waiting = Some(attempt);
            return self.schedule(WAIT_MS, Event::PollWaited(id, attempt));
        }
        if poll.out.is_empty() {
            let after = self.latency();
            return self.schedule(after, Event::ClientNotices(id));
        }
        self.next_batch(id);
    }

    pub(crate) fn poll_waited(&mut self, id: LinkId, attempt: u64) {
        if self.links.get(&id).is_some_and(|l| l.poll.waiting == Some(attempt)) {
            self.next_batch(id);
        }
    }

    /// Frames came: a poll that waits for them is answered.
    pub(crate) fn answer_waiting_poll(&mut self, id: LinkId) {
        let Some(link) = self.links.get(&id) else { return };
        if link.poll.waiting.is_some() && !link.poll.out.is_empty() {
            self.next_batch(id);
        }
    }

    fn next_batch(&mut self, id: LinkId) {
        let Some(link) = self.links.get_mut(&id) else { return };
        link.poll.waiting = None;
        link.poll.batch += 1;
        link.poll.sent = std::mem::take(&mut link.poll.out);
        let (batch, frames) = (link.poll.batch, link.poll.sent.clone());
        if std::mem::take(&mut link.down.blocked) {
            self.hub_writable(id);
        }
        self.answer_poll(id, batch, frames);
    }

    fn answer_poll(&mut self, id: LinkId, batch: u64, frames: Vec<SharedFrame>) {
        let dead = self.links.get(&id).is_none_or(|l| l.down.dead);
        if !dead && !self.rng.chance(self.profile.post_loss) {
            let (after, received) = (self.latency(), self.hub_received(id));
            self.schedule(after, Event::PollAnswered(id, batch, frames, received));
        }
    }

    pub(crate) fn poll_answered(
        &mut self,
        id: LinkId,
        batch: u64,
        frames: &[SharedFrame],
        received: u64,
    ) -> Check {
        let Some(link) = self.links.get_mut(&id).filter(|l| l.client_open) else { return Ok(()) };
        let peer = link.peer;
        let has_beats = self.profile.has_beats();
        if batch != link.poll.have + 1 {
            return Ok(());
        }
        (link.poll.have, link.poll.tries) = (batch, 0);
        let wait = self.rng.below(5);
        self.schedule(wait, Event::Poll(id));
        self.clients_receive(id, frames)?;
        if has_beats {
            self.client(peer, Input::Heard { link: id })?;
            self.client(peer, Input::Acked { link: id, received })?;
        }
        Ok(())
    }

    pub(crate) fn poll_times_out(&mut self, id: LinkId, attempt: u64) {
        let Some(link) = self.links.get_mut(&id) else { return };
        if link.poll.attempt != attempt {
            return;
        }
        link.poll.tries += 1;
        if link.poll.tries > TRIES_MAX {
            return self.schedule(0, Event::ClientNotices(id));
        }
        self.poll(id);
    }
}
