//! Bulk sessions: what is large travels by a session of its own, which waits for its receivers so that nothing else has to.

use crate::act::{Asked, Step, reply};
use crate::cell::{BulkOf, Cell};
use crate::clock::unix_ms;
use crate::hub::{Hub, hex, random};
use crate::link::HubLink;
use crate::permit::forbidden;
use crate::rates::Pace;
use crosspoint_core::client::Hello;
use crosspoint_core::frame::From;
use crosspoint_core::session::{Kind, Session};
use crosspoint_core::wire::OutFrame;
use crosspoint_core::{Cap, Code, Fault, Frame, SharedFrame};
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};

/// After senders waited in vain, a receiver gets another chance so much later, ms; until then they fail at once.
const IN_VAIN_MS: u64 = 5_000;

/// What of a session matters to who sends to it in bulk, and of what it sends; on its main session.
#[derive(Default)]
pub(crate) struct Receiver {
    pub(crate) session: Option<Arc<Cell>>,
    /// The client was asked to open it, since its last link came up.
    asked: bool,
    /// Senders have waited for it since then.
    since: Option<u64>,
    /// Tells those who wait that something changed.
    pub(crate) changed: Arc<Notify>,
    /// Until then, µs, what it has sent of files uses up what it may send.
    files_until: u64,
    /// The pace of all that it has sent in bulk.
    pace: Pace,
}

/// A frame on its way from bulk session to bulk session.
struct Bulky {
    main: Arc<Cell>,
    target: Arc<Cell>,
    /// It is a signal in this room.
    room: Option<String>,
    id: String,
    message: SharedFrame,
    begun: u64,
}

/// How an attempt to deliver came out.
enum Attempt {
    Over(Option<SharedFrame>),
    /// Not before something changes, at most so long, ms.
    Wait(u64),
}

/// Small bulk frames count as so many bytes of the sender's pace: each costs the hub as much as a large one but for its bytes.
const FRAME_COST_MIN: u64 = 4096;

impl Hub {
    /// A hello on behalf of a main session.
    pub(crate) fn bulk_hello(self: &Arc<Hub>, link: &HubLink, hello: &Hello) -> Result<(), Fault> {
        let of = hello.bulk_for.as_ref().ok_or_else(|| {
            Fault::new(
                Code::BadRequest,
                "A link beside another one is for a bulk session: `bulk_for` is missing",
            )
        })?;
        let main = self.session(&of.session).filter(|main| main.is_resumed_by(&of.resume));
        let main = main.ok_or(Code::SessionExpired)?;
        self.admit_user(&main.user)?;
        self.admit()?;
        let (old, now) = (main.state.lock().receiver().session.clone(), self.clock.now());
        let reason = hello.session.as_ref().map(|_| Code::SessionExpired);
        if let Some(old) = old {
            if old.state.lock().core.is_fresh() {
                return self.carry(link, &old, None, hello, reason);
            }
            self.tear_down(&old, &Code::Replaced.into());
        }
        let cell = Arc::new(self.bulk_cell(now, &main));
        {
            let mut state = main.state.lock();
            if state.torn_down {
                return Err(Code::SessionExpired.into());
            }
            if state.receiver().session.is_some() {
                return Err(Fault::new(Code::Replaced, "Another link opened the bulk session meanwhile"));
            }
            state.receiver().session = Some(cell.clone());
            self.bulk.write().insert(cell.name.clone(), cell.clone());
        }
        self.carry(link, &cell, None, hello, reason)
    }

    fn bulk_cell(&self, now: u64, main: &Arc<Cell>) -> Cell {
        let (grant, changed) = {
            let mut state = main.state.lock();
            (state.grant.clone(), state.receiver().changed.clone())
        };
        let of = BulkOf { main: main.clone(), over: Notify::new() };
        let core = Session::new(now, self.bulk_limits.clone(), Kind::Resumable);
        let (name, resume) = (hex(&random::<12>()).into(), hex(&random::<16>()));
        let cell = Cell::new(name, main.user.clone(), core, resume, grant, Some(Box::new(of)));
        // Who waits for its room waits for the main session's receiver.
        cell.state.lock().receiver().changed = changed;
        cell
    }

    /// A link carries a bulk session.
    pub(crate) fn bulk_is_linked(&self, of: &BulkOf) {
        let mut state = of.main.state.lock();
        state.receiver().asked = false;
        state.receiver().changed.notify_waiters();
    }

    /// A bulk session is over; its main one may go on.
    pub(crate) fn tear_down_bulk(&self, cell: &Arc<Cell>, of: &BulkOf) {
        self.bulk.write().remove(&cell.name);
        let mut state = of.main.state.lock();
        state.receiver().session.take_if(|bulk| Arc::ptr_eq(bulk, cell));
        state.receiver().changed.notify_waiters();
        of.over.notify_one();
    }

    /// What waits for a client makes it open its bulk session's link, if that has none.
    pub(crate) fn ask_for_bulk_link(self: &Arc<Hub>, main: &Arc<Cell>) {
        let mut state = main.state.lock();
        if !state.takes_bulk || std::mem::replace(&mut state.receiver().asked, true) {
            return;
        }
        drop(state);
        self.send_to(main, OutFrame::with("hub:bulk", &json!({})));
    }

    /// Acts on a frame that came by a bulk session.
    pub(crate) fn bulk_frame(self: &Arc<Hub>, cell: &Arc<Cell>, of: &BulkOf, frame: Frame) -> Step {
        let asked = Asked::of(&frame);
        let to = frame.to.clone().filter(|to| to.starts_with("session:") || to.starts_with("service:"));
        let room = frame.room.clone();
        let kind_fits = if frame.kind == "hub:signal" {
            room.is_some()
        } else {
            !frame.kind.starts_with("hub:") && room.is_none()
        };
        let (Some(to), Some(id), true) = (to, frame.id, kind_fits && frame.volatile.is_none()) else {
            let text = "A bulk session takes application types and hub:signal, with `id` and `to` a session or service";
            return self.fail(cell, &asked, Fault::new(Code::BadRequest, text));
        };
        let main = of.main.clone();
        let target = match (&room, to.split_once(':')) {
            (Some(room), _) => self.filed(&main, room, &to),
            (None, Some(("service", name))) => self.serving(name, &main.name).ok_or_else(|| nobody(&to)),
            (None, _) => {
                to.strip_prefix("session:").and_then(|name| self.session(name)).ok_or_else(|| nobody(&to))
            }
        };
        let target = match target {
            Ok(target) => target,
            Err(fault) => return self.fail(cell, &asked, fault),
        };
        let mut message = Frame::new(frame.kind);
        (message.room, message.data, message.payload, message.bulk) =
            (frame.room, frame.data, frame.payload, true);
        message.from = Some(From::session(&main.user, &main.name));
        let message = Arc::new(OutFrame::new(&message));
        let (hub, cell) = (self.clone(), cell.clone());
        let bulky = Bulky { main, target, room, id, message, begun: self.clock.now() };
        crate::act::step(async move {
            if let Some(answer) = hub.deliver_bulk(&cell, bulky).await {
                hub.send_to(&cell, answer);
            }
        })
    }

    /// Whom a piece of a file is for, if the hub relays files there.
    fn filed(&self, main: &Cell, room: &str, to: &str) -> Result<Arc<Cell>, Fault> {
        if !self.namespaces.of(room).files {
            return Err(Fault::new(Code::Forbidden, format!("In {room} the hub relays no files")));
        }
        if !main.state.lock().may(Cap::Files, room) {
            return Err(forbidden("files through the hub in", room));
        }
        self.signalled(main, room, Some(to))
    }

    /// How long a piece of a file has to wait for those that its sender has sent before; they may have a second's bytes at once.
    fn file_wait(&self, bulky: &Bulky) -> Option<Duration> {
        let bytes_per_s = self.namespaces.of(bulky.room.as_deref()?).files_bytes_per_s;
        let cost = u64::try_from(bulky.message.cost()).ok()?;
        let us = cost.saturating_mul(1_000_000).checked_div(bytes_per_s)?;
        let now = bulky.begun.saturating_mul(1_000);
        let mut state = bulky.main.state.lock();
        let until = &mut state.receiver().files_until;
        let from = (*until).max(now.saturating_sub(1_000_000));
        *until = from.saturating_add(us);
        Some(Duration::from_micros(from.saturating_sub(now)))
    }

    /// How long it has to wait because of all that its sender has sent in bulk.
    fn bulk_wait(&self, bulky: &Bulky) -> Duration {
        let (cost, per_s) = (bulky.message.cost() as u64, self.rates.rates.session.bulk_bytes_per_s);
        let cost = cost.max(FRAME_COST_MIN);
        let mut state = bulky.main.state.lock();
        state.receiver().pace.take(self.clock.now_us(), cost, per_s.into())
    }

    /// Delivers it as soon as the receiver has room for it. `None`: the sender is gone meanwhile.
    async fn deliver_bulk(self: &Arc<Hub>, cell: &Arc<Cell>, mut bulky: Bulky) -> Option<SharedFrame> {
        let over = &cell.bulk_of.as_ref()?.over;
        let wait = self.file_wait(&bulky).unwrap_or_default().max(self.bulk_wait(&bulky));
        if !wait.is_zero() {
            self.end_turn();
            tokio::select! {
                () = sleep(wait) => {}
                () = over.notified() => return None,
            }
            bulky.begun = self.clock.now();
        }
        let changed = bulky.target.state.lock().receiver().changed.clone();
        loop {
            let notified = changed.notified();
            tokio::pin!(notified);
            notified.as_mut().enable();
            let wait = match self.try_bulk(cell, &bulky) {
                Ok(Attempt::Over(answer)) => return answer,
                Ok(Attempt::Wait(ms)) => Duration::from_millis(ms),
                Err(fault) => return Some(crate::act::error(&Asked::id(&bulky.id), &fault)),
            };
            // What makes the receiver take more leaves before the wait.
            self.end_turn();
            tokio::select! {
                _ = timeout(wait, notified) => {}
                () = over.notified() => return None,
            }
        }
    }

    fn try_bulk(self: &Arc<Hub>, cell: &Arc<Cell>, bulky: &Bulky) -> Result<Attempt, Fault> {
        let Bulky { main, target, room, id, .. } = bulky;
        if cell.state.lock().torn_down {
            return Ok(Attempt::Over(None));
        }
        {
            let grant = &main.state.lock().grant;
            if room.is_none() && !grant.direct {
                return Err(Fault::new(Code::Forbidden, "The grant does not allow direct messages"));
            }
            if grant.has_ended(unix_ms()) {
                return Err(Code::TokenExpired.into());
            }
        }
        let now = self.clock.now();
        if let Some(answer) = self.requests.answered(now, &(main.user.clone(), id.as_str().into())) {
            return Ok(Attempt::Over(Some(answer)));
        }
        if let Some(room) = room {
            // One of them may have left it meanwhile.
            self.filed(main, room, &format!("session:{}", target.name))?;
        }
        let receiver = {
            let mut state = target.state.lock();
            if state.torn_down {
                return Err(Fault::new(Code::NotFound, "The receiver's session is over"));
            }
            let takes_bulk = state.takes_bulk;
            let session = state.receiver().session.clone();
            if takes_bulk { session } else { Some(target.clone()) }
        };
        let delivered = match &receiver {
            Some(receiver) => self.put_bulk(receiver, bulky)?,
            None => false,
        };
        if receiver.is_none_or(|r| r.bulk_of.is_some() && r.state.lock().core.link().is_none()) {
            self.ask_for_bulk_link(target);
        }
        let mut state = target.state.lock();
        let since = &mut state.receiver().since;
        if delivered {
            *since = None;
            self.stats.bulk_frames.fetch_add(1, Ordering::Relaxed);
            return Ok(Attempt::Over(Some(reply(id, &json!({"delivered": 1})))));
        }
        let patience = self.limits.resume_ms;
        // A receiver that failed others a while ago may do better now.
        let known = since.filter(|at| now < at.saturating_add(patience + IN_VAIN_MS));
        let until = known.unwrap_or(now).min(bulky.begun).saturating_add(patience);
        *since = Some(known.unwrap_or(now));
        if now >= until {
            return Err(Fault::new(Code::Timeout, "The receiver took nothing in time"));
        }
        Ok(Attempt::Wait(until - now))
    }

    /// Puts it into the receiver's outbox, if it has room, and remembers that it was done. Of two that try at once one does.
    fn put_bulk(self: &Arc<Hub>, receiver: &Arc<Cell>, bulky: &Bulky) -> Result<bool, Fault> {
        // A main session has more to carry.
        let (bytes_max, bulk) = (self.limits.bulk_bytes_max, receiver.bulk_of.is_some());
        let bytes_max = if bulk { bytes_max } else { self.limits.outbox_bytes_max / 4 };
        let message = self.fitting(bulky.message.clone())?;
        let put = self.requests.deliver_once(
            self.clock.now(),
            (bulky.main.user.clone(), bulky.id.as_str().into()),
            || {
                let mut state = receiver.state.lock();
                let fits = !state.torn_down && state.core.has_room(message.cost(), bytes_max);
                fits && state.core.send(message).is_ok()
            },
        );
        // Also where it had no room: it is to acknowledge what it has.
        crate::turn::cell(receiver);
        Ok(put)
    }
}

fn nobody(to: &str) -> Fault {
    Fault::new(Code::NotFound, format!("Nobody is {to:.300}"))
}
