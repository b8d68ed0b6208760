//! SSE in poll mode: down by answers that end after each batch, up by POSTs beside the waiting poll.

use super::uplink::Uplink;
use super::{Context, LinkEvent, Opened, Outbox, is_passing, lost, stream};
use crate::backoff::{Backoff, BackoffOptions};
use crate::net::Http;
use crate::random;
use crosspoint_core::{Code, Fault, Frame, Retry};
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::time::Instant;

const WAIT_MS: u64 = 20_000;
/// What a poll may take beyond its wait.
const SLACK: Duration = Duration::from_secs(8);
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
        match outbox.recv().await {
            Some(first) => hello = first.frame.encode_text(),
            None => return Ok(()),
        }
    }
    let mut http = Http::new(context.address.clone(), context.tls.clone(), context.within);
    let path = context.address.path.clone();
    let body = format!("{{\"mode\":\"poll\",\"frames\":[{hello}]}}");
    let first: First = http.exchange(&path, body, &[], context.within).await?;
    let First { link, key, batch, received, frames } = first;
    context.tell(LinkEvent::Proven).await;

    let welcomed = AtomicBool::new(false);
    let path = Opened { link, key: key.clone() }.path(&path);
    let uplink = Uplink::new(context, path.clone(), key.clone(), &welcomed);
    let polls = Polls { context, http, path, key, welcomed: &welcomed };
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
            let body = json!({"key": self.key, "poll": {"batch": last, "wait_ms": WAIT_MS}}).to_string();
            let within = Duration::from_millis(WAIT_MS) + SLACK;
            let taken = match self.http.exchange::<Batch>(&self.path, body, &[], within).await {
                Ok(batch) => {
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

    /// Hands the batch on and returns its number; a repeated one has been handed on already.
    async fn take(&self, answer: Batch, last: u64) -> Result<u64, Fault> {
        if answer.batch > last {
            for frame in &answer.frames {
                let bad = |e: crosspoint_core::FrameError| Fault {
                    retry: Retry::Backoff,
                    ..Fault::new(Code::BadFrame, e.to_string())
                };
                let frame = Frame::decode_text(frame.get().as_bytes()).map_err(bad)?;
                stream::hand_on(self.context, frame, self.welcomed).await;
            }
        }
        self.context.tell(LinkEvent::Acked(answer.received)).await;
        Ok(answer.batch)
    }
}
