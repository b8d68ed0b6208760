//! The ports: TCP for HTTP and WebSocket, UDP for WebTransport, on the same number unless told otherwise.

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
}

impl Ports {
    pub(crate) async fn bind(config: &Config) -> Result<Ports, StartError> {
        let settings = &config.transports.webtransport;
        let mut attempts = 0;
        loop {
            attempts += 1;
            let listen = |e| StartError::Listen(config.listen.addr, e);
            let tcp = TcpListener::bind(config.listen.addr).await.map_err(listen)?;
            let addr = tcp.local_addr().map_err(listen)?;
            if !settings.enabled {
                return Ok(Ports { tcp, addr, udp: None });
            }
            let wanted = settings.addr.unwrap_or(addr);
            match UdpSocket::bind(wanted) {
                Ok(udp) => return Ok(Ports { tcp, addr, udp: Some(udp) }),
                Err(e) if is_taken(&e) && is_any(config) && attempts < ATTEMPTS => {}
                Err(e) if settings.assumed => {
                    tracing::warn!(addr = %wanted, error = %e, "no WebTransport: the UDP port cannot be used");
                    return Ok(Ports { tcp, addr, udp: None });
                }
                Err(e) => return Err(StartError::Udp(wanted, e)),
            }
        }
    }
}

fn is_taken(e: &io::Error) -> bool {
    e.kind() == io::ErrorKind::AddrInUse
}

/// Whether another attempt would be about another port.
fn is_any(config: &Config) -> bool {
    config.listen.addr.port() == 0 && config.transports.webtransport.addr.is_none()
}
