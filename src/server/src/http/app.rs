//! What all requests share.

use super::metrics::HttpCounters;
use super::origin::Policy;
use crate::auth::ApiKeys;
use crate::config::{Config, Net};
use crosspoint_core::negotiate::{self, Offer};
use crosspoint_core::{Acceptor, Code, Fault, Transport};
use crosspoint_hub::{Authenticator, Hub};
use crosspoint_sse::Sse;
use ring::rand::{SecureRandom as _, SystemRandom};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// A failure of a transport weighs so long in negotiations, ms.
const FAILED_MS: u64 = 600_000;

/// The front's state; everything in it is there before the first request.
pub(crate) struct App {
    pub(crate) hub: Arc<Hub>,
    pub(crate) acceptor: Arc<dyn Acceptor>,
    pub(crate) websocket: crosspoint_websocket::Config,
    pub(crate) sse: Sse,
    pub(crate) auth: Arc<dyn Authenticator>,
    pub(crate) keys: ApiKeys,
    /// Nobody needs an API key where anybody may do anything.
    pub(crate) keyless: bool,
    pub(crate) origins: Policy,
    pub(crate) trusted_proxies: Vec<Net>,
    pub(crate) negotiation: negotiate::Policy,
    pub(crate) request_time: Duration,
    pub(crate) counters: HttpCounters,
    draining: AtomicBool,
}

impl App {
    /// The front of this hub. Call it inside a tokio runtime.
    ///
    /// # Errors
    /// When the system has no randomness.
    pub(crate) fn new(
        config: &Config,
        hub: Arc<Hub>,
        auth: Arc<dyn Authenticator>,
    ) -> Result<App, ring::error::Unspecified> {
        let acceptor = hub.acceptor();
        let limits = hub.limits().clone();
        let sse = crosspoint_sse::Config::new(&limits, Arc::new(random));
        let keys = ApiKeys::new(&config.auth.api_keys)?;
        let offer = |transport, url: &str| Offer { transport, url: url.into() };
        Ok(App {
            websocket: crosspoint_websocket::Config::new(limits.frame_bytes_max),
            sse: Sse::new(acceptor.clone(), sse),
            hub,
            acceptor,
            auth,
            keyless: keys.is_empty() && config.is_open(),
            keys,
            origins: Policy::new(config),
            trusted_proxies: config.trusted_proxies.clone(),
            negotiation: negotiate::Policy {
                offers: vec![offer(Transport::WebSocket, "/ws"), offer(Transport::Sse, "/sse")],
                denied: vec![],
                failed_ms: FAILED_MS,
            },
            request_time: Duration::from_millis(config.http.request_ms),
            counters: HttpCounters::default(),
            draining: AtomicBool::new(false),
        })
    }

    /// Takes no new clients from now on.
    pub(crate) fn begin_drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// Whether new clients are taken.
    ///
    /// # Errors
    /// `shutdown`, or `unavailable` when the hub is full.
    pub(crate) fn takes_clients(&self) -> Result<(), Fault> {
        if self.draining.load(Ordering::Relaxed) {
            return Err(Code::Shutdown.into());
        }
        if !self.acceptor.accepting() {
            return Err(Fault::new(Code::Unavailable, "The hub takes no new clients now"));
        }
        Ok(())
    }
}

/// 128 bits for the names and keys of links.
fn random() -> [u8; 16] {
    let mut bytes = [0; 16];
    if SystemRandom::new().fill(&mut bytes).is_err() {
        // Without randomness no key of any link would be a secret; the hub does the same.
        std::process::abort();
    }
    bytes
}
