//! Sessions over QUIC that mean no good, and a thousand that only come and go.

use crate::siege::siege;
use crate::wire::{Answer, Random, within};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use crosspoint_tests::udp::{Packets, UdpRelay};
use futures_util::future::join_all;
use serde_json::{Value, json};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Mutex;
use tokio::net::UdpSocket;
use tokio::sync::watch;
use tokio::task::JoinSet;
use wtransport::endpoint::ConnectOptions;
use wtransport::endpoint::endpoint_side::Client;
use wtransport::tls::Sha256Digest;
use wtransport::{ClientConfig, Connection, Endpoint, RecvStream, SendStream, VarInt, quinn};

/// What a negotiation says of the way.
struct Way {
    url: String,
    endpoint: Endpoint<Client>,
    bare: quinn::Endpoint,
}

impl Way {
    async fn to(addr: SocketAddr) -> Way {
        let ask = json!({"version": 1, "transports": ["webtransport"], "user": "eve"});
        let answer = Answer::of(addr, "POST", "/negotiate", &[], ask.to_string().as_bytes()).await;
        let answer: Value = serde_json::from_str(&answer.body).unwrap();
        let offer = &answer["transports"][0];
        let hashes = offer["certificate_hashes"].as_array().unwrap().iter().map(|hash| {
            let hash = STANDARD.decode(hash.as_str().unwrap()).unwrap();
            Sha256Digest::new(hash.try_into().unwrap())
        });
        let config = ClientConfig::builder()
            .with_bind_address((Ipv4Addr::LOCALHOST, 0).into())
            .with_server_certificate_hashes(hashes)
            .build();
        let mut bare = quinn::Endpoint::client((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
        bare.set_default_client_config(config.quic_config().clone());
        let url = offer["url"].as_str().unwrap().into();
        Way { url, endpoint: Endpoint::client(config).unwrap(), bare }
    }

    async fn session(&self) -> Session {
        let connection = within(self.endpoint.connect(&self.url)).await.unwrap();
        let (send, read) = connection.open_bi().await.unwrap().await.unwrap();
        Session { connection, send, read, held: vec![] }
    }

    /// One that has said hello.
    async fn user(&self, user: &str) -> Session {
        let mut session = self.session().await;
        session.hello(json!({"version": 1, "user": user})).await;
        session
    }

    /// The same with a bulk session on a second stream.
    async fn user_with_bulk(&self, user: &str) -> (Session, Session) {
        let mut session = self.session().await;
        let said = session.hello(json!({"version": 1, "user": user, "bulk": true})).await;
        let connection = session.connection.clone();
        let (send, read) = connection.open_bi().await.unwrap().await.unwrap();
        let mut bulk = Session { connection, send, read, held: vec![] };
        let of = json!({"session": said["session"], "resume": said["resume"]});
        bulk.hello(json!({"version": 1, "bulk_for": of})).await;
        (session, bulk)
    }
}

struct Session {
    connection: Connection,
    send: SendStream,
    read: RecvStream,
    held: Vec<u8>,
}

impl Session {
    async fn raw(&mut self, bytes: &[u8]) {
        // A session that is gone shows in reading.
        let _ = self.send.write_all(bytes).await;
    }

    async fn message(&mut self, head: u32, body: &[u8]) {
        self.raw(&[&head.to_be_bytes()[..], body].concat()).await;
    }

    async fn say(&mut self, frame: Value) {
        let text = frame.to_string();
        self.message(text.len() as u32, text.as_bytes()).await;
    }

    /// Says hello; what the welcome says.
    async fn hello(&mut self, data: Value) -> Value {
        self.say(json!({"type": "hub:hello", "data": data})).await;
        let welcome: Value = serde_json::from_slice(&self.next().await.unwrap()).unwrap();
        assert_eq!(welcome["type"], "hub:welcome", "{welcome}");
        welcome["data"].clone()
    }

    /// The next message; `None` at the end. Cancel safe.
    async fn next(&mut self) -> Option<Vec<u8>> {
        let mut piece = [0; 4096];
        loop {
            let head = self.held.first_chunk().map(|head| u32::from_be_bytes(*head) & 0x7fff_ffff);
            let end = head.map_or(usize::MAX, |len| 4 + len as usize);
            if self.held.len() >= end {
                let rest = self.held.split_off(end);
                return Some(std::mem::replace(&mut self.held, rest).split_off(4));
            }
            let n = within(self.read.read(&mut piece)).await.ok()??;
            self.held.extend_from_slice(&piece[..n]);
        }
    }

    /// Reads up to the end; the code of the last `hub:close`.
    async fn closed(&mut self) -> String {
        let mut code = String::new();
        while let Some(body) = self.next().await {
            let frame: Value = serde_json::from_slice(&body).unwrap_or_default();
            if frame["type"] == "hub:close" {
                code = frame["data"]["code"].as_str().unwrap().into();
            }
        }
        self.connection.close(VarInt::from_u32(0), b"");
        code
    }
}

async fn malformed(addr: SocketAddr) {
    let way = &Way::to(addr).await;
    let bad: [(&str, Vec<u8>); 7] = [
        ("frame_too_large", vec![0xff; 4]),
        ("frame_too_large", vec![0x7f, 0xff, 0xff, 0xff, b'{']),
        ("frame_too_large", vec![0, 1, 0, 1]),
        ("bad_frame", vec![0, 0, 0, 0]),
        ("bad_frame", vec![0, 0, 0, 2, 0xff, 0xfe]),
        ("bad_frame", vec![0x80, 0, 0, 3, 0, 200, b'{']),
        ("bad_frame", b"\0\0\0\x04null".to_vec()),
    ];
    for (code, bytes) in &bad {
        let mut session = way.session().await;
        session.raw(bytes).await;
        assert_eq!(session.closed().await, *code, "{bytes:?}");
    }
    for (data, code) in [
        (json!({"version": 1, "ticket": "invented"}), "unauthorized"),
        (json!({"version": 99}), "version_unsupported"),
        (json!({"version": 1, "session": "s", "resume": "r"}), "session_expired"),
    ] {
        let mut session = way.session().await;
        session.say(json!({"type": "hub:hello", "data": data})).await;
        assert_eq!(session.closed().await, code);
    }
    // Half a message, and then nothing, an end, or a reset.
    for ending in 0..3 {
        let mut session = way.user("eve").await;
        session.raw(&[0, 0, 0, 90, b'{', b'"']).await;
        match ending {
            0 => session.connection.close(VarInt::from_u32(4999), &[0xff; 64]),
            1 => drop(session.send.finish().await),
            _ => drop(session.send.reset(VarInt::from_u32(1))),
        }
        session.closed().await;
    }
    let noise = (0..30).map(|n| async move {
        let mut random = Random(n);
        let mut session = way.session().await;
        for _ in 0..20 {
            let len = random.below(2_000);
            let mut bytes = random.bytes(len);
            // Lengths that are plausible get further.
            if let Some(head) = bytes.first_chunk_mut::<4>().filter(|_| n % 2 == 0) {
                *head = (random.below(3_000) as u32).to_be_bytes();
            }
            session.raw(&bytes).await;
            let _ = session.connection.send_datagram(&bytes[..bytes.len().min(1_000)]);
        }
        let _ = session.send.finish().await;
        session.closed().await;
    });
    join_all(noise).await;
}

#[tokio::test]
async fn malformed_streams() {
    siege(&["limits.resume_ms=500"], malformed).await;
}

async fn doors(addr: SocketAddr) {
    let way = &Way::to(addr).await;
    let host = way.url.trim_end_matches("/webtransport");
    let origin = |origin: &str| ConnectOptions::builder(&way.url).add_header("origin", origin).build();
    let knocks = (0..60).map(|n| async move {
        let options = match n % 4 {
            0 => ConnectOptions::builder(format!("{host}/ws")).build(),
            1 => ConnectOptions::builder(format!("{host}/{}", "a/".repeat(1_000))).build(),
            2 => origin("https://evil.example"),
            _ => origin("null"),
        };
        assert!(within(way.endpoint.connect(options)).await.is_err(), "{n}");
    });
    join_all(knocks).await;
    // What is no QUIC at all, or only begins like it.
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let mut random = Random(9);
    for n in 0..3_000 {
        let len = 1 + random.below(1_400);
        let mut packet = random.bytes(len);
        if n % 3 == 0 {
            packet[0] |= 0xc0;
            packet.iter_mut().skip(1).zip([0, 0, 0, 1]).for_each(|(byte, version)| *byte = version);
        }
        let _ = socket.send_to(&packet, addr).await;
    }
    // Sessions that stop half-way.
    for _ in 0..20 {
        let connection = within(way.endpoint.connect(&way.url)).await.unwrap();
        connection.close(VarInt::from_u32(1), b"");
    }
}

#[tokio::test]
async fn knocks_at_doors() {
    siege(&[], doors).await;
}

async fn floods(addr: SocketAddr) {
    let way = &Way::to(addr).await;
    let streams = async {
        let mut session = way.user("eve").await;
        let connection = session.connection.clone();
        let opening = async {
            loop {
                let Ok(opening) = connection.open_bi().await else { break };
                let Ok((mut send, _read)) = opening.await else { break };
                let _ = send.write_all(&[7; 500]).await;
                let Ok(opening) = connection.open_uni().await else { break };
                let Ok(mut send) = opening.await else { break };
                let _ = send.write_all(&[7; 500]).await;
            }
        };
        let (code, ()) = tokio::join!(session.closed(), within(opening));
        assert_eq!(code, "rate_limited");
    };
    let datagrams = async {
        let mut session = way.user("eve").await;
        session.say(json!({"type": "hub:join", "room": "chat:flood"})).await;
        let cursor = json!({"type": "c", "room": "chat:flood", "volatile": true, "data": "x".repeat(700)});
        for n in 0..30_000 {
            let _ = session.connection.send_datagram(cursor.to_string());
            if n % 100 == 0 {
                tokio::task::yield_now().await;
            }
        }
        session.say(json!({"type": "hub:bye"})).await;
        assert_eq!(session.closed().await, "bye");
    };
    // Publishes, and never reads: QUIC's windows fill, then the outbox, and that is it.
    let deaf = async {
        let mut session = way.user("eve").await;
        session.say(json!({"type": "hub:join", "room": "chat:flood"})).await;
        let event = json!({"type": "n", "room": "chat:flood", "data": "x".repeat(8_000)});
        for _ in 0..1_500 {
            session.say(event.clone()).await;
        }
        session.connection.close(VarInt::from_u32(0), b"");
    };
    tokio::join!(streams, datagrams, deaf);
}

#[tokio::test]
async fn streams_and_datagrams_without_end() {
    let limits = [
        "transports.webtransport.address_streams_per_s=50",
        "transports.webtransport.address_datagrams_per_s=500",
        "limits.resume_ms=500",
    ];
    let hub = siege(&limits, floods).await;
    assert!(hub.metrics().await["crosspoint_webtransport_datagrams_dropped_total"] > 1_000);
}

/// What a hub may have when all have gone, KiB: three times what it began with.
const LEFT_KIB: u64 = 48 << 10;

/// Relays and clients live until the hub has given them up.
static KEPT: Mutex<Vec<(UdpRelay, Way)>> = Mutex::new(vec![]);

/// Answers pings until it is time to go, and then says goodbye; the code it is answered with.
async fn idle(mut session: Session, mut over: watch::Receiver<bool>) -> String {
    loop {
        tokio::select! {
            next = session.next() => match next {
                Some(text) if text.starts_with(b"{\"type\":\"hub:ping\"") => {
                    session.say(json!({"type": "hub:pong", "data": {"received": 0}})).await;
                }
                Some(_) => {}
                None => return String::new(),
            },
            _ = over.changed() => {
                session.say(json!({"type": "hub:bye"})).await;
                return session.closed().await;
            }
        }
    }
}

/// Answers pings until the session ends.
async fn beside(mut bulk: Session) {
    while let Some(text) = bulk.next().await {
        if text.starts_with(b"{\"type\":\"hub:ping\"") {
            bulk.say(json!({"type": "hub:pong", "data": {"received": 0}})).await;
        }
    }
}

async fn thousand(addr: SocketAddr) {
    let relay = UdpRelay::start().await.unwrap();
    relay.lead_to(addr);
    let (near, far) = (Way::to(addr).await, Way::to(addr).await);
    let far = Way { url: format!("https://{}/webtransport", relay.address()), ..far };
    let (end, over) = watch::channel(false);
    let mut polite = JoinSet::new();
    for n in 0..20 {
        let names = (0..25).map(|k| format!("u{}", n * 25 + k)).collect::<Vec<_>>();
        for (session, bulk) in join_all(names.iter().map(|name| near.user_with_bulk(name))).await {
            polite.spawn(idle(session, over.clone()));
            tokio::spawn(beside(bulk));
        }
        for session in join_all(names.iter().map(|name| far.user(name))).await {
            // These vanish: nobody waits for them.
            tokio::spawn(idle(session, over.clone()));
        }
    }
    let read = Answer::of(addr, "GET", "/metrics", &[], b"").await.body;
    assert!(read.contains("crosspoint_webtransport_links 1500\n"), "{read}");
    assert!(
        read.contains("crosspoint_webtransport_bulk_links 500\n")
            && read.contains("crosspoint_bulk_sessions 500\n")
    );
    relay.set(Packets::Drop, Packets::Drop);
    end.send_replace(true);
    while let Some(code) = polite.join_next().await {
        assert_eq!(code.unwrap(), "bye");
    }
    KEPT.lock().unwrap().push((relay, far));
}

#[tokio::test]
async fn a_thousand_come_and_go() {
    let settings = ["limits.heartbeat_ms=8000", "limits.resume_ms=500", "limits.connects_per_s=0"];
    let hub = siege(&settings, thousand).await;
    // Of more than 70 MiB that they had.
    hub.returns_memory(LEFT_KIB).await;
    assert_eq!(hub.metrics().await["crosspoint_heartbeat_timeouts_total"], 1_000);
}

/// A QUIC connection below HTTP/3.
async fn bare(way: &Way) -> quinn::Connection {
    let url: http::Uri = way.url.parse().unwrap();
    let to = SocketAddr::new(url.host().unwrap().parse().unwrap(), url.port_u16().unwrap());
    within(way.bare.connect(to, "localhost").unwrap()).await.unwrap()
}

async fn http3(addr: SocketAddr) {
    let way = &Way::to(addr).await;
    // Control streams (RFC 9114 §6.2.1) with settings, once and twice; frames where none may be; then nonsense.
    let settings = [0, 4, 0];
    let unidirectional: [&[u8]; 6] = [
        &settings,
        &[0, 4, 0, 4, 0],
        &[0, 4, 5, 1, 2],
        &[2, 0xff, 0xff, 0xff, 0xff],
        &[1, 0x40, 0x41],
        &[0x40, 0x54, 0x43, 0x21],
    ];
    let requests: [&[u8]; 6] =
        [&[0, 1, 7], &[4, 0], &[1, 3, 0, 0, 0xd1], &[1, 0x44, 0], &[0x40, 0x41, 0], &[0x40, 0x41, 0x80]];
    for first in &unidirectional {
        for then in &requests {
            let connection = bare(way).await;
            let mut send = connection.open_uni().await.unwrap();
            let _ = send.write_all(first).await;
            if let Ok(mut twice) = connection.open_uni().await {
                let _ = twice.write_all(first).await;
            }
            if let Ok((mut send, _read)) = connection.open_bi().await {
                let _ = send.write_all(then).await;
                let _ = send.finish();
            }
            let _ = connection.send_datagram(vec![0xff; 3].into());
            connection.close(0u32.into(), b"");
        }
    }
    let noise = (0..40).map(|n| async move {
        let mut random = Random(n);
        let connection = bare(way).await;
        let mut open = vec![];
        for _ in 0..4 {
            let len = random.below(200);
            let bytes = random.bytes(len);
            let _ = connection.send_datagram(bytes.clone().into());
            if random.below(2) == 0 {
                let Ok(mut send) = connection.open_uni().await else { return };
                let _ = send.write_all(&bytes).await;
                open.push(send);
            } else {
                let Ok((mut send, _)) = connection.open_bi().await else { return };
                let _ = send.write_all(&bytes).await;
                open.push(send);
            }
        }
        connection.close(1u32.into(), b"");
    });
    join_all(noise).await;
    // Connections that say nothing are given up.
    let silent = join_all((0..10).map(|_| bare(way))).await;
    for connection in silent {
        within(connection.closed()).await;
    }
}

#[tokio::test]
async fn nonsense_below_http3() {
    siege(&["limits.hello_ms=1000"], http3).await;
}
