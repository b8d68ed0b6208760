//! One link each: carries frames both ways, knows nothing of the session. A link is a task; its driver hears of it by
//! [`LinkEvent`]s and holds its [`Handle`].

mod parser;
mod poll;
mod stream;
mod uplink;
mod websocket;
pub(crate) mod webtransport;

pub use parser::{Parser, SseEvent};
pub(crate) use stream::{Opened, StreamEvents, open_stream};
pub(crate) use websocket::{Socket, fault as socket_fault, message, open_socket};

use crate::net::{Address, Tls};
use crate::transport::Transport;
use crosspoint_core::client::LinkId;
use crosspoint_core::{Code, Fault, Frame, Retry};
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::Instant;

/// How long a link may take to send what waits, and its goodbye.
const CLOSE_WITHIN: Duration = Duration::from_secs(3);
/// Room for link frames beside the counted ones, which the session bounds.
const LINK_FRAMES_MAX: usize = 256;

/// What a link tells.
#[derive(Debug)]
pub(crate) enum LinkEvent {
    /// The path has shown that it carries both directions.
    Proven,
    /// A frame came, in a message of this size (bytes).
    Frame(Box<Frame>, usize),
    /// Something came that is no frame and answers nothing: the way down lives.
    Heard,
    /// A beat came: both ways live.
    Beat,
    /// The hub has received so many counted frames (the answer to a POST).
    Acked(u64),
    /// The link is gone; the last of its events.
    Closed(Fault),
}

/// A frame to send.
#[derive(Debug)]
pub(crate) struct Numbered {
    /// Its number, if it is counted.
    pub(crate) seq: Option<u64>,
    pub(crate) frame: Frame,
}

/// What goes up.
#[derive(Debug)]
pub(crate) enum Outgoing {
    Frame(Box<Numbered>),
    /// A sign of life, wanted at this time.
    Beat(Instant),
}

/// What a link needs.
pub(crate) struct Context {
    pub(crate) id: LinkId,
    pub(crate) address: Address,
    /// SHA-256 of certificates that are trusted there; none: as the system says.
    pub(crate) certificate_hashes: Vec<[u8; 32]>,
    /// Show that the path works; the hello comes later or never. Else the first frame to send is the hello.
    pub(crate) probe: bool,
    pub(crate) tls: Arc<Tls>,
    /// How long the ways to the first answer may take.
    pub(crate) within: Duration,
    /// The largest POST body, as the hub last said.
    pub(crate) post_bytes_max: Arc<AtomicUsize>,
    pub(crate) posts: Arc<Posts>,
    /// For the bulk session: where the transport has streams, beside the session's own link.
    pub(crate) bulk: bool,
    pub(crate) beside: Beside,
    pub(crate) events: mpsc::Sender<(LinkId, LinkEvent)>,
}

/// The connection of the client's WebTransport link, for its bulk link.
pub(crate) type Beside = Arc<Mutex<Option<wtransport::Connection>>>;

/// What the links of a client learn of its POSTs.
#[derive(Debug)]
pub(crate) struct Posts {
    /// How many times as long as usual one may take; grows where a fresh link didn't help.
    factor: AtomicU32,
    /// Larger bodies did not get through lately.
    bytes_max: AtomicUsize,
}

impl Posts {
    pub(crate) fn new() -> Arc<Posts> {
        Arc::new(Posts { factor: AtomicU32::new(1), bytes_max: AtomicUsize::new(usize::MAX) })
    }
}

impl Context {
    /// Waits while the driver doesn't take events: this is what stops the reading.
    async fn tell(&self, event: LinkEvent) {
        let _ = self.events.send((self.id, event)).await;
    }
}

type Outbox = mpsc::Receiver<Outgoing>;

/// The hello, which is what a link that is no probe is given first. `None`: the link was given up before.
async fn hello(outbox: &mut Outbox) -> Option<String> {
    loop {
        match outbox.recv().await? {
            Outgoing::Frame(first) => return Some(first.frame.encode_text()),
            Outgoing::Beat(_) => {}
        }
    }
}

/// A running link. Dropping it cuts the connection without a word.
pub(crate) struct Handle {
    pub(crate) transport: Transport,
    outbox: mpsc::Sender<Outgoing>,
    task: Option<JoinHandle<()>>,
}

impl Handle {
    /// Begins to connect. `queue_max`: the counted frames that may wait.
    pub(crate) fn start(transport: Transport, context: Context, queue_max: usize) -> Handle {
        let (outbox, frames) = mpsc::channel(queue_max.saturating_add(LINK_FRAMES_MAX));
        let task = tokio::spawn(async move {
            let end = match transport {
                Transport::WebSocket => websocket::run(&context, frames).await,
                Transport::Sse => stream::run(&context, frames).await,
                Transport::SsePoll => poll::run(&context, frames).await,
                Transport::WebTransport => webtransport::run(&context, frames).await,
            };
            if let Err(fault) = end {
                context.tell(LinkEvent::Closed(fault)).await;
            }
        });
        Handle { transport, outbox, task: Some(task) }
    }

    /// `false`: the link takes no more. Volatile frames are dropped instead while many wait.
    pub(crate) fn send(&self, seq: Option<u64>, frame: Frame) -> bool {
        if frame.volatile.is_some()
            && self.outbox.capacity() < self.outbox.max_capacity() - LINK_FRAMES_MAX / 2
        {
            return true;
        }
        self.outbox.try_send(Outgoing::Frame(Box::new(Numbered { seq, frame }))).is_ok()
    }

    /// Shows that the way up lives. Where much waits already, that does.
    pub(crate) fn beat(&self) {
        let _ = self.outbox.try_send(Outgoing::Beat(Instant::now()));
    }

    /// Closes. `politely`: what waits is sent first; for which the task lives on in `closing` for a while.
    pub(crate) fn finish(mut self, politely: bool, closing: &mut JoinSet<()>) {
        if !politely && matches!(self.transport, Transport::Sse | Transport::SsePoll) {
            return;
        }
        let Some(mut task) = self.task.take() else { return };
        closing.spawn(async move {
            if tokio::time::timeout(CLOSE_WITHIN, &mut task).await.is_err() {
                task.abort();
            }
        });
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

/// After the welcome the link is gone, the session isn't: whatever the code's own row says, another link is due at once.
fn lost(fault: Fault, welcomed: bool) -> Fault {
    match fault.code {
        Code::NotFound | Code::Unauthorized | Code::OutOfOrder if welcomed => {
            Fault { retry: Retry::Now, ..fault }
        }
        _ => fault,
    }
}

/// Whether the same request may well succeed in a moment.
fn is_passing(fault: &Fault) -> bool {
    matches!(fault.code, Code::Timeout | Code::Unavailable | Code::Internal | Code::RateLimited)
}
