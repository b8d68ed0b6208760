//! What a client is told when it is made.

use crate::backoff::BackoffOptions;
use crate::token::Token;
use crate::transport::Transport;
use serde_json::{Map, Value};
use std::time::Duration;

/// How a client connects. All fields but `url` have defaults: `Options { token, ..Options::new(url) }`.
#[derive(Debug, Clone)]
pub struct Options {
    /// The hub: `http://`, `https://`, `ws://` or `wss://`, with a path if the hub is mounted below one.
    pub url: String,
    /// The user's token, fixed or fetched again when the hub refuses the last.
    pub token: Token,
    /// Who I am; only an open hub (dev mode) believes it.
    pub user: Option<String>,
    /// What presence shows of me; only an open hub believes it.
    pub info: Option<Map<String, Value>>,
    /// What may be used. The hub ranks them; without negotiation this order counts. Default: all.
    pub transports: Vec<Transport>,
    /// Asks the hub which transports to try. `false`: open the first one at once, at its usual address, with the token in
    /// the hello. Default `true`.
    pub negotiate: bool,
    /// Looks for a transport that the hub ranks higher, in the background, and moves up to it. Not after a
    /// [`move_to`](crate::Client::move_to), until the link is lost. Default `true`.
    pub auto_upgrade: bool,
    /// Goes where the hub sends its clients (when it is being maintained, say), though never from `https` to `http`. Default `true`.
    pub redirect: bool,
    /// The waits between attempts.
    pub backoff: BackoffOptions,
    /// How long [`Client::ready`](crate::Client::ready) waits. Default 30 s.
    pub ready_timeout: Duration,
    /// How long one attempt's parts may take: negotiation, a transport's way to its welcome, the token provider. Default 10 s.
    pub connect_timeout: Duration,
    /// How long a reply is waited for. Default 30 s.
    pub reply_timeout: Duration,
    /// How often a link that is quiet shows that it lives, unless the hub wants it less often; about two seconds more without such a
    /// sign, and the client takes another link. Zero: a dead link is noticed by the hub's heartbeat only. Default 2.5 s.
    pub beat: Duration,
    /// How long a join, a publish or a message to a user that the hub refuses as too fast (`rate_limited`) is sent again, each time when
    /// the hub says. Zero: it fails at once. Default 60 s.
    pub rate_limited_wait: Duration,
    /// Frames that may wait for their acknowledgement or reply. Default 4096.
    pub queue_max: usize,
    /// Events that wait for each reader; when a reader's queue is full, the links are not read any further. Default 1024.
    pub events_max: usize,
    /// Certificates (PEM) that are trusted beside the system's.
    pub roots_pem: Vec<u8>,
    /// What logs and metrics of the hub call this client.
    pub name: String,
}

impl Options {
    /// Defaults for this hub.
    pub fn new(url: impl Into<String>) -> Options {
        Options {
            url: url.into(),
            token: Token::None,
            user: None,
            info: None,
            transports: Transport::ALL.to_vec(),
            negotiate: true,
            auto_upgrade: true,
            redirect: true,
            backoff: BackoffOptions::default(),
            ready_timeout: Duration::from_secs(30),
            connect_timeout: Duration::from_secs(10),
            reply_timeout: Duration::from_secs(30),
            beat: Duration::from_millis(2_500),
            rate_limited_wait: Duration::from_secs(60),
            queue_max: 4096,
            events_max: 1024,
            roots_pem: vec![],
            name: env!("CARGO_PKG_NAME").into(),
        }
    }

    /// Defaults for a user of an open hub.
    pub fn user(url: impl Into<String>, user: impl Into<String>) -> Options {
        Options { user: Some(user.into()), ..Options::new(url) }
    }
}

/// How a room is joined.
#[derive(Debug, Clone, Default)]
pub struct JoinOptions {
    /// Recover what came after this position.
    pub since: Option<String>,
    /// Instead, begin with the last so many events.
    pub history: Option<usize>,
    /// Be told who is there, and who comes and goes.
    pub presence: bool,
    /// This session's presence state.
    pub state: Option<Map<String, Value>>,
    /// A token for this room alone, which adds to what the client's own allows. A provider is asked again when the last one is over.
    pub token: Token,
}

impl JoinOptions {
    pub(crate) fn data(self, token: Option<String>) -> Map<String, Value> {
        let mut data = Map::new();
        if let Some(token) = token {
            data.insert("token".into(), token.into());
        }
        if let Some(since) = self.since {
            data.insert("since".into(), since.into());
        }
        if let Some(history) = self.history {
            data.insert("history".into(), history.into());
        }
        if self.presence {
            data.insert("presence".into(), true.into());
        }
        if let Some(state) = self.state {
            data.insert("state".into(), state.into());
        }
        data
    }
}

/// How an event is published.
#[derive(Debug, Clone, Default)]
pub struct PublishOptions {
    /// Makes the publish idempotent across clients; one is made up otherwise.
    pub id: Option<String>,
    /// `Some(false)`: don't send the event back to this session.
    pub echo: Option<bool>,
}

/// Which part of a room's history is read; all fields are optional.
#[derive(Debug, Clone, Default, serde::Serialize)]
pub struct HistoryOptions {
    /// Events after this position.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
    /// Events before this offset, the newest of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<u64>,
    /// At most so many.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
}
