//! Rooms that the session is taken out of, or put into.

use super::Driver;
use crate::event::ClientEvent;
use crate::rooms;
use crosspoint_core::{Code, Fault, Frame};
use serde::Deserialize;

#[derive(Default, Deserialize)]
#[serde(default)]
struct Removed {
    reason: String,
    code: Option<Code>,
    message: Option<String>,
    until_ms: Option<u64>,
}

impl Driver {
    /// The hub has taken the session out of a room.
    pub(super) fn removed(&mut self, frame: &Frame) {
        let Some(room) = frame.room.clone() else { return };
        let Removed { reason, code, message, until_ms } = frame.parse().unwrap_or_default();
        let code = code.unwrap_or(Code::Forbidden);
        let fault = Fault::new(code, message.unwrap_or_else(|| code.message().into()));
        let returning = self.returns(&room, &reason, &fault);
        self.emit(ClientEvent::Removed { room: room.clone(), reason, fault, until_ms, returning });
        if returning {
            self.come_back(room);
        }
    }

    /// The hub has put it into one.
    pub(super) fn added(&mut self, frame: &Frame) {
        if let Some(room) = frame.room.clone() {
            self.emit(ClientEvent::Added { room, data: frame.parse().unwrap_or_default() });
        }
    }

    /// A new session could not join a room again.
    pub(super) fn rejoin_failed(&mut self, room: String, code: Code) {
        if self.returns(&room, "refused", &code.into()) {
            self.come_back(room);
        } else {
            self.emit(ClientEvent::RejoinFailed { room, code });
        }
    }

    /// Whether it will be joined again; else it is forgotten.
    fn returns(&self, room: &str, reason: &str, fault: &Fault) -> bool {
        let options = self.shared.rooms.options(room);
        let returns = options.is_some_and(|o| rooms::returns(&o, reason, fault));
        if !returns {
            self.shared.rooms.forget(room);
        }
        returns
    }

    fn come_back(&self, room: String) {
        let since = self.machine.position(&room);
        tokio::spawn(rooms::come_back(self.client.clone(), room, since));
    }
}
