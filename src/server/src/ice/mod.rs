//! STUN and TURN beside the hub, and what clients are told of them (docs/ice.md).

mod source;

use crate::config::Config;
use crate::server::StartError;
use crosspoint_hub::Hub;
use crosspoint_turn::{Counters, Quotas, Server, Turn};
use ring::rand::{SecureRandom as _, SystemRandom};
use source::{Own, Source};
use std::io;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

/// Free UDP ports that are tried until the same number is free for TCP.
const ATTEMPTS: usize = 32;

/// A hub's STUN and TURN.
pub(crate) struct Ice {
    server: Option<Server>,
}

impl Ice {
    /// Starts what is configured; from then on the hub's clients are told. Call it inside a tokio runtime.
    pub(crate) fn start(config: &Config, hub: &Hub) -> Result<Ice, StartError> {
        let (server, own) = match config.ice.stun || config.ice.turn.enabled {
            true => serve(config)?.map_or((None, None), |(server, own)| (Some(server), Some(own))),
            false => (None, None),
        };
        hub.offer_ice(Arc::new(Source::new(&config.ice, own)));
        Ok(Ice { server })
    }

    /// Where it listens, if it does.
    pub(crate) fn addr(&self) -> Option<SocketAddr> {
        self.server.as_ref().map(Server::addr)
    }

    /// What it counts.
    pub(crate) fn counters(&self) -> Option<&Counters> {
        self.server.as_ref().map(Server::counters)
    }

    /// Ends all allocations.
    pub(crate) async fn close(&self) {
        if let Some(server) = &self.server {
            server.close().await;
        }
    }
}

/// The hub's own server; none where nobody asked for it and its port is taken.
fn serve(config: &Config) -> Result<Option<(Server, Own)>, StartError> {
    let (wanted, ice) = (config.ice_addr(), &config.ice);
    let wants_tcp = ice.turn.enabled && ice.turn.connections_max > 0;
    let (udp, tcp) = match bind(wanted, wants_tcp) {
        Ok(sockets) => sockets,
        Err(e) if ice.assumed => {
            tracing::warn!(
                addr = %wanted, error = %e,
                "no STUN and TURN: the port cannot be used (set `ice.addr`, or `ice.stun = false`)"
            );
            return Ok(None);
        }
        Err(e) => return Err(StartError::Ice(wanted, e)),
    };
    let addr = udp.local_addr().map_err(|e| StartError::Ice(wanted, e))?;
    let mut public = ice.public_addresses.clone();
    if public.is_empty() {
        public.push(addr.ip());
    }
    let secret = match &ice.turn.secret {
        Some(secret) => secret.bytes().to_vec(),
        None => random().ok_or(StartError::Random)?.to_vec(),
    };
    let turn = ice.turn.enabled.then(|| Turn {
        secret: secret.clone(),
        public: public.clone(),
        ports: ice.turn.port_min..=ice.turn.port_max,
        allow_peers: ice.turn.allow_peers.iter().map(|net| net.net()).collect(),
        quotas: quotas(config),
    });
    let own = Own { public, port: addr.port(), secret: turn.is_some().then_some(secret), tcp: tcp.is_some() };
    let settings = crosspoint_turn::Config { address_requests_per_s: ice.address_requests_per_s, turn };
    let server = Server::start(udp, tcp, settings).map_err(|e| match e {
        crosspoint_turn::StartError::Socket(e) => StartError::Ice(wanted, e),
        crosspoint_turn::StartError::Random => StartError::Random,
    })?;
    Ok(Some((server, own)))
}

fn quotas(config: &Config) -> Quotas {
    let turn = &config.ice.turn;
    Quotas {
        allocations_max: turn.allocations_max,
        user_allocations_max: turn.user_allocations_max,
        user_bytes_per_s: turn.user_bytes_per_s,
        user_bytes_per_day: turn.user_bytes_per_day,
        bytes_per_s: turn.bytes_per_s,
        allocation_life: Duration::from_secs(turn.allocation_s),
        connections_max: turn.connections_max,
        address_connections_max: turn.address_connections_max,
    }
}

/// Both sockets on one number.
fn bind(wanted: SocketAddr, wants_tcp: bool) -> io::Result<(UdpSocket, Option<TcpListener>)> {
    let mut attempts = 0;
    loop {
        attempts += 1;
        let udp = UdpSocket::bind(wanted)?;
        if !wants_tcp {
            return Ok((udp, None));
        }
        match TcpListener::bind(udp.local_addr()?) {
            Ok(tcp) => return Ok((udp, Some(tcp))),
            Err(_) if wanted.port() == 0 && attempts < ATTEMPTS => {}
            Err(e) => return Err(e),
        }
    }
}

fn random() -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    SystemRandom::new().fill(&mut bytes).is_ok().then_some(bytes)
}
