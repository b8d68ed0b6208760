//! The handle that applications hold.

use crate::bulk::Bulk;
use crate::driver::{Command, Driver, fault_in};
use crate::event::{Events, Readers, State};
use crate::limited::Lanes;
use crate::link::Beside;
use crate::options::Options;
use crate::random::Ids;
use crate::rooms::Rooms;
use crate::status::{Counters, Counts, Status};
use crate::transport::Transport;
use crosspoint_core::limits::ClientLimits;
use crosspoint_core::{Code, Fault, Frame};
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::{Semaphore, mpsc, oneshot, watch};
use tokio::time::timeout;

/// Commands that wait for the driver.
const COMMANDS_MAX: usize = 1024;
/// The largest POST body until the hub says so, in bytes.
const POST_BYTES: usize = 64 << 10;
/// What closing may take; more than any link's own deadline for it.
const CLOSE_WITHIN: Duration = Duration::from_secs(5);

/// What the handles and the driver have in common.
pub(crate) struct Shared {
    pub(crate) options: Options,
    pub(crate) readers: Readers,
    pub(crate) counters: Counters,
    /// Free places for counted frames; closed with the client.
    pub(crate) places: Semaphore,
    /// The largest frame, in bytes, as the hub last said; 0 before.
    pub(crate) frame_bytes_max: AtomicUsize,
    /// The largest POST body, likewise.
    pub(crate) post_bytes_max: Arc<AtomicUsize>,
    /// What the last welcome said.
    pub(crate) limits: Mutex<ClientLimits>,
    pub(crate) bulk: Bulk,
    pub(crate) beside: Beside,
    pub(crate) rooms: Rooms,
    pub(crate) lanes: Lanes,
}

/// A session with a hub, over whatever link there is. Cheap to clone; when the last clone is dropped the session ends.
#[derive(Clone)]
pub struct Client {
    shared: Arc<Shared>,
    commands: mpsc::Sender<Command>,
    status: watch::Receiver<Status>,
    ids: Arc<Ids>,
}

/// A client that its last handle may end.
#[derive(Clone)]
pub(crate) struct WeakClient {
    shared: Arc<Shared>,
    commands: mpsc::WeakSender<Command>,
    status: watch::Receiver<Status>,
    ids: Arc<Ids>,
}

impl WeakClient {
    /// `None` if there is no handle any more.
    pub(crate) fn upgrade(&self) -> Option<Client> {
        let WeakClient { shared, commands, status, ids } = self.clone();
        Some(Client { shared, commands: commands.upgrade()?, status, ids })
    }
}

impl Client {
    /// Returns at once and connects in the background; must be called inside a tokio runtime. An address that is none
    /// shows as the fault of [`ready`](Client::ready).
    pub fn connect(options: Options) -> Client {
        let shared = Arc::new(Shared {
            readers: Readers::new(),
            counters: Counters::default(),
            places: Semaphore::new(options.queue_max.clamp(1, Semaphore::MAX_PERMITS)),
            frame_bytes_max: AtomicUsize::new(0),
            post_bytes_max: Arc::new(AtomicUsize::new(POST_BYTES)),
            limits: Mutex::default(),
            bulk: Bulk::new(),
            beside: Beside::default(),
            rooms: Rooms::default(),
            lanes: Lanes::default(),
            options,
        });
        let (commands, asked) = mpsc::channel(COMMANDS_MAX);
        let (told, status) = watch::channel(Status::default());
        let client = Client { shared: shared.clone(), commands, status, ids: Arc::new(Ids::new()) };
        tokio::spawn(Driver::run(shared, client.downgrade(), told, asked));
        client
    }

    fn downgrade(&self) -> WeakClient {
        let Client { shared, commands, status, ids } = self.clone();
        WeakClient { shared, commands: commands.downgrade(), status, ids }
    }

    /// Resolves at the first welcome.
    ///
    /// # Errors
    /// The fault for which the client was closed, or `timeout` after [`Options::ready_timeout`] (it goes on trying).
    pub async fn ready(&self) -> Result<(), Fault> {
        let mut status = self.status.clone();
        let there = status.wait_for(|s| s.session.is_some() || s.state == State::Closed);
        match timeout(self.shared.options.ready_timeout, there).await {
            Ok(Ok(s)) if s.state != State::Closed => Ok(()),
            Ok(_) => Err(self.closed()),
            Err(_) => {
                let why = self.status.borrow().fault.as_ref().map(|f| format!(" ({f})")).unwrap_or_default();
                Err(Fault::new(Code::Timeout, format!("not connected in time{why}")))
            }
        }
    }

    /// A reader of all that happens from now on. Each has its own queue of [`Options::events_max`] events; while one is full the
    /// client reads nothing more from the hub, replies included, so read or drop it.
    pub fn events(&self) -> Events {
        self.shared.readers.add(self.shared.options.events_max)
    }

    /// Where the client stands.
    pub fn status(&self) -> Status {
        self.status.borrow().clone()
    }

    /// Resolves with the first status that this holds for, which may be the present one. Has no deadline of its own.
    ///
    /// # Errors
    /// The fault for which the client was closed before.
    pub async fn status_where(&self, holds: impl FnMut(&Status) -> bool) -> Result<Status, Fault> {
        let mut status = self.status.clone();
        let found = status.wait_for(holds).await.map(|s| s.clone());
        found.map_err(|_| self.closed())
    }

    /// What the client counted so far.
    pub fn counts(&self) -> Counts {
        self.shared.counters.read()
    }

    /// Moves the session to another link by this transport, while the present one goes on. Resolves when the new link carries it.
    ///
    /// # Errors
    /// Why there is no such link; the session stays where it is. `replaced`: another move came between.
    pub async fn move_to(&self, to: Transport) -> Result<(), Fault> {
        let (done, moved) = oneshot::channel();
        self.command(Command::Move { to, done }).await?;
        moved.await.unwrap_or_else(|_| Err(self.closed()))
    }

    /// Changes the set of transports that may be used, and leaves one that isn't in it.
    ///
    /// # Errors
    /// The client is closed.
    pub async fn allow(&self, transports: &[Transport]) -> Result<(), Fault> {
        self.command(Command::Allow(transports.to_vec())).await
    }

    /// Cuts the present link without a word, as a network does. For tests.
    ///
    /// # Errors
    /// The client is closed.
    pub async fn kill_link(&self) -> Result<(), Fault> {
        self.command(Command::Kill).await
    }

    /// Ends the session with a goodbye. What was sent before leaves first, if there is a link and it takes it in time.
    pub async fn close(&self) {
        let (done, closed) = oneshot::channel();
        if self.commands.send(Command::Close(done)).await.is_ok() {
            let _ = timeout(CLOSE_WITHIN, closed).await;
        }
    }

    /// How far the client has come in a room that has a history, as it would say on joining again.
    pub async fn position(&self, room: &str) -> Option<String> {
        let (done, position) = oneshot::channel();
        self.command(Command::Position { room: room.into(), done }).await.ok()?;
        position.await.ok().flatten()
    }

    pub(crate) async fn command(&self, command: Command) -> Result<(), Fault> {
        self.commands.send(command).await.map_err(|_| self.closed())
    }

    /// Sends a frame as it is, without waiting for a reply. A frame with `id` is sent again until it is answered, a counted
    /// one without until it is acknowledged in this session, a volatile one never. The reply to an `id` comes as an event.
    ///
    /// # Errors
    /// `limit_exceeded`: too many frames wait. `bad_frame`, `frame_too_large`. The fault for which the client was closed.
    pub fn send_frame(&self, frame: Frame) -> Result<(), Fault> {
        let frame = self.check(frame)?;
        let place = match frame.counted() {
            true => Some(self.shared.places.try_acquire().map_err(|_| self.full())?),
            false => None,
        };
        self.commands
            .try_send(Command::Send { frame: Box::new(frame), reply: None })
            .map_err(|_| self.full())?;
        if let Some(place) = place {
            place.forget();
        }
        Ok(())
    }

    /// Sends a frame and waits for the reply to its id; gives it one where it has none.
    ///
    /// # Errors
    /// What the hub answered with `hub:error`; `timeout` (a frame that was sent goes on being sent all the same);
    /// `bad_frame`, `frame_too_large`; the fault for which the client was closed.
    pub async fn call(&self, frame: Frame) -> Result<Frame, Fault> {
        let reply = self.exchange(frame, self.shared.options.reply_timeout).await?;
        if reply.kind == "hub:error" { Err(fault_in(&reply)) } else { Ok(reply) }
    }

    /// The same; a `hub:error` is an answer as well.
    pub(crate) async fn exchange(&self, mut frame: Frame, within: Duration) -> Result<Frame, Fault> {
        frame.id.get_or_insert_with(|| self.ids.next());
        let frame = self.check(frame)?;
        let (reply, answer) = oneshot::channel();
        let answered = timeout(within, async {
            let place = self.shared.places.acquire().await.map_err(|_| self.closed())?;
            let command = self.commands.reserve().await.map_err(|_| self.closed())?;
            place.forget();
            command.send(Command::Send { frame: Box::new(frame), reply: Some(reply) });
            answer.await.unwrap_or_else(|_| Err(self.closed()))
        });
        answered.await.unwrap_or_else(|_| {
            Err(Fault::new(Code::Timeout, format!("no reply within {} ms", within.as_millis())))
        })
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    pub(crate) fn next_id(&self) -> String {
        self.ids.next()
    }

    /// Why nothing can be sent.
    fn full(&self) -> Fault {
        if self.commands.is_closed() || self.shared.places.is_closed() {
            return self.closed();
        }
        Fault::new(Code::LimitExceeded, "too many frames wait")
    }

    pub(crate) fn closed(&self) -> Fault {
        let status = self.status.borrow();
        status.fault.clone().unwrap_or_else(|| Fault::new(Code::Bye, "the client is closed"))
    }

    /// A frame that the hub can't read would be sent again and again, and never be answered.
    pub(crate) fn check(&self, frame: Frame) -> Result<Frame, Fault> {
        let bad = |text: String| Fault::new(Code::BadFrame, text);
        if Frame::is_link_kind(&frame.kind) {
            return Err(bad(format!("`{}` is said by the client itself", frame.kind)));
        }
        let frame = frame.check().map_err(|e| bad(e.to_string()))?;
        let max = self.shared.frame_bytes_max.load(Ordering::Relaxed);
        let payload = frame.data.as_ref().map_or(0, |d| d.get().len())
            + frame.payload.as_ref().map_or(0, |p| p.len().saturating_mul(4) / 3);
        // Exactly only where it may matter; what else a frame has is short.
        if max == 0 || payload < max / 2 || frame.encode_text().len() <= max {
            return Ok(frame);
        }
        Err(Fault::new(Code::FrameTooLarge, format!("a frame may have {max} bytes, as JSON text")))
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Status { state, transport, .. } = &*self.status.borrow();
        f.debug_struct("Client").field("state", state).field("transport", transport).finish_non_exhaustive()
    }
}
