//! The send half that the hub holds.

use crate::counters::Counters;
use crate::encode;
use bytes::{Bytes, BytesMut};
use crosspoint_core::{Code, Fault, LinkSender, SharedFrame};
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use tokio::sync::Notify;
use wtransport::Connection;

/// What waits for the stream beside what QUIC holds, bytes; one frame may be larger.
const QUEUE_BYTES: usize = 64 << 10;
/// Frames joined into one write, bytes.
const BATCH_BYTES: usize = 16 << 10;
/// The longest header of a datagram before its text: the session's number (RFC 9297 §2.1).
const DATAGRAM_HEAD: usize = 8;

/// One link's sending half, shared by the hub and the link's task.
pub(crate) struct Link {
    out: Mutex<Outbound>,
    changed: Notify,
    told_to_close: Notify,
    counters: Arc<Counters>,
}

struct Outbound {
    /// `None` when the link is over: the hub may hold this half for longer.
    connection: Option<Connection>,
    queue: VecDeque<SharedFrame>,
    bytes: usize,
    /// The hub was refused frames and hears of the room.
    refused: bool,
    /// The hub asked for a sign of life.
    probed: bool,
    closing: Option<Code>,
}

/// What the link's task does next.
pub(crate) enum Next {
    /// Write this.
    Write(Bytes),
    /// Tell the hub that there is room.
    Room,
    /// Look for a sign of life.
    Probe,
    /// All has been written, `hub:close` last.
    Close,
}

impl Link {
    pub(crate) fn new(connection: Connection, counters: Arc<Counters>) -> Link {
        let out = Outbound {
            connection: Some(connection),
            queue: VecDeque::new(),
            bytes: 0,
            refused: false,
            probed: false,
            closing: None,
        };
        Link { out: Mutex::new(out), changed: Notify::new(), told_to_close: Notify::new(), counters }
    }

    /// The next thing to do; waits until there is one.
    pub(crate) async fn next(&self) -> Next {
        loop {
            if let Some(next) = self.out.lock().next() {
                return next;
            }
            self.changed.notified().await;
        }
    }

    /// Waits until somebody decides to close.
    pub(crate) async fn told_to_close(&self) {
        self.told_to_close.notified().await;
    }

    /// The code it is closed with.
    pub(crate) fn code(&self) -> Code {
        self.out.lock().closing.unwrap_or(Code::Bye)
    }

    /// Says the last frame, if there is one, and then closes with this code. The first to do so wins.
    pub(crate) fn say_close(&self, code: Code, last: Option<&SharedFrame>) {
        {
            let mut out = self.out.lock();
            if out.closing.is_some() || out.connection.is_none() {
                return;
            }
            out.closing = Some(code);
            out.queue.extend(last.cloned());
        }
        self.changed.notify_one();
        self.told_to_close.notify_one();
    }

    /// Gives the connection up.
    pub(crate) fn end(&self) {
        let mut out = self.out.lock();
        (out.connection, out.queue, out.bytes) = (None, VecDeque::new(), 0);
    }
}

impl Outbound {
    fn next(&mut self) -> Option<Next> {
        if std::mem::take(&mut self.probed) {
            return Some(Next::Probe);
        }
        if self.refused && self.closing.is_none() && self.bytes <= QUEUE_BYTES / 2 {
            self.refused = false;
            return Some(Next::Room);
        }
        let Some(first) = self.queue.front() else { return self.closing.map(|_| Next::Close) };
        let mut batch = BytesMut::with_capacity(encode::size(first).max(self.bytes.min(BATCH_BYTES)));
        while let Some(frame) = self.queue.front() {
            let size = encode::size(frame);
            if !batch.is_empty() && batch.len() + size > BATCH_BYTES {
                break;
            }
            encode::frame(frame, &mut batch);
            self.bytes = self.bytes.saturating_sub(size);
            self.queue.pop_front();
        }
        Some(Next::Write(batch.freeze()))
    }

    /// Sends it as a datagram, if it fits into one and the other end takes any. Of a full queue QUIC drops the oldest.
    fn datagram(&self, frame: &SharedFrame) -> bool {
        let Some(connection) = &self.connection else { return false };
        let largest = connection.quic_connection().max_datagram_size().unwrap_or(0);
        let text = frame.text();
        text.len() + DATAGRAM_HEAD <= largest && connection.send_datagram(text).is_ok()
    }
}

impl LinkSender for Link {
    fn try_send(&self, frames: &mut dyn Iterator<Item = &SharedFrame>) -> usize {
        let mut out = self.out.lock();
        if out.closing.is_some() || out.connection.is_none() {
            return 0;
        }
        let mut taken = 0;
        let was_empty = out.queue.is_empty();
        for frame in frames {
            if frame.volatile() && out.datagram(frame) {
                self.counters.datagrams_out.fetch_add(1, Relaxed);
            } else {
                let size = encode::size(frame);
                if out.bytes > 0 && out.bytes + size > QUEUE_BYTES {
                    out.refused = true;
                    break;
                }
                out.bytes += size;
                out.queue.push_back(frame.clone());
            }
            taken += 1;
        }
        if was_empty && !out.queue.is_empty() {
            self.changed.notify_one();
        }
        taken
    }

    fn probe(&self) {
        self.out.lock().probed = true;
        self.changed.notify_one();
    }

    fn close(&self, fault: &Fault, last: Option<&SharedFrame>) {
        self.say_close(fault.code, last);
    }
}
