use super::within;
use bytes::Bytes;
use crosspoint_core::link::BoxFuture;
use crosspoint_core::{
    Acceptor, Flow, Frame, LinkInfo, LinkPeer, LinkSender, Message, OutFrame, SharedFrame, Transport,
};
use crosspoint_webrtc::{Config, Endpoint, bind};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::{Notify, mpsc};

/// The limit on messages in these tests.
pub(crate) const FRAME_BYTES_MAX: usize = 256 << 10;

/// What a peer was told, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Seen {
    Text(String),
    Binary(Vec<u8>),
    Datagram(String),
    Writable,
    Alive,
    Down,
    Bye,
}

/// A frame with this text as its data.
pub(crate) fn text(data: &str) -> SharedFrame {
    OutFrame::with("t", &data)
}

/// Where links go in these tests.
pub(crate) struct Hub {
    up: mpsc::UnboundedSender<Arc<Peer>>,
    /// Frames come back to whoever sends them.
    echo: bool,
}

impl Acceptor for Hub {
    fn link_up(&self, info: LinkInfo, sender: Arc<dyn LinkSender>) -> Arc<dyn LinkPeer> {
        assert_eq!(info.transport, Some(Transport::WebRtc));
        let (log, seen) = mpsc::unbounded_channel();
        let peer = Arc::new(Peer {
            sender,
            echo: self.echo,
            queue: Mutex::default(),
            log,
            seen: tokio::sync::Mutex::new(seen),
            gate: Arc::default(),
            waits: AtomicBool::new(false),
        });
        let _ = self.up.send(peer.clone());
        peer
    }

    fn accepting(&self) -> bool {
        true
    }
}

/// An endpoint on loopback, and the links that come up on it.
pub(crate) struct Server {
    pub(crate) endpoint: Endpoint,
    links: mpsc::UnboundedReceiver<Arc<Peer>>,
}

/// The settings of these tests.
pub(crate) fn config() -> Config {
    Config::new(FRAME_BYTES_MAX, Duration::from_secs(10))
}

impl Server {
    pub(crate) fn start(echo: bool) -> Server {
        Server::with(echo, config(), &["127.0.0.1:0"])
    }

    pub(crate) fn with(echo: bool, config: Config, addrs: &[&str]) -> Server {
        let sockets = addrs.iter().map(|addr| bind(addr.parse().unwrap()).unwrap()).collect();
        let (up, links) = mpsc::unbounded_channel();
        let endpoint = Endpoint::start(sockets, config, Arc::new(Hub { up, echo })).unwrap();
        Server { endpoint, links }
    }

    /// The next link's peer.
    pub(crate) async fn link(&mut self) -> Arc<Peer> {
        within(self.links.recv()).await.expect("the endpoint runs")
    }
}

/// The hub's side of one link.
pub(crate) struct Peer {
    pub(crate) sender: Arc<dyn LinkSender>,
    echo: bool,
    queue: Mutex<VecDeque<SharedFrame>>,
    log: mpsc::UnboundedSender<Seen>,
    seen: tokio::sync::Mutex<mpsc::UnboundedReceiver<Seen>>,
    gate: Arc<Notify>,
    /// Says [`Flow::Wait`] after each message.
    waits: AtomicBool,
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

    /// From now on messages have to wait, or don't.
    pub(crate) fn set_waits(&self, waits: bool) {
        self.waits.store(waits, Ordering::Relaxed);
        if !waits {
            self.gate.notify_one();
        }
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

    fn log(&self, what: Seen) {
        let _ = self.log.send(what);
    }
}

impl LinkPeer for Peer {
    fn receive(&self, seq: Option<u64>, message: Message) -> Flow {
        assert_eq!(seq, None);
        let (frame, seen) = match &message {
            Message::Text(t) => (Frame::decode_text(t), Seen::Text(String::from_utf8(t.to_vec()).unwrap())),
            Message::Binary(b) => (Frame::decode_binary(b), Seen::Binary(b.to_vec())),
        };
        self.log(seen);
        if let Some(frame) = frame.ok().filter(|_| self.echo) {
            self.queue.lock().unwrap().push_back(Arc::new(OutFrame::new(&frame)));
        }
        if self.waits.load(Ordering::Relaxed) { Flow::Wait } else { Flow::Continue }
    }

    fn datagram(&self, text: Bytes) {
        self.log(Seen::Datagram(String::from_utf8(text.to_vec()).unwrap()));
    }

    fn turn(&self) {
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

    fn bye(&self) {
        self.log(Seen::Bye);
    }
}
