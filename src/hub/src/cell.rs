//! One session in the hub: core's state machine behind a lock, with what the hub knows about its client.

use crate::backend::Denied;
use crate::bulk::Receiver;
use crate::clock::unix_ms;
use crate::rates::{Entry, Spent};
use crate::room::Room;
use crate::wheel::Timers;
use crosspoint_core::report::Way;
use crosspoint_core::session::{Action, LinkId, Session};
use crosspoint_core::{Frame, Grant, Limits, LinkSender, SharedFrame, Transport};
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::Notify;

/// A session.
pub(crate) struct Cell {
    pub(crate) name: Arc<str>,
    pub(crate) user: Arc<str>,
    /// The secret that resumes it; empty where nothing can.
    pub(crate) resume: Box<str>,
    /// Set on a bulk session.
    pub(crate) bulk_of: Option<Box<BulkOf>>,
    /// Whether some turn has it on its list already.
    pub(crate) dirty: AtomicBool,
    /// Short holds only: never across an await or a call into an engine.
    pub(crate) state: Mutex<State>,
}

/// What a bulk session belongs to.
pub(crate) struct BulkOf {
    pub(crate) main: Arc<Cell>,
    /// Tells the frame that waits that the session is over.
    pub(crate) over: Notify,
}

/// A link that carries or carried the session.
pub(crate) struct Carrier {
    pub(crate) id: LinkId,
    pub(crate) transport: Option<Transport>,
    pub(crate) way: Way,
    /// The page's origin.
    pub(crate) origin: Option<Arc<str>>,
    /// The other end's address.
    pub(crate) remote: Option<IpAddr>,
    /// What is known of that, where it has limits.
    pub(crate) address: Option<Arc<Entry>>,
    pub(crate) sender: Arc<dyn LinkSender>,
}

pub(crate) struct State {
    pub(crate) core: Session,
    pub(crate) grant: Arc<Grant>,
    /// When the grant ends, by the hub's clock.
    pub(crate) grant_end: u64,
    /// When its client is told that it will; `u64::MAX` once it was.
    pub(crate) warn_at: u64,
    /// When the first of its room tokens ends.
    pub(crate) token_end: u64,
    /// When the wheel looks at it.
    pub(crate) timers: Timers,
    pub(crate) link: Option<Carrier>,
    pub(crate) old: Option<Carrier>,
    pub(crate) rooms: Rooms,
    /// Frames that wait for the one being acted on, in order.
    pub(crate) inbox: VecDeque<Frame>,
    /// Somebody acts on this session's frames.
    pub(crate) busy: bool,
    /// Links that wait for room in the inbox; made when first needed.
    pub(crate) room_in_inbox: Option<Arc<Notify>>,
    /// Requests of this session that wait for answers.
    pub(crate) requests: usize,
    /// Its messages and requests that a backend has not answered yet, whoever still waits for that.
    pub(crate) asking: usize,
    /// Services it is attached as.
    pub(crate) services: Vec<Box<str>>,
    /// Its client opens a bulk session when there is something for it.
    pub(crate) takes_bulk: bool,
    /// Made when first needed.
    pub(crate) receiver: Option<Box<Receiver>>,
    /// What it used up of its rates; made when first needed.
    pub(crate) spent: Option<Box<Spent>>,
    pub(crate) torn_down: bool,
}

/// A session's membership of a room.
#[derive(Clone)]
pub(crate) struct Joined {
    pub(crate) room: Arc<Room>,
    /// Whether it counts as present.
    pub(crate) present: bool,
    /// What the join hook doesn't let it do here.
    pub(crate) denied: Denied,
    /// What it may do there beside what its grant says.
    pub(crate) token: Option<Arc<Grant>>,
}

/// A session's rooms by name; a sorted list, because most sessions are in one or two.
#[derive(Default)]
pub(crate) struct Rooms(Vec<Joined>);

impl Rooms {
    fn find(&self, name: &str) -> Result<usize, usize> {
        self.0.binary_search_by(|j| (*j.room.name).cmp(name))
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Joined> {
        self.find(name).ok().map(|at| &self.0[at])
    }

    pub(crate) fn get_mut(&mut self, name: &str) -> Option<&mut Joined> {
        self.find(name).ok().map(|at| &mut self.0[at])
    }

    pub(crate) fn insert(&mut self, joined: Joined) {
        match self.find(&joined.room.name) {
            Ok(at) => self.0[at] = joined,
            Err(at) => {
                if self.0.is_empty() {
                    self.0.reserve_exact(1);
                }
                self.0.insert(at, joined);
            }
        }
    }

    pub(crate) fn remove(&mut self, name: &str) -> Option<Joined> {
        self.find(name).ok().map(|at| self.0.remove(at))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Joined> {
        self.0.iter()
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Joined> {
        self.0.iter_mut()
    }

    /// Rooms whose events wait for some turn's end.
    pub(crate) fn waiting(&self) -> Vec<Arc<Room>> {
        self.0.iter().filter(|j| j.room.waits()).map(|j| j.room.clone()).collect()
    }

    pub(crate) fn take(&mut self) -> Vec<Joined> {
        std::mem::take(&mut self.0)
    }
}

impl Cell {
    /// A session that can be resumed unless its secret is empty.
    pub(crate) fn new(
        name: Arc<str>,
        user: Arc<str>,
        core: Session,
        resume: String,
        grant: Arc<Grant>,
        bulk_of: Option<Box<BulkOf>>,
    ) -> Cell {
        let state = State {
            core,
            grant,
            grant_end: u64::MAX,
            warn_at: u64::MAX,
            token_end: u64::MAX,
            timers: Timers::NONE,
            link: None,
            old: None,
            rooms: Rooms::default(),
            inbox: VecDeque::new(),
            busy: false,
            room_in_inbox: None,
            requests: 0,
            asking: 0,
            services: vec![],
            takes_bulk: false,
            receiver: None,
            spent: None,
            torn_down: false,
        };
        let (resume, dirty, state) = (resume.into(), AtomicBool::new(false), Mutex::new(state));
        Cell { name, user, resume, bulk_of, dirty, state }
    }

    /// Whether this is the secret that resumes it.
    pub(crate) fn is_resumed_by(&self, secret: &str) -> bool {
        !self.resume.is_empty() && same(secret.as_bytes(), self.resume.as_bytes())
    }

    /// The frames that are not room events: replies, direct messages. A session that can't take them ends, which the next look at its actions finds.
    pub(crate) fn send(&self, frame: SharedFrame) {
        let _ = self.state.lock().core.send(frame);
    }

    /// Whether frames wait that came before its goodbye. (A bulk session's may wait for their receiver.)
    pub(crate) fn has_more_to_say(&self) -> bool {
        let state = self.state.lock();
        self.bulk_of.is_none() && state.busy && !state.inbox.is_empty()
    }

    /// Whether the caller is the one to put it on a list.
    pub(crate) fn mark_dirty(&self) -> bool {
        !self.dirty.load(Ordering::Relaxed) && !self.dirty.swap(true, Ordering::AcqRel)
    }

    /// Gives the link what it takes, and returns what the session wants done.
    pub(crate) fn flush(&self, now: u64) -> Vec<Action> {
        // Before the look: who comes later makes it dirty again.
        self.dirty.store(false, Ordering::Release);
        self.state.lock().flush(now)
    }
}

/// Compares secrets in a time that doesn't tell where they differ.
fn same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |acc, (x, y)| acc | (x ^ y)) == 0
}

impl State {
    /// What its senders have to know.
    pub(crate) fn receiver(&mut self) -> &mut Receiver {
        self.receiver.get_or_insert_default()
    }

    /// Whether its links are to wait before they bring more.
    pub(crate) fn inbox_is_full(&self, limits: &Limits, bulk: bool) -> bool {
        if !bulk {
            return self.inbox.len() >= limits.inbox_frames_max;
        }
        let bytes = |f: &Frame| {
            f.payload.as_ref().map_or(0, bytes::Bytes::len) + f.data.as_ref().map_or(0, |d| d.get().len())
        };
        let waiting: usize = self.inbox.iter().map(bytes).sum();
        self.inbox.len() >= limits.bulk_frames_max || waiting > limits.bulk_bytes_max
    }

    /// There may be room in the outbox: those who wait for it are told.
    pub(crate) fn tell_of_room(&mut self) {
        if self.core.has_room_again()
            && let Some(receiver) = &self.receiver
        {
            receiver.changed.notify_waiters();
        }
    }

    pub(crate) fn flush(&mut self, now: u64) -> Vec<Action> {
        if let Some(carrier) = &self.link {
            self.core.transmit(now, |id, frames| {
                debug_assert_eq!(id, carrier.id);
                carrier.sender.try_send(frames)
            });
            self.tell_of_room();
        }
        self.actions(now)
    }

    /// `expiring_ms`: so long before its end the client is told, or a fifth of its life if that is less.
    pub(crate) fn set_grant(&mut self, grant: Arc<Grant>, now: u64, expiring_ms: u64) {
        self.note_end(&grant, now);
        let (left, end) = (self.grant_end.saturating_sub(now), grant.expires_unix_s.unwrap_or(u64::MAX));
        let life = grant.issued_unix_s.map_or(left, |issued| end.saturating_sub(issued).saturating_mul(1000));
        let before = expiring_ms.min(life / 5);
        self.warn_at = if end == u64::MAX { u64::MAX } else { self.grant_end.saturating_sub(before) };
        self.grant = grant;
    }

    fn note_end(&mut self, grant: &Grant, now: u64) {
        let end = grant.expires_unix_ms();
        self.grant_end = end.map_or(u64::MAX, |end| now.saturating_add(end.saturating_sub(unix_ms())));
    }

    /// Whether the client's time is over. A session without a link waits for who resumes it with a new token.
    pub(crate) fn grant_is_over(&mut self, now: u64) -> bool {
        if self.core.link().is_none() || now < self.grant_end {
            return false;
        }
        let over = self.grant.has_ended(unix_ms());
        if !over {
            self.note_end(&self.grant.clone(), now);
        }
        over
    }

    /// When the wheel must be told to look at the session, if it doesn't know.
    pub(crate) fn wanted_timer(&mut self) -> Option<u64> {
        let told = self.grant_end.min(self.warn_at);
        let grant_end = if self.core.link().is_some() { told } else { u64::MAX };
        let at = self.core.deadline().min(grant_end).min(self.token_end);
        let at = if self.core.ended().is_some() { u64::MAX } else { at };
        self.timers.want(at).then_some(at)
    }

    pub(crate) fn actions(&mut self, now: u64) -> Vec<Action> {
        std::iter::from_fn(|| self.core.poll_action(now)).collect()
    }

    /// Takes a link that the session gives up.
    pub(crate) fn take_carrier(&mut self, link: LinkId) -> Option<Carrier> {
        self.link.take_if(|c| c.id == link).or_else(|| self.old.take_if(|c| c.id == link))
    }

    /// All links, to be closed.
    pub(crate) fn take_carriers(&mut self) -> impl Iterator<Item = Carrier> + use<> {
        [self.link.take(), self.old.take()].into_iter().flatten()
    }
}
