//! SSE: down by one streamed answer, up by POSTs.

use super::uplink::Uplink;
use super::{Context, LinkEvent, Outbox, Parser, SseEvent, lost};
use crate::net::{Http, body_of, fault_of};
use bytes::Bytes;
use crosspoint_core::{Code, Fault, Frame, Retry};
use http::{HeaderValue, StatusCode, header};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde::Deserialize;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::time::Instant;

/// What the stream's first event says.
#[derive(Debug, Deserialize)]
pub(crate) struct Opened {
    pub(crate) link: String,
    pub(crate) key: String,
}

impl Opened {
    /// Where this link's POSTs go.
    pub(crate) fn path(&self, endpoint: &str) -> String {
        format!("{endpoint}/{}", self.link)
    }
}

/// Opens the stream. `frames`: JSON texts of the opening frames.
pub(crate) async fn open_stream(
    http: &mut Http,
    frames: &[String],
    within: Duration,
) -> Result<Incoming, Fault> {
    let path = http.address().path.clone();
    let body = format!("{{\"mode\":\"stream\",\"frames\":[{}]}}", frames.join(","));
    let accept = (header::ACCEPT, HeaderValue::from_static("text/event-stream"));
    let late = |_| Fault::new(Code::Timeout, "the stream did not open in time");
    tokio::time::timeout(within, async {
        let (head, body) = http.post(&path, body, &[accept]).await?.into_parts();
        if head.status != StatusCode::OK {
            return Err(fault_of(head.status, &head.headers, &body_of(body).await?));
        }
        let is_stream = |v: &HeaderValue| v.as_bytes().starts_with(b"text/event-stream");
        if !head.headers.get(header::CONTENT_TYPE).is_some_and(is_stream) {
            return Err(Fault::new(Code::Unavailable, "the answer is not an event stream"));
        }
        Ok(body)
    })
    .await
    .map_err(late)?
}

pub(super) async fn run(context: &Context, mut outbox: Outbox) -> Result<(), Fault> {
    let mut hello = vec![];
    if !context.probe {
        match super::hello(&mut outbox).await {
            Some(first) => hello.push(first),
            None => return Ok(()),
        }
    }
    let mut http = Http::new(context.address.clone(), context.tls.clone(), context.within);
    let began = Instant::now();
    let body = open_stream(&mut http, &hello, context.within).await?;
    let mut events = StreamEvents::new(body);
    let late = |_| Fault::new(Code::Timeout, "the stream said nothing in time");
    let opened = tokio::time::timeout(context.within, events.opened()).await.map_err(late)??;
    context.tell(LinkEvent::Proven).await;

    let welcomed = AtomicBool::new(false);
    let path = opened.path(&context.address.path);
    let uplink = Uplink::new(context, path, opened.key, &welcomed, true, began.elapsed());
    tokio::select! {
        fault = read(context, events, &welcomed) => Err(fault),
        sent = uplink.run(outbox) => sent.map_err(|fault| lost(fault, welcomed.load(Ordering::Relaxed))),
    }
}

/// The events of an open stream.
pub(crate) struct StreamEvents {
    body: Incoming,
    parser: Parser,
}

impl StreamEvents {
    pub(crate) fn new(body: Incoming) -> StreamEvents {
        StreamEvents { body, parser: Parser::new() }
    }

    /// The next event. Cancel safe.
    pub(crate) async fn next(&mut self) -> Result<SseEvent, Fault> {
        loop {
            if let Some(event) = self.step().await? {
                return Ok(event);
            }
        }
    }

    /// The next event; `None` when something came, a comment perhaps, that makes no whole event. Cancel safe.
    async fn step(&mut self) -> Result<Option<SseEvent>, Fault> {
        if let Some(event) = self.parser.next() {
            return Ok(Some(event));
        }
        match self.body.frame().await {
            Some(Ok(frame)) => {
                let piece = frame.into_data().unwrap_or_else(|_| Bytes::new());
                self.parser.push(&piece)?;
                Ok(self.parser.next())
            }
            Some(Err(e)) => Err(Fault::new(Code::Unavailable, format!("the stream broke off: {e}"))),
            None => Err(Fault::new(Code::Unavailable, "the stream ended")),
        }
    }

    /// The first event, which names the link.
    pub(crate) async fn opened(&mut self) -> Result<Opened, Fault> {
        let event = self.next().await?;
        let opened = (event.event == "open").then(|| serde_json::from_str(&event.data).ok()).flatten();
        opened.ok_or_else(|| Fault::new(Code::Unavailable, "not a stream of the hub"))
    }
}

async fn read(context: &Context, mut events: StreamEvents, welcomed: &AtomicBool) -> Fault {
    loop {
        let event = match events.step().await {
            Ok(Some(event)) => event,
            Ok(None) => {
                context.tell(LinkEvent::Heard).await;
                continue;
            }
            Err(fault) => return fault,
        };
        if event.event != "message" {
            continue;
        }
        match Frame::decode_text(event.data.as_bytes()) {
            Ok(frame) => hand_on(context, frame, event.data.len(), welcomed).await,
            Err(error) => {
                return Fault { retry: Retry::Backoff, ..Fault::new(Code::BadFrame, error.to_string()) };
            }
        }
    }
}

/// Tells of a frame that came down.
pub(super) async fn hand_on(context: &Context, frame: Frame, bytes: usize, welcomed: &AtomicBool) {
    if frame.kind == "hub:welcome" {
        welcomed.store(true, Ordering::Relaxed);
    }
    context.tell(LinkEvent::Frame(Box::new(frame), bytes)).await;
}
