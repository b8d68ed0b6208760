//! The UDP port: takes sessions, changes its certificate, ends.

use crate::address::Addresses;
use crate::certificate::{Certificate, CertificateError, Keeper};
use crate::codes;
use crate::config::Config;
use crate::counters::{Counters, Gauge};
use crate::door::{self, Gate};
use crate::session;
use crosspoint_core::{Acceptor, Code};
use parking_lot::Mutex;
use socket2::SockRef;
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, SystemTime};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, sleep, sleep_until, timeout};
use wtransport::ServerConfig;
use wtransport::endpoint::IncomingSession;
use wtransport::endpoint::endpoint_side::Server;
use wtransport::quinn::ServerConfig as QuicServerConfig;
use wtransport::quinn::crypto::rustls::QuicServerConfig as QuicTls;
use wtransport::tls::{WEBTRANSPORT_ALPN, rustls};

/// Sessions that are being opened, beyond which clients first prove their address (RFC 9000 §8.1.2).
const UNPROVEN_MAX: u64 = 32;
/// What the system may hold for the socket while nobody reads it, bytes; it may allow less.
const SOCKET_BYTES: usize = 4 << 20;
/// How long closed connections may take to end.
const END_WITHIN: Duration = Duration::from_secs(2);
/// The wait after a certificate could not be made.
const RETRY: Duration = Duration::from_secs(10);

/// Why an endpoint did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The certificate can't be used.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// The socket can't be used.
    #[error(transparent)]
    Socket(#[from] io::Error),
}

/// A running endpoint. Dropping it cuts all its links.
pub struct Endpoint {
    addr: SocketAddr,
    counters: Arc<Counters>,
    hashes: Arc<Mutex<Vec<[u8; 32]>>>,
    endpoint: Mutex<Option<Arc<wtransport::Endpoint<Server>>>>,
    stop: watch::Sender<bool>,
    ended: watch::Receiver<()>,
    task: JoinHandle<()>,
}

impl Endpoint {
    /// Takes sessions on this socket; links go to `acceptor`. Call it inside a tokio runtime.
    ///
    /// # Errors
    /// When the certificate or the socket can't be used.
    pub async fn start(
        socket: UdpSocket,
        certificate: Certificate,
        config: Config,
        gate: Arc<dyn Gate>,
        acceptor: Arc<dyn Acceptor>,
    ) -> Result<Endpoint, StartError> {
        let addr = socket.local_addr()?;
        let keeper = Keeper::new(certificate, SystemTime::now())?;
        let quic = server_config(&keeper, &config)?;
        socket.set_nonblocking(true)?;
        // Smaller ones do; what doesn't fit is sent again, and holds up what is behind it.
        let sizes = SockRef::from(&socket);
        let _ = sizes.set_recv_buffer_size(SOCKET_BYTES);
        let _ = sizes.set_send_buffer_size(SOCKET_BYTES);
        let built = ServerConfig::builder().with_bind_socket(socket).build_with_quic_config(quic);
        let endpoint = Arc::new(wtransport::Endpoint::server(built)?);
        let counters = Arc::<Counters>::default();
        let hashes = Arc::new(Mutex::new(keeper.hashes()));
        let (stop, stopped) = watch::channel(false);
        let addresses = Addresses::new(config.per_address);
        let shared = Arc::new(Shared { config, gate, acceptor, counters: counters.clone(), addresses });
        let (ending, ended) = watch::channel(());
        let running = run(endpoint.clone(), keeper, shared, hashes.clone(), stopped);
        let task = tokio::spawn(async move {
            running.await;
            drop(ending);
        });
        let endpoint = Mutex::new(Some(endpoint));
        Ok(Endpoint { addr, counters, hashes, endpoint, stop, ended, task })
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// What it counts.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// SHA-256 of the certificate in force and of the next one; none where authorities vouch for it.
    pub fn certificate_hashes(&self) -> Vec<[u8; 32]> {
        self.hashes.lock().clone()
    }

    /// QUIC connections now, those among them that are just ending.
    pub fn connections(&self) -> usize {
        self.endpoint.lock().as_ref().map_or(0, |endpoint| endpoint.open_connections())
    }

    /// Takes no more sessions and closes what is left with `shutdown`. Returns when that is done and the port is free.
    pub async fn close(&self) {
        self.stop.send_replace(true);
        drop(self.endpoint.lock().take());
        let mut ended = self.ended.clone();
        // Nothing is ever sent: only the sender's end is told.
        let all = async { while ended.changed().await.is_ok() {} };
        if timeout(3 * END_WITHIN, all).await.is_err() {
            tracing::warn!("WebTransport connections did not end in time");
        }
        // QUIC lets go of its socket in a task of its own, and doesn't say when.
        let freed = async {
            while UdpSocket::bind(self.addr).is_err() {
                sleep(Duration::from_millis(1)).await;
            }
        };
        let _ = timeout(END_WITHIN, freed).await;
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What all sessions share.
pub(crate) struct Shared {
    pub(crate) config: Config,
    gate: Arc<dyn Gate>,
    pub(crate) acceptor: Arc<dyn Acceptor>,
    pub(crate) counters: Arc<Counters>,
    addresses: Arc<Addresses>,
}

async fn run(
    endpoint: Arc<wtransport::Endpoint<Server>>,
    mut keeper: Keeper,
    shared: Arc<Shared>,
    hashes: Arc<Mutex<Vec<[u8; 32]>>>,
    mut stopped: watch::Receiver<bool>,
) {
    let mut sessions = JoinSet::new();
    let mut due = keeper.due_in().map(|wait| Instant::now() + wait);
    loop {
        tokio::select! {
            // After a close `accept` would panic: the loop is left first.
            () = told_to_stop(&mut stopped) => break,
            incoming = endpoint.accept() => take(incoming, &shared, &mut sessions),
            Some(_) = sessions.join_next() => {}
            () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {
                let wait = match keeper.change(SystemTime::now()) {
                    Ok(()) => {
                        renew(&endpoint, &keeper, &shared);
                        *hashes.lock() = keeper.hashes();
                        keeper.due_in()
                    }
                    Err(error) => {
                        tracing::error!(%error, "the WebTransport certificate stays as it is");
                        Some(RETRY)
                    }
                };
                due = wait.map(|wait| Instant::now() + wait);
            }
        }
    }
    // The hub has told them all why.
    let ended = async { while sessions.join_next().await.is_some() {} };
    let _ = timeout(END_WITHIN, ended).await;
    endpoint.close(codes::close(Code::Shutdown), Code::Shutdown.name().as_bytes());
    sessions.shutdown().await;
    let _ = timeout(END_WITHIN, endpoint.wait_idle()).await;
}

async fn told_to_stop(stopped: &mut watch::Receiver<bool>) {
    // An endpoint that was dropped stops too.
    let _ = stopped.wait_for(|stop| *stop).await;
}

/// New connections get the new certificate; those that are there go on with theirs.
fn renew(endpoint: &wtransport::Endpoint<Server>, keeper: &Keeper, shared: &Shared) {
    let renewed = server_config(keeper, &shared.config).map_err(|e| e.to_string()).and_then(|quic| {
        // The address is not looked at: the socket stays.
        let any = ServerConfig::builder().with_bind_default(0).build_with_quic_config(quic);
        endpoint.reload_config(any, false).map_err(|e| e.to_string())
    });
    match renewed {
        Ok(()) => {
            shared.counters.rotations.fetch_add(1, Relaxed);
            tracing::info!("WebTransport has a new certificate");
        }
        Err(error) => tracing::error!(error, "the WebTransport certificate stays as it is"),
    }
}

fn take(incoming: IncomingSession, shared: &Arc<Shared>, sessions: &mut JoinSet<()>) {
    let counters = &shared.counters;
    let opening = counters.opening.load(Relaxed);
    if opening >= UNPROVEN_MAX && !incoming.remote_address_validated() {
        return incoming.retry();
    }
    let place = shared.addresses.enter(incoming.remote_address().ip());
    let Some(place) = place.filter(|_| sessions.len() < shared.config.sessions_max) else {
        counters.refused.fetch_add(1, Relaxed);
        return incoming.refuse();
    };
    let gauge = Gauge::new(counters, |c| &c.opening);
    let shared = shared.clone();
    sessions.spawn(async move {
        let opened = door::open(incoming, place, &*shared.gate, &shared.config).await;
        drop(gauge);
        match opened {
            Some(opened) => Box::pin(session::run(opened, &shared)).await,
            None => drop(shared.counters.refused.fetch_add(1, Relaxed)),
        }
    });
}

fn server_config(keeper: &Keeper, config: &Config) -> Result<QuicServerConfig, CertificateError> {
    let mut quic = QuicServerConfig::with_crypto(Arc::new(tls(keeper)?));
    quic.transport_config(config.quic());
    Ok(quic)
}

/// TLS 1.3 with this certificate.
fn tls(keeper: &Keeper) -> Result<QuicTls, CertificateError> {
    let wrong = |e: &dyn std::fmt::Display| CertificateError::Unusable(e.to_string());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|e| wrong(&e))?
        .with_no_client_auth();
    let mut tls = match keeper {
        Keeper::Given(resolver) => tls.with_cert_resolver(resolver.clone()),
        Keeper::Own(own) => {
            let identity = own.current();
            let chain = identity.certificate_chain().as_slice().iter();
            let chain =
                chain.map(|leaf| rustls::pki_types::CertificateDer::from(leaf.der().to_vec())).collect();
            let key = identity.private_key().secret_der().to_vec();
            let key = rustls::pki_types::PrivateKeyDer::try_from(key).map_err(|e| wrong(&e))?;
            tls.with_single_cert(chain, key).map_err(|e| wrong(&e))?
        }
    };
    tls.alpn_protocols = vec![WEBTRANSPORT_ALPN.to_vec()];
    QuicTls::try_from(tls).map_err(|e| wrong(&e))
}
