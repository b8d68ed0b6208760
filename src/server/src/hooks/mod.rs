//! What the hub asks and tells the team's backend by HTTP (docs/hooks.md).
//!
//! * [`caller`]: signed requests ([`sign`]), their retries, and the [`breaker`] of each address.
//! * [`answer`]: what the backend may say; [`connect`], [`ask`]: the questions.
//! * [`outbox`], [`notify`]: what the backend is told, at least once and in order for each room.

mod answer;
mod breaker;
mod caller;
mod connect;
mod counters;
pub(crate) mod sign;

pub(crate) use connect::ConnectAsk;

use crate::config;
use crate::http_client::{ClientError, HttpClient};
use caller::Caller;
use connect::ConnectHook;
use counters::Kind;
use crosspoint_core::{Code, Fault, Grant};
use http::HeaderMap;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The backend, as the hub sees it.
pub(crate) struct Backend {
    caller: Arc<Caller>,
    connect: Option<ConnectHook>,
}

impl Backend {
    /// As configured.
    ///
    /// # Errors
    /// When the file of authorities can't be used.
    pub(crate) fn new(settings: &config::Hooks) -> Result<Backend, ClientError> {
        let http = HttpClient::new(settings.ca_file.as_deref())?;
        let caller = Arc::new(Caller::new(settings, http));
        let connect = caller.target(Kind::Connect, settings.connect.url.as_ref()).map(|target| ConnectHook {
            target,
            always: settings.connect.always,
            headers: settings.connect.headers.iter().filter_map(|name| name.parse().ok()).collect(),
            on_failure: settings.connect.on_failure,
        });
        Ok(Backend { caller, connect })
    }

    /// Whether credentials that the hub cannot judge itself can be brought to the backend.
    pub(crate) fn judges(&self) -> bool {
        self.connect.is_some()
    }

    /// Whether every connection is.
    pub(crate) fn judges_all(&self) -> bool {
        self.connect.as_ref().is_some_and(|connect| connect.always)
    }

    /// The request headers that the backend is to see.
    pub(crate) fn connect_headers(&self, all: &HeaderMap) -> BTreeMap<String, String> {
        self.connect.as_ref().map(|connect| connect.headers(all)).unwrap_or_default()
    }

    /// What the backend grants whoever comes with these credentials. `held`: what the hub itself has found, which holds where the backend says
    /// nothing else.
    ///
    /// # Errors
    /// The backend's refusal; `unavailable` when it can't be asked; `unauthorized` where there is nobody to ask.
    pub(crate) async fn connect(&self, ask: ConnectAsk, held: Option<Grant>) -> Result<Grant, Fault> {
        match &self.connect {
            Some(connect) => connect.ask(&self.caller, ask, held).await,
            None => held.ok_or_else(|| Code::Unauthorized.into()),
        }
    }
}
