//! `[transports]`: transports that can be switched.

use serde::{Deserialize, Serialize};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

/// `[transports]`
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Transports {
    /// WebTransport.
    pub webtransport: WebTransport,
    /// WebRTC.
    pub webrtc: WebRtc,
}

/// `[transports.webrtc]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WebRtc {
    /// Whether the hub offers it. In dev mode it does unless it is told not to.
    pub enabled: bool,
    /// Nobody asked for it: a port that is taken is no reason not to start.
    #[serde(skip)]
    pub assumed: bool,
    /// UDP addresses and ports; where there are none, `listen.addr` with the next port.
    pub addrs: Vec<SocketAddr>,
    /// Addresses that clients are told instead.
    pub public_addresses: Vec<IpAddr>,
    /// Clients move up to it.
    pub preferred: bool,
    /// The share of users it is offered to, %.
    pub rollout_percent: u8,
    /// Peers at once.
    pub peers_max: usize,
    /// Peers of one address (of an IPv6 /64) at once.
    pub address_peers_max: usize,
    /// Offers per second that are answered to one address.
    pub address_offers_per_s: u32,
}

/// `[transports.webtransport]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WebTransport {
    /// Whether the hub offers it. In dev mode it does unless it is told not to.
    pub enabled: bool,
    /// Nobody asked for it: a port that is taken is no reason not to start.
    #[serde(skip)]
    pub assumed: bool,
    /// UDP address and port; as `listen.addr` where there is none.
    pub addr: Option<SocketAddr>,
    /// Where clients find it, if not at the host that they negotiate with and this port: `https://…`.
    pub url: Option<String>,
    /// PEM file of the certificate chain; that of `listen` where there is none.
    pub tls_cert: Option<PathBuf>,
    /// PEM file of the certificate's private key.
    pub tls_key: Option<PathBuf>,
    /// Certificates of the hub's own, trusted by hash, even where there are files.
    pub self_signed: bool,
    /// How long such a certificate is valid, s. It is in use for half of that.
    pub self_signed_s: u64,
    /// The share of users it is offered to, %.
    pub rollout_percent: u8,
    /// Sessions at once.
    pub sessions_max: usize,
    /// Sessions of one address (of an IPv6 /64) at once.
    pub address_sessions_max: usize,
    /// Streams per second that one address may open beside those of its links.
    pub address_streams_per_s: u32,
    /// Datagrams per second that are taken from one address.
    pub address_datagrams_per_s: u32,
}

/// Browsers take certificates by hash that are valid for 14 days at most (W3C WebTransport).
pub(super) const SELF_SIGNED_S_MAX: u64 = 14 * 86_400;

impl Default for WebTransport {
    fn default() -> WebTransport {
        WebTransport {
            enabled: false,
            assumed: false,
            addr: None,
            url: None,
            tls_cert: None,
            tls_key: None,
            self_signed: false,
            self_signed_s: 13 * 86_400,
            rollout_percent: 100,
            sessions_max: 10_000,
            address_sessions_max: 2_000,
            address_streams_per_s: 100,
            address_datagrams_per_s: 5_000,
        }
    }
}

impl Default for WebRtc {
    fn default() -> WebRtc {
        WebRtc {
            enabled: false,
            assumed: false,
            addrs: vec![],
            public_addresses: vec![],
            preferred: false,
            rollout_percent: 100,
            peers_max: 10_000,
            address_peers_max: 500,
            address_offers_per_s: 20,
        }
    }
}

impl WebRtc {
    /// The addresses to listen on, beside a hub with this one.
    pub(crate) fn addrs(&self, listen: SocketAddr) -> Vec<SocketAddr> {
        if !self.addrs.is_empty() {
            return self.addrs.clone();
        }
        let port = if listen.port() == 0 { 0 } else { listen.port().checked_add(1).unwrap_or(0) };
        let addr = SocketAddr::new(listen.ip(), port);
        // TCP takes both families there.
        let also = (listen.is_ipv6() && listen.ip().is_unspecified())
            .then(|| SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)));
        [addr].into_iter().chain(also).collect()
    }
}
