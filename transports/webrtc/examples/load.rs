//! What DataChannels to the hub cost: throughput and processor time by direction, memory by idle peer. The clients are a process of
//! their own, so that the figures are the endpoint's: `cargo run --release -p crosspoint-webrtc --example load`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

use bytes::Bytes;
use crosspoint_core::link::BoxFuture;
use crosspoint_core::{Acceptor, Flow, LinkInfo, LinkPeer, LinkSender, Message, OutFrame, SharedFrame};
use crosspoint_webrtc::{Config, Endpoint, PerAddress, bind};
use rtc::ice::mdns::MulticastDnsMode;
use rtc::peer_connection::configuration::setting_engine::SettingEngineBuilder;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use webrtc::data_channel::{DataChannel, DataChannelEvent, RTCDataChannelInit};
use webrtc::peer_connection::{
    PeerConnection, PeerConnectionBuilder, PeerConnectionEventHandler, RTCSessionDescription,
};

/// Bytes of a transfer.
const TRANSFER: u64 = 200 << 20;
/// Bytes of a frame of it.
const FRAME: usize = 60_000;
const IDLE_PEERS: usize = 100;
const IDLE_FOR: Duration = Duration::from_secs(20);

/// The hub's side of all links: takes everything, and sends as much as it is asked to.
#[derive(Clone, Default)]
struct Hub(Arc<Counts>);

#[derive(Default)]
struct Counts {
    received: AtomicU64,
    to_send: AtomicU64,
    links: Mutex<Vec<Arc<dyn LinkSender>>>,
}

struct Peer(Hub, Arc<dyn LinkSender>);

impl Peer {
    fn send(&self) {
        let frame: SharedFrame = OutFrame::with("t", &"x".repeat(FRAME));
        while self.0.0.to_send.load(Relaxed) > 0 && self.1.try_send(&mut std::iter::once(&frame)) == 1 {
            let _ = self.0.0.to_send.fetch_update(Relaxed, Relaxed, |n| Some(n.saturating_sub(FRAME as u64)));
        }
    }
}

impl Acceptor for Hub {
    fn link_up(&self, _: LinkInfo, sender: Arc<dyn LinkSender>) -> Arc<dyn LinkPeer> {
        self.0.links.lock().unwrap().push(sender.clone());
        Arc::new(Peer(self.clone(), sender))
    }

    fn accepting(&self) -> bool {
        true
    }
}

impl LinkPeer for Peer {
    fn receive(&self, _: Option<u64>, message: Message) -> Flow {
        let (Message::Text(bytes) | Message::Binary(bytes)) = message;
        self.0.0.received.fetch_add(bytes.len() as u64, Relaxed);
        Flow::Continue
    }

    fn datagram(&self, _: Bytes) {}

    fn turn(&self) {
        self.send();
    }

    fn ready(&self) -> BoxFuture<'static, ()> {
        Box::pin(std::future::ready(()))
    }

    fn writable(&self) {
        self.send();
    }

    fn alive(&self) {}

    fn received(&self) -> u64 {
        0
    }

    fn down(&self) {}
}

struct Handler;

impl PeerConnectionEventHandler for Handler {}

/// Processor time of this process so far.
fn cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    // Hundredths of a second.
    Duration::from_millis(10 * (fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()))
}

/// Resident memory of this process, KiB.
fn memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}

async fn endpoint() {
    let per_address = PerAddress { peers_max: 10_000, offers_per_s: 100_000 };
    let config = Config { per_address, ..Config::new(1 << 20, Duration::from_secs(10)) };
    let hub = Hub::default();
    let socket = bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let endpoint = Endpoint::start(vec![socket], config, Arc::new(hub.clone())).unwrap();
    for what in ["down", "up", "idle"] {
        hub.0.received.store(0, Relaxed);
        hub.0.to_send.store(if what == "down" { TRANSFER } else { 0 }, Relaxed);
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["clients", what])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (mut asks, mut said) =
            (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        let (mut line, before, mut began) = (String::new(), memory(), (Instant::now(), cpu()));
        while said.read_line(&mut line).unwrap() > 0 {
            match line.trim_end() {
                "ready" => began = (Instant::now(), cpu()),
                "done" => {
                    let (took, cost) = (began.0.elapsed(), cpu() - began.1);
                    let mib = (TRANSFER >> 20) as f64;
                    match what {
                        "idle" => println!(
                            "idle: {IDLE_PEERS} peers have {} KiB each, and take {} ms of processor time in {} s",
                            memory().saturating_sub(before) / IDLE_PEERS as u64,
                            cost.as_millis(),
                            took.as_secs()
                        ),
                        _ => println!(
                            "{what}: {:.0} MiB/s, {:.1} ms of processor time for each; {} packets dropped so far",
                            mib / took.as_secs_f64(),
                            cost.as_secs_f64() * 1e3 / mib,
                            endpoint.counters().packets_dropped.load(Relaxed)
                        ),
                    }
                }
                offer => {
                    let offer = offer.replace('|', "\r\n");
                    let answer = endpoint.answer(LinkInfo::default(), &offer).await.unwrap();
                    writeln!(asks, "{}", answer.sdp.replace("\r\n", "|")).unwrap();
                }
            }
            line.clear();
        }
        child.wait().unwrap();
    }
    endpoint.close().await;
}

async fn connect() -> (Arc<dyn PeerConnection>, Arc<dyn DataChannel>) {
    let settings = SettingEngineBuilder::new()
        .with_include_loopback_candidate(true)
        .with_multicast_dns_mode(MulticastDnsMode::Disabled)
        .build();
    let builder = PeerConnectionBuilder::new().with_setting_engine(settings).with_handler(Arc::new(Handler));
    let builder = builder.with_udp_addrs(vec!["127.0.0.1:0"]).with_data_channel_send_buffer_limit(16 << 20);
    let pc: Arc<dyn PeerConnection> = Arc::new(builder.build().await.unwrap());
    let channel = pc.create_data_channel("crosspoint", None).await.unwrap();
    let loses = RTCDataChannelInit {
        ordered: false,
        max_retransmits: Some(0),
        negotiated: Some(0),
        ..Default::default()
    };
    pc.create_data_channel("crosspoint-volatile", Some(loses)).await.unwrap();
    let offer = pc.create_offer(None).await.unwrap();
    pc.set_local_description(offer.clone()).await.unwrap();
    println!("{}", offer.sdp.replace("\r\n", "|"));
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer).unwrap();
    let answer = answer.trim_end().replace('|', "\r\n");
    pc.set_remote_description(RTCSessionDescription::answer(answer).unwrap()).await.unwrap();
    while !matches!(channel.poll().await, Some(DataChannelEvent::OnOpen)) {}
    (pc, channel)
}

async fn clients(what: &str) {
    let mut open = vec![];
    for _ in 0..if what == "idle" { IDLE_PEERS } else { 1 } {
        open.push(connect().await);
    }
    println!("ready");
    let channel = &open[0].1;
    match what {
        "idle" => tokio::time::sleep(IDLE_FOR).await,
        "up" => {
            for _ in 0..TRANSFER / FRAME as u64 {
                channel.send(bytes::BytesMut::from(&[1; FRAME][..])).await.unwrap();
            }
            while channel.outstanding_bytes().await.unwrap() > 0 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
        _ => {
            // It begins at a word.
            channel.send_text("{}").await.unwrap();
            let mut got = 0;
            while got < TRANSFER {
                if let Some(DataChannelEvent::OnMessage(message)) = channel.poll().await {
                    got += message.data.len() as u64;
                }
            }
        }
    }
    println!("done");
}

#[tokio::main]
async fn main() {
    match std::env::args().nth(2) {
        Some(what) => clients(&what).await,
        None => endpoint().await,
    }
}
