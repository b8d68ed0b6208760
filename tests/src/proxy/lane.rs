//! One direction of one connection: passes bytes as the rules say.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use super::rules::{self, End, Flow};
use super::running::Running;

const CHUNK_BYTES: usize = 16 * 1024;
const QUEUE_CHUNKS: usize = 64;

/// Which way the bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    Up,
    Down,
}

/// Why a lane is over.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum LaneEnd {
    /// The source has closed, and everything before is through. The sink is shut down only on the way up.
    Closed,
    /// Reading failed.
    SourceFailed,
    /// Writing failed.
    SinkFailed,
    /// A rule says so.
    Rule(End),
}

/// What a lane needs to know.
pub(super) struct LaneRules {
    pub(super) direction: Direction,
    pub(super) running: watch::Receiver<Arc<Running>>,
}

impl LaneRules {
    fn now(&mut self) -> rules::Lane {
        let running = self.running.borrow_and_update();
        match self.direction {
            Direction::Up => running.rules.up.clone(),
            Direction::Down => running.rules.down.clone(),
        }
    }

    /// Waits for other rules; for ever when there will be none.
    async fn changed(&mut self) {
        if self.running.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    fn clone_for_reader(&self) -> Self {
        Self { direction: self.direction, running: self.running.clone() }
    }
}

/// What a lane has done with its bytes.
pub(super) struct LaneMeter<'a> {
    pub(super) passed: &'a AtomicU64,
    pub(super) swallowed: &'a AtomicU64,
}

enum Item {
    Bytes(Bytes, Instant),
    Closed,
    Failed,
}

/// Carries `source` to `sink` until one of them or a rule ends it. `seen_end` is told when the source has
/// ended, which may be long before that is passed on.
pub(super) async fn run(
    source: impl AsyncRead + Unpin,
    sink: impl AsyncWrite + Unpin,
    rules: LaneRules,
    meter: LaneMeter<'_>,
    seen_end: impl FnOnce(bool),
) -> LaneEnd {
    let (queue, items) = mpsc::channel(QUEUE_CHUNKS);
    let reader = read(source, queue, rules.clone_for_reader(), &meter, seen_end);
    let writer = write(items, sink, rules, &meter);
    tokio::pin!(reader, writer);
    tokio::select! {
        end = &mut writer => return end,
        () = &mut reader => {}
    }
    writer.await
}

async fn read(
    mut source: impl AsyncRead + Unpin,
    queue: mpsc::Sender<Item>,
    mut rules: LaneRules,
    meter: &LaneMeter<'_>,
    seen_end: impl FnOnce(bool),
) {
    let mut buffer = vec![0; CHUNK_BYTES];
    loop {
        let lane = rules.now();
        if lane.flow == Flow::Stall {
            rules.changed().await;
            continue;
        }
        let limit = lane.bytes_per_s.map_or(CHUNK_BYTES, |rate| slice_bytes(rate.get()));
        let read = tokio::select! {
            biased;
            () = rules.changed() => continue,
            read = source.read(&mut buffer[..limit]) => read,
        };
        let item = match read {
            Ok(0) => Item::Closed,
            Ok(length) if lane.flow == Flow::Swallow => {
                meter.swallowed.fetch_add(length as u64, Ordering::Relaxed);
                continue;
            }
            Ok(length) => {
                let due = Instant::now() + Duration::from_millis(lane.delay_ms);
                Item::Bytes(Bytes::copy_from_slice(&buffer[..length]), due)
            }
            Err(_) => Item::Failed,
        };
        let closed = matches!(item, Item::Closed);
        let last = closed || matches!(item, Item::Failed);
        let sent = queue.send(item).await;
        if last {
            return seen_end(closed);
        }
        if sent.is_err() {
            return;
        }
    }
}

async fn write(
    mut items: mpsc::Receiver<Item>,
    mut sink: impl AsyncWrite + Unpin,
    mut rules: LaneRules,
    meter: &LaneMeter<'_>,
) -> LaneEnd {
    let mut passed = 0;
    loop {
        if let Some(end) = rules.now().end_after.filter(|end| end.bytes <= passed) {
            return LaneEnd::Rule(end.with);
        }
        let item = tokio::select! {
            biased;
            () = rules.changed() => continue,
            item = items.recv() => item,
        };
        let (mut bytes, due) = match item {
            Some(Item::Bytes(bytes, due)) => (bytes, due),
            Some(Item::Closed) | None => {
                passing(&mut rules).await;
                let shut = rules.direction == Direction::Down || sink.shutdown().await.is_ok();
                return if shut { LaneEnd::Closed } else { LaneEnd::SinkFailed };
            }
            Some(Item::Failed) => {
                passing(&mut rules).await;
                return LaneEnd::SourceFailed;
            }
        };
        tokio::time::sleep_until(due).await;
        while !bytes.is_empty() {
            let lane = rules.now();
            match lane.flow {
                Flow::Stall => {
                    rules.changed().await;
                    continue;
                }
                Flow::Swallow => {
                    meter.swallowed.fetch_add(bytes.len() as u64, Ordering::Relaxed);
                    break;
                }
                Flow::Pass => {}
            }
            let mut slice = bytes.len();
            if let Some(end) = lane.end_after {
                let left = end.bytes.saturating_sub(passed);
                slice = slice.min(usize::try_from(left).unwrap_or(usize::MAX));
                if slice == 0 {
                    return LaneEnd::Rule(end.with);
                }
            }
            if let Some(rate) = lane.bytes_per_s {
                slice = slice.min(slice_bytes(rate.get()));
            }
            let slice = bytes.split_to(slice);
            if sink.write_all(&slice).await.is_err() {
                return LaneEnd::SinkFailed;
            }
            passed += slice.len() as u64;
            meter.passed.fetch_add(slice.len() as u64, Ordering::Relaxed);
            if let Some(rate) = lane.bytes_per_s {
                tokio::time::sleep(Duration::from_secs_f64(slice.len() as f64 / rate.get() as f64)).await;
            }
        }
    }
}

/// An end is passed on when bytes would be: a black hole swallows it too.
async fn passing(rules: &mut LaneRules) {
    while rules.now().flow != Flow::Pass {
        rules.changed().await;
    }
}

/// A twentieth of a second's worth.
fn slice_bytes(rate: u64) -> usize {
    usize::try_from(rate / 20).unwrap_or(CHUNK_BYTES).clamp(1, CHUNK_BYTES)
}
