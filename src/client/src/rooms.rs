//! The way into rooms, with tokens of their own, and back into them.

use crate::backoff::{Backoff, BackoffOptions};
use crate::calls::{Joined, read};
use crate::client::{Client, WeakClient};
use crate::event::ClientEvent;
use crate::options::JoinOptions;
use crate::random;
use crate::token::Token;
use crosspoint_core::{Code, Fault, Frame, Retry};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::time::Duration;

/// For so long a way back into a room is looked for.
const BACK_WITHIN: Duration = Duration::from_secs(60);
const BACKOFF: BackoffOptions = BackoffOptions { min_ms: 500, max_ms: 10_000, factor: 2.0 };

/// The rooms that were joined, as the application wanted to be there.
#[derive(Debug, Default)]
pub(crate) struct Rooms {
    rooms: Mutex<HashMap<String, JoinOptions>>,
}

impl Rooms {
    pub(crate) fn options(&self, room: &str) -> Option<JoinOptions> {
        self.rooms.lock().get(room).cloned()
    }

    pub(crate) fn forget(&self, room: &str) {
        self.rooms.lock().remove(room);
    }
}

impl Client {
    /// Joins a room; its events come to the readers of [`Client::events`]. In a new session the client joins it again by itself, with
    /// the position it has come to. Where the hub takes the session out of it, that comes as [`ClientEvent::Removed`]; the client joins
    /// it again where a provider of room tokens ([`JoinOptions::token`]) has another one.
    ///
    /// # Errors
    /// As [`Client::call`]; the token provider's; `forbidden`, `banned`, `limit_exceeded`, `unavailable`; `rate_limited` after
    /// [`Options::rate_limited_wait`](crate::Options::rate_limited_wait).
    pub async fn room(&self, room: &str, options: JoinOptions) -> Result<Joined, Fault> {
        let rooms = &self.shared().rooms;
        rooms.rooms.lock().insert(room.into(), options.clone());
        let joined = self.join(room, options).await;
        if joined.is_err() {
            rooms.forget(room);
        }
        read(joined?)
    }

    async fn join(&self, room: &str, options: JoinOptions) -> Result<Frame, Fault> {
        let token = options.token.ask(self.shared().options.connect_timeout).await?;
        self.call_patiently(Frame::with("hub:join", &options.data(token)).room(room)).await
    }

    async fn back(&self, room: &str, since: Option<String>) -> Result<Frame, Fault> {
        let options = self.shared().rooms.options(room).ok_or(Code::NotJoined)?;
        self.join(room, JoinOptions { since, history: None, ..options }).await
    }
}

/// Whether a room that the session is out of for this reason can be joined again, by a token that was not used yet or later.
pub(crate) fn returns(options: &JoinOptions, reason: &str, fault: &Fault) -> bool {
    let renews = matches!(options.token, Token::Provider(_));
    match reason {
        "token" => renews,
        "refused" => fault.code == Code::RateLimited || (renews && fault.retry == Retry::Refresh),
        _ => false,
    }
}

/// Looks for a way back into a room, and tells how that ended; not if the application has left it meanwhile.
pub(crate) async fn come_back(client: WeakClient, room: String, since: Option<String>) {
    let mut backoff = Backoff::new(BACKOFF);
    let began = tokio::time::Instant::now();
    loop {
        let Some(client) = client.upgrade() else { return };
        let outcome = client.back(&room, since.clone()).await;
        let shared = client.shared();
        if shared.rooms.options(&room).is_none() {
            return;
        }
        let fault = match outcome {
            Ok(reply) => {
                let data = read(reply).unwrap_or_default();
                return shared.readers.emit(ClientEvent::Rejoined { room, data });
            }
            Err(fault) => fault,
        };
        let wait = Duration::from_millis(backoff.next(fault.retry_after_ms, random::fraction()));
        if fault.retry == Retry::Never || began.elapsed() + wait > BACK_WITHIN {
            shared.rooms.forget(&room);
            return shared.readers.emit(ClientEvent::RejoinFailed { room, code: fault.code });
        }
        drop(client);
        tokio::time::sleep(wait).await;
    }
}
