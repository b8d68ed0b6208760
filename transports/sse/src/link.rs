//! One link: its queue down, which the hub's threads fill, and its peer up.

use crate::block;
use crate::queue::Queue;
use crate::sse::Shared;
use bytes::Bytes;
use crosspoint_core::link::BoxFuture;
use crosspoint_core::{Code, Fault, Flow, LinkPeer, LinkSender, Message, OutFrame, SharedFrame};
use parking_lot::Mutex;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

/// A link's name or key.
pub(crate) type Secret = [u8; 16];

/// How frames go down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Stream,
    Poll,
    Plain,
}

impl Mode {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Mode::Stream => "stream",
            Mode::Poll => "poll",
            Mode::Plain => "plain",
        }
    }

    fn encode(self, frame: &OutFrame) -> Option<Bytes> {
        match self {
            Mode::Stream => Some(block::shared(frame)),
            // The answer to a poll is its sign of life.
            Mode::Poll => (!frame.is_beat()).then(|| frame.text()),
            Mode::Plain => block::plain(frame),
        }
    }
}

pub(crate) struct Link {
    pub(crate) shared: Arc<Shared>,
    pub(crate) name: Secret,
    pub(crate) key: Secret,
    pub(crate) mode: Mode,
    /// Taken under the session's lock, so the peer is never called while it is held.
    pub(crate) queue: Mutex<Queue>,
    /// Held while the peer is called, so that nothing follows `down`.
    up: Mutex<Up>,
}

#[derive(Default)]
struct Up {
    peer: Option<Arc<dyn LinkPeer>>,
    /// The session's inbox was full; ask `ready` before the next message.
    stalled: bool,
    /// A hello was handed over. A POST that is repeated repeats its hello, which then means nothing.
    greeted: bool,
}

/// A frame from a POST.
pub(crate) struct Upward {
    /// Its number, if it counts.
    pub(crate) seq: Option<u64>,
    pub(crate) text: Bytes,
    pub(crate) hello: bool,
}

/// How far the frames of a POST got.
pub(crate) enum Step {
    /// All were handed over; so many are counted.
    Done(u64),
    /// Enough for one turn of the executor.
    Yield,
    /// The session's inbox is full.
    Wait(BoxFuture<'static, ()>),
    /// The hub closed the link; so many are counted.
    Stop(u64),
    /// The link was given up before.
    Gone,
}

/// Frames handed over without a pause.
const RUN: usize = 64;

impl Link {
    pub(crate) fn new(shared: Arc<Shared>, mode: Mode, name: Secret, key: Secret) -> Link {
        Link { shared, name, key, mode, queue: Mutex::default(), up: Mutex::default() }
    }

    pub(crate) fn has_key(&self, key: &Secret) -> bool {
        same(&self.key, key)
    }

    pub(crate) fn attach(&self, peer: Arc<dyn LinkPeer>) {
        self.up.lock().peer = Some(peer);
    }

    fn with_peer<T>(&self, call: impl FnOnce(&dyn LinkPeer) -> T) -> Option<T> {
        self.up.lock().peer.as_deref().map(call)
    }

    pub(crate) fn received(&self) -> Option<u64> {
        self.with_peer(|p| p.received())
    }

    pub(crate) fn alive(&self) {
        self.with_peer(|p| p.alive());
    }

    pub(crate) fn turn(&self) {
        self.with_peer(|p| p.turn());
    }

    /// Hands frames over, a bounded run of them.
    pub(crate) fn receive(&self, frames: &mut std::vec::IntoIter<Upward>) -> Step {
        let mut up = self.up.lock();
        let Some(peer) = up.peer.clone() else { return Step::Gone };
        for _ in 0..RUN {
            if frames.len() == 0 {
                // A full inbox makes the next POST wait, not this one.
                return Step::Done(peer.received());
            }
            if up.stalled {
                return Step::Wait(peer.ready());
            }
            let Some(frame) = frames.next() else { continue };
            if frame.hello && std::mem::replace(&mut up.greeted, true) {
                continue;
            }
            match peer.receive(frame.seq, Message::Text(frame.text)) {
                Flow::Continue => {}
                Flow::Wait => up.stalled = true,
                Flow::Stop => return Step::Stop(peer.received()),
            }
        }
        Step::Yield
    }

    /// Resolves when it is known who the client is, if that takes time.
    pub(crate) fn greeted(&self) -> Option<BoxFuture<'static, ()>> {
        self.with_peer(|p| p.greeted()).flatten()
    }

    /// The session takes messages again.
    pub(crate) fn resume(&self) {
        self.up.lock().stalled = false;
    }

    /// Why the hub closed the link, if it did.
    pub(crate) fn fault(&self) -> Option<Fault> {
        self.queue.lock().fault.as_deref().cloned()
    }

    /// The opening is answered: the link has a client.
    pub(crate) fn answered(&self) {
        let closed = {
            let mut queue = self.queue.lock();
            queue.answered = true;
            queue.fault.is_some()
        };
        if closed {
            self.limit_the_end();
        }
    }

    /// The next part of the stream; `None` when the link is over.
    pub(crate) fn poll_blocks(&self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let (chunk, room) = {
            let mut queue = self.queue.lock();
            match queue.pop_joined() {
                Some(chunk) => (chunk, queue.regained_room()),
                None if queue.is_over() => return Poll::Ready(None),
                None => {
                    queue.waker = Some(cx.waker().clone());
                    return Poll::Pending;
                }
            }
        };
        if room {
            self.writable();
        }
        Poll::Ready(Some(chunk))
    }

    pub(crate) fn writable(&self) {
        self.with_peer(|p| p.writable());
    }

    /// Ends the peer's half; frames that wait can still be taken.
    pub(crate) fn end_peer(&self) {
        let peer = self.up.lock().peer.take();
        if let Some(peer) = peer {
            peer.down();
        }
    }

    /// The client said `hub:bye`, and the link can't take it. `false`: nobody is there to hear it.
    pub(crate) fn bye(&self) -> bool {
        self.with_peer(|p| p.bye()).is_some() || self.shared.bye(&self.name).is_some()
    }

    /// The link is gone: forgotten, and said so to its peer. Only the first call has an effect.
    pub(crate) fn finish(&self) {
        let greeted = {
            let up = self.up.lock();
            up.peer.clone().filter(|_| up.greeted && self.mode == Mode::Stream)
        };
        let said_bye = self.fault().is_some_and(|f| f.code == Code::Bye);
        if let Some(peer) = greeted.filter(|_| !said_bye) {
            self.shared.keep(self.name, self.key, peer);
        }
        self.shared.forget(&self.name);
        let waker = self.queue.lock().give_up();
        if let Some(waker) = waker {
            waker.wake();
        }
        self.end_peer();
    }

    /// A client that doesn't read its end doesn't keep the link.
    fn limit_the_end(&self) {
        let (shared, name) = (self.shared.clone(), self.name);
        self.shared.runtime.spawn(async move {
            tokio::time::sleep(Duration::from_millis(shared.config.close_ms)).await;
            if let Some(link) = shared.find(&name) {
                link.finish();
            }
        });
    }
}

/// Compares in constant time.
pub(crate) fn same(a: &Secret, b: &Secret) -> bool {
    let differing = a.iter().zip(b).fold(0, |d, (a, b)| d | (a ^ b));
    std::hint::black_box(differing) == 0
}

impl LinkSender for Link {
    fn try_send(&self, frames: &mut dyn Iterator<Item = &SharedFrame>) -> usize {
        let mut taken = 0;
        let waker = {
            let mut queue = self.queue.lock();
            if !queue.is_open() {
                return 0;
            }
            loop {
                let more = loop {
                    if !queue.has_room() {
                        break true;
                    }
                    let Some(frame) = frames.next() else { break false };
                    if let Some(block) = self.mode.encode(frame) {
                        queue.push(block);
                    }
                    taken += 1;
                };
                if !queue.blocked {
                    queue.flush();
                }
                if !more || queue.is_gone() {
                    break;
                }
                if !queue.has_room() {
                    if frames.next().is_some() {
                        queue.refuse();
                    }
                    break;
                }
            }
            queue.wanted()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
        taken
    }

    fn probe(&self) {
        let waker = {
            let mut queue = self.queue.lock();
            if self.mode == Mode::Poll || !queue.is_open() || !queue.is_empty() {
                return;
            }
            queue.push(block::COMMENT);
            queue.flush();
            queue.wanted()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn close(&self, fault: &Fault, last: Option<&SharedFrame>) {
        // There is no close code in a response's end: without this frame the client would not know why.
        let told = match last {
            None if fault.code != Code::Bye => Some(OutFrame::with("hub:close", fault)),
            last => last.cloned(),
        };
        let (waker, answered) = {
            let mut queue = self.queue.lock();
            if !queue.is_open() {
                return;
            }
            queue.close(fault, told.and_then(|frame| self.mode.encode(&frame)));
            (queue.waker.take(), queue.answered)
        };
        if let Some(waker) = waker {
            waker.wake();
        }
        if answered {
            self.limit_the_end();
        }
    }
}
