//! The server: its listeners, from start to end.

use crate::config::Config;
use crate::counters::Counters;
use crate::shared::Shared;
use crate::{tcp, udp};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::{TcpListener, UdpSocket};
use tokio::sync::{Mutex, watch};
use tokio::task::JoinSet;

/// Why a server did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A socket can't be used.
    #[error("a socket of STUN and TURN cannot be used: {0}")]
    Socket(#[from] io::Error),
    /// The system has no randomness.
    #[error("the system has no randomness")]
    Random,
}

/// A STUN and TURN server that runs. Dropping it ends it at once, [`Server::close`] in order.
pub struct Server {
    shared: Arc<Shared>,
    addr: SocketAddr,
    stop: watch::Sender<bool>,
    tasks: Mutex<JoinSet<()>>,
}

impl Server {
    /// Answers on this UDP socket and, where there is a relay, on this TCP one. Call it inside a tokio runtime.
    ///
    /// # Errors
    /// When a socket can't be used.
    pub fn start(
        udp: std::net::UdpSocket,
        tcp: Option<std::net::TcpListener>,
        config: Config,
    ) -> Result<Server, StartError> {
        let mut nonce_key = [0; 32];
        getrandom::fill(&mut nonce_key).map_err(|_| StartError::Random)?;
        let addr = udp.local_addr()?;
        udp.set_nonblocking(true)?;
        let udp = UdpSocket::from_std(udp)?;
        let quotas = config.turn.as_ref().map(|turn| turn.quotas.clone());
        let shared = Shared::new(config, addr.ip(), &nonce_key);
        let (stop, told) = watch::channel(false);
        let mut tasks = JoinSet::new();
        tasks.spawn(udp::run(shared.clone(), udp, addr, told.clone()));
        if let (Some(tcp), Some(quotas)) = (tcp, quotas) {
            tcp.set_nonblocking(true)?;
            let (tcp, local) = (TcpListener::from_std(tcp)?, addr);
            tasks.spawn(tcp::run(shared.clone(), tcp, local, quotas, told));
        }
        Ok(Server { shared, addr, stop, tasks: Mutex::new(tasks) })
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// What it counts.
    pub fn counters(&self) -> &Counters {
        &self.shared.counters
    }

    /// Ends all allocations and listens no longer.
    pub async fn close(&self) {
        self.stop.send_replace(true);
        while self.tasks.lock().await.join_next().await.is_some() {}
        self.shared.end_all().await;
    }
}
