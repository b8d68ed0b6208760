//! Poll mode: batches, one after the other, each repeated until the client names it.

use crate::body::Refusal;
use crate::link::Link;
use crate::queue::Queue;
use bytes::{Bytes, BytesMut};
use crosspoint_core::{Code, Fault};
use serde::Deserialize;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::{Arc, Weak};
use std::task::Poll;
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout};

/// What a poll asks for.
#[derive(Deserialize, Clone, Copy)]
pub(crate) struct Ask {
    /// The last batch the client has.
    batch: u64,
    /// How long to wait for a frame.
    #[serde(default)]
    wait_ms: u64,
}

/// A batch: its number and its frames as a JSON array.
#[derive(Clone)]
pub(crate) struct Batch {
    number: u64,
    frames: Bytes,
}

impl Batch {
    /// An answer of these fields, the batch among them.
    pub(crate) fn answer(&self, head: &str, received: u64) -> Bytes {
        let number = self.number;
        let head = format!("{{{head}\"received\":{received},\"batch\":{number},\"frames\":");
        let mut out = BytesMut::with_capacity(head.len() + self.frames.len() + 1);
        out.extend_from_slice(head.as_bytes());
        out.extend_from_slice(&self.frames);
        out.extend_from_slice(b"}");
        out.freeze()
    }

    fn empty(number: u64) -> Batch {
        Batch { number, frames: Bytes::from_static(b"[]") }
    }
}

/// Where a poll link stands.
pub(crate) struct Batches {
    /// The newest batch formed.
    number: u64,
    /// Its frames, until it is named.
    unnamed: Option<Bytes>,
    /// Nothing comes after it.
    last: bool,
    /// The poll that may wait; earlier ones return at once.
    turn: u64,
    /// Requests under way, and when the last one ended.
    requests: u32,
    idle_since: Instant,
}

/// A request on a poll link: while there is one, the link isn't idle.
pub(crate) struct Request<'a>(&'a Link);

impl<'a> Request<'a> {
    pub(crate) fn begin(link: &'a Link) -> Request<'a> {
        if let Some(b) = &mut link.queue.lock().batches {
            b.requests += 1;
        }
        Request(link)
    }
}

impl Drop for Request<'_> {
    fn drop(&mut self) {
        if let Some(b) = &mut self.0.queue.lock().batches {
            b.requests = b.requests.saturating_sub(1);
            b.idle_since = Instant::now();
        }
    }
}

/// Makes the link a poll link, forms its first batch of what is there, and watches over its silence.
pub(crate) fn begin(link: &Arc<Link>) -> Batch {
    let batch = {
        let mut queue = link.queue.lock();
        let batches = Batches {
            number: 0,
            unnamed: None,
            last: false,
            turn: 0,
            requests: 0,
            idle_since: Instant::now(),
        };
        queue.batches = Some(Box::new(batches));
        queue.form()
    };
    link.after_batch();
    let silence_max = Duration::from_millis(link.shared.config.poll_idle_ms);
    link.shared.runtime.spawn(watch(Arc::downgrade(link), silence_max));
    batch.unwrap_or_else(|| Batch::empty(1))
}

async fn watch(link: Weak<Link>, silence_max: Duration) {
    let mut wait = silence_max;
    loop {
        sleep(wait).await;
        let Some(link) = link.upgrade() else { return };
        let idle = match &link.queue.lock().batches {
            None => return,
            Some(b) if b.requests > 0 => Duration::ZERO,
            Some(b) => b.idle_since.elapsed(),
        };
        match silence_max.checked_sub(idle) {
            None | Some(Duration::ZERO) => return link.finish(),
            Some(rest) => wait = rest,
        }
    }
}

/// The batch after the one that the client names, as soon as it has a frame; without frames when the wait is over.
pub(crate) async fn poll(link: &Link, ask: Ask) -> Result<Batch, Refusal> {
    let turn = match link.queue.lock().name(ask.batch)? {
        Named::Again(batch) => return Ok(batch),
        Named::Next(turn) => turn,
    };
    let wait = ask.wait_ms.min(link.shared.config.poll_ms_max);
    let next = poll_fn(|cx| {
        let mut queue = link.queue.lock();
        if queue.batches.as_ref().is_none_or(|b| b.turn != turn) {
            return Poll::Ready(None);
        }
        let batch = if queue.is_empty() && !queue.is_over() { None } else { queue.form() };
        if batch.is_none() {
            queue.waker = Some(cx.waker().clone());
            return Poll::Pending;
        }
        Poll::Ready(batch)
    });
    let batch = timeout(Duration::from_millis(wait), next).await.ok().flatten();
    if batch.is_some() {
        link.after_batch();
    }
    Ok(batch.unwrap_or_else(|| Batch::empty(ask.batch)))
}

impl Link {
    /// What follows when frames were taken out: room for the session, or the end.
    fn after_batch(&self) {
        let (room, last) = {
            let mut queue = self.queue.lock();
            (queue.regained_room(), queue.batches.as_ref().is_some_and(|b| b.last))
        };
        if last {
            self.end_peer();
        } else if room {
            self.writable();
        }
    }
}

enum Named {
    Again(Batch),
    Next(u64),
}

impl Queue {
    fn name(&mut self, number: u64) -> Result<Named, Refusal> {
        if self.is_gone() {
            return Err(Code::NotFound.into());
        }
        let Some(b) = &mut self.batches else {
            return Err(Fault::new(Code::BadRequest, "this link is a stream").into());
        };
        if b.number.checked_sub(1) == Some(number)
            && let Some(frames) = &b.unnamed
        {
            return Ok(Named::Again(Batch { number: b.number, frames: frames.clone() }));
        }
        if number != b.number {
            let said = format!("batch {number} is not the last one, {}", b.number);
            return Err(Fault::new(Code::BadRequest, said).into());
        }
        if b.last {
            return Err(Code::NotFound.into());
        }
        b.unnamed = None;
        b.turn += 1;
        let turn = b.turn;
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
        Ok(Named::Next(turn))
    }

    /// The next batch, of all that waits; it may be empty.
    fn form(&mut self) -> Option<Batch> {
        let frames = array(&self.pop_all());
        let last = self.is_over();
        let b = self.batches.as_mut()?;
        b.number += 1;
        b.unnamed = Some(frames.clone());
        b.last = last;
        Some(Batch { number: b.number, frames })
    }
}

fn array(frames: &VecDeque<Bytes>) -> Bytes {
    let mut out = BytesMut::with_capacity(2 + frames.iter().map(|f| f.len() + 1).sum::<usize>());
    out.extend_from_slice(b"[");
    for (n, frame) in frames.iter().enumerate() {
        if n > 0 {
            out.extend_from_slice(b",");
        }
        out.extend_from_slice(frame);
    }
    out.extend_from_slice(b"]");
    out.freeze()
}
