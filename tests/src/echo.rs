//! An acceptor that sends every message back as it came, for tests of transports without a hub.

use bytes::Bytes;
use std::collections::VecDeque;
use std::sync::Arc;

use crosspoint_core::link::BoxFuture;
use crosspoint_core::{Acceptor, Flow, LinkInfo, LinkPeer, LinkSender, Message, OutFrame, SharedFrame, Wire};
use parking_lot::Mutex;
use tokio::sync::watch;

/// Messages that wait for room on the link; beyond it the link is not read.
const WAITING_MAX: usize = 16;

/// Echoes on every WebSocket link.
pub struct Echo;

struct Peer {
    sender: Arc<dyn LinkSender>,
    waiting: Mutex<VecDeque<SharedFrame>>,
    count: watch::Sender<usize>,
}

impl Acceptor for Echo {
    fn link_up(&self, _info: LinkInfo, sender: Arc<dyn LinkSender>) -> Arc<dyn LinkPeer> {
        Arc::new(Peer { sender, waiting: Mutex::default(), count: watch::Sender::new(0) })
    }

    fn accepting(&self) -> bool {
        true
    }
}

impl Peer {
    fn send(&self) {
        let mut waiting = self.waiting.lock();
        let sent = self.sender.try_send(&mut waiting.iter());
        waiting.drain(..sent);
        self.count.send_replace(waiting.len());
    }
}

impl LinkPeer for Peer {
    fn receive(&self, _seq: Option<u64>, message: Message) -> Flow {
        let (binary, payload) = match message {
            Message::Text(text) => (false, text),
            Message::Binary(bytes) => (true, bytes),
        };
        // The hub sends frames only; here the bytes on the wire are given instead.
        let frame = OutFrame::with("echo", &());
        frame.wire(Wire::WebSocket, |_| crosspoint_websocket::message(binary, &payload));
        let mut waiting = self.waiting.lock();
        waiting.push_back(frame);
        self.count.send_replace(waiting.len());
        if waiting.len() < WAITING_MAX { Flow::Continue } else { Flow::Wait }
    }

    fn datagram(&self, _: Bytes) {}

    fn turn(&self) {
        self.send();
    }

    fn ready(&self) -> BoxFuture<'static, ()> {
        let mut count = self.count.subscribe();
        Box::pin(async move {
            // An error means that the link is gone.
            let _ = count.wait_for(|count| *count < WAITING_MAX).await;
        })
    }

    fn writable(&self) {
        self.send();
    }

    fn alive(&self) {}

    fn received(&self) -> u64 {
        0
    }

    fn down(&self) {}
}
