use crate::support::client::{Client, connection, offer};
use crate::support::hub::{Seen, Server, config};
use crate::support::until;
use crosspoint_core::{Code, LinkInfo};
use crosspoint_webrtc::{Config, PerAddress};
use std::net::IpAddr;
use std::sync::atomic::Ordering::Relaxed;
use tokio::net::UdpSocket;

/// Numbers without a pattern (Steele, Lea and Flood 2014), the same in each run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.next() as u8).collect()
    }
}

fn from(address: &str) -> LinkInfo {
    LinkInfo { remote: Some(address.parse::<IpAddr>().unwrap()), ..LinkInfo::default() }
}

async fn an_offer() -> String {
    let pc = connection("127.0.0.1:0").await;
    let _channel = pc.create_data_channel("crosspoint", None).await.unwrap();
    let sdp = offer(&*pc).await;
    pc.close().await.unwrap();
    sdp
}

#[tokio::test]
async fn offers_by_an_address_are_bounded() {
    let per_address = PerAddress { peers_max: 3, offers_per_s: 1_000 };
    let server = Server::with(false, Config { per_address, ..config() }, &["127.0.0.1:0"]);
    let sdp = an_offer().await;
    let answer = |address| server.endpoint.answer(from(address), &sdp);
    for _ in 0..3 {
        answer("192.0.2.1").await.unwrap();
    }
    let refused = answer("192.0.2.1").await.unwrap_err();
    assert_eq!((refused.code, refused.retry_after_ms.is_some()), (Code::RateLimited, true));
    answer("192.0.2.2").await.unwrap();
    assert_eq!(server.endpoint.counters().refused.load(Relaxed), 1);
}

#[tokio::test]
async fn peers_are_bounded() {
    let server = Server::with(false, Config { peers_max: 2, ..config() }, &["127.0.0.1:0"]);
    let sdp = an_offer().await;
    for _ in 0..2 {
        server.endpoint.answer(LinkInfo::default(), &sdp).await.unwrap();
    }
    let refused = server.endpoint.answer(LinkInfo::default(), &sdp).await.unwrap_err();
    assert_eq!((refused.code, refused.retry_after_ms), (Code::Unavailable, Some(5_000)));
}

#[tokio::test]
async fn offers_that_are_broken_anywhere_are_answered_or_refused() {
    let per_address = PerAddress { peers_max: 10_000, offers_per_s: 1_000_000 };
    let server = Server::with(false, Config { per_address, ..config() }, &["127.0.0.1:0"]);
    let (sdp, mut random) = (an_offer().await, Random(7));
    for round in 0..1_500 {
        let mut broken = sdp.clone().into_bytes();
        for _ in 0..=random.next() % 4 {
            broken.extend(b"\r\n");
            let at = (random.next() % broken.len() as u64) as usize;
            match random.next() % 4 {
                0 => broken[at] = b' ' + (random.next() % 95) as u8,
                1 => drop(broken.drain(at..broken.len().min(at + 9))),
                2 => broken.truncate(at.max(1)),
                _ => {
                    let piece = broken[at..].to_vec();
                    broken.extend(piece);
                }
            }
        }
        let broken = String::from_utf8(broken).unwrap();
        if let Err(fault) = server.endpoint.answer(LinkInfo::default(), &broken).await {
            let known = [Code::BadRequest, Code::FrameTooLarge];
            assert!(known.contains(&fault.code), "{round}: {fault:?}\n{broken}");
        }
    }
}

#[tokio::test]
async fn noise_at_the_port_disturbs_nobody() {
    let mut server = Server::start(true);
    let mut client = Client::connect(&server.endpoint).await.opened().await;
    let link = server.link().await;
    let ufrag = client.answer.lines().find_map(|line| line.strip_prefix("a=ice-ufrag:")).unwrap().to_owned();
    let (noise, mut random) = (UdpSocket::bind("127.0.0.1:0").await.unwrap(), Random(8));
    let entries = server.endpoint.entries();
    for round in 0..4_000 {
        let len = (random.next() % 1_300) as usize;
        let mut packet = random.bytes(len);
        match round % 4 {
            // A check with the right name, and everything else wrong.
            0 => {
                let name = format!("{ufrag}:abcd");
                let attributes = 4 + name.len().next_multiple_of(4) as u16;
                packet =
                    [&[0, 1][..], &attributes.to_be_bytes(), &[0x21, 0x12, 0xa4, 0x42], &[7; 12]].concat();
                packet.extend([0, 6]);
                packet.extend((name.len() as u16).to_be_bytes());
                packet.extend(name.as_bytes());
                packet.resize(20 + usize::from(attributes), 0);
            }
            // DTLS of a version that there is.
            1 if len > 3 => packet[..3].copy_from_slice(&[20 + (random.next() % 6) as u8, 254, 253]),
            2 if len > 8 => packet[4..8].copy_from_slice(&[0x21, 0x12, 0xa4, 0x42]),
            _ => {}
        }
        noise.send_to(&packet, server.endpoint.addrs()[0]).await.unwrap();
        if round % 400 == 0 {
            let text = format!(r#"{{"type":"t","data":{round}}}"#);
            client.send_text(&text).await;
            assert_eq!(client.text().await, text);
            link.until(Seen::Text(text)).await;
        }
    }
    assert_eq!(server.endpoint.entries(), entries, "strangers get no entry");
    assert!(server.endpoint.counters().packets_dropped.load(Relaxed) > 2_000);
}

#[tokio::test]
async fn channels_that_are_none_of_a_links_are_closed_and_too_many_end_the_peer() {
    let mut server = Server::start(true);
    let mut client = Client::connect(&server.endpoint).await.opened().await;
    let link = server.link().await;
    let _again = client.pc.create_data_channel("crosspoint", None).await.unwrap();
    let counters = server.endpoint.counters();
    until(|| counters.strays.load(Relaxed) == 1).await;
    client.send_text(r#"{"type":"t"}"#).await;
    assert_eq!(client.text().await, r#"{"type":"t"}"#);
    let mut more = vec![];
    for n in 0..20 {
        more.push(client.pc.create_data_channel(&format!("more-{n}"), None).await.unwrap());
    }
    link.until(Seen::Down).await;
    assert!(counters.strays.load(Relaxed) < 12);
}

#[tokio::test]
async fn peers_come_and_go_and_leave_nothing() {
    let per_address = PerAddress { peers_max: 500, offers_per_s: 1_000 };
    let mut server = Server::with(true, Config { per_address, ..config() }, &["127.0.0.1:0"]);
    let tasks = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    let fds = || std::fs::read_dir("/proc/self/fd").unwrap().count();
    let (few, open) = (tasks(), fds());
    for _ in 0..10 {
        let mut clients = vec![];
        for _ in 0..10 {
            clients.push(Client::connect(&server.endpoint).await);
        }
        for client in clients {
            let mut client = client.opened().await;
            let _link = server.link().await;
            client.send_text(r#"{"type":"t"}"#).await;
            assert_eq!(client.text().await, r#"{"type":"t"}"#);
            client.pc.close().await.unwrap();
        }
        let counters = server.endpoint.counters();
        until(|| counters.peers.load(Relaxed) == 0 && server.endpoint.entries() == 0).await;
    }
    until(|| tasks() <= few && fds() <= open).await;
}
