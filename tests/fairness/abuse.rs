//! The one that does as much as it can, from an address of its own and in a thread of its own, at a pace that leaves the machine to others.

use crate::chat::ROOM;
use crate::wire::{Ws, frame};
use parking_lot::Mutex;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::OwnedReadHalf;
use tokio::net::{TcpSocket, TcpStream};

const TICK: Duration = Duration::from_millis(10);
/// Where it comes from; the others come from 127.0.0.1.
const SOURCE: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Abuse {
    Frames,
    Bytes,
    Publishes,
    Joins,
    Beats,
    Posts,
    Handshakes,
    HalfOpen,
    Headers,
}

impl Abuse {
    pub(crate) const ALL: [Abuse; 9] = [
        Abuse::Frames,
        Abuse::Bytes,
        Abuse::Publishes,
        Abuse::Joins,
        Abuse::Beats,
        Abuse::Posts,
        Abuse::Handshakes,
        Abuse::HalfOpen,
        Abuse::Headers,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Abuse::Frames => "frames",
            Abuse::Bytes => "bytes",
            Abuse::Publishes => "publishes",
            Abuse::Joins => "joins",
            Abuse::Beats => "beats",
            Abuse::Posts => "POSTs",
            Abuse::Handshakes => "handshakes",
            Abuse::HalfOpen => "half-open",
            Abuse::Headers => "giant headers",
        }
    }

    /// How often in a tick; several times what the limits allow.
    fn each_tick(self) -> usize {
        match self {
            Abuse::Frames | Abuse::Posts | Abuse::Handshakes => 4,
            Abuse::Publishes | Abuse::Headers | Abuse::HalfOpen => 2,
            Abuse::Bytes | Abuse::Joins => 1,
            Abuse::Beats => 20,
        }
    }

    /// What is said on a WebSocket.
    fn text(self, n: u64) -> String {
        match self {
            Abuse::Frames => format!(r#"{{"type":"x","to":"session:nobody","id":"{n}"}}"#),
            Abuse::Bytes => {
                format!(r#"{{"type":"x","to":"session:nobody","id":"{n}","data":"{}"}}"#, "x".repeat(60_000))
            }
            Abuse::Publishes => {
                format!(r#"{{"type":"abuse","room":"{ROOM}","id":"{n}","data":"{}"}}"#, "x".repeat(1_000))
            }
            Abuse::Joins => format!(r#"{{"type":"hub:join","room":"room-{}","id":"{n}"}}"#, n % 100),
            _ => "{}".into(),
        }
    }
}

#[derive(Default)]
struct Counts {
    tried: AtomicU64,
    refused: AtomicU64,
}

pub(crate) struct Abuser {
    hub: SocketAddr,
    counts: [Arc<Counts>; Abuse::ALL.len()],
    running: Mutex<Option<(Arc<AtomicBool>, JoinHandle<()>)>>,
}

impl Abuser {
    pub(crate) fn new(hub: SocketAddr) -> Abuser {
        Abuser { hub, counts: Default::default(), running: Mutex::new(None) }
    }

    pub(crate) fn counts(&self, abuse: Abuse) -> (u64, u64) {
        let counts = &self.counts[abuse as usize];
        (counts.tried.load(Relaxed), counts.refused.load(Relaxed))
    }

    pub(crate) fn begin(&self, abuse: Abuse) {
        let (over, hub) = (Arc::new(AtomicBool::new(false)), self.hub);
        let (counts, told) = (self.counts[abuse as usize].clone(), over.clone());
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                while !told.load(Relaxed) {
                    match abuse {
                        Abuse::Posts => posts(hub, &counts, &told).await,
                        Abuse::Handshakes | Abuse::HalfOpen | Abuse::Headers => {
                            connections(hub, abuse, &counts, &told).await;
                        }
                        _ => talk(hub, abuse, &counts, &told).await,
                    }
                }
            });
        });
        *self.running.lock() = Some((over, thread));
    }

    pub(crate) async fn end(&self) {
        let (over, thread) = self.running.lock().take().unwrap();
        over.store(true, Relaxed);
        tokio::task::spawn_blocking(|| thread.join()).await.unwrap().unwrap();
    }
}

async fn connect(hub: SocketAddr) -> std::io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind((SOURCE, 0).into())?;
    socket.connect(hub).await
}

/// Reads what comes and counts a word in it, until the end.
async fn count(mut socket: OwnedReadHalf, word: &str, seen: Arc<AtomicU64>) {
    let (mut held, mut tail) = (vec![0; 1 << 16], vec![]);
    while let Ok(n @ 1..) = socket.read(&mut held).await {
        tail.extend_from_slice(&held[..n]);
        seen.fetch_add(String::from_utf8_lossy(&tail).matches(word).count() as u64, Relaxed);
        // Of a word that is cut there is less than that.
        let keep = tail.len().min(word.len() - 1);
        tail.drain(..tail.len() - keep);
    }
}

/// Says too much on one WebSocket, until it is closed.
async fn talk(hub: SocketAddr, abuse: Abuse, counts: &Arc<Counts>, over: &AtomicBool) {
    let Ok(socket) = connect(hub).await else { return };
    let ws = Ws::over(socket, hub).await.hello("eve").await;
    let (read, mut write) = ws.0.into_split();
    let beats = abuse == Abuse::Beats;
    let seen = Arc::new(AtomicU64::new(0));
    let word = if beats { "{}" } else { "rate_limited" };
    let reading = tokio::spawn(count(read, word, seen.clone()));
    let join = frame(1, format!(r#"{{"type":"hub:join","room":"{ROOM}"}}"#).as_bytes());
    let mut open = write.write_all(&join).await.is_ok();
    let (mut n, mut pace) = (0, tokio::time::interval(TICK));
    while open && !over.load(Relaxed) && !reading.is_finished() {
        pace.tick().await;
        let mut batch = vec![];
        for _ in 0..abuse.each_tick() {
            n += 1;
            batch.extend(frame(1, abuse.text(n).as_bytes()));
        }
        // A hub that doesn't read holds it up, but not for ever.
        let written = tokio::time::timeout(Duration::from_millis(100), write.write_all(&batch)).await;
        open = matches!(written, Ok(Ok(())));
        counts.refused.fetch_add(written.is_err().into(), Relaxed);
    }
    drop(write);
    reading.abort();
    counts.tried.fetch_add(n, Relaxed);
    let seen = seen.load(Relaxed);
    counts.refused.fetch_add(if beats { n.saturating_sub(seen) } else { seen }, Relaxed);
}

/// One exchange on a connection that stays; the status.
async fn exchange(socket: &mut TcpStream, path: &str, body: &str) -> Option<(u16, String)> {
    let head = format!("POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-length: {}\r\n\r\n", body.len());
    socket.write_all((head + body).as_bytes()).await.ok()?;
    let (mut text, mut held) = (String::new(), [0; 4096]);
    loop {
        let n = socket.read(&mut held).await.ok().filter(|n| *n > 0)?;
        text += &String::from_utf8_lossy(&held[..n]);
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|l| l.strip_prefix("content-length: "))?.parse().ok()?;
        if body.len() >= length {
            return Some((head.get(9..12)?.parse().ok()?, body.into()));
        }
    }
}

/// Beats by POST, on one poll link.
async fn posts(hub: SocketAddr, counts: &Counts, over: &AtomicBool) {
    let Ok(mut socket) = connect(hub).await else { return };
    let hello = r#"{"mode":"poll","frames":[{"type":"hub:hello","data":{"version":1,"user":"eve"}}]}"#;
    let Some((200, opened)) = exchange(&mut socket, "/sse", hello).await else { return };
    let opened: serde_json::Value = serde_json::from_str(&opened).unwrap();
    let path = format!("/sse/{}", opened["link"].as_str().unwrap());
    let beat = format!(r#"{{"key":{},"frames":[]}}"#, opened["key"]);
    let mut pace = tokio::time::interval(TICK);
    while !over.load(Relaxed) {
        pace.tick().await;
        for _ in 0..Abuse::Posts.each_tick() {
            let Some((status, _)) = exchange(&mut socket, &path, &beat).await else { return };
            counts.tried.fetch_add(1, Relaxed);
            counts.refused.fetch_add((status == 429).into(), Relaxed);
        }
    }
}

/// Connections that come to nothing.
async fn connections(hub: SocketAddr, abuse: Abuse, counts: &Counts, over: &AtomicBool) {
    let upgrade = "GET /ws HTTP/1.1\r\nhost: localhost\r\nupgrade: websocket\r\nconnection: upgrade\r\n\
                   sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    let says = match abuse {
        Abuse::Handshakes => upgrade.to_string(),
        Abuse::Headers => {
            format!("GET / HTTP/1.1\r\nhost: localhost\r\nx-large: {}\r\n\r\n", "x".repeat(30_000))
        }
        _ => "GET / HTT".into(),
    };
    let mut half_open = vec![];
    let mut pace = tokio::time::interval(TICK);
    while !over.load(Relaxed) {
        pace.tick().await;
        for _ in 0..abuse.each_tick() {
            let Ok(mut socket) = connect(hub).await else { continue };
            counts.tried.fetch_add(1, Relaxed);
            let said = socket.write_all(says.as_bytes()).await;
            if abuse == Abuse::HalfOpen {
                half_open.push(socket);
                continue;
            }
            let mut answer = [0; 16];
            let n = match said {
                Ok(()) => socket.read(&mut answer).await.unwrap_or(0),
                Err(_) => 0,
            };
            // Refused before it was heard, or for what it said.
            let refused = !answer[..n].starts_with(b"HTTP/1.1 101");
            counts.refused.fetch_add(refused.into(), Relaxed);
        }
    }
    let gone = |socket: &&TcpStream| !matches!(socket.try_read(&mut [0]), Err(e) if e.kind() == std::io::ErrorKind::WouldBlock);
    tokio::task::yield_now().await;
    counts.refused.fetch_add(half_open.iter().filter(gone).count() as u64, Relaxed);
}
