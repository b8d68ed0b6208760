//! Asking and telling a backend (docs/hooks.md): where frames of sessions wait for its word.

use crate::act::{Asked, Step};
use crate::cell::Cell;
use crate::config::Namespace;
use crate::hooks::{
    Asker, Content, HookPoint, Hooks, JoinAsk, Notification, PublishAsk, RequestAsk, Rewrite,
};
use crate::hub::Hub;
use crate::moderation::Action;
use crate::requests::Outcome;
use crosspoint_core::{Cap, Code, Fault, Frame, Raw};
use std::sync::Arc;

/// What a backend answers itself.
pub(crate) const BACKEND: &str = "backend";

/// How many messages and requests of one session are on their way to a backend at once.
const ASKING_MAX: usize = 16;
const ASKING_RETRY_MS: u64 = 1_000;

/// One of them; over when that is answered or given up, not when its asker stops to wait.
struct Asking(Arc<Cell>);

impl Asking {
    fn begin(cell: &Arc<Cell>) -> Asking {
        cell.state.lock().asking += 1;
        Asking(cell.clone())
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        self.0.state.lock().asking -= 1;
    }
}

/// Capabilities that the join hook has taken from a session in one room.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Denied(u16);

impl Denied {
    pub(crate) fn has(self, cap: Cap) -> bool {
        self.0 & (1 << cap as u16) != 0
    }
}

impl FromIterator<Cap> for Denied {
    fn from_iter<I: IntoIterator<Item = Cap>>(caps: I) -> Denied {
        Denied(caps.into_iter().fold(0, |all, cap| all | (1 << cap as u16)))
    }
}

impl Cell {
    /// Whether a backend may be asked for the session now.
    pub(crate) fn may_ask_backend(&self) -> Result<(), Fault> {
        if self.state.lock().asking < ASKING_MAX {
            return Ok(());
        }
        let text = format!("{ASKING_MAX} requests to the backend are under way already");
        Err(Fault::new(Code::RateLimited, text).after(ASKING_RETRY_MS))
    }

    fn asker(&self) -> Asker {
        let state = self.state.lock();
        Asker {
            session: self.name.clone(),
            user: self.user.clone(),
            info: state.grant.info.clone(),
            transport: state.link.as_ref().and_then(|carrier| carrier.transport),
            remote: state.link.as_ref().and_then(|carrier| carrier.remote),
        }
    }
}

impl Hub {
    /// Whoever is to be asked. A namespace that has a hook, in a hub that has none, lets nobody in.
    fn backend(&self) -> Result<&Arc<dyn Hooks>, Fault> {
        self.hooks.get().ok_or_else(|| Fault::new(Code::Unavailable, "There is no backend to ask"))
    }

    /// The same, if it is to be told this about rooms of the namespace.
    pub(crate) fn told(&self, namespace: &Namespace, point: HookPoint) -> Option<&Arc<dyn Hooks>> {
        self.hooks.get().filter(|_| namespace.asks(point))
    }

    /// What the backend says about a join: what the session may not do in the room.
    pub(crate) async fn ask_to_join(
        &self,
        cell: &Arc<Cell>,
        name: &str,
        state: Option<&Raw>,
    ) -> Result<Denied, Fault> {
        if !self.namespaces.of(name).asks(HookPoint::Join) {
            return Ok(Denied::default());
        }
        let ask = JoinAsk { asker: cell.asker(), room: name.into(), state: state.cloned() };
        Ok(self.backend()?.join(ask).await?.into_iter().collect())
    }

    /// What the backend has not let a session join it doesn't let it read either.
    pub(crate) fn may_read(&self, cell: &Cell, name: &str) -> Result<(), Fault> {
        if self.namespaces.of(name).asks(HookPoint::Join) && cell.state.lock().rooms.get(name).is_none() {
            return Err(Fault::new(Code::NotJoined, format!("Join the room {name} first")));
        }
        Ok(())
    }

    /// Publishes what the backend makes of it; the session's later frames wait.
    pub(crate) fn ask_to_publish(
        self: &Arc<Hub>,
        cell: &Arc<Cell>,
        frame: Frame,
        room: Arc<str>,
        namespace: Arc<Namespace>,
    ) -> Step {
        let ask = PublishAsk {
            asker: cell.asker(),
            room: room.clone(),
            id: frame.id.clone(),
            content: content(&frame),
            volatile: frame.volatile.is_some(),
        };
        let answer = match self.backend() {
            Ok(backend) => backend.publish(ask),
            Err(fault) => return self.refuse_publish(cell, &frame, fault),
        };
        let (hub, cell) = (self.clone(), cell.clone());
        Step::Wait(Box::pin(async move {
            let answer = answer.await.and_then(|rewrite| {
                // Much may have happened meanwhile. Who has said goodbye has published before.
                let said_bye = cell.state.lock().core.ended() == Some(Code::Bye);
                if said_bye {
                    hub.moderations.check(&room, &cell.user, Action::Ban)?;
                    hub.moderations.check(&room, &cell.user, Action::Mute)?;
                } else {
                    hub.may_publish(&cell, &room)?;
                }
                Ok(rewrite)
            });
            let rest = match answer {
                Ok(rewrite) => hub.publish_now(&cell, rewritten(frame, rewrite), room, namespace),
                Err(fault) => hub.refuse_publish(&cell, &frame, fault),
            };
            if let Step::Wait(rest) = rest {
                rest.await;
            }
        }))
    }

    /// Whether a backend answers what is sent there.
    pub(crate) fn backend_answers(&self, to: &str) -> bool {
        self.hooks.get().is_some_and(|hooks| hooks.answers(to))
    }

    /// Brings a direct message or request to the backend; nothing waits for it but the request.
    pub(crate) fn request_backend(self: &Arc<Hub>, cell: &Arc<Cell>, frame: Frame, to: String) -> Step {
        let asked = Asked::of(&frame);
        let backend = match self.backend() {
            Ok(backend) => backend.clone(),
            Err(fault) => return self.fail(cell, &asked, fault),
        };
        if frame.volatile.is_some() {
            tracing::trace!("a volatile message to a backend was dropped");
            return Step::Done;
        }
        let mut request = None;
        if frame.id.is_none()
            && let Err(fault) = cell.may_ask_backend()
        {
            return self.fail(cell, &asked, fault);
        }
        if let Some(id) = &frame.id {
            match self.begin_request(cell, id, Some(BACKEND.into()), true, frame.timeout_ms) {
                Ok(begun) => request = Some(begun),
                Err(step) => return step,
            }
        }
        let (content, asking) = (content(&frame), Asking::begin(cell));
        let ask = RequestAsk { asker: cell.asker(), to, id: frame.id, content };
        let (hub, cell, answer) = (self.clone(), cell.clone(), backend.request(ask));
        tokio::spawn(async move {
            let answer = answer.await;
            drop(asking);
            let outcome = match answer {
                Ok(Ok((data, payload))) => Outcome::Data(data, payload),
                Ok(Err(error)) => Outcome::Error(error),
                Err(fault) => Outcome::Fault(fault),
            };
            match (request, outcome) {
                (Some(request), outcome) => {
                    hub.close_request(&request, Some(BACKEND), outcome);
                }
                (None, Outcome::Fault(fault)) => {
                    hub.fail(&cell, &asked, fault);
                }
                (None, _) => {}
            }
            hub.end_turn();
        });
        Step::Done
    }

    /// Tells the backend that a session is over.
    pub(crate) fn tell_end(&self, cell: &Cell, code: Code) {
        if let Some(hooks) = self.hooks.get().filter(|hooks| hooks.wants_sessions()) {
            let (session, user) = (cell.name.clone(), cell.user.clone());
            hooks.notify(Notification::SessionEnded { session, user, code });
        }
    }
}

fn content(frame: &Frame) -> Content {
    Content { kind: frame.kind.clone(), data: frame.data.clone(), payload: frame.payload.clone() }
}

fn rewritten(mut frame: Frame, rewrite: Rewrite) -> Frame {
    if let Some(kind) = rewrite.kind {
        frame.kind = kind;
    }
    if let Some((data, payload)) = rewrite.content {
        (frame.data, frame.payload) = (data, payload);
    }
    frame
}
