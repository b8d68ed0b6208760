//! Large payloads: a second session on a link of its own, which follows the first one (docs/protocol.md, Bulk).

mod companion;

use crate::client::{Client, Shared};
use crate::event::State;
use crate::plan::Candidate;
use bytes::Bytes;
use companion::Companion;
use crosspoint_core::client::Identity;
use crosspoint_core::limits::ClientLimits;
use crosspoint_core::{Code, Fault, Frame};
use parking_lot::Mutex;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot, watch};

/// Where the main session is.
#[derive(Debug, Clone, Default)]
pub(crate) struct Home {
    /// The session, once there is one whose hub takes bulk.
    pub(crate) main: Option<Identity>,
    /// What carries it, while something does.
    pub(crate) by: Option<Candidate>,
    /// The client is closed.
    pub(crate) closed: Option<Fault>,
}

/// What the client and the companion have in common.
#[derive(Debug)]
pub(crate) struct Bulk {
    pub(crate) home: watch::Sender<Home>,
    /// Who calls first sends first.
    gate: tokio::sync::Mutex<()>,
    /// The companion, once there is something for it.
    orders: Mutex<Option<Orders>>,
}

#[derive(Debug, Clone)]
struct Orders {
    sender: mpsc::UnboundedSender<Order>,
    frames: Arc<Semaphore>,
    bytes: Arc<Semaphore>,
    bytes_max: usize,
}

/// What the companion is asked.
enum Order {
    /// The hub has something.
    Open,
    Send(Box<Sending>),
}

struct Sending {
    frame: Frame,
    reply: oneshot::Sender<Result<Frame, Fault>>,
    place: Place,
}

/// What a frame takes of the window until it is answered.
struct Place {
    _frame: OwnedSemaphorePermit,
    _bytes: OwnedSemaphorePermit,
}

impl Bulk {
    pub(crate) fn new() -> Bulk {
        let home = watch::Sender::new(Home::default());
        Bulk { home, gate: tokio::sync::Mutex::default(), orders: Mutex::default() }
    }
}

/// The companion, which begins to work.
fn orders(shared: &Arc<Shared>) -> Orders {
    let mut orders = shared.bulk.orders.lock();
    let start = || {
        let ClientLimits { bulk_frames_max, bulk_bytes_max, .. } = shared.limits.lock().clone();
        let (sender, receiver) = mpsc::unbounded_channel();
        tokio::spawn(Companion::run(shared.clone(), receiver));
        let bytes_max = bulk_bytes_max.clamp(1, Semaphore::MAX_PERMITS.min(u32::MAX as usize));
        Orders {
            sender,
            frames: Arc::new(Semaphore::new(bulk_frames_max.max(1))),
            bytes: Arc::new(Semaphore::new(bytes_max)),
            bytes_max,
        }
    };
    orders.get_or_insert_with(start).clone()
}

/// The hub asks for the link.
pub(crate) fn asked(shared: &Arc<Shared>) {
    // Fails only while closing.
    let _ = orders(shared).sender.send(Order::Open);
}

impl Client {
    /// Sends bytes to `session:<session>` or `service:<name>`, beside all other traffic, which they don't delay: on a link of their own
    /// ([WebTransport](crate::Transport::WebTransport): on a stream of their own), opened when first needed. Resolves once they are on
    /// their way to the receiver, who gets a direct message with `bulk: true`. While the receiver takes no more, and while as
    /// much waits as the hub allows, this waits. One receiver gets them in the order of the calls. Dropping the future doesn't take them back.
    ///
    /// # Errors
    /// As [`Client::call`]; `forbidden`, `not_found`, `timeout` (the receiver took nothing for long), `unavailable` (this hub takes no bulk).
    pub async fn send_bulk(&self, to: &str, kind: &str, payload: impl Into<Bytes>) -> Result<(), Fault> {
        let shared = self.shared();
        let gate = shared.bulk.gate.lock().await;
        self.status_where(|s| s.state == State::Connected).await?;
        if shared.bulk.home.borrow().main.is_none() {
            return Err(Fault::new(Code::Unavailable, "this hub takes no bulk"));
        }
        let mut frame = crate::calls::typed(kind)?;
        (frame.to, frame.payload) = (Some(to.into()), Some(payload.into()));
        frame.id = Some(self.next_id());
        let frame = self.check(frame)?;
        let Orders { sender, frames, bytes, bytes_max } = orders(shared);
        // As text, which some transports carry.
        let size = frame.payload.as_ref().map_or(0, Bytes::len) * 4 / 3 + 256;
        let size = u32::try_from(size.min(bytes_max)).unwrap_or(u32::MAX);
        let closed = |_| self.closed();
        let _frame = frames.acquire_owned().await.map_err(closed)?;
        let _bytes = bytes.acquire_many_owned(size).await.map_err(closed)?;
        let (reply, answer) = oneshot::channel();
        let sending = Sending { frame, reply, place: Place { _frame, _bytes } };
        sender.send(Order::Send(Box::new(sending))).map_err(|_| self.closed())?;
        drop(gate);
        let answer = answer.await.unwrap_or_else(|_| Err(self.closed()))?;
        if answer.kind == "hub:error" { Err(crate::driver::fault_in(&answer)) } else { Ok(()) }
    }
}
