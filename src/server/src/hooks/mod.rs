//! What the hub asks and tells the team's backend by HTTP (docs/hooks.md).
//!
//! * [`caller`]: signed requests ([`sign`]), their retries, and the [`breaker`] of each address.
//! * [`answer`]: what the backend may say; [`connect`], [`ask`]: the questions.
//! * [`outbox`], [`notify`]: what the backend is told, at least once and in order for each room.

mod answer;
mod ask;
mod breaker;
mod caller;
mod connect;
mod counters;
mod notify;
mod outbox;
pub(crate) mod sign;

pub(crate) use connect::ConnectAsk;
pub(crate) use counters::HookCounters;

use crate::config;
use crate::http_client::{ClientError, HttpClient};
use ask::AskHook;
use caller::{Caller, Target};
use connect::ConnectHook;
use counters::Kind;
use crosspoint_core::link::BoxFuture;
use crosspoint_core::{Cap, Code, Fault, Grant};
use crosspoint_hub::{Hooks, JoinAsk, Notification, PublishAsk, RequestAnswer, RequestAsk, Rewrite};
use http::HeaderMap;
use notify::Notifier;
use outbox::Outbox;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// How one hook does.
pub(crate) struct HookFigures<'a> {
    pub(crate) name: &'static str,
    pub(crate) counters: &'a HookCounters,
    /// Its address is left alone.
    pub(crate) open: bool,
}

/// The backend, as the hub sees it.
#[derive(Default)]
pub(crate) struct Backend {
    /// None where there is no hook.
    caller: Option<Arc<Caller>>,
    connect: Option<ConnectHook>,
    join: Option<AskHook>,
    publish: Option<AskHook>,
    request: Option<Target>,
    services: Vec<String>,
    notifier: Option<Notifier>,
}

impl Backend {
    /// As configured. Call it inside a tokio runtime.
    ///
    /// # Errors
    /// When the file of authorities can't be used.
    pub(crate) fn new(settings: &config::Hooks) -> Result<Backend, ClientError> {
        if !settings.any() {
            return Ok(Backend::default());
        }
        let http = HttpClient::new(settings.ca_file.as_deref())?;
        let caller = Arc::new(Caller::new(settings, http));
        let connect = caller.target(Kind::Connect, settings.connect.url.as_ref()).map(|target| ConnectHook {
            target,
            always: settings.connect.always,
            headers: settings.connect.headers.iter().filter_map(|name| name.parse().ok()).collect(),
            on_failure: settings.connect.on_failure,
        });
        let ask = |kind, hook: &config::AskHook| {
            let on_failure = hook.on_failure;
            caller.target(kind, hook.url.as_ref()).map(|target| AskHook { target, on_failure })
        };
        let notify = caller.target(Kind::Notify, settings.notify.url.as_ref());
        Ok(Backend {
            connect,
            join: ask(Kind::Join, &settings.join),
            publish: ask(Kind::Publish, &settings.publish),
            request: caller.target(Kind::Request, settings.request.url.as_ref()),
            services: settings.request.services.clone(),
            notifier: notify.map(|target| Notifier::start(&caller, target, &settings.notify)),
            caller: Some(caller),
        })
    }

    /// The figures of each hook that there is.
    pub(crate) fn figures(&self) -> Vec<HookFigures<'_>> {
        let Some(caller) = &self.caller else { return vec![] };
        let targets = [
            self.connect.as_ref().map(|hook| &hook.target),
            self.join.as_ref().map(|hook| &hook.target),
            self.publish.as_ref().map(|hook| &hook.target),
            self.request.as_ref(),
            self.notifier.as_ref().map(|notifier| &notifier.target),
        ];
        let figures = |target: &Target| HookFigures {
            name: target.kind.name(),
            counters: caller.counters.of(target.kind),
            open: target.is_open(),
        };
        targets.into_iter().flatten().map(figures).collect()
    }

    /// What waits to be told, if anything is.
    pub(crate) fn outbox(&self) -> Option<&Outbox> {
        self.notifier.as_ref().map(|notifier| &*notifier.outbox)
    }

    /// Delivers what waits, at most for so long.
    pub(crate) async fn close(&self, within: Duration) {
        if let Some(notifier) = &self.notifier {
            notifier.close(within).await;
        }
    }

    /// Whether the backend is asked or told anything.
    pub(crate) fn is_used(&self) -> bool {
        self.caller.is_some()
    }

    /// Whether it is asked about every connection.
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
        match (&self.connect, &self.caller) {
            (Some(connect), Some(caller)) => connect.ask(caller, ask, held).await,
            _ => held.ok_or_else(|| Code::Unauthorized.into()),
        }
    }
}

impl Hooks for Backend {
    fn join(&self, ask: JoinAsk) -> BoxFuture<'static, Result<Vec<Cap>, Fault>> {
        let hook = self.caller.clone().zip(self.join.clone());
        Box::pin(async move {
            let (caller, hook) = hook.ok_or_else(answer::unavailable)?;
            ask::join(&caller, &hook, ask).await
        })
    }

    fn publish(&self, ask: PublishAsk) -> BoxFuture<'static, Result<Rewrite, Fault>> {
        let hook = self.caller.clone().zip(self.publish.clone());
        Box::pin(async move {
            let (caller, hook) = hook.ok_or_else(answer::unavailable)?;
            ask::publish(&caller, &hook, ask).await
        })
    }

    fn answers(&self, to: &str) -> bool {
        self.request.is_some()
            && match to.strip_prefix("service:") {
                None => to == "backend",
                Some(service) => self.services.iter().any(|pattern| match pattern.strip_suffix('*') {
                    Some(beginning) => service.starts_with(beginning),
                    None => pattern == service,
                }),
            }
    }

    fn request(&self, ask: RequestAsk) -> BoxFuture<'static, Result<RequestAnswer, Fault>> {
        let hook = self.caller.clone().zip(self.request.clone());
        Box::pin(async move {
            let (caller, target) = hook.ok_or_else(answer::unavailable)?;
            ask::request(&caller, &target, ask).await
        })
    }

    fn notify(&self, notification: Notification) {
        if let Some(notifier) = &self.notifier {
            notifier.outbox.push(notification);
        }
    }

    fn wants_sessions(&self) -> bool {
        self.notifier.as_ref().is_some_and(|notifier| notifier.sessions)
    }
}
