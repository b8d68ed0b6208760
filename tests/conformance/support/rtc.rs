use super::adapter::Refused;
use super::got::Got;
use super::http::{Http, Version};
use super::within;
use super::ws::Came;
use bytes::{Bytes, BytesMut};
use crosspoint::Running;
use crosspoint_core::Code;
use http::Method;
use rtc::ice::mdns::MulticastDnsMode;
use rtc::peer_connection::configuration::setting_engine::SettingEngineBuilder;
use serde_json::Value;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use webrtc::data_channel::{DataChannel, DataChannelEvent, RTCDataChannelInit};
use webrtc::peer_connection::{
    PeerConnection, PeerConnectionBuilder, PeerConnectionEventHandler, RTCSessionDescription,
};

/// The longest message of a channel, bytes.
const MESSAGE_MAX: usize = 65_536;

struct Handler;

impl PeerConnectionEventHandler for Handler {}

/// A peer connection; it is closed when this is dropped.
struct Pc(Arc<dyn PeerConnection>);

impl Drop for Pc {
    fn drop(&mut self) {
        let pc = self.0.clone();
        // Outside of a runtime the test is over anyway.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move { drop(pc.close().await) });
        }
    }
}

/// The send half of a DataChannel to the hub.
pub(crate) struct Rtc {
    pc: Arc<Pc>,
    pub(crate) channel: Arc<dyn DataChannel>,
    volatile: Option<Arc<dyn DataChannel>>,
    losable: Arc<AtomicU64>,
    /// The hub's name for the connection.
    pub(crate) peer: String,
}

/// The other half.
pub(crate) struct RtcReader {
    channel: Arc<dyn DataChannel>,
    volatile: Option<Arc<dyn DataChannel>>,
    losable: Arc<AtomicU64>,
    /// The parts of a message.
    held: Vec<u8>,
    said: Option<Code>,
}

/// A connection with its two channels, and its offer.
pub(crate) struct Offered {
    pc: Arc<Pc>,
    channel: Arc<dyn DataChannel>,
    volatile: Arc<dyn DataChannel>,
    pub(crate) sdp: String,
}

impl Offered {
    pub(crate) async fn new() -> Offered {
        let settings = SettingEngineBuilder::new()
            .with_include_loopback_candidate(true)
            .with_multicast_dns_mode(MulticastDnsMode::Disabled)
            .build();
        let builder =
            PeerConnectionBuilder::new().with_setting_engine(settings).with_handler(Arc::new(Handler));
        let pc: Arc<dyn PeerConnection> =
            Arc::new(builder.with_udp_addrs(vec!["127.0.0.1:0"]).build().await.unwrap());
        let channel = pc.create_data_channel("crosspoint", None).await.unwrap();
        let init = RTCDataChannelInit {
            ordered: false,
            max_retransmits: Some(0),
            negotiated: Some(0),
            ..RTCDataChannelInit::default()
        };
        let volatile = pc.create_data_channel("crosspoint-volatile", Some(init)).await.unwrap();
        let offer = pc.create_offer(None).await.unwrap();
        pc.set_local_description(offer.clone()).await.unwrap();
        Offered { pc: Arc::new(Pc(pc)), channel, volatile, sdp: offer.sdp }
    }

    /// Takes the answer, and waits until the channel is open.
    pub(crate) async fn answered(self, sdp: String, peer: String) -> (Rtc, RtcReader) {
        let Offered { pc, channel, volatile, .. } = self;
        pc.0.set_remote_description(RTCSessionDescription::answer(sdp).unwrap()).await.unwrap();
        within(async { while !matches!(channel.poll().await, Some(DataChannelEvent::OnOpen)) {} }).await;
        Rtc::opened(pc, channel, Some(volatile), peer)
    }
}

impl Drop for Rtc {
    fn drop(&mut self) {
        let channel = self.channel.clone();
        if let (None, Ok(runtime)) = (&self.volatile, tokio::runtime::Handle::try_current()) {
            runtime.spawn(async move { drop(channel.close().await) });
        }
    }
}

impl Rtc {
    /// Offers by HTTP.
    pub(crate) async fn open(hub: &Running, headers: &[(&str, &str)]) -> Result<(Rtc, RtcReader), Refused> {
        let offered = Offered::new().await;
        let mut all = vec![("content-type", "application/sdp")];
        all.extend_from_slice(headers);
        let http = Http::new(hub.addr(), Version::H1).await;
        let answer = http.send(Method::POST, "/webrtc", &all, offered.sdp.clone()).await;
        if answer.status != 201 {
            return Err(Refused { status: answer.status, fault: answer.json().await["error"].clone() });
        }
        assert_eq!(answer.header("content-type"), "application/sdp");
        let peer = answer.header("location").strip_prefix("/webrtc/").expect("its name").to_owned();
        assert!(peer.len() >= 32, "128 bits");
        Ok(offered.answered(answer.text().await, peer).await)
    }

    fn opened(
        pc: Arc<Pc>,
        channel: Arc<dyn DataChannel>,
        volatile: Option<Arc<dyn DataChannel>>,
        peer: String,
    ) -> (Rtc, RtcReader) {
        let losable = Arc::<AtomicU64>::default();
        let reader = RtcReader {
            channel: channel.clone(),
            volatile: volatile.clone(),
            losable: losable.clone(),
            held: vec![],
            said: None,
        };
        (Rtc { pc, channel, volatile, losable, peer }, reader)
    }

    /// A further link on the same connection.
    pub(crate) async fn beside(&self) -> (Rtc, RtcReader) {
        loop {
            let channel = self.pc.0.create_data_channel("crosspoint-bulk", None).await.unwrap();
            // The crate gives it the stream of one that is just being closed, and then closes both.
            let opened = within(async {
                loop {
                    match channel.poll().await {
                        Some(DataChannelEvent::OnOpen) => return true,
                        Some(DataChannelEvent::OnClose) | None => return false,
                        Some(_) => {}
                    }
                }
            });
            if opened.await {
                return Rtc::opened(self.pc.clone(), channel, None, self.peer.clone());
            }
        }
    }

    /// Sends a text; a connection that is gone shows in the reader.
    pub(crate) async fn text(&self, text: &str) {
        match text.len() <= MESSAGE_MAX {
            true => drop(self.channel.send_text(text).await),
            false => self.parts(0, text.as_bytes()).await,
        }
    }

    pub(crate) async fn binary(&self, bytes: &[u8]) {
        match bytes.len() <= MESSAGE_MAX {
            true => drop(self.channel.send(bytes.into()).await),
            false => self.parts(2, bytes).await,
        }
    }

    async fn parts(&self, kind: u8, whole: &[u8]) {
        let pieces = whole.chunks(50_000);
        let last = pieces.len() - 1;
        for (at, piece) in pieces.enumerate() {
            let head = [0, 0, kind | u8::from(at == last)];
            let _ = self.channel.send(BytesMut::from(&[&head[..], piece].concat()[..])).await;
        }
    }

    /// Sends by the channel that may lose it.
    pub(crate) async fn losable(&self, frame: &Value) {
        let _ = self.volatile.as_ref().expect("a first link").send_text(&frame.to_string()).await;
    }

    /// What came by that channel.
    pub(crate) fn losables(&self) -> u64 {
        self.losable.load(Ordering::Relaxed)
    }

    /// Closes the connection as a client does.
    pub(crate) async fn close(&self) {
        self.pc.0.close().await.unwrap();
    }
}

impl RtcReader {
    /// The next frame of either channel.
    pub(crate) async fn next(&mut self) -> Came {
        loop {
            let event = match &self.volatile {
                None => self.channel.poll().await,
                Some(volatile) => tokio::select! {
                    biased;
                    event = self.channel.poll() => event,
                    event = volatile.poll() => {
                        match event {
                            Some(DataChannelEvent::OnMessage(message)) => {
                                self.losable.fetch_add(1, Ordering::Relaxed);
                                return Came::Frame(Got::text(&message.data));
                            }
                            Some(DataChannelEvent::OnClose) | None => self.volatile = None,
                            _ => {}
                        }
                        continue;
                    }
                },
            };
            match event {
                Some(DataChannelEvent::OnMessage(message)) => {
                    let Some(got) = self.whole(message.is_string, &message.data) else { continue };
                    if got.kind() == "hub:close" {
                        self.said = Code::from_name(got["data"]["code"].as_str().unwrap());
                    }
                    return Came::Frame(got);
                }
                // Channels have no codes: what was said counts.
                Some(DataChannelEvent::OnClose) | None => return Came::End(self.said.map(Code::close)),
                Some(_) => {}
            }
        }
    }

    fn whole(&mut self, text: bool, data: &[u8]) -> Option<Got> {
        if text {
            return Some(Got::text(data));
        }
        let [0, 0, flags, piece @ ..] = data else {
            return Some(Got::binary(&Bytes::copy_from_slice(data)));
        };
        self.held.extend_from_slice(piece);
        if flags & 1 == 0 {
            return None;
        }
        let whole = std::mem::take(&mut self.held);
        Some(if flags & 2 == 0 { Got::text(&whole) } else { Got::binary(&whole.into()) })
    }
}
