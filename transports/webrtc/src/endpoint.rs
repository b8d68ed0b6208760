//! The sockets, the peers, and how peers come to be.

use crate::address::{Addresses, Place};
use crate::config::Config;
use crate::counters::{Counters, Gauge};
use crate::peer::Peer;
use crate::routes::{Routes, Told};
use crate::{sdp, socket};
use crosspoint_core::{Acceptor, Code, Fault, LinkInfo};
use parking_lot::Mutex;
use rtc::crypto::{RTCCryptoProvider, SignatureScheme, default_provider};
use rtc::data_channel::{RTCDataChannelId, RTCDataChannelInit};
use rtc::ice::mdns::MulticastDnsMode;
use rtc::peer_connection::certificate::RTCCertificate;
use rtc::peer_connection::configuration::RTCConfigurationBuilder;
use rtc::peer_connection::configuration::setting_engine::{SctpMaxMessageSize, SettingEngineBuilder};
use rtc::peer_connection::sdp::RTCSessionDescription;
use rtc::peer_connection::transport::RTCIceCandidateInit;
use rtc::peer_connection::{RTCPeerConnection, RTCPeerConnectionBuilder};
use rtc::shared::error::Error as RtcError;
use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};
use tokio::net::UdpSocket;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::timeout;

/// How long peers may take to end.
const END_WITHIN: Duration = Duration::from_secs(2);
/// What a client may send before it is read, bytes.
const RECEIVE_BYTES: u32 = 512 << 10;
/// From a lost path to its end; ICE has been silent for long before.
const FAILED: Duration = Duration::from_secs(1);
/// When a client may come again that found as many peers as there may be, ms.
const FULL_RETRY_MS: u64 = 5_000;

/// The label of the channel of volatile frames.
const VOLATILE: &str = "crosspoint-volatile";

/// Why an endpoint did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A socket can't be used.
    #[error(transparent)]
    Socket(#[from] io::Error),
    /// The certificate can't be made.
    #[error("the certificate cannot be made: {0}")]
    Certificate(String),
}

/// What a client is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The session description.
    pub sdp: String,
    /// The peer's name, a secret.
    pub peer: String,
}

/// What all peers share.
pub(crate) struct Shared {
    pub(crate) config: Config,
    pub(crate) acceptor: Arc<dyn Acceptor>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) sockets: Vec<Arc<UdpSocket>>,
    crypto: Arc<dyn RTCCryptoProvider>,
    certificate: RTCCertificate,
    candidates: Vec<SocketAddr>,
    routes: Arc<Routes>,
    addresses: Arc<Addresses>,
}

/// A running endpoint. Dropping it cuts all its links.
pub struct Endpoint {
    shared: Arc<Shared>,
    addrs: Vec<SocketAddr>,
    /// Held by every peer's task; gone when the endpoint takes no more.
    alive: Mutex<Option<mpsc::Sender<Infallible>>>,
    /// Ends when all who held it have.
    ended: tokio::sync::Mutex<mpsc::Receiver<Infallible>>,
    receiving: Mutex<JoinSet<()>>,
}

impl Endpoint {
    /// Takes packets on these sockets ([`crate::bind`]); links go to `acceptor`. Call it inside a tokio runtime.
    ///
    /// # Errors
    /// When a socket can't be used, or the certificate can't be made.
    pub fn start(
        sockets: Vec<std::net::UdpSocket>,
        config: Config,
        acceptor: Arc<dyn Acceptor>,
    ) -> Result<Endpoint, StartError> {
        let failed = |error: String| StartError::Certificate(error);
        let crypto = default_provider().map_err(|e| failed(e.to_string()))?;
        let params = rcgen::CertificateParams::new(vec![]).map_err(|e| failed(e.to_string()))?;
        let scheme = SignatureScheme::EcdsaP256Sha256;
        let certificate =
            RTCCertificate::generate(crypto.crypto(), scheme, params).map_err(|e| failed(e.to_string()))?;
        let (own, mut candidates) = (socket::own_addresses(), vec![]);
        let (mut bound, mut addrs) = (vec![], vec![]);
        for socket in sockets {
            socket.set_nonblocking(true)?;
            let addr = socket.local_addr()?;
            candidates.extend(sdp::candidates(addr, &config.public_addresses, &own));
            addrs.push(addr);
            bound.push(Arc::new(UdpSocket::from_std(socket)?));
        }
        let (counters, routes) = (Arc::<Counters>::default(), Arc::<Routes>::default());
        let mut receiving = JoinSet::new();
        for (number, socket) in bound.iter().enumerate() {
            let (socket, routes, counters) = (socket.clone(), routes.clone(), counters.clone());
            receiving.spawn(async move { socket::receive(&socket, number, &routes, &counters).await });
        }
        let addresses = Addresses::new(config.per_address);
        let sockets = bound;
        let shared = Arc::new(Shared {
            config,
            acceptor,
            counters,
            sockets,
            crypto,
            certificate,
            candidates,
            routes,
            addresses,
        });
        let (alive, ended) = mpsc::channel(1);
        let (alive, ended, receiving) = (Some(alive).into(), ended.into(), receiving.into());
        Ok(Endpoint { shared, addrs, alive, ended, receiving })
    }

    /// Where it listens.
    pub fn addrs(&self) -> &[SocketAddr] {
        &self.addrs
    }

    /// What it counts.
    pub fn counters(&self) -> &Counters {
        &self.shared.counters
    }

    /// Entries in the tables of names and addresses: none when there are no peers.
    pub fn entries(&self) -> usize {
        self.shared.routes.len()
    }

    /// Answers an offer; `info` is what is known of the client.
    ///
    /// # Errors
    /// `bad_request`, `frame_too_large`: the offer; `rate_limited`: the address; `unavailable`: the hub.
    pub async fn answer(&self, info: LinkInfo, offer: &str) -> Result<Answer, Fault> {
        let answer = self.try_answer(info, offer).await;
        let counters = &self.shared.counters;
        if answer.is_ok() { &counters.answered } else { &counters.refused }.fetch_add(1, Relaxed);
        answer
    }

    async fn try_answer(&self, info: LinkInfo, offer: &str) -> Result<Answer, Fault> {
        let address = info.remote.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
        let place = self.shared.addresses.enter(address, Instant::now()).map_err(|wait| {
            let fault = Fault::new(Code::RateLimited, "Too many offers or peers of this address");
            fault.after(u64::try_from(wait.as_millis()).unwrap_or(FULL_RETRY_MS).max(1))
        })?;
        let offer = sdp::read(offer)?;
        let gauge = Gauge::new(&self.shared.counters, |c| &c.peers);
        if self.shared.counters.peers.load(Relaxed) > self.shared.config.peers_max as u64 {
            return Err(Fault::new(Code::Unavailable, "The hub has enough peers").after(FULL_RETRY_MS));
        }
        let Some(alive) = self.alive.lock().clone() else { return Err(Code::Shutdown.into()) };
        let (told, answer) = oneshot::channel();
        let shared = self.shared.clone();
        // In a task of its own, which is all that a fault of the library ends.
        tokio::spawn(async move {
            shared.run(info, offer, place, gauge, told).await;
            drop(alive);
        });
        answer.await.unwrap_or_else(|_| Err(Code::Internal.into()))
    }

    /// The client of this peer is gone for good. Whether there is such a peer.
    pub fn bye(&self, peer: &str) -> bool {
        self.shared.routes.tell(peer, Told::Bye)
    }

    /// Cuts what is left and lets go of the sockets. Returns when that is done.
    pub async fn close(&self) {
        drop(self.alive.lock().take());
        self.shared.routes.tell_all(Told::Stop);
        let mut ended = self.ended.lock().await;
        // Nothing is ever sent.
        if timeout(END_WITHIN, ended.recv()).await.is_err() {
            tracing::warn!("WebRTC peers did not end in time");
        }
        let mut receiving = std::mem::take(&mut *self.receiving.lock());
        receiving.shutdown().await;
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        self.shared.routes.tell_all(Told::Stop);
    }
}

impl Shared {
    /// Answers, and then runs the peer until it is over.
    async fn run(
        self: Arc<Self>,
        info: LinkInfo,
        offer: sdp::Offer,
        place: Place,
        gauge: Gauge,
        told: oneshot::Sender<Result<Answer, Fault>>,
    ) {
        let answered = self.names().and_then(|names| Ok((self.connection(&offer, &names)?, names)));
        let ((pc, volatile, sdp), names) = match answered {
            Ok(answered) => answered,
            Err(error) => {
                let text = format!("The offer can't be answered: {:.200}", error.to_string());
                // Nobody waits for it any more if this fails.
                let _ = told.send(Err(Fault::new(Code::BadRequest, text)));
                return;
            }
        };
        let (route, inbox, hears) = self.routes.enter(&names.peer, &names.ufrag);
        let peer = Peer {
            pc,
            route,
            info,
            message_bytes_max: offer.message_bytes_max,
            lane: None,
            further: None,
            volatile,
            changed: Arc::new(Notify::new()),
            strays: 0,
            reused: false,
            heard: false,
            fed: 0,
            active: Instant::now(),
            over: false,
            _gauge: gauge,
            shared: self,
        };
        if told.send(Ok(Answer { sdp, peer: names.peer })).is_ok() {
            peer.run(inbox, hears).await;
        }
        drop(place);
    }

    fn names(&self) -> Result<Names, RtcError> {
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let mut random = [0; 40];
        self.crypto.random().fill(&mut random).map_err(|e| RtcError::Other(e.to_string()))?;
        let (ufrag, rest) = random.split_at(8);
        let (pwd, peer) = rest.split_at(16);
        Ok(Names { ufrag: hex(ufrag), pwd: hex(pwd), peer: hex(peer) })
    }

    /// The connection, its channel for volatile frames, and the answer.
    fn connection(
        &self,
        offer: &sdp::Offer,
        names: &Names,
    ) -> Result<(RTCPeerConnection, RTCDataChannelId, String), RtcError> {
        let now = Instant::now();
        let Config { idle, .. } = self.config;
        let settings = SettingEngineBuilder::new()
            .with_crypto_provider(self.crypto.clone())
            .with_lite(true)
            .with_multicast_dns_mode(MulticastDnsMode::Disabled)
            .with_ice_credentials(names.ufrag.clone(), names.pwd.clone())
            .with_ice_timeouts(Some(idle), Some(FAILED), Some(idle))
            .with_sctp_max_message_size(SctpMaxMessageSize::Bounded(SctpMaxMessageSize::DEFAULT_MESSAGE_SIZE))
            .with_sctp_max_receive_buffer_size(RECEIVE_BYTES)
            .build();
        let configuration =
            RTCConfigurationBuilder::new().with_certificates(vec![self.certificate.clone()]).build();
        let mut pc = RTCPeerConnectionBuilder::new()
            .with_configuration(configuration)
            .with_setting_engine(settings)
            .build(now)?;
        let loses = RTCDataChannelInit {
            ordered: false,
            max_retransmits: Some(0),
            negotiated: Some(0),
            ..Default::default()
        };
        let volatile = pc.create_data_channel(VOLATILE, Some(loses))?.id();
        pc.set_remote_description(now, RTCSessionDescription::offer(offer.sdp.clone())?)?;
        for number in 0..self.sockets.len() {
            for stand_in in [socket::stand_in(number, true), socket::stand_in(number, false)] {
                let (ip, port) = (stand_in.ip(), stand_in.port());
                let candidate = format!("candidate:{} 1 udp 2130706431 {ip} {port} typ host", number + 1);
                pc.add_local_candidate(RTCIceCandidateInit { candidate, ..Default::default() })?;
            }
        }
        let answer = pc.create_answer(None)?;
        let sdp = sdp::dress(&answer.sdp, &self.candidates);
        pc.set_local_description(now, answer)?;
        Ok((pc, volatile, sdp))
    }
}

/// What a peer is known by.
struct Names {
    ufrag: String,
    pwd: String,
    peer: String,
}
