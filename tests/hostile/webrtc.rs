//! Peers that mean no good, and five hundred that only come and go.

use crate::siege::siege;
use crate::wire::{Answer, Random, within};
use bytes::BytesMut;
use futures_util::future::join_all;
use rtc::ice::mdns::MulticastDnsMode;
use rtc::peer_connection::configuration::setting_engine::SettingEngineBuilder;
use serde_json::json;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::UdpSocket;
use webrtc::data_channel::{DataChannel, DataChannelEvent, RTCDataChannelInit};
use webrtc::peer_connection::{
    PeerConnection, PeerConnectionBuilder, PeerConnectionEventHandler, RTCSessionDescription,
};

const OFFERS: &str = "transports.webrtc.address_offers_per_s=1000";

struct Handler;

impl PeerConnectionEventHandler for Handler {}

struct Peer {
    pc: Arc<dyn PeerConnection>,
    channel: Arc<dyn DataChannel>,
    volatile: Arc<dyn DataChannel>,
    answer: String,
}

impl Peer {
    /// One whose offer was made and not sent.
    async fn offering() -> (Peer, String) {
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
        (Peer { pc, channel, volatile, answer: String::new() }, offer.sdp)
    }

    async fn open(addr: SocketAddr) -> Peer {
        let (mut peer, offer) = Peer::offering().await;
        let answer = post(addr, offer.as_bytes()).await;
        assert_eq!(answer.status, 201, "{}", answer.body);
        peer.answer = answer.body;
        let description = RTCSessionDescription::answer(peer.answer.clone()).unwrap();
        peer.pc.set_remote_description(description).await.unwrap();
        within(async { while !matches!(peer.channel.poll().await, Some(DataChannelEvent::OnOpen)) {} }).await;
        peer
    }

    /// One that has said hello.
    async fn user(addr: SocketAddr, user: &str) -> Peer {
        let peer = Peer::open(addr).await;
        let hello = json!({"type": "hub:hello", "data": {"version": 1, "user": user}});
        peer.channel.send_text(&hello.to_string()).await.unwrap();
        assert!(peer.next().await.expect("a welcome").starts_with(b"{\"type\":\"hub:welcome\""));
        peer
    }

    /// The next message; `None` when the channel is closed.
    async fn next(&self) -> Option<BytesMut> {
        within(async {
            loop {
                match self.channel.poll().await {
                    Some(DataChannelEvent::OnMessage(message)) => return Some(message.data),
                    Some(DataChannelEvent::OnClose) | None => return None,
                    Some(_) => {}
                }
            }
        })
        .await
    }

    async fn ends(&self) {
        while self.next().await.is_some() {}
        self.pc.close().await.unwrap();
    }

    /// The hub's UDP address, and its name for the peer.
    fn way(&self) -> (SocketAddr, &str) {
        let line = |name: &str| self.answer.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        let candidate: Vec<&str> = line("a=candidate:").split(' ').collect();
        (format!("{}:{}", candidate[4], candidate[5]).parse().unwrap(), line("a=ice-ufrag:"))
    }
}

async fn post(addr: SocketAddr, offer: &[u8]) -> Answer {
    Answer::of(addr, "POST", "/webrtc", &["content-type: application/sdp"], offer).await
}

async fn offers(addr: SocketAddr) {
    let (peer, sdp) = Peer::offering().await;
    let mut random = Random(9);
    for _ in 0..400 {
        let mut broken = sdp.clone().into_bytes();
        for _ in 0..=random.below(3) {
            let at = random.below(broken.len() as u64 + 1) as usize;
            match random.below(4) {
                0 => broken.truncate(at),
                1 => broken.extend(random.bytes(20)),
                2 => {
                    broken.splice(at.., *b"\r\na=candidate:1 1 udp 1 10.0.0.1 22 typ host\r\n").for_each(drop)
                }
                _ => broken.extend(broken.clone()),
            }
        }
        let status = post(addr, &broken).await.status;
        assert!([201, 400, 413, 429].contains(&status), "{status}");
    }
    // More than an address may make.
    let flood = join_all((0..200).map(|_| post(addr, sdp.as_bytes()))).await;
    assert!(flood.iter().all(|answer| [201, 429].contains(&answer.status)));
    assert!(flood.iter().any(|answer| answer.code() == "rate_limited"));
    peer.pc.close().await.unwrap();
}

#[tokio::test]
async fn offers_of_any_shape_and_too_many() {
    siege(&["limits.hello_ms=1000", "transports.webrtc.address_offers_per_s=100"], offers).await;
}

async fn packets(addr: SocketAddr) {
    let victim = Peer::user(addr, "eve").await;
    let (to, ufrag) = victim.way();
    let (socket, mut random) = (UdpSocket::bind("127.0.0.1:0").await.unwrap(), Random(10));
    for round in 0..20_000 {
        let len = random.below(1_400);
        let mut packet = random.bytes(len);
        match round % 4 {
            // A check that names the peer, and has nothing else of it.
            0 => {
                let name = format!("{ufrag}:abcd");
                packet =
                    [&[0, 1, 0, 4 + name.len().next_multiple_of(4) as u8][..], &[0x21, 0x12, 0xa4, 0x42]]
                        .concat();
                packet.extend([7; 12]);
                packet.extend([0, 6, 0, name.len() as u8]);
                packet.extend(name.as_bytes());
                packet.resize(packet.len().next_multiple_of(4), 0);
            }
            // DTLS, by its first bytes.
            1 if len > 3 => packet[..3].copy_from_slice(&[20 + random.below(6) as u8, 254, 253]),
            2 if len > 8 => packet[4..8].copy_from_slice(&[0x21, 0x12, 0xa4, 0x42]),
            _ => {}
        }
        let _ = socket.send_to(&packet, to).await;
    }
    victim.channel.send_text("{\"type\":\"hub:bye\"}").await.unwrap();
    victim.ends().await;
}

#[tokio::test]
async fn noise_at_the_port() {
    siege(&["limits.resume_ms=500"], packets).await;
}

async fn messages(addr: SocketAddr) {
    let messages: [&[u8]; 7] =
        [b"", b"\0", b"\0\0", b"\0\0\x07x", b"\0\0\x02{}", b"\xff\xff{}", &[b' '; 65_536]];
    for (round, message) in messages.into_iter().enumerate() {
        for text in [true, false] {
            let peer = Peer::user(addr, &format!("eve-{round}")).await;
            // A bad frame is answered so many times; parts without an end grow no further than a frame may.
            for _ in 0..200 {
                let sent = match text {
                    true => peer.channel.send_text(&String::from_utf8_lossy(message)).await,
                    false => peer.channel.send(message.into()).await,
                };
                let _ = (sent.is_ok(), peer.volatile.send(message.into()).await);
            }
            peer.pc.close().await.unwrap();
        }
    }
    // Channels that nobody asked for.
    let peer = Peer::user(addr, "eve").await;
    for n in 0..30 {
        let _ = peer.pc.create_data_channel(&format!("more-{n}"), None).await;
    }
    peer.ends().await;
}

#[tokio::test]
async fn messages_of_any_kind() {
    siege(&["limits.resume_ms=500", OFFERS], messages).await;
}

async fn five_hundred(addr: SocketAddr) {
    // Twice in a siege.
    for _ in 0..13 {
        let user = async |n: usize| Peer::user(addr, &format!("eve-{n}")).await;
        let peers = join_all((0..20).map(user)).await;
        for (n, peer) in peers.iter().enumerate() {
            // Half of them say goodbye, half are just gone.
            if n % 2 == 0 {
                peer.channel.send_text("{\"type\":\"hub:bye\"}").await.unwrap();
                peer.ends().await;
            } else {
                peer.pc.close().await.unwrap();
            }
        }
    }
}

#[tokio::test]
async fn five_hundred_come_and_go() {
    siege(&["limits.resume_ms=500", OFFERS], five_hundred).await;
}
