use super::WITHIN;
use crate::link::{Opened, StreamEvents, open_stream};
use crate::net::{Address, Http, Tls};
use crosspoint_core::client::Welcome;
use crosspoint_core::{Code, Fault, Frame};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// One SSE link, stream or poll. Dropping it cuts its connections.
pub struct SseLink {
    /// Its name.
    pub link: String,
    /// Its secret.
    pub key: String,
    /// The stream; `None` in poll mode.
    down: Option<StreamEvents>,
    /// What opened the stream; holds its connection.
    _stream: Http,
    up: Http,
    path: String,
}

/// What a poll brings.
#[derive(Debug, Deserialize)]
pub struct Batch {
    /// Its number, to be named by the next poll.
    pub batch: u64,
    /// Counted frames the hub has received.
    pub received: u64,
    /// The frames.
    pub frames: Vec<Frame>,
}

impl SseLink {
    /// Opens a stream at `http://…/sse` with these frames; none makes it a probe.
    ///
    /// # Errors
    /// The hub refused it, or there is none.
    pub async fn open(url: &str, frames: &[Frame]) -> Result<SseLink, Fault> {
        let address = Address::parse(url)?;
        let mut stream = Http::new(address.clone(), Tls::new(vec![]), WITHIN);
        let frames: Vec<_> = frames.iter().map(Frame::encode_text).collect();
        let mut down = StreamEvents::new(open_stream(&mut stream, &frames, WITHIN).await?);
        let opened = tokio::time::timeout(WITHIN, down.opened()).await;
        let opened = opened.map_err(|_| Fault::from(Code::Timeout))??;
        Ok(SseLink::new(address, opened, Some(down), stream))
    }

    /// Opens a link in poll mode with these frames; the first batch is what they gave.
    ///
    /// # Errors
    /// The hub refused it, or there is none.
    pub async fn open_poll(url: &str, frames: &[Frame]) -> Result<(SseLink, Batch), Fault> {
        let address = Address::parse(url)?;
        let mut http = Http::new(address.clone(), Tls::new(vec![]), WITHIN);
        let body = json!({"mode": "poll", "frames": texts(frames)}).to_string();
        let first: Value = http.exchange(&address.path, body, &[], WITHIN).await?;
        let opened = serde_json::from_value(first.clone()).map_err(|e| other(&e))?;
        let batch = serde_json::from_value(first).map_err(|e| other(&e))?;
        Ok((SseLink::new(address, opened, None, http), batch))
    }

    fn new(address: Address, opened: Opened, down: Option<StreamEvents>, stream: Http) -> SseLink {
        let path = opened.path(&address.path);
        let up = Http::new(address, Tls::new(vec![]), WITHIN);
        SseLink { link: opened.link, key: opened.key, down, _stream: stream, up, path }
    }

    /// The next frame of the stream. Cancel safe, without a deadline.
    ///
    /// # Errors
    /// The stream ended or broke, a message is no frame, or the link polls.
    pub async fn recv(&mut self) -> Result<Frame, Fault> {
        let polls = || Fault::new(Code::BadRequest, "this link polls");
        let event = self.down.as_mut().ok_or_else(polls)?.next().await?;
        Frame::decode_text(event.data.as_bytes()).map_err(|e| Fault::new(Code::BadFrame, e.to_string()))
    }

    /// The welcome, if it is the next frame.
    ///
    /// # Errors
    /// The fault of a `hub:close`; `bad_frame` if something else comes first; as [`SseLink::recv`].
    pub async fn welcome(&mut self) -> Result<Welcome, Fault> {
        welcome_in(&self.recv().await?)
    }

    /// POSTs frames, of which the first counted one has this number; returns what the hub has received.
    ///
    /// # Errors
    /// The hub's refusal, or no answer.
    pub async fn post(&mut self, start: Option<u64>, frames: &[Frame]) -> Result<u64, Fault> {
        let mut body = json!({"key": self.key, "frames": texts(frames)});
        if let Some(start) = start {
            body["start"] = start.into();
        }
        let answer: Value = self.post_body(&body).await?;
        answer["received"].as_u64().ok_or_else(|| other(&"no `received`"))
    }

    /// Asks for the batch after this one; the hub answers when there is a frame, or after `wait_ms`.
    ///
    /// # Errors
    /// The hub's refusal, or no answer.
    pub async fn poll(&mut self, batch: u64, wait_ms: u64) -> Result<Batch, Fault> {
        let body = json!({"key": self.key, "poll": {"batch": batch, "wait_ms": wait_ms}});
        self.post_body(&body).await
    }

    /// POSTs any body to the link.
    ///
    /// # Errors
    /// The hub's refusal, or no answer within 10 s (and a poll's `wait_ms`).
    pub async fn post_body<T: serde::de::DeserializeOwned>(
        &mut self,
        body: &impl Serialize,
    ) -> Result<T, Fault> {
        let body = serde_json::to_value(body).map_err(|e| other(&e))?;
        let wait = std::time::Duration::from_millis(body["poll"]["wait_ms"].as_u64().unwrap_or(0));
        self.up.exchange(&self.path, body.to_string(), &[], WITHIN + wait).await
    }
}

/// The data of a welcome.
pub(super) fn welcome_in(frame: &Frame) -> Result<Welcome, Fault> {
    match frame.kind.as_str() {
        "hub:welcome" => frame.parse().map_err(|e| other(&e)),
        "hub:close" => Err(frame.parse().map_err(|e| other(&e))?),
        kind => Err(Fault::new(Code::BadFrame, format!("`{kind}` instead of a welcome"))),
    }
}

fn other(e: &dyn std::fmt::Display) -> Fault {
    Fault::new(Code::BadFrame, format!("an answer of another shape: {e}"))
}

fn texts(frames: &[Frame]) -> Vec<Value> {
    let value = |f: &Frame| serde_json::from_str(&f.encode_text()).unwrap_or_default();
    frames.iter().map(value).collect()
}
