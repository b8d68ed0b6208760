//! The assembly: every part of the hub, in the order in which it starts.

use crate::auth::Gate;
use crate::auth::gate::GateError;
use crate::config::Config;
use crate::hooks::Backend;
use crate::http::accept;
use crate::http::app::App;
use crate::http::conn::{self, Phase};
use crate::http::credentials::Door;
use crate::http::stack::Front;
use crate::http::webrtc::WebRtc;
use crate::http::webtransport::WebTransport;
use crate::http_client::ClientError;
use crate::ice::Ice;
use crate::ports::Ports;
use crate::schemas::Schemas;
use crate::tls::{Care, Certificates, TlsError};
use crosspoint_hub::{Hub, MemoryEngine};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;

/// How long requests that are under way have after the hub has drained.
const CLOSING: Duration = Duration::from_secs(2);
/// How long the backend has to take what it wasn't told yet.
const TELLING: Duration = Duration::from_secs(5);

/// Why the server did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The certificate can't be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// Clients can't be told apart as configured.
    #[error(transparent)]
    Auth(#[from] GateError),
    /// A schema of payloads can't be used.
    #[error("`namespaces`: {0}")]
    Schema(String),
    /// The address can't be listened on.
    #[error("`listen.addr`: cannot listen on {0}: {1}; choose another address or end what uses it")]
    Listen(SocketAddr, io::Error),
    /// The UDP address of WebTransport can't be used.
    #[error(
        "`transports.webtransport.addr`: cannot use {0}/udp: {1}; choose another address or end what uses it"
    )]
    Udp(SocketAddr, io::Error),
    /// A UDP address of WebRTC can't be used.
    #[error("`transports.webrtc.addrs`: cannot use {0}/udp: {1}; choose another address or end what uses it")]
    WebRtcUdp(SocketAddr, io::Error),
    /// WebRTC can't start.
    #[error("`transports.webrtc`: {0}")]
    WebRtc(#[from] crosspoint_webrtc::StartError),
    /// WebTransport can't start.
    #[error("`transports.webtransport`: {0}")]
    WebTransport(#[from] crosspoint_webtransport::StartError),
    /// The address of STUN and TURN can't be used.
    #[error("`ice.addr`: cannot use {0}: {1}; choose another address or end what uses it")]
    Ice(SocketAddr, io::Error),
    /// The backend can't be asked.
    #[error("`hooks.ca_file`: {0}")]
    Hooks(#[from] ClientError),
    /// The system has no randomness.
    #[error("the system has no randomness")]
    Random,
}

/// The server.
pub struct Server;

/// A server that runs.
pub struct Running {
    certificates: Care,
    backend: Arc<Backend>,
    addr: SocketAddr,
    tls: bool,
    hub: Arc<Hub>,
    app: Arc<App>,
    connections_max: u32,
    slots: Arc<Semaphore>,
    phase: watch::Sender<Phase>,
    accepting: JoinHandle<()>,
}

impl Server {
    /// Starts everything inside the present tokio runtime. The configuration is taken as checked ([`crate::config::load`]).
    ///
    /// # Errors
    /// When the certificate or the address can't be used.
    pub async fn start(config: Config) -> Result<Running, StartError> {
        let certificates = Certificates::load(&config)?;
        let tls = certificates.acceptor()?;
        let is_tls = tls.is_some();
        let backend = Arc::new(Backend::new(&config.hooks)?);
        let gate = Arc::new(Gate::new(&config, backend.clone())?);
        let engine = MemoryEngine::new(config.limits.hub_rooms_max, crosspoint_hub::random_id());
        let hub = Hub::new(config.hub(), Arc::new(engine), gate.clone());
        gate.guard(&hub);
        let door = Arc::new(Door::new(&config, hub.clone(), gate, backend.clone()));
        if backend.is_used() {
            hub.use_hooks(backend.clone());
        }
        hub.check_payloads(Arc::new(Schemas::read(&config.namespaces).map_err(StartError::Schema)?));
        let Ports { tcp: listener, addr, udp, webrtc } = Ports::bind(&config).await?;
        let webtransport = match udp {
            Some(socket) => Some(
                WebTransport::start(&config, &hub, &door, socket, addr.port(), certificates.webtransport())
                    .await?,
            ),
            None => None,
        };
        let webrtc = match webrtc.is_empty() {
            true => None,
            false => Some(WebRtc::start(&config, &hub, webrtc)?),
        };
        let ice = Ice::start(&config, &hub)?;
        let app = App::new(&config, hub.clone(), door, webtransport, webrtc, ice);
        let app = app.map_err(|_| StartError::Random)?;
        let app = Arc::new(app);
        let server = Arc::new(conn::Server::new(Front::new(&app), hub.clone(), tls, &config));
        let connections_max =
            u32::try_from(config.http.connections_max.min(Semaphore::MAX_PERMITS)).unwrap_or(u32::MAX);
        let slots = Arc::new(Semaphore::new(connections_max as usize));
        let (phase, told) = watch::channel(Phase::Open);
        let accepting = tokio::spawn(accept::run(listener, server, app.clone(), slots.clone(), told));
        let certificates = certificates.keep();
        Ok(Running {
            certificates,
            backend,
            addr,
            tls: is_tls,
            hub,
            app,
            connections_max,
            slots,
            phase,
            accepting,
        })
    }
}

impl Running {
    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The address of the demo; clients connect to the same.
    pub fn url(&self) -> String {
        let scheme = if self.tls { "https" } else { "http" };
        let ip = self.addr.ip();
        match ip.is_unspecified() {
            true => format!("{scheme}://localhost:{}/", self.addr.port()),
            false => format!("{scheme}://{}/", self.addr),
        }
    }

    /// The hub, for what runs in the same process.
    pub fn hub(&self) -> &Arc<Hub> {
        &self.hub
    }

    /// Where WebTransport listens, if it is enabled, and SHA-256 of the certificates that clients are to trust there; none where
    /// authorities vouch for it.
    pub fn webtransport(&self) -> Option<(SocketAddr, Vec<[u8; 32]>)> {
        let webtransport = self.app.webtransport.as_ref()?;
        Some((webtransport.endpoint.addr(), webtransport.endpoint.certificate_hashes()))
    }

    /// Where WebRTC listens; nowhere if it isn't enabled.
    pub fn webrtc(&self) -> &[SocketAddr] {
        self.app.webrtc.as_ref().map_or(&[], |webrtc| webrtc.endpoint.addrs())
    }

    /// Where STUN and TURN listen, if they do.
    pub fn ice(&self) -> Option<SocketAddr> {
        self.app.ice.addr()
    }

    /// Looks at once at the files that are read again when they change: certificates.
    pub fn reload(&self) {
        self.certificates.look();
    }

    /// Takes no new clients and lets those here move away, at most `shutdown.drain_ms`, to `drain.address` if there is one. Requests are
    /// still answered.
    pub async fn drain(&self) {
        self.hub.drain(self.app.drain.clone()).await;
    }

    /// Drains, finishes requests, closes everything.
    pub async fn shutdown(self) {
        self.drain().await;
        self.phase.send_replace(Phase::Closing);
        if let Some(webtransport) = &self.app.webtransport {
            webtransport.endpoint.close().await;
        }
        if let Some(webrtc) = &self.app.webrtc {
            webrtc.endpoint.close().await;
        }
        self.app.ice.close().await;
        // Fails only when the task was aborted, which nobody does.
        let _ = self.accepting.await;
        let all_ended = self.slots.acquire_many(self.connections_max);
        if tokio::time::timeout(CLOSING, all_ended).await.is_err() {
            self.phase.send_replace(Phase::Closed);
            let _ = tokio::time::timeout(CLOSING, self.slots.acquire_many(self.connections_max)).await;
        }
        self.backend.close(TELLING).await;
    }
}
