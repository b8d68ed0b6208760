//! The seam between transports and the hub. A transport accepts a link, hands its send half upward, and passes
//! in what it reads; it knows frames as bytes and never sees a session.
//!
//! The life of a link: [`Acceptor::link_up`], then any number of [`LinkPeer::receive`] each batch of which ends with
//! [`LinkPeer::turn`], then [`LinkPeer::down`] exactly once.

use crate::code::Fault;
use crate::grant::Grant;
use crate::wire::SharedFrame;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;

/// A way of carrying frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Transport {
    /// RFC 6455.
    WebSocket,
    /// An event stream or polls down, POSTs up.
    Sse,
    /// A WebRTC DataChannel.
    WebRtc,
    /// WebTransport over HTTP/3.
    WebTransport,
}

impl Transport {
    /// The name on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Transport::WebSocket => "websocket",
            Transport::Sse => "sse",
            Transport::WebRtc => "webrtc",
            Transport::WebTransport => "webtransport",
        }
    }

    /// The transport of this name, or `None`.
    pub fn from_name(name: &str) -> Option<Transport> {
        [Transport::WebSocket, Transport::Sse, Transport::WebRtc, Transport::WebTransport]
            .into_iter()
            .find(|t| t.name() == name)
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One message as the transport delivered it.
#[derive(Debug, Clone)]
pub enum Message {
    /// UTF-8 text, checked or not.
    Text(Bytes),
    /// Bytes.
    Binary(Bytes),
}

/// What a transport knows of a link when it comes up.
#[derive(Default, Clone)]
pub struct LinkInfo {
    /// `None` only in tests.
    pub transport: Option<Transport>,
    /// `stream`, `poll`, …: how the transport is used, for metrics.
    pub mode: &'static str,
    /// The other end, or the client that a trusted proxy named.
    pub remote: Option<IpAddr>,
    /// The page that the client is part of (RFC 6454), where the request says so.
    pub origin: Option<Arc<str>>,
    /// A token from the request that nobody has looked at, or that isn't good: it counts only where a hello shows nothing.
    pub token: Option<String>,
    /// What is wrong with credentials of the request that were spared: the answer to a hello that shows nothing.
    pub fault: Option<Box<Fault>>,
    /// What the request's credentials were found to allow; a token or ticket of the hello goes before it.
    pub grant: Option<Arc<Grant>>,
    /// Frames go up by requests beside the link, so that what comes up shows nothing of the way down.
    pub one_way: bool,
    /// Beside another link on the same connection: it is for a bulk session.
    pub bulk: bool,
    /// Set on a plain event stream: no hello, join this at once.
    pub subscribe: Option<Subscribe>,
}

impl fmt::Debug for LinkInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // No address and no token: this ends in logs.
        f.debug_struct("LinkInfo")
            .field("transport", &self.transport)
            .field("mode", &self.mode)
            .finish_non_exhaustive()
    }
}

/// What a plain event stream asks for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Subscribe {
    /// The room.
    pub room: String,
    /// A position, as text.
    pub since: Option<String>,
    /// Begin with the last so many events.
    pub history: Option<usize>,
}

/// A future without a known type.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// What the transport does after [`LinkPeer::receive`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Flow {
    /// Go on reading.
    Continue,
    /// Wait for [`LinkPeer::ready`] before the next `receive`: the session's inbox is full.
    Wait,
    /// The link is over; [`LinkSender::close`] has been called.
    Stop,
}

/// The send half of a link; the transport implements it. Called from any thread, often under a session's lock: it must not
/// block, and must not call back into the [`LinkPeer`].
pub trait LinkSender: Send + Sync {
    /// Takes frames in order as long as the link has room for them, and returns how many it took. A frame that was taken
    /// leaves as a whole, in order, unless the link dies. After taking fewer than offered the transport calls
    /// [`LinkPeer::writable`] once there is room again. The frames may be joined into one write.
    fn try_send(&self, frames: &mut dyn Iterator<Item = &SharedFrame>) -> usize;

    /// Asks the other end for a sign of life below the protocol (a WebSocket ping), or at least keeps the path open (an
    /// SSE comment). For clients that know no `hub:ping`.
    fn probe(&self);

    /// Sends `last` (a `hub:close` frame, where there is one) if the link still can, closes with the fault's code and gives the link up. Later calls do nothing.
    fn close(&self, fault: &Fault, last: Option<&SharedFrame>);
}

/// The hub's side of a link.
pub trait LinkPeer: Send + Sync {
    /// A message came. `seq` is the number of the frame if the transport's uplink numbers its batches (SSE), else `None`.
    fn receive(&self, seq: Option<u64>, message: Message) -> Flow;

    /// A message came by a way without order (a datagram). Only volatile frames of a session that is there are taken; anything else
    /// has no effect.
    fn datagram(&self, text: Bytes);

    /// The batch that was read is over: what it caused to be sent leaves now.
    fn turn(&self);

    /// Resolves when the peer takes messages again after [`Flow::Wait`].
    fn ready(&self) -> BoxFuture<'static, ()>;

    /// Resolves when it is known who the client is, if finding out takes time: then the first message, or [`Acceptor::link_up`]
    /// with [`LinkInfo::subscribe`], is neither taken nor refused before. For transports that answer with a status.
    fn greeted(&self) -> Option<BoxFuture<'static, ()>> {
        None
    }

    /// The link has room again.
    fn writable(&self);

    /// Something came that is not a message (a WebSocket ping or pong): the link lives.
    fn alive(&self);

    /// Counted frames the session has received; 0 before a session is there.
    fn received(&self) -> u64;

    /// The link is gone. Said once; nothing follows but [`LinkPeer::bye`].
    fn down(&self);

    /// The client said `hub:bye`, but not in time for the link: it ends the session, unless another link carries it. Peers without
    /// sessions need not care.
    fn bye(&self) {}
}

/// Where links go; the hub implements it.
pub trait Acceptor: Send + Sync {
    /// A link came up. With [`LinkInfo::subscribe`] the session begins at once (`sender.close` may be called before this
    /// returns), else with the first message.
    fn link_up(&self, info: LinkInfo, sender: Arc<dyn LinkSender>) -> Arc<dyn LinkPeer>;

    /// Whether new links are taken; `false` while draining or full.
    fn accepting(&self) -> bool;
}
