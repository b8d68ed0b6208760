//! SSE in poll mode: down by answers that end after each batch, up by POSTs beside the waiting poll.

use super::uplink::Uplink;
use super::{Context, LinkEvent, Opened, Outbox, is_passing, lost, stream};
use crate::backoff::{Backoff, BackoffOptions};
use crate::net::Http;
use crate::random;
use crosspoint_core::client::Welcome;
use crosspoint_core::session::Beat;
use crosspoint_core::{Code, Fault, Frame, Retry};
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::time::Instant;

/// How long the hub waits for a frame where there are no beats.
const WAIT: Duration = Duration::from_secs(20);
/// What a poll may take beyond its wait; less where its answer is what shows that the link lives.
const SLACK: Duration = Duration::from_secs(8);
const SLACK_MIN: Duration = Duration::from_secs(1);
/// And how many times as long as usual.
const PATIENCE: u32 = 4;
/// Polls that fail for so long end the link: a few lost answers in a row don't.
const GIVE_UP: Duration = Duration::from_secs(5);
const BACKOFF: BackoffOptions = BackoffOptions { min_ms: 200, max_ms: 1_000, factor: 2.0 };

#[derive(Deserialize)]
struct First {
    link: String,
    key: String,
    batch: u64,
    received: u64,
    frames: Vec<Box<RawValue>>,
}

#[derive(Deserialize)]
struct Batch {
    batch: u64,
    received: u64,
    frames: Vec<Box<RawValue>>,
}

pub(super) async fn run(context: &Context, mut outbox: Outbox) -> Result<(), Fault> {
    let mut hello = String::new();
    if !context.probe {
        match super::hello(&mut outbox).await {
            Some(first) => hello = first,
            None => return Ok(()),
        }
    }
    let mut http = Http::new(context.address.clone(), context.tls.clone(), context.within);
    let path = context.address.path.clone();
    let body = format!("{{\"mode\":\"poll\",\"frames\":[{hello}]}}");
    let began = Instant::now();
    let first: First = http.exchange(&path, body, &[], context.within).await?;
    let usual = began.elapsed();
    let First { link, key, batch, received, frames } = first;
    context.tell(LinkEvent::Proven).await;

    let welcomed = AtomicBool::new(false);
    let path = Opened { link, key: key.clone() }.path(&path);
    let uplink = Uplink::new(context, path.clone(), key.clone(), &welcomed, false, usual);
    let polls = Polls { context, http, path, key, welcomed: &welcomed, beat: Duration::ZERO, usual };
    let ended = tokio::select! {
        fault = polls.run(Batch { batch, received, frames }) => Err(fault),
        sent = uplink.run(outbox) => sent,
    };
    ended.map_err(|fault| lost(fault, welcomed.load(Ordering::Relaxed)))
}

struct Polls<'a> {
    context: &'a Context,
    http: Http,
    path: String,
    key: String,
    welcomed: &'a AtomicBool,
    /// The pace of beats in force; zero for none.
    beat: Duration,
    /// How much longer answers take than their wait.
    usual: Duration,
}

impl Polls<'_> {
    async fn run(mut self, first: Batch) -> Fault {
        let mut last = match self.take(first, 0).await {
            Ok(batch) => batch,
            Err(fault) => return fault,
        };
        let mut backoff = Backoff::new(BACKOFF);
        let mut failing_since = None;
        loop {
            // After a failure the question is whether anybody is there.
            let wait = if failing_since.is_some() { Duration::ZERO } else { self.wait() };
            let wait_ms = wait.as_millis() as u64;
            let body = json!({"key": self.key, "poll": {"batch": last, "wait_ms": wait_ms}}).to_string();
            let (sent, within) = (Instant::now(), wait + self.slack());
            let taken = match self.http.exchange::<Batch>(&self.path, body, &[], within).await {
                Ok(batch) => {
                    if let Some(beyond) = sent.elapsed().checked_sub(wait) {
                        self.usual = beyond.max((self.usual * 3 + beyond) / 4);
                    }
                    failing_since = None;
                    backoff.reset();
                    self.take(batch, last).await
                }
                Err(fault) => Err(fault),
            };
            match taken {
                Ok(batch) => last = batch,
                Err(fault) => {
                    let since = *failing_since.get_or_insert_with(Instant::now);
                    if !is_passing(&fault) || since.elapsed() >= GIVE_UP {
                        return fault;
                    }
                    let wait = backoff.next(fault.retry_after_ms, random::fraction());
                    tokio::time::sleep(Duration::from_millis(wait)).await;
                }
            }
        }
    }

    fn wait(&self) -> Duration {
        if self.beat.is_zero() { WAIT } else { self.beat.min(WAIT) }
    }

    fn slack(&self) -> Duration {
        if self.beat.is_zero() { SLACK } else { (self.usual * PATIENCE).clamp(SLACK_MIN, SLACK) }
    }

    /// The hub says what pace it keeps to.
    fn learn(&mut self, frame: &Frame) {
        let said = match frame.kind.as_str() {
            "hub:welcome" => frame.parse().ok().map(|w: Welcome| w.beat_ms),
            "hub:pong" => frame.parse().ok().and_then(|b: Beat| b.beat_ms),
            _ => None,
        };
        if let Some(ms) = said {
            self.beat = Duration::from_millis(ms);
        }
    }

    /// Hands the batch on and returns its number; a repeated one has been handed on already.
    async fn take(&mut self, answer: Batch, last: u64) -> Result<u64, Fault> {
        if answer.batch > last {
            for frame in &answer.frames {
                let bad = |e: crosspoint_core::FrameError| Fault {
                    retry: Retry::Backoff,
                    ..Fault::new(Code::BadFrame, e.to_string())
                };
                let bytes = frame.get().len();
                let frame = Frame::decode_text(frame.get().as_bytes()).map_err(bad)?;
                self.learn(&frame);
                stream::hand_on(self.context, frame, bytes, self.welcomed).await;
            }
        }
        self.context.tell(LinkEvent::Heard).await;
        self.context.tell(LinkEvent::Acked(answer.received)).await;
        Ok(answer.batch)
    }
}
