//! Direct messages, and requests that one client or service answers.

use crate::act::{Asked, Step, error, step};
use crate::backend::BACKEND;
use crate::cell::Cell;
use crate::hub::{Hub, Timer, random_id};
use crate::turn;
use bytes::Bytes;
use crosspoint_core::frame::{AnswerError, From, Volatile};
use crosspoint_core::wire::OutFrame;
use crosspoint_core::{Code, Fault, Frame, Raw, SharedFrame};
use parking_lot::{Mutex, MutexGuard};
use serde_json::json;
use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Answers that are remembered at most, in bytes, against repeated requests.
const ANSWERED_BYTES_MAX: usize = 16 << 20;
/// How long an answer is remembered, ms.
const ANSWERED_MS: u64 = 60_000;
/// What remembering an answer costs beside its bytes.
const ANSWERED_OVERHEAD: usize = 256;

/// Requests under way and lately answered.
#[derive(Default)]
pub(crate) struct Requests(Mutex<Table>);

pub(crate) type Key = (Arc<str>, Box<str>);

#[derive(Default)]
struct Table {
    under_way: HashMap<Arc<str>, Request>,
    /// Those under way, by the session that was asked.
    by_target: HashMap<Arc<str>, HashSet<Arc<str>>>,
    by_key: HashMap<Key, Known>,
    answered: VecDeque<(u64, Key)>,
    answered_bytes: usize,
}

struct Request {
    asker: Arc<Cell>,
    key: Key,
    target: Arc<str>,
    /// Whether it was asked as a service.
    service: bool,
}

enum Known {
    UnderWay(Arc<str>),
    Answered(Outcome),
}

/// What a request came to.
#[derive(Clone)]
pub(crate) enum Outcome {
    Data(Option<Raw>, Option<Bytes>),
    Error(AnswerError),
    Fault(Fault),
}

impl Outcome {
    fn frame(&self, id: &str) -> SharedFrame {
        let asked = Asked::id(id);
        match self {
            Outcome::Data(data, payload) => {
                let mut frame = Frame::new("hub:reply").id(id);
                (frame.data, frame.payload) = (data.clone(), payload.clone());
                Arc::new(OutFrame::new(&frame))
            }
            Outcome::Error(e) => {
                let data = json!({"code": e.code, "message": e.message, "retry": "never"});
                Arc::new(OutFrame::new(&Frame::with("hub:error", &data).id(id)))
            }
            Outcome::Fault(fault) => error(&asked, fault),
        }
    }

    fn cost(&self) -> usize {
        let len = |data: &Option<Raw>| data.as_ref().map_or(0, |d| d.get().len());
        ANSWERED_OVERHEAD
            + match self {
                Outcome::Data(data, payload) => len(data) + payload.as_ref().map_or(0, Bytes::len),
                Outcome::Error(e) => e.message.len(),
                Outcome::Fault(_) => 64,
            }
    }
}

impl Table {
    fn settle(&mut self, now: u64, key: Key, outcome: Outcome) {
        self.answered_bytes += outcome.cost();
        if let Some(Known::Answered(old)) = self.by_key.insert(key.clone(), Known::Answered(outcome)) {
            self.answered_bytes -= old.cost();
        }
        self.answered.push_back((now + ANSWERED_MS, key));
        self.expire(now);
    }

    fn expire(&mut self, now: u64) {
        while let Some((end, key)) = self.answered.front() {
            if *end > now && self.answered_bytes <= ANSWERED_BYTES_MAX {
                break;
            }
            if let Some(Known::Answered(old)) = self.by_key.remove(key) {
                self.answered_bytes -= old.cost();
            }
            self.answered.pop_front();
        }
    }

    fn begin(&mut self, name: Arc<str>, request: Request) {
        self.by_key.insert(request.key.clone(), Known::UnderWay(name.clone()));
        self.by_target.entry(request.target.clone()).or_default().insert(name.clone());
        self.under_way.insert(name, request);
    }

    /// Takes a request out, if the session that it was given to is `by`.
    fn take(&mut self, name: &str, by: Option<&str>) -> Option<Request> {
        self.under_way.get(name).filter(|r| by.is_none_or(|by| *by == *r.target))?;
        let request = self.under_way.remove(name)?;
        if let Some(names) = self.by_target.get_mut(&request.target) {
            names.remove(name);
            if names.is_empty() {
                self.by_target.remove(&request.target);
            }
        }
        Some(request)
    }
}

impl Requests {
    pub(crate) fn under_way(&self) -> usize {
        self.0.lock().under_way.len()
    }

    /// Delivers what this user sends with this id, unless that was done lately. `put` says whether it could.
    pub(crate) fn deliver_once(&self, now: u64, key: Key, put: impl FnOnce() -> bool) -> bool {
        let mut table = self.0.lock();
        if let Some(Known::Answered(_)) = table.by_key.get(&key) {
            return true;
        }
        let done = put();
        if done {
            let data = serde_json::value::to_raw_value(&json!({"delivered": 1})).ok();
            table.settle(now, key, Outcome::Data(data, None));
        }
        done
    }

    /// The answer to what this user asked with this id lately.
    pub(crate) fn answered(&self, now: u64, key: &Key) -> Option<SharedFrame> {
        let mut table = self.0.lock();
        table.expire(now);
        match table.by_key.get(key)? {
            Known::Answered(outcome) => Some(outcome.frame(&key.1)),
            Known::UnderWay(_) => None,
        }
    }
}

impl Hub {
    pub(crate) fn direct(self: &Arc<Hub>, cell: &Arc<Cell>, frame: Frame) -> Step {
        if !cell.state.lock().grant.direct {
            return self.fail(
                cell,
                &Asked::of(&frame),
                Fault::new(Code::Forbidden, "The grant does not allow direct messages"),
            );
        }
        let to = frame.to.clone().unwrap_or_default();
        if self.backend_answers(&to) {
            return self.request_backend(cell, frame, to);
        }
        let message = |request: Option<&str>| {
            let mut message = Frame::new(frame.kind.clone());
            message.data = frame.data.clone();
            message.payload = frame.payload.clone();
            message.volatile = frame.volatile.clone();
            message.request = request.map(str::to_string);
            message.from = Some(From::session(&cell.user, &cell.name));
            message
        };
        let target = match to.split_once(':') {
            Some(("user", _)) => {
                let message = message(None);
                return self.direct_to_user(cell, frame, &to, &message);
            }
            Some(("session", name)) => self.session(name),
            Some(("service", name)) => self.serving(name, &cell.name),
            _ => {
                let text = "`to` is user:…, session:…, service:… or, where there is one, backend";
                return self.fail(cell, &Asked::of(&frame), Fault::new(Code::BadRequest, text));
            }
        };
        let service = to.starts_with("service:");
        match (&frame.id, frame.volatile.is_some()) {
            (_, true) => {
                if let Some(target) = target {
                    send_volatile(&target, &cell.name, &message(None));
                }
                Step::Done
            }
            (None, _) => match target {
                Some(target) => {
                    turn::events_first(self, &target);
                    self.send_to(&target, Arc::new(OutFrame::new(&message(None))));
                    Step::Done
                }
                None => self.fail(
                    cell,
                    &Asked::of(&frame),
                    Fault::new(Code::NotFound, format!("Nobody is {to:.300}")),
                ),
            },
            (Some(id), _) => {
                let ask = |request: &str| Arc::new(OutFrame::new(&message(Some(request))));
                self.ask(cell, id, target, service, frame.timeout_ms, ask)
            }
        }
    }

    fn direct_to_user(self: &Arc<Hub>, cell: &Arc<Cell>, frame: Frame, to: &str, message: &Frame) -> Step {
        if message.volatile.is_some() {
            let user = to.strip_prefix("user:").unwrap_or_default();
            self.users_cells(user).iter().for_each(|c| send_volatile(c, &cell.name, message));
            return Step::Done;
        }
        let key: Option<Key> = frame.id.as_deref().map(|id| (cell.user.clone(), id.into()));
        if let Some(key) = &key
            && let Some(reply) = self.requests.answered(self.clock.now(), key)
        {
            self.send_to(cell, reply);
            return Step::Done;
        }
        let answer = self.engine.direct(to, &Arc::new(OutFrame::new(message)));
        let (hub, cell, to) = (self.clone(), cell.clone(), to.to_string());
        step(async move {
            let answer = match answer.await {
                Ok(0) => Err(Fault::new(Code::NotFound, format!("No session of {to:.300} is here"))),
                Ok(n) => Ok(json!({"delivered": n})),
                Err(fault) => Err(fault),
            };
            if let (Some(key), Ok(data)) = (key, &answer) {
                // Repeated in a new session it must not be delivered again.
                let outcome = Outcome::Data(serde_json::value::to_raw_value(data).ok(), None);
                hub.requests.0.lock().settle(hub.clock.now(), key, outcome);
            }
            if frame.id.is_some() || answer.is_err() {
                hub.reply_now(&cell, &Asked::of(&frame), answer);
            }
        })
    }

    /// The session that serves this asker: the same one as long as it is attached.
    pub(crate) fn serving(&self, service: &str, asker: &str) -> Option<Arc<Cell>> {
        let services = self.services.read();
        let list = services.get(service)?;
        // Rendezvous hashing (Thaler and Ravishankar 1998): one that goes moves only its own askers.
        let weight = |c: &Arc<Cell>| {
            let bytes = c.name.bytes().chain(asker.bytes());
            bytes.fold(0xcbf2_9ce4_8422_2325u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3))
        };
        list.iter().max_by_key(|c| weight(c)).cloned()
    }

    fn ask(
        self: &Arc<Hub>,
        cell: &Arc<Cell>,
        id: &str,
        target: Option<Arc<Cell>>,
        service: bool,
        timeout_ms: Option<u64>,
        message: impl FnOnce(&str) -> SharedFrame,
    ) -> Step {
        let name = target.as_ref().map(|target| target.name.clone());
        let request = match self.begin_request(cell, id, name, service, timeout_ms) {
            Ok(request) => request,
            Err(step) => return step,
        };
        let Some(target) = target else { return Step::Done };
        turn::events_first(self, &target);
        self.send_to(&target, message(&request));
        if target.state.lock().torn_down {
            // It may have ended before it was asked.
            self.fail_requests_to(&target);
        }
        Step::Done
    }

    /// Notes a request, unless there can be none, or was one with this id.
    pub(crate) fn begin_request(
        self: &Arc<Hub>,
        cell: &Arc<Cell>,
        id: &str,
        target: Option<Arc<str>>,
        service: bool,
        timeout_ms: Option<u64>,
    ) -> Result<Arc<str>, Step> {
        let key: Key = (cell.user.clone(), id.into());
        drop(self.unasked(cell, &key)?);
        let asked = Asked::id(id);
        let Some(target) = target else {
            return Err(self.fail(cell, &asked, Fault::new(Code::NotFound, "Nobody is there to answer")));
        };
        if cell.state.lock().requests >= self.limits.requests_max {
            let text = format!("{} requests wait for answers already", self.limits.requests_max);
            return Err(self.fail(cell, &asked, Fault::new(Code::RateLimited, text)));
        }
        let to_backend = &*target == BACKEND;
        let may = if to_backend { cell.may_ask_backend() } else { Ok(()) };
        if let Err(fault) = may.and_then(|()| self.one_request_more(cell)) {
            return Err(self.fail(cell, &asked, fault));
        }
        // Another session of the user may have asked the same meanwhile.
        let mut table = self.unasked(cell, &key)?;
        let request: Arc<str> = random_id().into();
        let entry = Request { asker: cell.clone(), key, target, service };
        table.begin(request.clone(), entry);
        drop(table);
        change_requests(cell, 1);
        self.stats.requests.fetch_add(1, Ordering::Relaxed);
        let wait = timeout_ms.unwrap_or(self.limits.request_ms).min(self.limits.request_ms_max);
        self.timers.set(self.clock.now() + wait, Timer::Request(request.clone()));
        Ok(request)
    }

    /// The table, if nothing with this key is in it; else the session gets the answer, or will.
    fn unasked(self: &Arc<Hub>, cell: &Arc<Cell>, key: &Key) -> Result<MutexGuard<'_, Table>, Step> {
        let mut table = self.requests.0.lock();
        table.expire(self.clock.now());
        match table.by_key.get(key) {
            None => return Ok(table),
            Some(Known::Answered(outcome)) => {
                let frame = outcome.frame(&key.1);
                drop(table);
                self.send_to(cell, frame);
            }
            Some(Known::UnderWay(request)) => {
                let request = request.clone();
                if let Some(r) = table.under_way.get_mut(&request) {
                    let before = std::mem::replace(&mut r.asker, cell.clone());
                    drop(table);
                    change_requests(&before, -1);
                    change_requests(cell, 1);
                }
            }
        }
        Err(Step::Done)
    }

    pub(crate) fn answer(self: &Arc<Hub>, cell: &Arc<Cell>, frame: Frame) {
        let Some(request) = frame.request.as_deref() else {
            self.fail(cell, &Asked::of(&frame), Fault::new(Code::BadRequest, "hub:answer needs a `request`"));
            return;
        };
        let outcome = match frame.error {
            Some(e) => Outcome::Error(e),
            None => Outcome::Data(frame.data, frame.payload),
        };
        self.close_request(request, Some(&cell.name), outcome);
    }

    pub(crate) fn request_timed_out(self: &Arc<Hub>, request: &str) {
        let fault = Fault::new(Code::Timeout, "Nobody answered in time");
        if self.close_request(request, None, Outcome::Fault(fault)) {
            self.stats.request_timeouts.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Answers a request; `by` must be the session it was given to. `false`: it is not under way (any more).
    pub(crate) fn close_request(self: &Arc<Hub>, request: &str, by: Option<&str>, outcome: Outcome) -> bool {
        let mut table = self.requests.0.lock();
        let Some(r) = table.take(request, by) else { return false };
        let frame = outcome.frame(&r.key.1);
        table.settle(self.clock.now(), r.key, outcome);
        drop(table);
        change_requests(&r.asker, -1);
        turn::events_first(self, &r.asker);
        self.send_to(&r.asker, frame);
        true
    }

    /// A session has ended: nobody will answer what it was asked.
    pub(crate) fn fail_requests_to(self: &Arc<Hub>, cell: &Arc<Cell>) {
        let gone = {
            let table = self.requests.0.lock();
            let Some(names) = table.by_target.get(&cell.name) else { return };
            let service = |name: &Arc<str>| table.under_way.get(name).is_some_and(|r| r.service);
            names.iter().map(|name| (name.clone(), service(name))).collect::<Vec<_>>()
        };
        for (request, service) in gone {
            let who = if service { "The service" } else { "The session" };
            let fault = Fault::new(Code::NotFound, format!("{who} that was asked is gone"));
            self.close_request(&request, None, Outcome::Fault(fault));
        }
    }
}

fn change_requests(cell: &Cell, by: isize) {
    let mut state = cell.state.lock();
    state.requests = state.requests.saturating_add_signed(by);
}

fn send_volatile(to: &Arc<Cell>, from: &str, message: &Frame) {
    let key = match &message.volatile {
        Some(Volatile::Key(k)) => format!("\0{from}\0\0{k}"),
        _ => format!("\0{from}\0{}", message.kind),
    };
    to.state.lock().core.send_volatile(&key, Arc::new(OutFrame::new(message)));
    turn::cell(to);
}
