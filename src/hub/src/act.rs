//! Acting on a session's frames: one at a time, in order, whatever links they came by.

use crate::auth::{Ask, Purpose};
use crate::cell::Cell;
use crate::engine::Answer;
use crate::hub::{Hub, now_or_later};
use crate::turn;
use crosspoint_core::link::BoxFuture;
use crosspoint_core::wire::OutFrame;
use crosspoint_core::{Code, Fault, Frame, Grant, SharedFrame};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::VecDeque;
use std::sync::Arc;

/// The type of what stands in the sequence for a message that was no frame; its data is the fault. No client can send it.
pub(crate) const BAD: &str = "";

/// What acting on a frame came to.
pub(crate) enum Step {
    /// It is done.
    Done,
    /// An engine works on it.
    Wait(BoxFuture<'static, ()>),
}

/// What is remembered of a frame for its reply.
pub(crate) struct Asked {
    pub(crate) id: Option<String>,
    kind: String,
}

impl Asked {
    pub(crate) fn of(frame: &Frame) -> Asked {
        // The type is told only where there is no id to answer to.
        let kind = if frame.id.is_none() { frame.kind.clone() } else { String::new() };
        Asked { id: frame.id.clone(), kind }
    }

    pub(crate) fn id(id: &str) -> Asked {
        Asked { id: Some(id.to_string()), kind: String::new() }
    }
}

#[derive(Deserialize)]
struct ServiceData {
    service: String,
}

#[derive(Deserialize)]
struct RefreshData {
    token: String,
}

impl Hub {
    /// Acts on a frame and then on what is in the inbox. The caller has made the session busy; it is not any more when all is done.
    pub(crate) fn act_from(self: &Arc<Hub>, cell: &Arc<Cell>, frame: Frame) {
        let mut next = Some(frame);
        while let Some(frame) = next {
            if let Step::Wait(rest) = self.act(cell, frame) {
                // In a task of its own: if the link dies meanwhile, the frame was received all the same.
                let (hub, cell) = (self.clone(), cell.clone());
                tokio::spawn(async move {
                    rest.await;
                    if let Some(frame) = hub.next_in_inbox(&cell) {
                        hub.act_from(&cell, frame);
                    }
                    hub.end_turn();
                });
                return;
            }
            next = self.next_in_inbox(cell);
        }
    }

    fn next_in_inbox(self: &Arc<Hub>, cell: &Arc<Cell>) -> Option<Frame> {
        let (mut released, mut over) = (false, false);
        let mut state = cell.state.lock();
        let frame = state.inbox.pop_front();
        if frame.is_none() {
            state.busy = false;
            state.inbox = VecDeque::new();
            over = state.core.ended() == Some(Code::Bye) && cell.bulk_of.is_none();
        }
        if !state.inbox_is_full(&self.limits, cell.bulk_of.is_some()) {
            released = state.core.release(self.clock.now());
            if let Some(notify) = state.room_in_inbox.take() {
                notify.notify_waiters();
            }
        }
        drop(state);
        if released {
            self.schedule(cell);
        }
        if over {
            self.tear_down(cell, &Code::Bye.into());
        }
        frame
    }

    fn act(self: &Arc<Hub>, cell: &Arc<Cell>, frame: Frame) -> Step {
        if let Some(of) = cell.bulk_of.as_ref().filter(|_| frame.kind != BAD) {
            return self.bulk_frame(cell, of, frame);
        }
        if let Some(answered) = self.too_fast(cell, &frame) {
            return answered;
        }
        match frame.kind.strip_prefix("hub:") {
            None if frame.kind == BAD => self.tell_bad(cell, &frame),
            None if frame.to.is_some() => self.direct(cell, frame),
            None if frame.room.is_some() => self.publish_from(cell, frame),
            None => {
                let text = "A frame of the application needs a `room` or a `to`";
                self.fail(cell, &Asked::of(&frame), Fault::new(Code::BadRequest, text))
            }
            Some("join") => {
                let (hub, cell) = (self.clone(), cell.clone());
                step(async move {
                    let asked = Asked::of(&frame);
                    if let Err(fault) = hub.join(&cell, frame).await {
                        hub.fail(&cell, &asked, fault);
                    }
                })
            }
            Some("leave") => self.reply_to(cell, frame, Hub::leave),
            Some("history") => self.reply_to(cell, frame, Hub::history_for),
            Some("presence") => self.reply_to(cell, frame, Hub::presence_for),
            Some("state") => self.reply_to(cell, frame, Hub::set_state),
            Some("answer") => {
                self.answer(cell, frame);
                Step::Done
            }
            Some("attach") => self.reply_now(cell, &Asked::of(&frame), self.attach(cell, &frame)),
            Some("detach") => self.reply_now(cell, &Asked::of(&frame), self.detach_for(cell, &frame)),
            Some("peers") => self.peers(cell, &frame),
            Some("signal") => self.reply_now(cell, &Asked::of(&frame), self.signal(cell, &frame)),
            Some("watch") => self.reply_now(cell, &Asked::of(&frame), self.watch(cell, &frame)),
            Some("unwatch") => self.reply_now(cell, &Asked::of(&frame), self.unwatch(cell, &frame)),
            Some("refresh") => self.refresh(cell, &frame),
            Some("moderate") => self.reply_now(cell, &Asked::of(&frame), self.moderate_for(cell, &frame)),
            Some("moderation") => self.reply_now(cell, &Asked::of(&frame), self.moderation_for(cell, &frame)),
            Some("ice") => self.reply_now(cell, &Asked::of(&frame), Ok(self.ice_for(cell))),
            Some("webrtc") => self.reply_to(cell, frame, Hub::offered),
            Some(_) => {
                let text = format!("There is no type {}", frame.kind);
                self.fail(cell, &Asked::of(&frame), Fault::new(Code::UnknownType, text))
            }
        }
    }

    fn reply_to<F, R>(
        self: &Arc<Hub>,
        cell: &Arc<Cell>,
        frame: Frame,
        act: impl FnOnce(Arc<Hub>, Arc<Cell>, Frame) -> F,
    ) -> Step
    where
        F: Future<Output = Result<R, Fault>> + Send + 'static,
        R: Serialize + Send,
    {
        let asked = Asked::of(&frame);
        let answer = act(self.clone(), cell.clone(), frame);
        let (hub, cell) = (self.clone(), cell.clone());
        step(async move {
            let answer = answer.await;
            hub.reply_now(&cell, &asked, answer);
        })
    }

    pub(crate) fn reply_now<R: Serialize>(
        self: &Arc<Hub>,
        cell: &Arc<Cell>,
        asked: &Asked,
        answer: Result<R, Fault>,
    ) -> Step {
        match answer {
            Err(fault) => return self.fail(cell, asked, fault),
            Ok(data) => {
                if let Some(id) = &asked.id {
                    match self.fitting(reply(id, &data)) {
                        Ok(reply) => self.send_to(cell, reply),
                        Err(fault) => return self.fail(cell, asked, fault),
                    }
                }
            }
        }
        Step::Done
    }

    /// A reply that a session can't take would end it, and the next one that asks the same.
    pub(crate) fn fitting(&self, reply: SharedFrame) -> Result<SharedFrame, Fault> {
        let (bytes, max) = (reply.cost(), self.limits.outbox_bytes_max);
        if bytes > max {
            let text = format!("The reply has {bytes} bytes, of {max} that a session may have waiting");
            return Err(Fault::new(Code::LimitExceeded, text));
        }
        Ok(reply)
    }

    /// Tells the client what went wrong with its frame.
    pub(crate) fn fail(self: &Arc<Hub>, cell: &Arc<Cell>, asked: &Asked, fault: Fault) -> Step {
        self.send_to(cell, error(asked, &fault));
        Step::Done
    }

    fn tell_bad(self: &Arc<Hub>, cell: &Arc<Cell>, frame: &Frame) -> Step {
        let mut error = Frame::new("hub:error");
        (error.id, error.data) = (frame.id.clone(), frame.data.clone());
        self.send_to(cell, Arc::new(OutFrame::new(&error)));
        Step::Done
    }

    /// Sends one frame to one session, at the end of the turn.
    pub(crate) fn send_to(self: &Arc<Hub>, cell: &Arc<Cell>, frame: SharedFrame) {
        cell.send(frame);
        turn::cell(cell);
    }

    fn attach(&self, cell: &Arc<Cell>, frame: &Frame) -> Result<serde_json::Value, Fault> {
        let ServiceData { service } = parse(frame)?;
        let mut state = cell.state.lock();
        if !state.grant.may_serve(&service) || service.is_empty() || service.len() > 128 {
            return Err(Fault::new(
                Code::Forbidden,
                format!("The grant does not name the service {service:.128}"),
            ));
        }
        if state.services.iter().any(|s| **s == *service) || state.torn_down {
            return Ok(json!({}));
        }
        if state.services.len() >= self.limits.rooms_max {
            return Err(Fault::new(Code::LimitExceeded, "Too many services on one session"));
        }
        state.services.push(service.as_str().into());
        drop(state);
        self.services.write().entry(service.as_str().into()).or_default().push(cell.clone());
        let is_kept = {
            let state = cell.state.lock();
            !state.torn_down && state.services.iter().any(|s| **s == *service)
        };
        if !is_kept {
            // It was detached from it before it was attached.
            self.detach(&service, cell);
        }
        Ok(json!({}))
    }

    fn detach_for(&self, cell: &Arc<Cell>, frame: &Frame) -> Result<serde_json::Value, Fault> {
        let ServiceData { service } = parse(frame)?;
        cell.state.lock().services.retain(|s| **s != *service);
        self.detach(&service, cell);
        Ok(json!({}))
    }

    fn refresh(self: &Arc<Hub>, cell: &Arc<Cell>, frame: &Frame) -> Step {
        let asked = Asked::of(frame);
        let token = match parse::<RefreshData>(frame) {
            Ok(data) => data.token,
            Err(fault) => return self.fail(cell, &asked, fault),
        };
        let (remote, transport) = cell.state.lock().link.as_ref().map(|c| (c.remote, c.transport)).unzip();
        let (remote, transport) = (remote.flatten(), transport.flatten());
        match self.verified(Ask { token: &token, purpose: Purpose::Refresh, remote, transport }) {
            Answer::Ready(grant) => {
                let answer = grant.and_then(|grant| self.refreshed(cell, grant));
                self.reply_now(cell, &asked, answer)
            }
            Answer::Later(grant) => {
                let (hub, cell) = (self.clone(), cell.clone());
                Step::Wait(Box::pin(async move {
                    let answer = grant.await.and_then(|grant| hub.refreshed(&cell, grant));
                    hub.reply_now(&cell, &asked, answer);
                }))
            }
        }
    }

    fn refreshed(self: &Arc<Hub>, cell: &Arc<Cell>, grant: Arc<Grant>) -> Result<serde_json::Value, Fault> {
        if *grant.user != *cell.user {
            return Err(Fault::new(Code::Forbidden, "The token is another user's"));
        }
        let expires = grant.expires_unix_ms();
        self.replace_grant(cell, grant)?;
        Ok(match expires {
            Some(ms) => json!({"expires_ms": ms}),
            None => json!({}),
        })
    }
}

/// Runs it at once as far as it goes.
pub(crate) fn step(future: impl Future<Output = ()> + Send + 'static) -> Step {
    now_or_later(future).map_or(Step::Done, Step::Wait)
}

/// Reads the data of a `hub:` frame, an object.
pub(crate) fn parse<'a, T: Deserialize<'a>>(frame: &'a Frame) -> Result<T, Fault> {
    // serde takes an array of the fields, too.
    if frame.data.as_ref().is_some_and(|d| d.get().starts_with('[')) {
        return Err(Fault::new(Code::BadRequest, format!("{}: the data is an object", frame.kind)));
    }
    frame.parse().map_err(|e| Fault::new(Code::BadRequest, format!("{}: {:.300}", frame.kind, e.to_string())))
}

/// The room a frame names.
pub(crate) fn room_of(frame: &Frame) -> Result<&str, Fault> {
    frame
        .room
        .as_deref()
        .ok_or_else(|| Fault::new(Code::BadRequest, format!("{} needs a `room`", frame.kind)))
}

/// The frame that answers the frame with this id.
pub(crate) fn reply(id: &str, data: &impl Serialize) -> SharedFrame {
    Arc::new(OutFrame::new(&Frame::with("hub:reply", data).id(id)))
}

/// The frame that says why a frame failed.
pub(crate) fn error(asked: &Asked, fault: &Fault) -> SharedFrame {
    let frame = match &asked.id {
        Some(id) => Frame::with("hub:error", fault).id(id.clone()),
        None => {
            let mut data =
                json!({"code": fault.code, "message": fault.message, "retry": fault.retry, "of": asked.kind});
            if let Some(ms) = fault.retry_after_ms {
                data["retry_after_ms"] = ms.into();
            }
            Frame::with("hub:error", &data)
        }
    };
    Arc::new(OutFrame::new(&frame))
}
