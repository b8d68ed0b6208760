//! The POSTs of an SSE link: one under way at a time, batched, each repeated until it is answered or the link is given up.

use super::{Context, LinkEvent, Numbered, Outbox, Outgoing, Posts, is_passing};
use crate::backoff::{Backoff, BackoffOptions};
use crate::net::Http;
use crate::random;
use crosspoint_core::frame::Volatile;
use crosspoint_core::{Code, Fault};
use serde::Deserialize;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::time::Instant;

/// A POST is given up when it takes so many times as long as usual, within these bounds: its repetition does no harm.
const PATIENCE: u32 = 8;
const DEADLINE_MIN: Duration = Duration::from_millis(1_500);
const DEADLINE_MAX: Duration = Duration::from_secs(25);
/// POSTs of one batch that hang; then a fresh link is better. It is given twice as long, until a POST is answered.
const HUNG_MAX: u32 = 2;
const FACTOR_MAX: u32 = 8;
/// The slowest uplink that a deadline allows for.
const BYTES_PER_MS: u64 = 8;
/// A batch that fails for so long ends the link.
const GIVE_UP: Duration = Duration::from_secs(5);
/// What a body holds beside its frames.
const ENVELOPE_BYTES: usize = 128;
/// Where something breaks connections after so many bytes, only smaller bodies get through: half as much after a failure, and a quarter
/// more after each success.
const GROWTH: usize = 4;
const HALVED_MIN_BYTES: usize = 2_048;
const BACKOFF: BackoffOptions = BackoffOptions { min_ms: 100, max_ms: 2_000, factor: 2.0 };

struct Item {
    json: String,
    seq: Option<u64>,
    hello: bool,
    /// Newest wins among waiting frames of one key.
    key: Option<String>,
}

impl Item {
    fn new(Numbered { seq, frame }: Numbered) -> Item {
        let whose = || frame.room.as_ref().or(frame.to.as_ref());
        let key = frame.volatile.as_ref().map(|v| match v {
            Volatile::Key(key) => format!("{:?}\0\0{key}", whose()),
            Volatile::Flag(_) => format!("{:?}\0{}", whose(), frame.kind),
        });
        Item { json: frame.encode_text(), seq, hello: frame.kind == "hub:hello", key }
    }
}

pub(super) struct Uplink<'a> {
    context: &'a Context,
    http: Http,
    path: String,
    key: String,
    /// The hello was answered: it need not be repeated.
    welcomed: &'a AtomicBool,
    waiting: VecDeque<Item>,
    /// Whether beats are POSTs without frames; else something else shows that the way up lives.
    beats: bool,
    /// A POST is wanted, even one without frames.
    beat: bool,
    /// When the last POST was answered.
    answered: Option<Instant>,
    /// What something in between takes at most, as far as it said so.
    bytes_taken: usize,
    /// How long POSTs take; before the first, how long the link took to open.
    usual: Duration,
}

#[derive(Deserialize)]
struct Answer {
    received: u64,
}

impl<'a> Uplink<'a> {
    pub(super) fn new(
        context: &'a Context,
        path: String,
        key: String,
        welcomed: &'a AtomicBool,
        beats: bool,
        usual: Duration,
    ) -> Uplink<'a> {
        let http = Http::new(context.address.clone(), context.tls.clone(), context.within);
        Uplink {
            context,
            http,
            path,
            key,
            welcomed,
            waiting: VecDeque::new(),
            beats,
            beat: false,
            answered: None,
            bytes_taken: usize::MAX,
            usual,
        }
    }

    /// Returns when the outbox is closed and all that was in it is delivered.
    pub(super) async fn run(mut self, mut outbox: Outbox) -> Result<(), Fault> {
        loop {
            if self.waiting.is_empty() {
                match outbox.recv().await {
                    Some(next) => self.take(next),
                    None => return Ok(()),
                }
            }
            while let Ok(next) = outbox.try_recv() {
                self.take(next);
            }
            let batch = self.batch();
            self.deliver(batch).await?;
        }
    }

    fn take(&mut self, next: Outgoing) {
        let next = match next {
            Outgoing::Frame(next) => next,
            Outgoing::Beat(at) => {
                self.beat |= self.beats && self.answered.is_none_or(|answered| answered < at);
                return;
            }
        };
        let item = Item::new(*next);
        if item.key.is_some() {
            self.waiting.retain(|old| old.key != item.key);
        }
        self.waiting.push_back(item);
    }

    /// As many as fit into one body; at least one if there is one.
    fn batch(&mut self) -> Vec<Item> {
        let bytes_max = self.context.posts.bytes_max.load(Ordering::Relaxed);
        let max = bytes_max.min(self.bytes_taken).min(self.context.post_bytes_max.load(Ordering::Relaxed));
        let mut bytes = ENVELOPE_BYTES;
        let fitting = self.waiting.iter().take_while(|item| {
            bytes += item.json.len() + 1;
            bytes <= max
        });
        let n = fitting.count().max(1).min(self.waiting.len());
        self.waiting.drain(..n).collect()
    }

    async fn deliver(&mut self, mut batch: Vec<Item>) -> Result<(), Fault> {
        let mut began = Instant::now();
        let mut backoff = Backoff::new(BACKOFF);
        let mut hung = 0;
        let posts = self.context.posts.clone();
        let Posts { factor, bytes_max } = &*posts;
        loop {
            if self.welcomed.load(Ordering::Relaxed) {
                batch.retain(|item| !item.hello);
            }
            if batch.is_empty() && !self.beat {
                return Ok(());
            }
            let body = self.body(&batch);
            let bytes = body.len();
            let slow = Duration::from_millis(bytes as u64 / BYTES_PER_MS);
            let usual = DEADLINE_MIN.max(self.usual * PATIENCE);
            let within = DEADLINE_MAX.min((usual + slow) * factor.load(Ordering::Relaxed) * (hung + 1));
            let sent = Instant::now();
            match self.http.exchange::<Answer>(&self.path, body, &[], within).await {
                Ok(Answer { received }) => {
                    (self.beat, self.answered) = (false, Some(Instant::now()));
                    factor.store(1, Ordering::Relaxed);
                    let took = sent.elapsed();
                    self.usual = (self.usual * 3 + took) / 4;
                    let max = bytes_max.load(Ordering::Relaxed);
                    bytes_max.store(max.saturating_add(max / GROWTH), Ordering::Relaxed);
                    // A full queue means that the application doesn't read; a later answer says the same and more.
                    let _ = self.context.events.try_send((self.context.id, LinkEvent::Acked(received)));
                    return Ok(());
                }
                Err(fault) if fault.code == Code::FrameTooLarge && batch.len() > 1 => {
                    self.bytes_taken = bytes / 2;
                    batch.into_iter().rev().for_each(|item| self.waiting.push_front(item));
                    return Ok(());
                }
                // Who waited for a hung one has waited.
                Err(fault) if fault.code == Code::Timeout && sent.elapsed() >= within => {
                    hung += 1;
                    if hung >= HUNG_MAX {
                        let longer = (factor.load(Ordering::Relaxed) * 2).min(FACTOR_MAX);
                        factor.store(longer, Ordering::Relaxed);
                        return Err(fault);
                    }
                }
                Err(fault) if !is_passing(&fault) || began.elapsed() > GIVE_UP => return Err(fault),
                Err(fault) => {
                    // Waiting as one was told to is no failure.
                    began += Duration::from_millis(fault.retry_after_ms.unwrap_or(0));
                    let wait = backoff.next(fault.retry_after_ms, random::fraction());
                    tokio::time::sleep(Duration::from_millis(wait)).await;
                }
            }
            if batch.len() > 1 {
                bytes_max.store(HALVED_MIN_BYTES.max(bytes / 2), Ordering::Relaxed);
                batch.drain(..).rev().for_each(|item| self.waiting.push_front(item));
                batch = self.batch();
            }
        }
    }

    fn body(&self, batch: &[Item]) -> String {
        let key = serde_json::Value::from(self.key.as_str());
        let start = batch.iter().find_map(|item| item.seq);
        let start = start.map(|s| format!("\"start\":{s},")).unwrap_or_default();
        let frames: Vec<&str> = batch.iter().map(|item| item.json.as_str()).collect();
        format!("{{\"key\":{key},{start}\"frames\":[{}]}}", frames.join(","))
    }
}
