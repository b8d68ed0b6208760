use super::within;
use bytes::Bytes;
use crosspoint_core::link::BoxFuture;
use crosspoint_core::{
    Acceptor, Flow, LinkInfo, LinkPeer, LinkSender, Message, OutFrame, SharedFrame, Transport, Wire,
};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use tokio::sync::{Notify, mpsc};

/// What a peer was told, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Seen {
    Text(String),
    Binary(Vec<u8>),
    Turn,
    Writable,
    Alive,
    /// The test let a peer that said [`Flow::Wait`] go on.
    Released,
    Down,
}

/// A frame whose message on this transport is exactly this.
pub(crate) fn frame(binary: bool, payload: &[u8]) -> SharedFrame {
    let frame = OutFrame::with("test", &());
    frame.wire(Wire::WebSocket, |_| crosspoint_websocket::message(binary, payload));
    frame
}

pub(crate) fn text(payload: &str) -> SharedFrame {
    frame(false, payload.as_bytes())
}

/// Sends frames of 10,000 bytes until the link refuses one; the client must not read meanwhile.
pub(crate) fn fill(peer: &Peer) {
    let frame = text(&"f".repeat(10_000));
    while peer.send([frame.clone()]) == 0 {}
}

/// How peers behave.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Manners {
    /// Sends back what comes.
    pub echo: bool,
    /// Says [`Flow::Wait`] after every so many messages.
    pub wait_every: Option<usize>,
}

/// Where links go in these tests.
pub(crate) struct Hub {
    manners: Manners,
    up: mpsc::UnboundedSender<Arc<Peer>>,
}

impl Hub {
    /// A hub, and the peers of its links as they come up.
    pub(crate) fn open(manners: Manners) -> (Arc<dyn Acceptor>, mpsc::UnboundedReceiver<Arc<Peer>>) {
        let (up, peers) = mpsc::unbounded_channel();
        (Arc::new(Hub { manners, up }), peers)
    }
}

impl Acceptor for Hub {
    fn link_up(&self, info: LinkInfo, sender: Arc<dyn LinkSender>) -> Arc<dyn LinkPeer> {
        assert_eq!(info.transport, Some(Transport::WebSocket));
        let (log, seen) = mpsc::unbounded_channel();
        let peer = Arc::new(Peer {
            sender,
            manners: self.manners,
            queue: Mutex::default(),
            log,
            seen: tokio::sync::Mutex::new(seen),
            gate: Arc::default(),
            received: AtomicUsize::new(0),
        });
        let _ = self.up.send(peer.clone());
        peer
    }

    fn accepting(&self) -> bool {
        true
    }
}

/// The hub's side of one link.
pub(crate) struct Peer {
    pub(crate) sender: Arc<dyn LinkSender>,
    manners: Manners,
    queue: Mutex<VecDeque<SharedFrame>>,
    log: mpsc::UnboundedSender<Seen>,
    seen: tokio::sync::Mutex<mpsc::UnboundedReceiver<Seen>>,
    gate: Arc<Notify>,
    received: AtomicUsize,
}

impl Peer {
    /// Queues frames and sends what the link takes, in order; what it refuses goes when it is writable. Returns how many still wait.
    pub(crate) fn send(&self, frames: impl IntoIterator<Item = SharedFrame>) -> usize {
        let mut queue = self.queue.lock().unwrap();
        queue.extend(frames);
        let taken = self.sender.try_send(&mut queue.iter());
        queue.drain(..taken);
        queue.len()
    }

    /// The next thing that this peer was told.
    pub(crate) async fn seen(&self) -> Seen {
        within(async { self.seen.lock().await.recv().await }).await.expect("the peer lives")
    }

    /// Skips to this.
    pub(crate) async fn until(&self, what: Seen) {
        while self.seen().await != what {}
    }

    /// All that it was told and nobody has looked at.
    pub(crate) async fn unread(&self) -> Vec<Seen> {
        let mut seen = self.seen.lock().await;
        std::iter::from_fn(|| seen.try_recv().ok()).collect()
    }

    /// Ends a [`Flow::Wait`].
    pub(crate) fn release(&self) {
        self.log(Seen::Released);
        self.gate.notify_one();
    }

    fn log(&self, what: Seen) {
        let _ = self.log.send(what);
    }
}

impl LinkPeer for Peer {
    fn receive(&self, seq: Option<u64>, message: Message) -> Flow {
        assert_eq!(seq, None);
        let (echo, seen) = match message {
            Message::Text(t) => {
                (frame(false, &t), Seen::Text(String::from_utf8(t.to_vec()).expect("checked")))
            }
            Message::Binary(b) => (frame(true, &b), Seen::Binary(b.to_vec())),
        };
        self.log(seen);
        if self.manners.echo {
            self.queue.lock().unwrap().push_back(echo);
        }
        let received = self.received.fetch_add(1, Ordering::Relaxed) + 1;
        match self.manners.wait_every {
            Some(n) if received.is_multiple_of(n) => Flow::Wait,
            _ => Flow::Continue,
        }
    }

    fn datagram(&self, _: Bytes) {}

    fn turn(&self) {
        self.log(Seen::Turn);
        self.send([]);
    }

    fn ready(&self) -> BoxFuture<'static, ()> {
        let gate = self.gate.clone();
        Box::pin(async move { gate.notified().await })
    }

    fn writable(&self) {
        self.log(Seen::Writable);
        self.send([]);
    }

    fn alive(&self) {
        self.log(Seen::Alive);
    }

    fn received(&self) -> u64 {
        0
    }

    fn down(&self) {
        self.log(Seen::Down);
    }
}
