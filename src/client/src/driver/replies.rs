//! Who waits for which reply.

use super::command::Done;
use crosspoint_core::{Code, Fault, Frame};
use std::collections::{HashMap, VecDeque};

/// By id, in the order of asking: an id may be used again on purpose. As large as the session's queue at most.
#[derive(Default)]
pub(crate) struct Replies {
    waiting: HashMap<String, VecDeque<Done<Frame>>>,
}

impl Replies {
    pub(crate) fn expect(&mut self, id: String, reply: Done<Frame>) {
        self.waiting.entry(id).or_default().push_back(reply);
    }

    /// Hands a reply to who waits for it; gives the frame back if it is for the application.
    pub(crate) fn answer(&mut self, frame: Frame) -> Option<Frame> {
        let is_reply = matches!(frame.kind.as_str(), "hub:reply" | "hub:error");
        let Some(id) = frame.id.as_ref().filter(|_| is_reply) else { return Some(frame) };
        let Some(waiting) = self.waiting.get_mut(id) else { return Some(frame) };
        let Some(first) = waiting.pop_front() else { return Some(frame) };
        if waiting.is_empty() {
            self.waiting.remove(id);
        }
        // Who doesn't wait any more has been told so.
        let _ = first.send(Ok(frame));
        None
    }

    /// No reply comes any more.
    pub(crate) fn fail(&mut self, fault: &Fault) {
        for reply in self.waiting.drain().flat_map(|(_, waiting)| waiting) {
            let _ = reply.send(Err(fault.clone()));
        }
    }
}

/// The fault that a `hub:error` carries.
pub(crate) fn fault_in(frame: &Frame) -> Fault {
    frame.parse().unwrap_or_else(|_| Fault::new(Code::Internal, "an error without a code"))
}
