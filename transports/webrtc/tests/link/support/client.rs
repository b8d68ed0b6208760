use super::within;
use bytes::BytesMut;
use crosspoint_core::{LinkInfo, Message};
use crosspoint_webrtc::Endpoint;
use crosspoint_webrtc::parts::{Joiner, split};
use rtc::ice::mdns::MulticastDnsMode;
use rtc::peer_connection::configuration::setting_engine::SettingEngineBuilder;
use std::sync::Arc;
use webrtc::data_channel::{DataChannel, DataChannelEvent, RTCDataChannelInit};
use webrtc::peer_connection::{
    PeerConnection, PeerConnectionBuilder, PeerConnectionEventHandler, RTCSessionDescription,
};

struct Handler;

impl PeerConnectionEventHandler for Handler {}

/// A client of the webrtc crate's.
pub(crate) struct Client {
    pub(crate) pc: Arc<dyn PeerConnection>,
    pub(crate) channel: Arc<dyn DataChannel>,
    pub(crate) volatile: Arc<dyn DataChannel>,
    /// Its name at the endpoint.
    pub(crate) name: String,
    pub(crate) answer: String,
    joiner: Joiner,
}

/// A connection that offers nothing yet.
pub(crate) async fn connection(addr: &'static str) -> Arc<dyn PeerConnection> {
    let settings = SettingEngineBuilder::new()
        .with_include_loopback_candidate(true)
        .with_multicast_dns_mode(MulticastDnsMode::Disabled)
        .build();
    let builder = PeerConnectionBuilder::new().with_setting_engine(settings).with_handler(Arc::new(Handler));
    Arc::new(builder.with_udp_addrs(vec![addr]).build().await.unwrap())
}

/// Its offer.
pub(crate) async fn offer(pc: &dyn PeerConnection) -> String {
    let offer = pc.create_offer(None).await.unwrap();
    pc.set_local_description(offer.clone()).await.unwrap();
    offer.sdp
}

impl Client {
    /// Offers, and takes the answer.
    pub(crate) async fn connect(endpoint: &Endpoint) -> Client {
        Client::from(endpoint, "127.0.0.1:0").await
    }

    pub(crate) async fn from(endpoint: &Endpoint, addr: &'static str) -> Client {
        let pc = connection(addr).await;
        let channel = pc.create_data_channel("crosspoint", None).await.unwrap();
        let loses = RTCDataChannelInit {
            ordered: false,
            max_retransmits: Some(0),
            negotiated: Some(0),
            ..Default::default()
        };
        let volatile = pc.create_data_channel("crosspoint-volatile", Some(loses)).await.unwrap();
        let offer = offer(&*pc).await;
        let answer = endpoint.answer(LinkInfo::default(), &offer).await.unwrap();
        let (sdp, name) = (answer.sdp, answer.peer);
        pc.set_remote_description(RTCSessionDescription::answer(sdp.clone()).unwrap()).await.unwrap();
        Client { pc, channel, volatile, name, answer: sdp, joiner: Joiner::new(1 << 20) }
    }

    /// Waits until both channels are open.
    pub(crate) async fn opened(self) -> Client {
        for channel in [&self.channel, &self.volatile] {
            let opened = async { while !matches!(channel.poll().await, Some(DataChannelEvent::OnOpen)) {} };
            within(opened).await;
        }
        self
    }

    /// Sends a message, in parts if it must be.
    pub(crate) async fn send(&self, binary: bool, message: &[u8]) {
        for piece in split(binary, message, 65_536) {
            match piece.text {
                true => self.channel.send_text(std::str::from_utf8(&piece.bytes).unwrap()).await.unwrap(),
                false => self.channel.send(piece.bytes).await.unwrap(),
            }
        }
    }

    pub(crate) async fn send_text(&self, text: &str) {
        self.send(false, text.as_bytes()).await;
    }

    /// The next message; `None` when the channel is closed.
    pub(crate) async fn next(&mut self) -> Option<Message> {
        loop {
            match within(self.channel.poll()).await? {
                DataChannelEvent::OnMessage(message) => {
                    let whole = self.joiner.next(message.is_string, message.data).unwrap();
                    if whole.is_some() {
                        return whole;
                    }
                }
                DataChannelEvent::OnClose => return None,
                _ => {}
            }
        }
    }

    /// The next message, which is this text.
    pub(crate) async fn text(&mut self) -> String {
        match self.next().await {
            Some(Message::Text(text)) => String::from_utf8(text.to_vec()).unwrap(),
            other => panic!("no text: {other:?}"),
        }
    }
}

/// The next message of a channel.
pub(crate) async fn message(channel: &dyn DataChannel) -> BytesMut {
    loop {
        if let Some(DataChannelEvent::OnMessage(message)) = within(channel.poll()).await {
            return message.data;
        }
    }
}
