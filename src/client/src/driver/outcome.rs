//! What the machine wants done and told.

use super::Driver;
use crate::event::{ClientEvent, State};
use crate::status::{Status, count};
use crosspoint_core::client::{LinkId, Output, Welcome};
use crosspoint_core::{Code, Fault, Frame};
use std::sync::Arc;
use std::sync::atomic::Ordering;

impl Driver {
    pub(super) fn act(&mut self, output: Output) {
        match output {
            Output::Transmit { link, seq, frame } => {
                if self.links.get(&link).is_some_and(|l| !l.send(seq, frame)) {
                    self.overflow(link);
                }
            }
            Output::Beat { link } => {
                if let Some(link) = self.links.get(&link) {
                    link.beat();
                }
            }
            Output::Close { link, code } => {
                self.finish_link(link, code == Code::Bye);
                self.gone(link, code.into(), false);
            }
            Output::Refused { link, fault } => {
                self.finish_link(link, false);
                self.gone(link, fault, true);
            }
            Output::Event { frame } => {
                self.report(true);
                self.deliver(frame);
            }
            Output::Welcomed { link, session, user, resumed } => self.welcomed(link, session, user, resumed),
            Output::Rejoined { room, data } => self.emit(ClientEvent::Rejoined { room, data }),
            Output::RejoinFailed { room, code } => self.rejoin_failed(room, code),
            Output::Lost { frames } => self.emit(ClientEvent::Lost(frames)),
            Output::Move { to, reason, within_ms } => {
                tracing::debug!(?to, reason, within_ms, "the hub asks for another link");
                self.asked_to_move(to, within_ms);
            }
            Output::Rtt { ms, .. } => {
                self.status.send_modify(|s| s.rtt_ms = Some(ms));
                self.emit(ClientEvent::Rtt(ms));
            }
            Output::Acked { .. } => {}
        }
    }

    fn deliver(&mut self, frame: Frame) {
        let counters = &self.shared.counters;
        count(&counters.received);
        counters.duplicates.store(self.machine.duplicates(), Ordering::Relaxed);
        match frame.kind.as_str() {
            "hub:gap" => count(&counters.gaps),
            "hub:bulk" => return crate::bulk::asked(&self.shared),
            "hub:token_expiring" => return self.expiring(&frame),
            "hub:removed" => return self.removed(&frame),
            "hub:added" => return self.added(&frame),
            "hub:reply" | "hub:error" if self.refreshed(&frame) => return,
            _ => {}
        }
        if let Some(frame) = self.replies.answer(frame) {
            self.emit(ClientEvent::Frame(Arc::new(frame)));
        }
    }

    /// The limits that a welcome names.
    pub(super) fn learn(&mut self, frame: &Frame) {
        if frame.kind == "hub:welcome"
            && let Ok(Welcome { limits, reports, bulk, .. }) = frame.parse()
        {
            (self.reporting.wanted, self.takes_bulk) = (reports, bulk);
            self.set_limits(limits.frame_bytes_max, limits.post_bytes_max);
            *self.shared.limits.lock() = limits;
        }
    }

    /// Sizes in bytes; 0 for unknown.
    pub(super) fn set_limits(&self, frame_bytes_max: usize, post_bytes_max: usize) {
        if frame_bytes_max > 0 {
            self.shared.frame_bytes_max.store(frame_bytes_max, Ordering::Relaxed);
        }
        if post_bytes_max > 0 {
            self.shared.post_bytes_max.store(post_bytes_max, Ordering::Relaxed);
        }
    }

    fn overflow(&mut self, link: LinkId) {
        let fault = Fault::new(Code::SlowConsumer, "the link takes no more");
        self.links.remove(&link);
        let _ = self.input(crosspoint_core::client::Input::Closed { link });
        self.gone(link, fault, false);
    }

    pub(super) fn finish_link(&mut self, link: LinkId, politely: bool) {
        if let Some(handle) = self.links.remove(&link) {
            while self.closing.try_join_next().is_some() {}
            handle.finish(politely, &mut self.closing);
        }
    }

    pub(super) fn emit(&self, event: ClientEvent) {
        self.shared.readers.emit(event);
    }

    /// The state, and what changed with it.
    pub(super) fn set_state(&self, state: State, fault: Option<Fault>, change: impl FnOnce(&mut Status)) {
        let mut previous = state;
        self.status.send_modify(|s| {
            previous = std::mem::replace(&mut s.state, state);
            s.fault.clone_from(&fault);
            change(s);
        });
        if previous != state {
            self.emit(ClientEvent::State { state, previous, fault });
        }
    }
}
