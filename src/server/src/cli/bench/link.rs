//! One connection of a load: a session that acknowledges and answers pings as any client would.

use super::BenchArgs;
use crate::cli::Failure;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use crosspoint_client::raw::{self, WsLink, WtLink};
use crosspoint_client::{Fault, Frame};
use crosspoint_core::negotiate::Choice;
use http::{HeaderValue, Method, header};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

/// Counted frames between two acknowledgements.
const ACK_EVERY: u64 = 32;

/// The payload of a load's event.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Stamp {
    /// Who published it.
    pub(super) by: usize,
    /// The publisher's count.
    pub(super) n: u64,
    /// When it was due, µs since the load began.
    pub(super) due_us: u64,
    pub(super) pad: String,
}

/// What all connections of a load share.
pub(super) struct Shared {
    pub(super) begun: Instant,
    pub(super) received: AtomicU64,
    pub(super) out_of_order: AtomicU64,
}

impl Shared {
    pub(super) fn new() -> Arc<Shared> {
        Arc::new(Shared {
            begun: Instant::now(),
            received: AtomicU64::new(0),
            out_of_order: AtomicU64::new(0),
        })
    }

    pub(super) fn now_us(&self) -> u64 {
        self.begun.elapsed().as_micros() as u64
    }
}

enum Wire {
    Ws(Box<WsLink>),
    Wt(Box<WtLink>),
}

/// Where WebTransport is, and which certificates to trust there.
#[derive(Debug, Clone)]
pub(super) struct Offer {
    url: String,
    certificate_hashes: Vec<[u8; 32]>,
}

impl Offer {
    /// As the hub's negotiation says.
    pub(super) async fn ask(args: &BenchArgs) -> Result<Offer, Failure> {
        let url = format!("{}/negotiate", args.url.trim_end_matches('/'));
        let ask = json!({"version": 1, "transports": ["webtransport"], "user": "bench"});
        let token = args.token.iter().map(|t| HeaderValue::from_str(&format!("Bearer {t}")));
        let token = token.collect::<Result<Vec<_>, _>>()?;
        let headers: Vec<_> = token.into_iter().map(|t| (header::AUTHORIZATION, t)).collect();
        let answer = raw::request(Method::POST, &url, &headers, ask.to_string()).await?.json();
        let choice = answer["transports"].as_array().and_then(|all| all.first()).cloned();
        let choice: Choice = serde_json::from_value(choice.ok_or("the hub does not offer WebTransport")?)?;
        let hash = |h: &String| STANDARD.decode(h).ok()?.try_into().ok();
        let certificate_hashes = choice.certificate_hashes.iter().filter_map(hash).collect();
        Ok(Offer { url: choice.url, certificate_hashes })
    }
}

pub(super) struct Link {
    wire: Wire,
    counted: u64,
    /// The address of this session, for messages to itself.
    pub(super) to_self: String,
}

impl Link {
    /// Connects, says hello, and joins the room if there is one; comes again when the hub says so.
    pub(super) async fn open(args: &BenchArgs, n: usize, room: Option<&str>) -> Result<Link, Fault> {
        loop {
            match Link::open_now(args, n, room).await {
                Err(Fault { retry_after_ms: Some(ms), .. }) => {
                    tokio::time::sleep(Duration::from_millis(ms)).await;
                }
                done => return done,
            }
        }
    }

    async fn open_now(args: &BenchArgs, n: usize, room: Option<&str>) -> Result<Link, Fault> {
        let mut wire = match &args.offer {
            Some(Offer { url, certificate_hashes }) => {
                Wire::Wt(Box::new(WtLink::open(url, certificate_hashes).await?))
            }
            None => {
                let url = format!("{}/ws", args.url.trim_end_matches('/'));
                Wire::Ws(Box::new(WsLink::open(&url).await?))
            }
        };
        let hello = match &args.token {
            Some(token) => json!({"version": 1, "token": token, "client": {"name": "bench", "version": "1"}}),
            None => {
                json!({"version": 1, "user": format!("bench-{n}"), "client": {"name": "bench", "version": "1"}})
            }
        };
        let welcome = match &mut wire {
            Wire::Ws(link) => link.hello(&hello).await?,
            Wire::Wt(link) => link.hello(&hello).await?,
        };
        let mut link = Link { wire, counted: 0, to_self: format!("session:{}", welcome.session) };
        if let Some(room) = room {
            link.send(&Frame::new("hub:join").room(room).id("join")).await?;
            loop {
                let frame = link.next().await?;
                match frame.kind.as_str() {
                    "hub:reply" => break,
                    "hub:error" => {
                        return Err(frame
                            .parse()
                            .unwrap_or_else(|_| crosspoint_client::Code::Internal.into()));
                    }
                    _ => {}
                }
            }
        }
        Ok(link)
    }

    pub(super) async fn send(&mut self, frame: &Frame) -> Result<(), Fault> {
        match &mut self.wire {
            Wire::Ws(link) => link.send(frame).await,
            Wire::Wt(link) => link.send(frame).await,
        }
    }

    /// Ends the session, so that the next load doesn't meet it parked.
    pub(super) async fn bye(mut self) -> Result<(), Fault> {
        self.send(&Frame::new("hub:bye")).await
    }

    /// Shows that it lives.
    async fn beat(&mut self) -> Result<(), Fault> {
        match &mut self.wire {
            Wire::Ws(link) => link.send_text("{}").await,
            Wire::Wt(link) => link.send_text("{}").await,
        }
    }

    /// The next frame of the hub that is not the link's own. Cancel safe up to a lost acknowledgement.
    pub(super) async fn next(&mut self) -> Result<Frame, Fault> {
        loop {
            let frame = match &mut self.wire {
                Wire::Ws(link) => link.recv().await?,
                Wire::Wt(link) => link.recv().await?,
            };
            let frame = frame.ok_or(crosspoint_client::Code::Unavailable)?;
            match frame.kind.as_str() {
                "hub:ping" => self.send(&Frame::with("hub:pong", &json!({"received": self.counted}))).await?,
                "hub:close" => {
                    return Err(frame.parse().unwrap_or_else(|_| crosspoint_client::Code::Internal.into()));
                }
                _ if !frame.counted() => {}
                _ => {
                    self.counted += 1;
                    if self.counted.is_multiple_of(ACK_EVERY) {
                        self.send(&Frame::with("hub:ack", &json!({"received": self.counted}))).await?;
                    }
                    return Ok(frame);
                }
            }
        }
    }
}

/// Opens all connections, so many at a time.
pub(super) async fn open_all(args: &BenchArgs, rooms: &[Option<String>]) -> Result<Vec<Link>, Failure> {
    let mut links: Vec<Option<Link>> = rooms.iter().map(|_| None).collect();
    let mut under_way = JoinSet::new();
    let args = Arc::new(BenchArgs {
        url: args.url.clone(),
        token: args.token.clone(),
        offer: args.offer.clone(),
        ..*args
    });
    let mut next = 0;
    while next < rooms.len() || !under_way.is_empty() {
        while next < rooms.len() && under_way.len() < args.parallel.max(1) {
            let (args, room, n) = (args.clone(), rooms[next].clone(), next);
            under_way.spawn(async move { (n, Link::open(&args, n, room.as_deref()).await) });
            next += 1;
        }
        if let Some(done) = under_way.join_next().await {
            let (n, link) = done?;
            links[n] = Some(link?);
        }
    }
    Ok(links.into_iter().flatten().collect())
}

/// Does nothing but beat, from this moment on, until told to end.
pub(super) async fn idler(
    mut link: Link,
    first: Instant,
    beat: Option<Duration>,
    mut end: watch::Receiver<bool>,
) -> Result<(), Fault> {
    let mut at = first;
    loop {
        let due = async {
            match beat {
                Some(_) => tokio::time::sleep_until(at.into()).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = due => {
                at += beat.unwrap_or_default();
                link.beat().await?;
            }
            frame = link.next() => drop(frame?),
            _ = end.changed() => return link.bye().await,
        }
    }
}

/// Runs a member: counts what comes and sends what it is told to. Ends, with the latencies, when its orders end.
pub(super) async fn member(
    mut link: Link,
    shared: Arc<Shared>,
    mut orders: mpsc::Receiver<Frame>,
) -> Result<Vec<u32>, Fault> {
    let mut latencies = vec![];
    let mut last: std::collections::HashMap<usize, u64> = std::collections::HashMap::new();
    loop {
        tokio::select! {
            order = orders.recv() => match order {
                Some(frame) => link.send(&frame).await?,
                None => {
                    link.bye().await?;
                    return Ok(latencies);
                }
            },
            frame = link.next() => {
                let Ok(stamp) = frame?.parse::<Stamp>() else { continue };
                latencies.push(shared.now_us().saturating_sub(stamp.due_us).min(u32::MAX.into()) as u32);
                shared.received.fetch_add(1, Ordering::Relaxed);
                if last.insert(stamp.by, stamp.n).is_some_and(|before| before >= stamp.n) {
                    shared.out_of_order.fetch_add(1, Ordering::Relaxed);
                }
            }
        }
    }
}
