//! One link on one channel of a peer.

use crate::counters::{Counters, Gauge};
use crate::link::Link;
use crate::parts::{self, Joiner, PartsError};
use bytes::BytesMut;
use crosspoint_core::link::BoxFuture;
use crosspoint_core::{Acceptor, Code, Fault, Flow, LinkInfo, LinkPeer, Message, OutFrame};
use rtc::data_channel::RTCDataChannelId;
use rtc::peer_connection::RTCPeerConnection;
use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;
use tokio::sync::Notify;

/// What SCTP holds of a link that is not acknowledged, bytes: what a slow reader costs beside its outbox, and what a fast one gets
/// per round trip.
const OUTSTANDING_MAX: usize = 256 << 10;
/// The same of the further link, whose messages stand before those of the first once they are with SCTP.
const FURTHER_OUTSTANDING_MAX: usize = 128 << 10;
/// Bytes of the further link that may wait until the hub takes them: it can't be held back alone. More than a client has to send at once.
const FURTHER_HELD_MAX: usize = 1 << 20;

/// A link while its channel is open. However it ends, all that hangs on it ends with it.
pub(crate) struct Lane {
    pub(crate) channel: RTCDataChannelId,
    pub(crate) link: Arc<Link>,
    peer: Arc<dyn LinkPeer>,
    joiner: Joiner,
    /// Messages that wait until the hub takes them.
    held: VecDeque<Message>,
    held_bytes: usize,
    ready: Option<BoxFuture<'static, ()>>,
    /// The hub takes no more.
    stopped: bool,
    /// Something was passed on since the last turn.
    fed: bool,
    /// The client has said that it is gone for good.
    pub(crate) bye: bool,
    closing_since: Option<Instant>,
    /// It is the further one of its peer.
    further: bool,
    _gauge: Gauge,
}

impl Drop for Lane {
    fn drop(&mut self) {
        self.link.end();
        self.peer.down();
        if self.bye {
            self.peer.bye();
        }
    }
}

impl Lane {
    pub(crate) fn new(
        channel: RTCDataChannelId,
        info: LinkInfo,
        changed: Arc<Notify>,
        acceptor: &dyn Acceptor,
        frame_bytes_max: usize,
        counters: &Arc<Counters>,
    ) -> Lane {
        let further = info.bulk;
        let link = Arc::new(Link::new(changed, !further));
        let peer = acceptor.link_up(info, link.clone());
        Lane {
            channel,
            link,
            peer,
            joiner: Joiner::new(frame_bytes_max),
            held: VecDeque::new(),
            held_bytes: 0,
            ready: None,
            stopped: false,
            fed: false,
            bye: false,
            closing_since: None,
            further,
            _gauge: Gauge::new(counters, |c| &c.links),
        }
    }

    /// Whether messages have to wait.
    pub(crate) fn waits(&self) -> bool {
        self.ready.is_some()
    }

    /// A message of the channel.
    pub(crate) fn take(&mut self, text: bool, bytes: BytesMut) {
        match self.joiner.next(text, bytes) {
            _ if self.stopped => {}
            Ok(None) => {}
            Ok(Some(message)) => {
                self.held_bytes += len(&message);
                self.held.push_back(message);
                self.feed();
                if self.further && self.held_bytes > FURTHER_HELD_MAX {
                    self.fail(Code::LimitExceeded);
                }
            }
            Err(PartsError::TooLarge) => self.fail(Code::FrameTooLarge),
            Err(PartsError::Malformed) => self.fail(Code::BadFrame),
        }
    }

    fn fail(&mut self, code: Code) {
        self.stopped = true;
        (self.held, self.held_bytes) = (VecDeque::new(), 0);
        self.peer.turn();
        self.link.say_close(code, Some(&OutFrame::with("hub:close", &Fault::from(code))));
    }

    fn feed(&mut self) {
        while self.ready.is_none() && !self.stopped {
            let Some(message) = self.held.pop_front() else { break };
            self.held_bytes -= len(&message);
            self.fed = true;
            match self.peer.receive(None, message) {
                Flow::Continue => {}
                Flow::Wait => {
                    self.turn();
                    self.ready = Some(self.peer.ready());
                }
                Flow::Stop => self.stopped = true,
            }
        }
        if self.stopped {
            (self.held, self.held_bytes) = (VecDeque::new(), 0);
        }
    }

    /// Something came on the channel of volatile frames.
    pub(crate) fn take_volatile(&mut self, text: BytesMut) {
        if !self.stopped {
            self.fed = true;
            self.peer.datagram(text.freeze());
        }
    }

    /// What was read is over.
    pub(crate) fn turn(&mut self) {
        if std::mem::take(&mut self.fed) {
            self.peer.turn();
        }
    }

    /// Resolves when the hub takes messages again, of those that have to wait.
    pub(crate) fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(ready) = &mut self.ready else { return Poll::Pending };
        std::task::ready!(ready.as_mut().poll(cx));
        self.ready = None;
        self.feed();
        Poll::Ready(())
    }

    /// The hub wants to know whether the other end lives, and `heard` says that it does. Whether it was asked.
    pub(crate) fn prove(&self, heard: bool) -> bool {
        let probed = self.link.probed();
        if probed && heard {
            self.peer.alive();
        }
        probed
    }

    /// Gives the channel what it has room for. Returns the bytes that are under way.
    pub(crate) fn send(
        &mut self,
        pc: &mut RTCPeerConnection,
        now: Instant,
        message_bytes_max: usize,
    ) -> usize {
        let outstanding_max = if self.further { FURTHER_OUTSTANDING_MAX } else { OUTSTANDING_MAX };
        loop {
            if self.link.has_room_again() {
                self.peer.writable();
            }
            let Some(mut channel) = pc.data_channel(self.channel) else { return 0 };
            let outstanding = channel.outstanding_bytes();
            if outstanding >= outstanding_max {
                return outstanding;
            }
            let Some(frame) = self.link.take() else { return outstanding };
            let (binary, message) =
                frame.binary().map_or((false, frame.json().clone()), |bytes| (true, bytes));
            for piece in parts::split(binary, &message, message_bytes_max) {
                // Fails only on a channel that is gone, of which an event tells.
                let _ = match piece.text {
                    true => String::from_utf8(piece.bytes.into()).map(|text| channel.send_text(now, text)),
                    false => Ok(channel.send(now, piece.bytes)),
                };
            }
        }
    }

    /// Since when it is being closed, if nothing is left to be said; `outstanding` bytes are under way.
    pub(crate) fn closing(&mut self, now: Instant, outstanding: usize) -> Closing {
        if self.link.closing().is_none() {
            return Closing::No;
        }
        let since = *self.closing_since.get_or_insert(now);
        if self.link.is_empty() && outstanding == 0 { Closing::Said } else { Closing::Since(since) }
    }
}

fn len(message: &Message) -> usize {
    match message {
        Message::Text(bytes) | Message::Binary(bytes) => bytes.len(),
    }
}

/// How far the close of a link is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Closing {
    No,
    Since(Instant),
    /// The other end has all.
    Said,
}
