//! The uplink of an SSE link: numbered POSTs, several at a time, which get lost, repeated and reordered.

use crate::link::{LinkId, Post, PostAnswer};
use crate::world::{Check, Event, World};
use crosspoint_core::client::Input;
use std::rc::Rc;

/// POSTs under way at the same time.
const CONCURRENT: usize = 3;
const FRAMES_MAX: usize = 6;
const TRIES_MAX: u32 = 12;

impl World {
    pub(crate) fn batch_later(&mut self, id: LinkId) {
        let Some(link) = self.links.get_mut(&id) else { return };
        if std::mem::replace(&mut link.posts.scheduled, true) {
            return;
        }
        let wait = self.rng.below(6);
        self.schedule(wait, Event::Batch(id));
    }

    pub(crate) fn batch(&mut self, id: LinkId) {
        let Some(link) = self.links.get_mut(&id) else { return };
        link.posts.scheduled = false;
        let beat = std::mem::take(&mut link.posts.beat) && link.posts.open.is_empty();
        if link.posts.open.len() >= CONCURRENT || (link.posts.waiting.is_empty() && !beat) {
            return;
        }
        let n = link.posts.waiting.len().min(1 + self.rng.below(FRAMES_MAX as u64) as usize);
        let items: Vec<_> = link.posts.waiting.drain(..n).collect();
        let start = items.iter().find_map(|(seq, _)| *seq);
        link.posts.next += 1;
        let post = link.posts.next;
        let frames = items.into_iter().map(|(_, frame)| frame).collect();
        link.posts.open.push((Rc::new(Post { id: post, start, frames }), 0));
        let more = !link.posts.waiting.is_empty();
        if more {
            self.batch_later(id);
        }
        self.try_post(id, post);
    }

    fn try_post(&mut self, id: LinkId, post: u32) {
        let Some(link) = self.links.get_mut(&id).filter(|l| l.client_open) else { return };
        let dead = link.up.dead;
        let Some((body, tries)) = link.posts.open.iter_mut().find(|(p, _)| p.id == post) else { return };
        *tries += 1;
        let (body, tries) = (body.clone(), *tries);
        if tries > TRIES_MAX {
            return self.schedule(0, Event::ClientNotices(id));
        }
        let patience = self.rng.within((100, 500));
        self.schedule(patience, Event::PostTimeout(id, post, tries));
        let copies = if dead || self.rng.chance(self.profile.post_loss) {
            0
        } else {
            1 + u64::from(self.rng.chance(self.profile.post_loss / 2))
        };
        for _ in 0..copies {
            let after = self.latency();
            self.schedule(after, Event::PostArrives(id, body.clone()));
        }
    }

    pub(crate) fn post_times_out(&mut self, id: LinkId, post: u32, tries: u32) {
        let open = self.links.get(&id).map(|l| &l.posts.open);
        if open.is_some_and(|o| o.iter().any(|(p, t)| p.id == post && *t == tries)) {
            self.try_post(id, post);
        }
    }

    /// A POST reaches the hub; it may have been there before, and have been answered.
    pub(crate) fn post_arrives(&mut self, id: LinkId, post: &Post) -> Check {
        let Some(link) = self.links.get(&id) else { return Ok(()) };
        let (mut seq, dead) = (post.start, link.down.dead);
        let mut answer = (!link.hub_open).then_some(PostAnswer::Gone);
        self.trace(|| format!("link {id}: POST {} from {seq:?}, {} frames", post.id, post.frames.len()));
        for frame in post.frames.iter().cloned() {
            if answer.is_some() {
                break;
            }
            let number = if frame.counted() { seq } else { None };
            seq = seq.map(|s| s + u64::from(frame.counted()));
            if !self.hub_receives(id, number, frame)? {
                answer = Some(PostAnswer::OutOfOrder(self.hub_received(id)));
            }
        }
        let answer = answer.unwrap_or_else(|| PostAnswer::Received(self.hub_received(id)));
        if !dead && !self.rng.chance(self.profile.post_loss) {
            let after = self.latency();
            self.schedule(after, Event::PostAnswered(id, post.id, answer));
        }
        Ok(())
    }

    pub(crate) fn post_answered(&mut self, id: LinkId, post: u32, answer: PostAnswer) -> Check {
        let Some(link) = self.links.get_mut(&id).filter(|l| l.client_open) else { return Ok(()) };
        let peer = link.peer;
        match answer {
            PostAnswer::Gone => self.client_notices(id),
            PostAnswer::OutOfOrder(received) => {
                let tries = link.posts.open.iter().find(|(p, _)| p.id == post).map(|(_, tries)| *tries);
                if let Some(tries) = tries {
                    let wait = self.rng.within((5, 60));
                    self.schedule(wait, Event::PostTimeout(id, post, tries));
                }
                self.client(peer, Input::Acked { link: id, received })
            }
            PostAnswer::Received(received) => {
                link.posts.open.retain(|(p, _)| p.id != post);
                self.batch_later(id);
                self.client(peer, Input::Acked { link: id, received })
            }
        }
    }
}
