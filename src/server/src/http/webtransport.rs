//! WebTransport beside the HTTP front: its UDP port, who may come in, and what negotiations say of it.

use super::app::App;
use super::credentials::{Cookies, Door, Seen};
use super::metrics::Text;
use super::origin::Policy;
use crate::config::{Config, Site, is_loopback};
use crate::tls::Keys;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use crosspoint_core::link::BoxFuture;
use crosspoint_core::negotiate::Offer;
use crosspoint_core::{LinkInfo, Transport};
use crosspoint_hub::Hub;
use crosspoint_webtransport::{
    Certificate, Counters, Endpoint, Gate, PerAddress, Refusal, Request, StartError,
};
use http::{HeaderMap, HeaderName, HeaderValue, header::ORIGIN};
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

const PATH: &str = "/webtransport";

/// A hub's WebTransport.
pub(crate) struct WebTransport {
    pub(crate) endpoint: Endpoint,
    url: Option<String>,
    rollout_percent: u8,
    keys: Option<Arc<Keys>>,
}

impl WebTransport {
    /// Takes sessions on this socket for a hub whose HTTP is at this port.
    pub(crate) async fn start(
        config: &Config,
        hub: &Arc<Hub>,
        door: &Arc<Door>,
        socket: UdpSocket,
        http_port: u16,
        keys: Option<Arc<Keys>>,
    ) -> Result<WebTransport, StartError> {
        let settings = &config.transports.webtransport;
        let limits = hub.limits();
        let heartbeat = Duration::from_millis(limits.heartbeat_ms);
        let bounds = crosspoint_webtransport::Config {
            path: PATH.into(),
            bulk_bytes_max: limits.bulk_bytes_max,
            open_wait: Duration::from_millis(limits.hello_ms),
            sessions_max: settings.sessions_max,
            per_address: PerAddress {
                sessions_max: settings.address_sessions_max,
                streams_per_s: settings.address_streams_per_s,
                datagrams_per_s: settings.address_datagrams_per_s,
            },
            ..crosspoint_webtransport::Config::new(limits.frame_bytes_max, heartbeat)
        };
        let gate =
            Arc::new(Pages { origins: Policy::new(config), hub: hub.clone(), door: door.clone(), http_port });
        let endpoint =
            Endpoint::start(socket, certificate(config, keys.clone()), bounds, gate, hub.acceptor()).await?;
        let (url, rollout_percent) = (settings.url.clone(), settings.rollout_percent);
        Ok(WebTransport { endpoint, url, rollout_percent, keys })
    }

    /// What a client is offered that asked the hub by this name; nothing as long as there is no certificate.
    pub(crate) fn offer(&self, host: Option<&str>) -> Option<Offer> {
        if self.keys.as_ref().is_some_and(|keys| !keys.is_ready()) {
            return None;
        }
        let url = self.url.clone().unwrap_or_else(|| address(host, self.endpoint.addr()));
        let hashes = self.endpoint.certificate_hashes();
        let certificate_hashes = hashes.iter().map(|hash| STANDARD.encode(hash)).collect();
        let rollout_percent = self.rollout_percent;
        Some(Offer { certificate_hashes, rollout_percent, ..Offer::new(Transport::WebTransport, url) })
    }
}

/// Where its certificate comes from.
fn certificate(config: &Config, keys: Option<Arc<Keys>>) -> Certificate {
    let settings = &config.transports.webtransport;
    match keys {
        Some(keys) => Certificate::Given(keys),
        None => Certificate::SelfSigned {
            names: ["localhost", "127.0.0.1", "::1"].map(String::from).to_vec(),
            validity: Duration::from_secs(settings.self_signed_s),
        },
    }
}

/// The address for a client that knows the hub by this name. `localhost` may mean another address family than the one that is
/// listened on, and there is no second attempt as TCP has it.
fn address(host: Option<&str>, listens: SocketAddr) -> String {
    let (host, port) = (host.and_then(Site::parse), listens.port());
    let host = host.as_ref().map(Site::host).filter(|host| !is_loopback(host));
    let ip = listens.ip().to_canonical();
    match (host, ip) {
        (Some(host), _) => format!("https://{host}:{port}{PATH}"),
        (None, IpAddr::V6(v6)) if v6.is_loopback() => format!("https://[::1]:{port}{PATH}"),
        _ => format!("https://127.0.0.1:{port}{PATH}"),
    }
}

/// Lets in whom the hub's other ways in let in.
struct Pages {
    origins: Policy,
    hub: Arc<Hub>,
    door: Arc<Door>,
    http_port: u16,
}

impl Pages {
    async fn enter(&self, request: Request<'_>) -> Result<LinkInfo, Refusal> {
        let mut headers = HeaderMap::new();
        for (name, value) in request.headers {
            // What can't be a header in HTTP/1 isn't looked for either.
            if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), HeaderValue::from_str(value)) {
                headers.insert(name, value);
            }
        }
        let origin = match request.origin {
            Some(origin) => Some(HeaderValue::from_str(origin).map_err(|_| Refusal::Forbidden)?),
            None => headers.get(ORIGIN).cloned(),
        };
        let standing = self.origins.webtransport(request.authority, self.http_port, origin.as_ref());
        let standing = standing.map_err(|_| Refusal::Forbidden)?;
        self.hub.connect_from(Some(request.remote)).map_err(|_| Refusal::Busy)?;
        // No proxy that could be trusted stands before the UDP port.
        headers.remove("x-forwarded-for");
        headers.remove(http::header::FORWARDED);
        if let Some(origin) = origin {
            headers.insert(ORIGIN, origin);
        }
        let query = request.path.split_once('?').map(|(_, query)| query);
        let (transport, cookies) = (Some(Transport::WebTransport), Cookies::Decide);
        let seen =
            Seen { headers: &headers, query, standing: &standing, peer: request.remote, transport, cookies };
        self.door.enter(seen).await.map_err(|fault| match fault.retry_is_due() {
            true => Refusal::Busy,
            false => Refusal::Forbidden,
        })
    }
}

impl Gate for Pages {
    fn admit<'a>(&'a self, request: Request<'a>) -> BoxFuture<'a, Result<LinkInfo, Refusal>> {
        Box::pin(self.enter(request))
    }
}

/// What it counts, for `GET /metrics`.
pub(super) fn metrics(app: &App, out: &mut Text) {
    let Some(webtransport) = &app.webtransport else { return };
    let c: &Counters = webtransport.endpoint.counters();
    for (name, kind, help, value) in [
        ("webtransport_links", "gauge", "WebTransport links now", &c.links),
        ("webtransport_bulk_links", "gauge", "Of them, those for bulk", &c.bulk_links),
        ("webtransport_opening", "gauge", "WebTransport sessions now that are being opened", &c.opening),
        ("webtransport_refused_total", "counter", "WebTransport sessions that came to nothing", &c.refused),
        ("webtransport_datagrams_out_total", "counter", "Datagrams sent", &c.datagrams_out),
        ("webtransport_datagrams_in_total", "counter", "Datagrams received", &c.datagrams_in),
        (
            "webtransport_datagrams_dropped_total",
            "counter",
            "Datagrams dropped, as their address sent too many",
            &c.datagrams_dropped,
        ),
        ("webtransport_strays_total", "counter", "Streams rejected", &c.strays),
    ] {
        out.single(name, kind, help, value.load(Relaxed));
    }
    let rotations = c.rotations.load(Relaxed) + webtransport.keys.as_ref().map_or(0, |keys| keys.changes());
    out.single("webtransport_rotations_total", "counter", "Changes of the certificate", rotations);
    let connections = webtransport.endpoint.connections();
    out.single("webtransport_connections", "gauge", "QUIC connections now", connections);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_come_by_the_name_they_know_and_this_port() {
        let at = |host: &str, listens: &str| address(Some(host), listens.parse().unwrap());
        assert_eq!(at("hub.example.com", "0.0.0.0:3001"), "https://hub.example.com:3001/webtransport");
        assert_eq!(at("hub.example.com:8443", "0.0.0.0:3001"), "https://hub.example.com:3001/webtransport");
        assert_eq!(at("[2001:db8::1]:80", "[::]:3001"), "https://[2001:db8::1]:3001/webtransport");
        for host in ["localhost:3001", "127.0.0.1:3001", "app.localhost", ""] {
            assert_eq!(at(host, "127.0.0.1:3001"), "https://127.0.0.1:3001/webtransport");
        }
        assert_eq!(at("localhost", "[::1]:1"), "https://[::1]:1/webtransport");
    }
}
