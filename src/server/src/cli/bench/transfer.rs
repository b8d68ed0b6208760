//! A chat beside a transfer in the same session.

use super::procfs::Reading;
use super::report::Latency;
use super::{BenchArgs, BenchTransport};
use crate::cli::Failure;
use crosspoint_client::{Client, ClientEvent, Code, Events, Fault, JoinOptions, Options, Token, Transport};
use serde::Serialize;
use serde_json::json;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::task::{JoinHandle, JoinSet};

/// What is sent, again and again while the chat goes on, and in which pieces.
const TRANSFER_BYTES: usize = 20_000_000;
const PIECE_BYTES: usize = 40_000;
/// Messages of the chat at rest, and as many beside the transfer, in turns: what else the machine does is done to both.
const MESSAGES: usize = 200;
const TURNS: usize = 5;
/// Messages a second.
const RATE: f64 = 200.0;
/// The last message may come so much later.
const PATIENCE: Duration = Duration::from_secs(10);

/// What came of it.
#[derive(Debug, Serialize)]
pub(super) struct Transfer {
    load: &'static str,
    transport: &'static str,
    messages: usize,
    idle: Latency,
    transferring: Latency,
    /// p99 beside the transfer by p99 at rest.
    p99_ratio: f64,
    transfers: u32,
    mbyte_per_s: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    hub_cpu_percent: Option<f64>,
}

struct Chat {
    sender: Client,
    room: String,
    /// When each message came, µs since the beginning, by its number.
    came: JoinHandle<Vec<(u32, u64)>>,
    begun: Instant,
    n: u32,
}

impl Chat {
    /// So many messages at a fixed rate, whenever those before arrive; when they were due.
    async fn go_on(&mut self, count: usize) -> Result<Vec<(u32, u64)>, Failure> {
        let (begun, mut due) = (Instant::now(), vec![]);
        while due.len() < count {
            let at = begun + Duration::from_secs_f64(due.len() as f64 / RATE);
            tokio::time::sleep_until(at.into()).await;
            self.sender.send(&self.room, "chat", &json!({"n": self.n, "text": "x".repeat(200)}))?;
            due.push((self.n, (at - self.begun).as_micros() as u64));
            self.n += 1;
        }
        Ok(due)
    }
}

pub(super) async fn transfer(
    args: &BenchArgs,
    by: BenchTransport,
    pid: Option<u32>,
) -> Result<Transfer, Failure> {
    let transport = by.transport();
    let room = format!("bench-{}-transfer-{transport}", std::process::id());
    let (sender, _) = client(args, "sender", transport).await?;
    let (receiver, events) = client(args, "receiver", transport).await?;
    for client in [&sender, &receiver] {
        client.room(&room, JoinOptions::default()).await?;
    }
    let to = format!("session:{}", receiver.status().session.ok_or("no session")?);
    let begun = Instant::now();
    let over = Arc::new(AtomicBool::new(false));
    let came = tokio::spawn(listen(events, begun, over.clone()));
    let mut chat = Chat { sender: sender.clone(), room, came, begun, n: 0 };
    // Both bulk sessions are there before anything is measured.
    sender.send_bulk(&to, "piece", vec![0; 10]).await?;
    let (mut idle, mut busy) = (HashMap::new(), HashMap::new());
    let (mut count, mut took, mut cpu_us) = (0, Duration::ZERO, 0.0);
    for _ in 0..TURNS {
        idle.extend(chat.go_on(MESSAGES).await?);
        let before = pid.and_then(Reading::take);
        let done = Arc::new(AtomicBool::new(false));
        let transferring = tokio::spawn(transfers(sender.clone(), to.clone(), done.clone(), args.rate));
        busy.extend(chat.go_on(MESSAGES).await?);
        done.store(true, Ordering::Relaxed);
        let (n, lasted) = transferring.await??;
        (count, took) = (count + n, took + lasted);
        if let (Some(before), Some(after)) = (before, pid.and_then(Reading::take)) {
            cpu_us += after.cpu_us_since(&before);
        }
    }
    over.store(true, Ordering::Relaxed);
    // The last one, by which the listener ends.
    chat.go_on(1).await?;
    let came = tokio::time::timeout(PATIENCE, chat.came).await??;
    let latency = |due: &HashMap<u32, u64>| {
        let all = came
            .iter()
            .filter_map(|(n, at)| Some(at.saturating_sub(*due.get(n)?) as u32))
            .collect::<Vec<_>>();
        (all.len() == TURNS * MESSAGES).then(|| Latency::of(all)).flatten().ok_or("messages were lost")
    };
    let (idle, transferring) = (latency(&idle)?, latency(&busy)?);
    sender.close().await;
    receiver.close().await;
    Ok(Transfer {
        load: "transfer",
        transport: transport.name(),
        messages: TURNS * MESSAGES,
        idle,
        transferring,
        p99_ratio: f64::from(transferring.p99_us()) / f64::from(idle.p99_us().max(1)),
        transfers: count,
        mbyte_per_s: f64::from(count) * TRANSFER_BYTES as f64 / 1e6 / took.as_secs_f64(),
        hub_cpu_percent: pid.map(|_| cpu_us / took.as_micros().max(1) as f64 * 100.0),
    })
}

impl BenchTransport {
    fn transport(self) -> Transport {
        match self {
            BenchTransport::Websocket => Transport::WebSocket,
            BenchTransport::Webtransport => Transport::WebTransport,
            BenchTransport::Sse => Transport::Sse,
            BenchTransport::SsePoll => Transport::SsePoll,
        }
    }
}

async fn client(args: &BenchArgs, user: &str, by: Transport) -> Result<(Client, Events), Failure> {
    let token = args.token.clone().map_or(Token::None, Token::Fixed);
    let user = args.token.is_none().then(|| format!("bench-{user}"));
    let options = Options { token, user, auto_upgrade: false, ..Options::new(&args.url) };
    let client = Client::connect(options);
    let events = client.events();
    client.ready().await?;
    client.move_to(by).await?;
    Ok((client, events))
}

/// Counts in what comes, until it is over.
async fn listen(mut events: Events, begun: Instant, over: Arc<AtomicBool>) -> Vec<(u32, u64)> {
    let mut came = vec![];
    while let Some(event) = events.next().await {
        let ClientEvent::Frame(frame) = event else { continue };
        if frame.kind == "chat"
            && let Ok(data) = frame.parse::<serde_json::Value>()
        {
            let at = begun.elapsed().as_micros() as u64;
            came.push((data["n"].as_u64().unwrap_or(0) as u32, at));
            if over.load(Ordering::Relaxed) {
                break;
            }
        }
    }
    came
}

/// Whole transfers, one after the other, until that is enough; how many, and how long they took.
async fn transfers(
    sender: Client,
    to: String,
    done: Arc<AtomicBool>,
    mbyte_per_s: Option<f64>,
) -> Result<(u32, Duration), Fault> {
    let (begun, mut count) = (Instant::now(), 0);
    let piece = bytes::Bytes::from(vec![7; PIECE_BYTES]);
    while !done.load(Ordering::Relaxed) {
        let mut pieces = JoinSet::new();
        let transfer = Instant::now();
        for n in 0..TRANSFER_BYTES / PIECE_BYTES {
            if let Some(rate) = mbyte_per_s {
                let due = Duration::from_secs_f64((n * PIECE_BYTES) as f64 / 1e6 / rate.max(0.1));
                tokio::time::sleep_until((transfer + due).into()).await;
            }
            let (sender, to, piece) = (sender.clone(), to.clone(), piece.clone());
            pieces.spawn(async move { sender.send_bulk(&to, "piece", piece).await });
        }
        while let Some(sent) = pieces.join_next().await {
            sent.map_err(|e| Fault::new(Code::Internal, e.to_string()))??;
        }
        count += 1;
    }
    Ok((count, begun.elapsed()))
}

impl fmt::Display for Transfer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "transfer by {}: {} messages at rest, and as many beside 20 MB of bulk",
            self.transport, self.messages
        )?;
        writeln!(f, "  at rest, ms: {}", self.idle)?;
        writeln!(f, "  beside it, ms: {}", self.transferring)?;
        writeln!(
            f,
            "  p99 × {:.2}; {} transfers, {:.1} MB/s",
            self.p99_ratio, self.transfers, self.mbyte_per_s
        )?;
        if let Some(percent) = self.hub_cpu_percent {
            writeln!(f, "  hub CPU: {percent:.0} % of a core")?;
        }
        Ok(())
    }
}
