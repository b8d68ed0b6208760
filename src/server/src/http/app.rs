//! What all requests share.

use super::api::Idempotency;
use super::credentials::Door;
use super::metrics::HttpCounters;
use super::network::Networks;
use super::origin::Policy;
use super::webrtc::WebRtc;
use super::webtransport::WebTransport;
use crate::config::Config;
use crate::ice::Ice;
use crosspoint_core::negotiate::{self, Offer};
use crosspoint_core::{Acceptor, Transport};
use crosspoint_hub::{Drain, Hub};
use crosspoint_sse::Sse;
use ring::rand::{SecureRandom as _, SystemRandom};
use std::sync::Arc;
use std::time::Duration;

/// A failure of a transport weighs so long in negotiations, ms.
const FAILED_MS: u64 = 600_000;

/// The front's state; everything in it is there before the first request.
pub(crate) struct App {
    pub(crate) hub: Arc<Hub>,
    pub(crate) acceptor: Arc<dyn Acceptor>,
    pub(crate) websocket: crosspoint_websocket::Config,
    pub(crate) sse: Sse,
    pub(crate) webtransport: Option<WebTransport>,
    pub(crate) webrtc: Option<WebRtc>,
    pub(crate) ice: Ice,
    pub(crate) door: Arc<Door>,
    pub(crate) idempotency: Idempotency,
    /// Nobody needs an API key where anybody may do anything.
    pub(crate) keyless: bool,
    pub(crate) origins: Policy,
    negotiation: negotiate::Policy,
    pub(crate) request_time: Duration,
    /// How long browsers are to come by HTTPS only, s; 0: they aren't told.
    pub(crate) hsts_s: u64,
    pub(crate) counters: HttpCounters,
    pub(crate) networks: Networks,
    /// How clients are sent away, unless a request says otherwise.
    pub(crate) drain: Drain,
}

impl App {
    /// The front of this hub. Call it inside a tokio runtime.
    ///
    /// # Errors
    /// When the system has no randomness.
    pub(crate) fn new(
        config: &Config,
        hub: Arc<Hub>,
        door: Arc<Door>,
        webtransport: Option<WebTransport>,
        webrtc: Option<WebRtc>,
        ice: Ice,
    ) -> Result<App, ring::error::Unspecified> {
        let acceptor = hub.acceptor();
        let limits = hub.limits().clone();
        let sse = crosspoint_sse::Config::new(&limits, Arc::new(random));
        Ok(App {
            websocket: crosspoint_websocket::Config::new(limits.frame_bytes_max),
            sse: Sse::new(acceptor.clone(), sse),
            webtransport,
            webrtc,
            ice,
            hub,
            acceptor,
            keyless: door.gate().keys().is_empty() && config.is_open(),
            door,
            idempotency: Idempotency::default(),
            origins: Policy::new(config),
            negotiation: negotiate::Policy {
                offers: vec![Offer::new(Transport::WebSocket, "/ws"), Offer::new(Transport::Sse, "/sse")],
                denied: vec![],
                failed_ms: FAILED_MS,
            },
            hsts_s: config.listen.hsts_s,
            request_time: Duration::from_millis(config.http.request_ms),
            counters: HttpCounters::default(),
            networks: Networks::new(config.auth.jwt_secret.as_ref())?,
            drain: config.drain(),
        })
    }

    /// What is offered to a client that asked the hub by this name.
    pub(crate) fn negotiation(&self, host: Option<&str>) -> negotiate::Policy {
        let mut policy = self.negotiation.clone();
        policy.offers.extend(self.webtransport.as_ref().and_then(|w| w.offer(host)));
        policy.offers.extend(self.webrtc.as_ref().map(WebRtc::offer));
        policy
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
