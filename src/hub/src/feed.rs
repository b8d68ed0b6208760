//! What engines hand to this node.

use crate::engine::{Change, Feed};
use crate::hooks::{HookPoint, Notification};
use crate::hub::Hub;
use crate::turn;
use crosspoint_core::SharedFrame;
use crosspoint_core::wire::Event;
use std::sync::{Arc, Weak};

pub(crate) struct HubFeed(pub(crate) Weak<Hub>);

impl Feed for HubFeed {
    fn event(&self, event: Arc<Event>) {
        let Some(hub) = self.0.upgrade() else { return };
        if event.offset > 0
            && let Some(hooks) = hub.hooks.get()
            && hub.namespaces.of(&event.room).asks(HookPoint::Message)
        {
            hooks.notify(Notification::MessageStored(event.clone()));
        }
        let room = hub.rooms.read().get(&event.room).cloned();
        if let Some(room) = room
            && room.queue(event)
        {
            turn::room(room);
        }
    }

    fn presence(&self, room: &str, change: Change) {
        let Some(hub) = self.0.upgrade() else { return };
        if let Some(hooks) = hub.hooks.get()
            && hub.namespaces.of(room).asks(HookPoint::Member)
            && let Some(notification) = of_member(room, &change)
        {
            hooks.notify(notification);
        }
        let room = hub.rooms.read().get(room).cloned();
        if let Some(room) = room
            && room.changed(change)
        {
            hub.announcements.lock().push(room);
        }
    }

    fn direct(&self, to: &str, frame: &SharedFrame) -> usize {
        let Some(hub) = self.0.upgrade() else { return 0 };
        let cells = match to.split_once(':') {
            Some(("user", user)) => hub.users_cells(user),
            Some(("session", session)) => hub.session(session).into_iter().collect(),
            _ => vec![],
        };
        cells.iter().for_each(|cell| turn::events_first(&hub, cell));
        hub.send_all(&cells, frame);
        cells.len()
    }

    fn turn(&self) {
        if let Some(hub) = self.0.upgrade() {
            hub.end_turn();
        }
    }
}

/// What a backend is told of the change, if anything.
fn of_member(room: &str, change: &Change) -> Option<Notification> {
    let room = room.into();
    match change {
        Change::Join(member) => Some(Notification::MemberJoined { room, member: member.clone() }),
        Change::Leave { user, reason } => {
            Some(Notification::MemberLeft { room, user: user.clone(), reason: reason.clone() })
        }
        Change::Update(_) => None,
    }
}
