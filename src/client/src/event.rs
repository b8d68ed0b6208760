//! What a client tells its application, and how: bounded queues, one per reader.

use crate::transport::Transport;
use crosspoint_core::{Code, Fault, Frame};
use futures_util::Stream;
use futures_util::future::select_all;
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::sync::mpsc;

/// Whether a link carries the session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// There was none yet.
    Connecting,
    /// Yes.
    Connected,
    /// It is gone; another is looked for.
    Reconnecting,
    /// For good.
    Closed,
}

/// Something that happened.
#[derive(Debug, Clone)]
pub enum ClientEvent {
    /// From the hub: room events, direct messages, requests (`request` is set), presence changes, gaps, and errors of frames
    /// without id. Replies come out of the calls that asked for them.
    Frame(Arc<Frame>),
    /// The state changed.
    State {
        /// Now.
        state: State,
        /// Before.
        previous: State,
        /// Why.
        fault: Option<Fault>,
    },
    /// A link carries the session.
    Transport {
        /// This one.
        transport: Transport,
        /// The one before.
        previous: Option<Transport>,
        /// `connect`, `lost`, `up`, `down`, `manual` or `asked`.
        cause: &'static str,
        /// How long it took to get it, ms.
        ms: u64,
    },
    /// The welcome of a link.
    Session {
        /// The session; others may address it.
        session: String,
        /// Who the hub takes this client for.
        user: String,
        /// Whether the session went on.
        resumed: bool,
    },
    /// The room was joined again: in a new session, or with a new token.
    Rejoined {
        /// The room.
        room: String,
        /// The reply's data.
        data: serde_json::Value,
    },
    /// It could not be joined again.
    RejoinFailed {
        /// The room.
        room: String,
        /// Why.
        code: Code,
    },
    /// The client's token ends soon. A provider ([`Options::token`](crate::Options::token)) is asked for another by itself; with a fixed one
    /// it is time for [`Client::refresh`](crate::Client::refresh).
    TokenExpiring {
        /// In this time, ms.
        expires_in_ms: u64,
    },
    /// The hub has taken the session out of a room.
    Removed {
        /// The room.
        room: String,
        /// `kicked`, `banned`, `token` (what allowed it is over), `revoked` or `backend`.
        reason: String,
        /// What the hub says.
        fault: Fault,
        /// Of a ban: its end, ms since 1970.
        until_ms: Option<u64>,
        /// The room is being joined again with a new token: `Rejoined` or `RejoinFailed` follows.
        returning: bool,
    },
    /// The hub has put the session into a room, at a backend's wish.
    Added {
        /// The room.
        room: String,
        /// As in the reply to a join.
        data: serde_json::Value,
    },
    /// A round-trip time, ms.
    Rtt(u64),
    /// A new session: so many frames without an id may not have arrived, and won't be sent again.
    Lost(u64),
    /// The client is closed; the last event. `bye` if the application asked for it.
    Closed(Fault),
}

/// A reader of events; see [`Client::events`](crate::Client::events).
#[derive(Debug)]
pub struct Events {
    queue: mpsc::Receiver<ClientEvent>,
}

impl Events {
    /// The next event; `None` when the client is closed and all is read. Cancel safe.
    pub async fn next(&mut self) -> Option<ClientEvent> {
        self.queue.recv().await
    }

    /// The next frame, skipping all else. `None` when the client is closed and all is read. Cancel safe.
    pub async fn next_frame(&mut self) -> Option<Arc<Frame>> {
        loop {
            if let ClientEvent::Frame(frame) = self.next().await? {
                return Some(frame);
            }
        }
    }

    /// An event that is there already.
    pub fn try_next(&mut self) -> Option<ClientEvent> {
        self.queue.try_recv().ok()
    }
}

impl Stream for Events {
    type Item = ClientEvent;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<ClientEvent>> {
        self.queue.poll_recv(cx)
    }
}

#[derive(Debug)]
struct Reader {
    queue: mpsc::Sender<ClientEvent>,
    /// What its queue had no room for.
    backlog: VecDeque<ClientEvent>,
}

/// All readers of one client. The lock is held for moments only.
#[derive(Debug, Default)]
pub(crate) struct Readers {
    /// `None` once the client is closed.
    readers: Mutex<Option<Vec<Reader>>>,
}

impl Readers {
    pub(crate) fn new() -> Readers {
        Readers { readers: Mutex::new(Some(vec![])) }
    }

    pub(crate) fn add(&self, events_max: usize) -> Events {
        let (sender, queue) = mpsc::channel(events_max.max(1));
        if let Some(readers) = &mut *self.readers.lock() {
            readers.push(Reader { queue: sender, backlog: VecDeque::new() });
        }
        Events { queue }
    }

    /// For every reader. What one has no room for waits here.
    pub(crate) fn emit(&self, event: ClientEvent) {
        let mut readers = self.readers.lock();
        let Some(readers) = &mut *readers else { return };
        readers.retain_mut(|reader| {
            if !reader.backlog.is_empty() {
                reader.backlog.push_back(event.clone());
                return !reader.queue.is_closed();
            }
            match reader.queue.try_send(event.clone()) {
                Ok(()) => true,
                Err(mpsc::error::TrySendError::Full(event)) => {
                    reader.backlog.push_back(event);
                    true
                }
                Err(mpsc::error::TrySendError::Closed(_)) => false,
            }
        });
    }

    /// Whether something waits for a reader: nothing may be added but by what can't be helped.
    pub(crate) fn stalled(&self) -> bool {
        self.readers.lock().as_ref().is_some_and(|all| all.iter().any(|r| !r.backlog.is_empty()))
    }

    /// Resolves when a reader that was waited for has taken something, or is gone.
    pub(crate) async fn relief(&self) {
        let slow = |r: &&Reader| !r.backlog.is_empty();
        let queues: Vec<_> = {
            let readers = self.readers.lock();
            readers.iter().flatten().filter(slow).map(|r| r.queue.clone()).collect()
        };
        if !queues.is_empty() {
            // The permit goes back at once: only the driver sends, so the room stays.
            let _ = select_all(queues.iter().map(|q| Box::pin(q.reserve()))).await;
        }
        self.flush();
    }

    fn flush(&self) {
        let mut readers = self.readers.lock();
        let Some(readers) = &mut *readers else { return };
        readers.retain_mut(|reader| {
            while let Some(event) = reader.backlog.pop_front() {
                match reader.queue.try_send(event) {
                    Ok(()) => {}
                    Err(mpsc::error::TrySendError::Full(event)) => {
                        reader.backlog.push_front(event);
                        break;
                    }
                    Err(mpsc::error::TrySendError::Closed(_)) => return false,
                }
            }
            true
        });
    }

    /// No event comes any more; slow readers still get what waits for them.
    pub(crate) fn close(&self) {
        for Reader { queue, backlog } in self.readers.lock().take().unwrap_or_default() {
            if backlog.is_empty() {
                continue;
            }
            // Ends with the backlog, or when the reader is dropped.
            tokio::spawn(async move {
                for event in backlog {
                    if queue.send(event).await.is_err() {
                        return;
                    }
                }
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rtt(event: Option<ClientEvent>) -> Option<u64> {
        match event {
            Some(ClientEvent::Rtt(n)) => Some(n),
            _ => None,
        }
    }

    #[tokio::test]
    async fn a_slow_reader_loses_nothing_and_holds_up_the_driver() {
        let readers = Readers::new();
        let (mut slow, mut quick) = (readers.add(2), readers.add(10));
        (0..5).for_each(|n| readers.emit(ClientEvent::Rtt(n)));
        assert!(readers.stalled());
        for n in 0..5 {
            assert_eq!(rtt(quick.try_next()), Some(n));
        }
        for n in 0..4 {
            assert_eq!(rtt(slow.next().await), Some(n));
            readers.relief().await;
        }
        assert!(!readers.stalled());
        assert_eq!(rtt(slow.try_next()), Some(4));
    }

    #[tokio::test]
    async fn a_reader_that_is_gone_holds_up_nobody() {
        let readers = Readers::new();
        let slow = readers.add(1);
        (0..3).for_each(|n| readers.emit(ClientEvent::Rtt(n)));
        assert!(readers.stalled());
        drop(slow);
        readers.relief().await;
        assert!(!readers.stalled());
    }

    #[tokio::test]
    async fn after_the_end_all_that_waited_can_still_be_read() {
        let readers = Readers::new();
        let mut slow = readers.add(1);
        (0..3).for_each(|n| readers.emit(ClientEvent::Rtt(n)));
        readers.close();
        for n in 0..3 {
            assert_eq!(rtt(slow.next().await), Some(n));
        }
        assert!(slow.next().await.is_none());
        assert!(readers.add(1).next().await.is_none());
    }
}
