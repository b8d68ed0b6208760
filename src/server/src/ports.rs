//! The ports: TCP for HTTP and WebSocket, UDP for WebTransport, on the same number unless told otherwise, and UDP for WebRTC, on the next one.

use crate::config::Config;
use crate::server::StartError;
use std::io;
use std::net::{SocketAddr, UdpSocket};
use tokio::net::TcpListener;

/// Free TCP ports that are tried until the same number is free for UDP.
const ATTEMPTS: usize = 32;

/// What the hub listens on.
pub(crate) struct Ports {
    pub(crate) tcp: TcpListener,
    pub(crate) addr: SocketAddr,
    /// For WebTransport, if it is enabled.
    pub(crate) udp: Option<UdpSocket>,
    /// For WebRTC; none if it isn't enabled.
    pub(crate) webrtc: Vec<UdpSocket>,
}

impl Ports {
    pub(crate) async fn bind(config: &Config) -> Result<Ports, StartError> {
        let webrtc = webrtc(config)?;
        let settings = &config.transports.webtransport;
        let mut attempts = 0;
        loop {
            attempts += 1;
            let listen = |e| StartError::Listen(config.listen.addr, e);
            let tcp = TcpListener::bind(config.listen.addr).await.map_err(listen)?;
            let addr = tcp.local_addr().map_err(listen)?;
            if !settings.enabled {
                return Ok(Ports { tcp, addr, udp: None, webrtc });
            }
            let wanted = settings.addr.unwrap_or(addr);
            match UdpSocket::bind(wanted) {
                Ok(udp) => return Ok(Ports { tcp, addr, udp: Some(udp), webrtc }),
                Err(e) if is_taken(&e) && is_any(config) && attempts < ATTEMPTS => {}
                Err(e) if settings.assumed => {
                    tracing::warn!(addr = %wanted, error = %e, "no WebTransport: the UDP port cannot be used");
                    return Ok(Ports { tcp, addr, udp: None, webrtc });
                }
                Err(e) => return Err(StartError::Udp(wanted, e)),
            }
        }
    }
}

fn webrtc(config: &Config) -> Result<Vec<UdpSocket>, StartError> {
    let settings = &config.transports.webrtc;
    let addrs = if settings.enabled { settings.addrs(config.listen.addr) } else { vec![] };
    let mut sockets = vec![];
    for wanted in addrs {
        let bound = crosspoint_webrtc::bind(wanted).or_else(|e| match settings.assumed && is_taken(&e) {
            // Clients are told the port: any will do where nobody had to open one.
            true => crosspoint_webrtc::bind(SocketAddr::new(wanted.ip(), 0)),
            false => Err(e),
        });
        match bound {
            Ok(socket) => sockets.push(socket),
            Err(e) if settings.assumed => {
                tracing::warn!(addr = %wanted, error = %e, "no WebRTC there: the UDP port cannot be used");
            }
            Err(e) => return Err(StartError::WebRtcUdp(wanted, e)),
        }
    }
    Ok(sockets)
}

fn is_taken(e: &io::Error) -> bool {
    e.kind() == io::ErrorKind::AddrInUse
}

/// Whether another attempt would be about another port.
fn is_any(config: &Config) -> bool {
    config.listen.addr.port() == 0 && config.transports.webtransport.addr.is_none()
}
