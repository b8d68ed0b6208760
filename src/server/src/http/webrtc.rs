//! WebRTC beside the HTTP front: its UDP sockets, offers by HTTP and within sessions, and what negotiations say of it.

use super::app::App;
use super::body;
use super::credentials::Cookies;
use super::links::{From, enter};
use super::metrics::Text;
use super::reply::{self, Reply};
use crate::config::Config;
use crosspoint_core::link::BoxFuture;
use crosspoint_core::negotiate::Offer;
use crosspoint_core::{Code, Fault, LinkInfo, Transport};
use crosspoint_hub::{Answered, Hub, Offers};
use crosspoint_webrtc::{Answer, Endpoint, OFFER_BYTES_MAX, PerAddress, StartError};
use http::header::{CONTENT_TYPE, LOCATION};
use http::{HeaderValue, Request, StatusCode};
use hyper::body::Incoming;
use std::net::UdpSocket;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

const PATH: &str = "/webrtc";
/// The type of offers and answers (RFC 8866 §8.1).
const SDP: &str = "application/sdp";

/// A hub's WebRTC.
pub(crate) struct WebRtc {
    pub(crate) endpoint: Arc<Endpoint>,
    preferred: bool,
    rollout_percent: u8,
}

/// Answers offers that come within sessions.
struct Within(Arc<Endpoint>);

impl Offers for Within {
    fn answer(&self, info: LinkInfo, offer: String) -> BoxFuture<'static, Result<Answered, Fault>> {
        let endpoint = self.0.clone();
        Box::pin(async move {
            let Answer { sdp, peer } = endpoint.answer(info, &offer).await?;
            Ok(Answered { sdp, peer })
        })
    }
}

impl WebRtc {
    /// Takes peers on these sockets.
    pub(crate) fn start(
        config: &Config,
        hub: &Arc<Hub>,
        sockets: Vec<UdpSocket>,
    ) -> Result<WebRtc, StartError> {
        let settings = &config.transports.webrtc;
        let limits = hub.limits();
        let heartbeat = Duration::from_millis(limits.heartbeat_ms);
        let bounds = crosspoint_webrtc::Config {
            public_addresses: settings.public_addresses.clone(),
            peers_max: settings.peers_max,
            per_address: PerAddress {
                peers_max: settings.address_peers_max,
                offers_per_s: settings.address_offers_per_s,
            },
            ..crosspoint_webrtc::Config::new(limits.frame_bytes_max, heartbeat)
        };
        let endpoint = Arc::new(Endpoint::start(sockets, bounds, hub.acceptor())?);
        hub.answer_offers(Arc::new(Within(endpoint.clone())));
        Ok(WebRtc { endpoint, preferred: settings.preferred, rollout_percent: settings.rollout_percent })
    }

    /// What clients are offered.
    pub(crate) fn offer(&self) -> Offer {
        let (preferred, rollout_percent) = (self.preferred, self.rollout_percent);
        Offer { preferred, rollout_percent, ..Offer::new(Transport::WebRtc, PATH) }
    }
}

/// `POST /webrtc` (RFC 9725 §4.2)
pub(super) async fn open(app: &App, from: From<'_>, request: Request<Incoming>) -> Reply {
    match answer(app, from, request).await {
        Ok(Answer { sdp, peer }) => {
            let mut reply = reply::with(StatusCode::CREATED, SDP, sdp);
            if let Ok(location) = HeaderValue::try_from(format!("{PATH}/{peer}")) {
                reply.headers_mut().insert(LOCATION, location);
            }
            reply
        }
        Err(fault) => reply::fault(&fault),
    }
}

async fn answer(app: &App, from: From<'_>, mut request: Request<Incoming>) -> Result<Answer, Fault> {
    let Some(webrtc) = &app.webrtc else {
        return Err(Fault::new(Code::NotFound, "This hub does not offer WebRTC"));
    };
    app.hub.takes_clients()?;
    let info = enter(app, from, &mut request, Some(Transport::WebRtc), Cookies::AwaitHello).await?;
    let content_type = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let kind = content_type.and_then(|value| value.split(';').next()).map(str::trim);
    if !kind.is_some_and(|kind| kind.eq_ignore_ascii_case(SDP)) {
        return Err(Fault::new(Code::BadRequest, format!("An offer is {SDP}")));
    }
    let body = body::read(request.into_body(), OFFER_BYTES_MAX).await?;
    let offer =
        std::str::from_utf8(&body).map_err(|_| Fault::new(Code::BadRequest, "The offer is not UTF-8"))?;
    webrtc.endpoint.answer(info, offer).await
}

/// `DELETE /webrtc/<peer>`: a client is gone for good.
pub(super) fn close(app: &App, peer: &str) -> Reply {
    match app.webrtc.as_ref().is_some_and(|webrtc| webrtc.endpoint.bye(peer)) {
        true => reply::json(&serde_json::json!({})),
        false => reply::fault(&Fault::new(Code::NotFound, "There is no such peer")),
    }
}

/// What it counts, for `GET /metrics`.
pub(super) fn metrics(app: &App, out: &mut Text) {
    let Some(webrtc) = &app.webrtc else { return };
    let c = webrtc.endpoint.counters();
    for (name, kind, help, value) in [
        ("webrtc_links", "gauge", "WebRTC links now", &c.links),
        ("webrtc_peers", "gauge", "WebRTC peers now, those being opened among them", &c.peers),
        ("webrtc_answered_total", "counter", "Offers that were answered", &c.answered),
        ("webrtc_refused_total", "counter", "Offers that were refused", &c.refused),
        ("webrtc_unopened_total", "counter", "WebRTC peers that ended without a link", &c.unopened),
        ("webrtc_packets_in_total", "counter", "UDP packets received", &c.packets_in),
        ("webrtc_packets_out_total", "counter", "UDP packets sent", &c.packets_out),
        (
            "webrtc_packets_dropped_total",
            "counter",
            "UDP packets that were nobody's, or too many",
            &c.packets_dropped,
        ),
        (
            "webrtc_volatile_out_total",
            "counter",
            "Volatile frames sent on channels that may lose them",
            &c.volatile_out,
        ),
        ("webrtc_strays_total", "counter", "Channels closed because they are none of a link's", &c.strays),
    ] {
        out.single(name, kind, help, value.load(Relaxed));
    }
    out.single(
        "webrtc_entries",
        "gauge",
        "Entries in the tables of peers' names and addresses now",
        webrtc.endpoint.entries(),
    );
}
