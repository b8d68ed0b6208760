//! The loads.

use super::BenchArgs;
use super::link::{Link, Shared, Stamp, idler, member, open_all};
use super::procfs::Reading;
use super::report::{Deliveries, Latency, Report};
use crate::cli::Failure;
use crosspoint_client::Frame;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

/// How long deliveries may lag behind the last publish, and a hub settles after connects.
const PATIENCE: Duration = Duration::from_secs(5);
const SETTLE: Duration = Duration::from_secs(1);
/// Connections of the echo load.
const ECHO_CONNECTIONS: usize = 100;

fn reading(pid: Option<u32>) -> Option<Reading> {
    pid.and_then(Reading::take)
}

/// A name that no other load and run uses: the sessions of the last one live for a while without their links.
fn room(load: &str, n: usize) -> String {
    format!("bench-{}-{load}-{n}", std::process::id())
}

fn stamped(room: &str, by: usize, n: u64, due_us: u64, size: usize) -> Frame {
    let pad = "x".repeat(size.saturating_sub(48));
    Frame::with("bench", &Stamp { by, n, due_us, pad }).room(room)
}

pub(super) async fn connect(args: &BenchArgs, pid: Option<u32>) -> Result<Report, Failure> {
    let rooms = vec![Some(room("connect", 0)); args.connections];
    let (before, begun) = (reading(pid), Instant::now());
    let links = open_all(args, &rooms).await?;
    let took = begun.elapsed();
    let mut report =
        Report { load: "connect and join".into(), connections: links.len(), ..Report::default() };
    report.per_s = Some(links.len() as f64 / took.as_secs_f64());
    report.spent(before, reading(pid), links.len() as u64);
    end(links).await?;
    Ok(report)
}

pub(super) async fn idle(args: &BenchArgs, pid: Option<u32>) -> Result<Report, Failure> {
    let before = reading(pid);
    let rooms = vec![Some(room("idle", 0)); args.connections];
    let links = open_all(args, &rooms).await?;
    tokio::time::sleep(SETTLE).await;
    let count = links.len();
    let load = match args.beat_ms {
        0 => "idle".into(),
        ms => format!("idle, a beat every {ms} ms"),
    };
    let mut report = Report { load, connections: count, ..Report::default() };
    if let (Some(before), Some(after)) = (before, reading(pid)) {
        report.hub_kib_each = Some(after.rss_kib_since(&before) / count.max(1) as f64);
    }
    let beat = Some(Duration::from_millis(args.beat_ms)).filter(|beat| !beat.is_zero());
    let (over, running) = watch::channel(false);
    let mut idlers = JoinSet::new();
    for (n, link) in links.into_iter().enumerate() {
        let first = Instant::now() + beat.unwrap_or_default().mul_f64(n as f64 / count as f64);
        idlers.spawn(idler(link, first, beat, running.clone()));
    }
    tokio::time::sleep(SETTLE).await;
    let before = reading(pid);
    tokio::time::sleep(Duration::from_secs_f64(args.secs)).await;
    report.spent(before, reading(pid), count as u64);
    over.send_replace(true);
    while let Some(idler) = idlers.join_next().await {
        idler??;
    }
    Ok(report)
}

async fn end(links: Vec<Link>) -> Result<(), Failure> {
    for link in links {
        link.bye().await?;
    }
    Ok(())
}

pub(super) async fn fan_out(args: &BenchArgs, pid: Option<u32>) -> Result<Report, Failure> {
    let rooms = vec![Some(room("fanout", 0)); args.connections.max(1)];
    let rate = args.rate.unwrap_or(50.0);
    let every = Duration::from_secs_f64(args.burst.max(1) as f64 / rate);
    let name = format!("fan-out, {} B, {rate}/s in bursts of {}", args.size, args.burst.max(1));
    // The first member publishes.
    let plan = Plan { every, room_size: rooms.len(), times: args.burst.max(1) };
    open_loop(args, pid, name, &rooms, plan, |_| 0).await
}

pub(super) async fn rooms(args: &BenchArgs, pid: Option<u32>) -> Result<Report, Failure> {
    let size = args.room_size.max(1);
    let count = args.connections.max(size) / size * size;
    let rooms: Vec<_> = (0..count).map(|n| Some(room("rooms", n / size))).collect();
    let rate = args.rate.unwrap_or(2_000.0);
    let name = format!("rooms of {size}, {} B, {rate}/s", args.size);
    let plan = Plan { every: Duration::from_secs_f64(1.0 / rate), room_size: size, times: 1 };
    // From room to room, and in each from member to member.
    open_loop(args, pid, name, &rooms, plan, |turn| turn * size % count + turn * size / count % size).await
}

/// When is published, how often at once, and to how many.
struct Plan {
    every: Duration,
    times: usize,
    room_size: usize,
}

/// Publishes at a fixed rate, whenever the answers come; `who` says for each turn which member publishes.
async fn open_loop(
    args: &BenchArgs,
    pid: Option<u32>,
    load: String,
    rooms: &[Option<String>],
    Plan { every, times, room_size }: Plan,
    who: impl Fn(usize) -> usize,
) -> Result<Report, Failure> {
    let links = open_all(args, rooms).await?;
    let shared = Shared::new();
    let mut members = JoinSet::new();
    let mut orders = vec![];
    for link in links {
        let (order, inbox) = mpsc::channel(1024);
        orders.push(order);
        members.spawn(member(link, shared.clone(), inbox));
    }
    tokio::time::sleep(SETTLE).await;
    let before = reading(pid);
    let begun_us = shared.now_us();
    let turns = (args.secs / every.as_secs_f64()).round().max(1.0) as usize;
    let mut sent = vec![0u64; rooms.len()];
    let mut expected = 0;
    for turn in 0..turns {
        let due_us = begun_us + (every * turn as u32).as_micros() as u64;
        tokio::time::sleep_until((shared.begun + Duration::from_micros(due_us)).into()).await;
        let by = who(turn);
        let Some(name) = rooms[by].as_deref() else { continue };
        for _ in 0..times {
            sent[by] += 1;
            expected += room_size as u64;
            orders[by].send(stamped(name, by, sent[by], due_us, args.size)).await?;
        }
    }
    let deadline = Instant::now() + PATIENCE;
    while shared.received.load(Ordering::Relaxed) < expected && Instant::now() < deadline {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let after = reading(pid);
    drop(orders);
    let mut latencies = vec![];
    while let Some(member) = members.join_next().await {
        latencies.extend(member??);
    }
    let received = shared.received.load(Ordering::Relaxed);
    let mut report = Report { load, connections: rooms.len(), ..Report::default() };
    report.published = Some(sent.iter().sum());
    report.deliveries =
        Some(Deliveries { expected, received, out_of_order: shared.out_of_order.load(Ordering::Relaxed) });
    report.latency = Latency::of(latencies);
    report.spent(before, after, received);
    Ok(report)
}

pub(super) async fn echo(args: &BenchArgs, pid: Option<u32>) -> Result<Report, Failure> {
    let links = open_all(args, &vec![None; args.connections.min(ECHO_CONNECTIONS)]).await?;
    let count = links.len();
    let shared = Shared::new();
    let end = Instant::now() + Duration::from_secs_f64(args.secs);
    let (before, begun) = (reading(pid), Instant::now());
    let mut tasks = JoinSet::new();
    for (by, link) in links.into_iter().enumerate() {
        tasks.spawn(echo_one(link, by, shared.clone(), end, args.size));
    }
    let mut latencies = vec![];
    while let Some(task) = tasks.join_next().await {
        latencies.extend(task??);
    }
    let n = latencies.len() as u64;
    let mut report =
        Report { load: format!("echo, {} B", args.size), connections: count, ..Report::default() };
    report.per_s = Some(n as f64 / begun.elapsed().as_secs_f64());
    report.spent(before, reading(pid), n);
    report.latency = Latency::of(latencies);
    Ok(report)
}

async fn echo_one(
    mut link: Link,
    by: usize,
    shared: Arc<Shared>,
    end: Instant,
    size: usize,
) -> Result<Vec<u32>, crosspoint_client::Fault> {
    let mut latencies = vec![];
    while Instant::now() < end {
        let sent = shared.now_us();
        let mut frame = stamped("", by, latencies.len() as u64, sent, size);
        (frame.room, frame.to) = (None, Some(link.to_self.clone()));
        link.send(&frame).await?;
        link.next().await?;
        latencies.push((shared.now_us() - sent).min(u32::MAX.into()) as u32);
    }
    link.bye().await?;
    Ok(latencies)
}
