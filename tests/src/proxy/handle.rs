//! The handle that tests hold.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::listen;
use super::log::{Counters, Log};
use super::registry::{Cut, Shared};
use super::rules::{End, Rules};

/// How a proxy is started.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where the hub listens.
    pub upstream: SocketAddr,
    /// Where the proxy listens; default a free port of 127.0.0.1.
    pub listen: SocketAddr,
    /// Kernel receive buffer towards the hub. Small ones let the hub feel a throttled client soon.
    pub receive_buffer_bytes: Option<u32>,
}

impl Options {
    /// Defaults for a hub at this address.
    pub fn new(upstream: SocketAddr) -> Self {
        Self { upstream, listen: (Ipv4Addr::LOCALHOST, 0).into(), receive_buffer_bytes: None }
    }
}

/// Why the proxy can't do something.
#[derive(Debug, thiserror::Error)]
pub enum ProxyError {
    /// The address can't be listened on.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The system's reason.
        source: io::Error,
    },
    /// The accept loop is gone.
    #[error("the proxy has stopped")]
    Stopped,
}

/// Which connections are meant; nothing said means all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Select {
    /// The one with this number.
    pub connection: Option<u64>,
    /// Those whose newest request's path begins so.
    pub path: Option<String>,
    /// WebSockets, or all others.
    pub upgraded: Option<bool>,
}

impl Select {
    /// All connections.
    pub fn all() -> Self {
        Self::default()
    }

    /// One connection.
    pub fn connection(id: u64) -> Self {
        Self { connection: Some(id), ..Self::default() }
    }

    /// Connections by their newest request's path.
    pub fn path(path: &str) -> Self {
        Self { path: Some(path.into()), ..Self::default() }
    }
}

/// An open connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ConnectionInfo {
    /// Its number.
    pub connection: u64,
    /// Its newest request's path with query.
    pub target: Option<String>,
    /// It is a WebSocket.
    pub upgraded: bool,
}

/// A running proxy. Dropping it closes everything.
pub struct FaultProxy {
    shared: Arc<Shared>,
    address: SocketAddr,
    listening: JoinHandle<()>,
}

impl FaultProxy {
    /// Starts a proxy that passes everything.
    pub async fn start(options: Options) -> Result<Self, ProxyError> {
        let shared = Arc::new(Shared::new(options.upstream, options.receive_buffer_bytes));
        let listen_error = |source| ProxyError::Listen { address: options.listen, source };
        let (address, serving) = listen::start(options.listen, Arc::clone(&shared)).map_err(listen_error)?;
        Ok(Self { shared, address, listening: tokio::spawn(serving) })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The log.
    pub fn log(&self) -> &Log {
        &self.shared.log
    }

    /// The counters.
    pub fn counters(&self) -> Counters {
        self.shared.meter.read()
    }

    /// Where new connections to the hub go from now on.
    pub fn set_upstream(&self, upstream: SocketAddr) {
        *self.shared.upstream.lock() = upstream;
    }

    /// The common rules.
    pub fn rules(&self) -> Rules {
        self.shared.rules()
    }

    /// Sets the common rules; they hold when this returns, for running connections too.
    pub async fn set(&self, rules: Rules) -> Result<(), ProxyError> {
        let mut done = self.shared.door_done.subscribe();
        let number = self.shared.set_rules(rules);
        tokio::select! {
            result = done.wait_for(|done| *done >= number) => result.map(drop).map_err(|_| ProxyError::Stopped),
            () = self.shared.door.closed() => Err(ProxyError::Stopped),
        }
    }

    /// Sets one connection's own rules (`accept` has no meaning there), or takes them away; `false` if it isn't open.
    pub fn set_for(&self, connection: u64, rules: Option<Rules>) -> bool {
        self.shared.set_own_rules(connection, rules)
    }

    /// Open connections, oldest first.
    pub fn connections(&self) -> Vec<ConnectionInfo> {
        let mut all = Vec::new();
        self.shared.for_each(|connection, listed| {
            all.push(ConnectionInfo { connection, target: listed.target.clone(), upgraded: listed.upgraded });
        });
        all
    }

    /// Ends connections now, without waiting for bytes under way; returns how many. With [`End::Keep`] a side
    /// isn't told: it stays open, silent, and can be cut again.
    pub async fn cut(&self, select: &Select, client: End, upstream: End) -> usize {
        let mut waits = Vec::new();
        self.shared.for_each(|id, listed| {
            let path = |path: &String| listed.target.as_ref().is_some_and(|target| target.starts_with(path));
            let meant = select.connection.is_none_or(|connection| connection == id)
                && select.path.as_ref().is_none_or(path)
                && select.upgraded.is_none_or(|upgraded| upgraded == listed.upgraded);
            let (done, wait) = oneshot::channel();
            if meant && listed.cuts.try_send(Cut { client, upstream, done }).is_ok() {
                waits.push(wait);
            }
        });
        let count = waits.len();
        for wait in waits {
            // An error means that the connection ended by itself meanwhile.
            let _ = wait.await;
        }
        count
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.listening.abort();
    }
}
