//! Publishing, by sessions and by backends.

use crate::act::{Asked, Step, error, reply};
use crate::cell::Cell;
use crate::config::Namespace;
use crate::engine::{Answer, Published};
use crate::hooks::HookPoint;
use crate::hub::{Hub, random_id};
use crate::moderation::Action;
use crate::permit::forbidden;
use crosspoint_core::frame::From;
use crosspoint_core::wire::Draft;
use crosspoint_core::{Cap, Code, Fault, Frame};
use std::sync::Arc;
use std::sync::atomic::Ordering;

impl Hub {
    pub(crate) fn publish_from(self: &Arc<Hub>, cell: &Arc<Cell>, frame: Frame) -> Step {
        let Some(name) = frame.room.as_deref() else { return Step::Done };
        let allowed = self.may_publish(cell, name).and_then(|(room, namespace)| {
            let is_binary = frame.payload.is_some();
            self.check_payload(&namespace, &frame.kind, frame.data.as_deref(), is_binary)?;
            Ok((room, namespace))
        });
        match allowed {
            Ok((room, namespace)) if namespace.asks(HookPoint::Publish) => {
                self.ask_to_publish(cell, frame, room, namespace)
            }
            Ok((room, namespace)) => self.publish_now(cell, frame, room, namespace),
            Err(fault) => self.refuse_publish(cell, &frame, fault),
        }
    }

    /// The room as it is held, if the session may publish there now.
    pub(crate) fn may_publish(&self, cell: &Cell, name: &str) -> Result<(Arc<str>, Arc<Namespace>), Fault> {
        let state = cell.state.lock();
        let joined = state.rooms.get(name);
        match joined {
            _ if !state.may_in(joined, Cap::Publish, name, None) => Err(forbidden("publishing to", name)),
            Some(joined) => {
                if joined.room.is_moderated() {
                    self.moderations.check(name, &cell.user, Action::Mute)?;
                }
                Ok((joined.room.name.clone(), joined.room.namespace.clone()))
            }
            None if state.grant.publish_unjoined => {
                self.moderations.check(name, &cell.user, Action::Ban)?;
                self.moderations.check(name, &cell.user, Action::Mute)?;
                Ok((name.into(), self.namespaces.of(name).clone()))
            }
            None => Err(Fault::new(Code::NotJoined, format!("Join the room {name} first"))),
        }
    }

    pub(crate) fn refuse_publish(self: &Arc<Hub>, cell: &Arc<Cell>, frame: &Frame, fault: Fault) -> Step {
        if frame.volatile.is_some() {
            tracing::trace!(code = %fault.code, "a volatile publish was refused");
            return Step::Done;
        }
        self.fail(cell, &Asked::of(frame), fault)
    }

    pub(crate) fn publish_now(
        self: &Arc<Hub>,
        cell: &Arc<Cell>,
        frame: Frame,
        room: Arc<str>,
        namespace: Arc<Namespace>,
    ) -> Step {
        let from = self.publisher(cell, &frame);
        let wants_reply = frame.volatile.is_none();
        let asked = Asked::of(&frame);
        let draft = Draft {
            named: frame.id.is_some(),
            id: frame.id.unwrap_or_else(random_id),
            kind: frame.kind,
            data: frame.data,
            payload: frame.payload,
            from,
            echo: frame.echo.unwrap_or(true),
            volatile: frame.volatile,
        };
        let answer = self.engine.publish(&room, &namespace, draft);
        let (hub, cell) = (self.clone(), cell.clone());
        let tell = move |result: Result<Published, Fault>| {
            hub.count_publish(&result);
            if !wants_reply {
                return;
            }
            match (result, &asked.id) {
                (Ok(p), Some(id)) => hub.send_to(&cell, reply(id, &p)),
                (Ok(_), None) => {}
                (Err(fault), _) => hub.send_to(&cell, error(&asked, &fault)),
            }
        };
        match answer {
            Answer::Ready(result) => {
                tell(result);
                Step::Done
            }
            Answer::Later(rest) => Step::Wait(Box::pin(async move { tell(rest.await) })),
        }
    }

    /// Whose event it is: a service may publish for a session.
    fn publisher(&self, cell: &Cell, frame: &Frame) -> From {
        let named = frame.from.as_ref().and_then(|from| from.session.as_deref());
        let other = match named {
            Some(name) if !cell.state.lock().services.is_empty() => self.session(name),
            _ => None,
        };
        let cell = other.as_deref().unwrap_or(cell);
        From::session(&cell.user, &cell.name)
    }

    fn count_publish(&self, result: &Result<Published, Fault>) {
        if let Ok(p) = result {
            let counter = if p.duplicate { &self.stats.duplicates } else { &self.stats.published };
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Publishes for a backend. The draft's id makes it idempotent if `named`.
    ///
    /// # Errors
    /// `bad_request`: the payload does not fit its schema; what the engine says, mostly `unavailable`.
    pub async fn publish(self: &Arc<Hub>, room: &str, draft: Draft) -> Result<Published, Fault> {
        let name = self.rooms.read().get(room).map_or_else(|| room.into(), |r| r.name.clone());
        let namespace = self.namespaces.of(room).clone();
        self.check_payload(&namespace, &draft.kind, draft.data.as_deref(), draft.payload.is_some())?;
        let answer = self.engine.publish(&name, &namespace, draft);
        let result = match answer {
            Answer::Ready(result) => result,
            Answer::Later(rest) => rest.await,
        };
        self.count_publish(&result);
        self.end_turn();
        result
    }
}
