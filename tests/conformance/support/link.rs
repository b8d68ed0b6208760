use super::adapter::{Adapter, Refused};
use super::got::{Got, counted};
use super::http::{Http, Version};
use super::rtc::{Rtc, RtcReader};
use super::sse::Blocks;
use super::task::Task;
use super::within;
use super::ws::{Came, Ws, WsReader};
use super::wt::{Wt, WtReader};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use crosspoint::Running;
use crosspoint_core::Code;
use serde_json::{Value, json};
use std::sync::Arc;
use tokio::sync::{Notify, mpsc};

/// One link, whose counts are kept by hand. Dropping it cuts its connections.
pub(crate) struct Link {
    pub(crate) by: Adapter,
    /// Counted frames sent in the session so far.
    pub(crate) sent: u64,
    /// Counted frames received in the session, as far as they were looked at.
    pub(crate) received: u64,
    up: Up,
    down: mpsc::UnboundedReceiver<Came>,
    silent: Arc<Notify>,
    _reader: Task,
}

enum Up {
    Ws(Ws),
    Wt(Wt),
    Rtc(Rtc),
    Posts(Posts),
}

/// The uplink of SSE.
pub(crate) struct Posts {
    pub(crate) http: Arc<Http>,
    pub(crate) path: String,
    pub(crate) key: String,
}

impl Link {
    pub(crate) async fn open(
        by: Adapter,
        hub: &Running,
        headers: &[(&str, &str)],
        frames: &[Value],
    ) -> Result<Link, Refused> {
        Link::open_at(by, hub, "", headers, frames).await
    }

    /// With this query, from its `?` on, in the opening request. (WebRTC's has none.)
    pub(crate) async fn open_at(
        by: Adapter,
        hub: &Running,
        query: &str,
        headers: &[(&str, &str)],
        frames: &[Value],
    ) -> Result<Link, Refused> {
        let (tell, down) = mpsc::unbounded_channel();
        let silent = Arc::new(Notify::new());
        let addr = hub.addr();
        if by == Adapter::WebTransport {
            let opened = Wt::open(hub, query, headers).await;
            let (mut wt, reader) = opened.map_err(|status| Refused { status, fault: Value::Null })?;
            for frame in frames {
                wt.text(frame.to_string().as_bytes()).await;
            }
            let reader = Task::new(unless(silent.clone(), read_wt(reader, tell)));
            return Ok(Link { by, sent: 0, received: 0, up: Up::Wt(wt), down, silent, _reader: reader });
        }
        if by == Adapter::WebRtc {
            let (rtc, reader) = Rtc::open(hub, headers).await?;
            return Ok(Link::by_channel(rtc, reader, frames).await);
        }
        if by == Adapter::WebSocket {
            let mut all = vec![("sec-websocket-protocol", "crosspoint.v1")];
            all.extend_from_slice(headers);
            let opened = Ws::open(addr, query, &all).await;
            let (mut ws, reader) = opened.map_err(|status| Refused { status, fault: Value::Null })?;
            for frame in frames {
                ws.text(frame.to_string()).await;
            }
            let reader = Task::new(unless(silent.clone(), read_ws(reader, tell)));
            return Ok(Link { by, sent: 0, received: 0, up: Up::Ws(ws), down, silent, _reader: reader });
        }
        let version = if by == Adapter::StreamH2 { Version::H2 } else { Version::H1 };
        let http = Arc::new(Http::new(addr, version).await);
        let mode = if by == Adapter::Poll { "poll" } else { "stream" };
        let body = json!({"mode": mode, "frames": frames}).to_string();
        let answer =
            within(http.try_send(http::Method::POST, &format!("/sse{query}"), headers, body)).await.unwrap();
        if answer.status != 200 {
            return Err(Refused { status: answer.status, fault: answer.json().await["error"].clone() });
        }
        let (opened, reader);
        if by == Adapter::Poll {
            let first = answer.json().await;
            opened = (first["link"].clone(), first["key"].clone());
            assert_eq!(first["batch"], 1);
            let poller = Posts::new(&http, &opened);
            reader = Task::new(unless(silent.clone(), poll(poller, first, tell)));
        } else {
            let mut blocks = Blocks::new(answer);
            let first = within(blocks.next()).await.expect("the first bytes come at once");
            assert_eq!(first.event.as_deref(), Some("open"));
            let data: Value = serde_json::from_str(first.data.as_deref().unwrap()).unwrap();
            opened = (data["link"].clone(), data["key"].clone());
            reader = Task::new(unless(silent.clone(), read_stream(blocks, tell)));
        }
        let up = Up::Posts(Posts::new(&http, &opened));
        Ok(Link { by, sent: 0, received: 0, up, down, silent, _reader: reader })
    }

    /// A link on a channel that is open.
    pub(crate) async fn by_channel(rtc: Rtc, reader: RtcReader, frames: &[Value]) -> Link {
        for frame in frames {
            rtc.text(&frame.to_string()).await;
        }
        let (tell, down) = mpsc::unbounded_channel();
        let silent = Arc::new(Notify::new());
        let reader = Task::new(unless(silent.clone(), read_rtc(reader, tell)));
        Link { by: Adapter::WebRtc, sent: 0, received: 0, up: Up::Rtc(rtc), down, silent, _reader: reader }
    }

    /// Another link of the same client: on WebTransport a stream of the same session, on WebRTC a channel of the same connection.
    pub(crate) async fn beside(&self, by: Adapter, hub: &Running, frames: &[Value]) -> Result<Link, Refused> {
        if let (Up::Rtc(main), Adapter::WebRtc) = (&self.up, by) {
            let (rtc, reader) = main.beside().await;
            return Ok(Link::by_channel(rtc, reader, frames).await);
        }
        let Up::Wt(main) = &self.up else { return Link::open(by, hub, &[], frames).await };
        if by != Adapter::WebTransport {
            return Link::open(by, hub, &[], frames).await;
        }
        let (mut wt, reader) = main.beside().await;
        for frame in frames {
            wt.text(frame.to_string().as_bytes()).await;
        }
        let (tell, down) = mpsc::unbounded_channel();
        let silent = Arc::new(Notify::new());
        let reader = Task::new(unless(silent.clone(), read_wt(reader, tell)));
        Ok(Link { by, sent: 0, received: 0, up: Up::Wt(wt), down, silent, _reader: reader })
    }

    /// Sends frames as one batch, if the adapter has batches.
    pub(crate) async fn try_send_all(&mut self, frames: &[Value]) -> Result<(), Refused> {
        let start = self.sent + 1;
        self.sent += frames.iter().filter(|f| counted(f)).count() as u64;
        match &mut self.up {
            Up::Ws(ws) => {
                for frame in frames {
                    ws.text(frame.to_string()).await;
                }
                Ok(())
            }
            Up::Wt(wt) => {
                for frame in frames {
                    wt.text(frame.to_string().as_bytes()).await;
                }
                Ok(())
            }
            Up::Rtc(rtc) => {
                for frame in frames {
                    rtc.text(&frame.to_string()).await;
                }
                Ok(())
            }
            Up::Posts(posts) => posts.send(start, frames).await.map(drop),
        }
    }

    pub(crate) async fn send(&mut self, frame: Value) {
        self.try_send_all(&[frame]).await.expect("it is taken");
    }

    /// Sends what may close the link, which its end tells.
    pub(crate) async fn provoke(&mut self, frame: Value) {
        let _ = self.try_send_all(&[frame]).await;
    }

    /// Sends a frame with a payload, as the adapter carries it.
    pub(crate) async fn send_bytes(&mut self, frame: Value, bytes: &[u8]) {
        if self.by.has_messages() {
            self.sent += u64::from(counted(&frame));
            let header = frame.to_string();
            let mut message = u16::try_from(header.len()).unwrap().to_be_bytes().to_vec();
            message.extend_from_slice(header.as_bytes());
            message.extend_from_slice(bytes);
            return match &mut self.up {
                Up::Ws(ws) => ws.binary(message).await,
                Up::Wt(wt) => wt.binary(&message).await,
                Up::Rtc(rtc) => rtc.binary(&message).await,
                Up::Posts(_) => unreachable!("it has messages"),
            };
        }
        let mut frame = frame;
        frame["data64"] = STANDARD.encode(bytes).into();
        self.send(frame).await;
    }

    /// How a message is refused that the adapter itself refuses.
    pub(crate) async fn refused(&mut self, frame: Value) -> Refused {
        let answer = self.try_send_all(&[frame]).await;
        if !self.by.has_messages() {
            return answer.expect_err("it is refused");
        }
        let fault = self.find("hub:close").await["data"].clone();
        Refused { status: self.end().await.unwrap(), fault }
    }

    /// The next frame of any kind; pings are answered.
    pub(crate) async fn next_any(&mut self) -> Got {
        match within(self.down.recv()).await {
            Some(Came::Frame(got)) => {
                self.received += u64::from(got.counted());
                if got.kind() == "hub:ping" {
                    // On a link that ends meanwhile nobody waits for it.
                    self.provoke(json!({"type": "hub:pong", "data": {"received": self.received}})).await;
                }
                got
            }
            Some(Came::End(code)) => panic!("{:?}: the link ended, {code:?}", self.by),
            None => panic!("the reader failed"),
        }
    }

    /// The next one that fits. Pings come for ever: one deadline holds for all that is skipped.
    async fn until(&mut self, fits: impl Fn(&Got) -> bool) -> Got {
        within(async {
            loop {
                let got = self.next_any().await;
                if fits(&got) {
                    return got;
                }
            }
        })
        .await
    }

    /// The next one that isn't about the link's health.
    pub(crate) async fn next(&mut self) -> Got {
        self.until(|got| !matches!(got.kind(), "hub:ack" | "hub:ping" | "hub:pong")).await
    }

    /// The next one of this type.
    pub(crate) async fn find(&mut self, kind: &str) -> Got {
        self.until(|got| got.kind() == kind).await
    }

    /// Waits for the close code; `None` on adapters without.
    pub(crate) async fn end(&mut self) -> Option<u16> {
        match within(self.down.recv()).await {
            Some(Came::End(code)) => code,
            Some(Came::Frame(got)) => panic!("{:?}: after the end: {}", self.by, got.json),
            None => panic!("the reader failed"),
        }
    }

    /// Skips what comes before the end, which must be told with this code.
    pub(crate) async fn ends_with(&mut self, code: Code) {
        let close = self.find("hub:close").await;
        assert_eq!(close["data"]["code"], code.name(), "{:?}", self.by);
        let expected = self.by.has_messages().then_some(code.close());
        assert_eq!(self.end().await, expected, "{code}");
    }

    /// Sends a frame with an id and returns its `hub:reply` or `hub:error`.
    pub(crate) async fn ask(&mut self, mut frame: Value) -> Got {
        let id = format!("ask-{}", self.sent + 1);
        frame["id"] = id.clone().into();
        self.send(frame).await;
        self.reply(&id).await
    }

    /// The `hub:reply` or `hub:error` with this id.
    pub(crate) async fn reply(&mut self, id: &str) -> Got {
        self.until(|got| got["id"] == id && matches!(got.kind(), "hub:reply" | "hub:error")).await
    }

    /// Sends a frame that must fail so.
    pub(crate) async fn fails(&mut self, frame: Value, code: Code) {
        let got = self.ask(frame.clone()).await;
        assert_eq!(got.kind(), "hub:error", "{:?} {frame}: {}", self.by, got.json);
        assert_eq!(got["data"]["code"], code.name(), "{:?} {frame}: {}", self.by, got.json);
        assert_eq!(got["data"]["retry"], serde_json::to_value(code.retry()).unwrap());
    }

    /// Joins a room; the reply's data.
    pub(crate) async fn join(&mut self, room: &str, data: Value) -> Value {
        let got = self.ask(json!({"type": "hub:join", "room": room, "data": data})).await;
        assert_eq!(got.kind(), "hub:reply", "{}", got.json);
        got["data"].clone()
    }

    pub(crate) async fn ack(&mut self) {
        self.send(json!({"type": "hub:ack", "data": {"received": self.received}})).await;
    }

    /// Neither reads nor writes any more, but stays connected.
    pub(crate) fn fall_silent(&self) {
        self.silent.notify_one();
    }

    /// The session of a WebTransport link.
    pub(crate) fn wt(&self) -> &Wt {
        match &self.up {
            Up::Wt(wt) => wt,
            _ => panic!("{:?} is no WebTransport", self.by),
        }
    }

    pub(crate) fn wt_mut(&mut self) -> &mut Wt {
        match &mut self.up {
            Up::Wt(wt) => wt,
            _ => panic!("{:?} is no WebTransport", self.by),
        }
    }

    /// The connection of a WebRTC link.
    pub(crate) fn rtc(&self) -> &Rtc {
        match &self.up {
            Up::Rtc(rtc) => rtc,
            _ => panic!("{:?} is no WebRTC", self.by),
        }
    }

    /// The uplink of an SSE link.
    pub(crate) fn posts(&self) -> &Posts {
        match &self.up {
            Up::Posts(posts) => posts,
            _ => panic!("{:?} has no POSTs", self.by),
        }
    }
}

impl Posts {
    fn new(http: &Arc<Http>, (link, key): &(Value, Value)) -> Posts {
        let (link, key) = (link.as_str().unwrap(), key.as_str().unwrap());
        assert!(link.len() >= 32 && key.len() >= 32, "128 bits");
        Posts { http: http.clone(), path: format!("/sse/{link}"), key: key.into() }
    }

    /// What the hub has received after this.
    pub(crate) async fn send(&self, start: u64, frames: &[Value]) -> Result<u64, Refused> {
        let mut body = json!({"key": self.key, "frames": frames});
        if frames.iter().any(counted) {
            body["start"] = start.into();
        }
        let answer = self.http.post(&self.path, &body).await;
        let status = answer.status;
        let said = answer.json().await;
        match status {
            200 => Ok(said["received"].as_u64().unwrap()),
            _ => Err(Refused { status, fault: said["error"].clone() }),
        }
    }
}

/// Works until told to be silent; then holds what it has.
async fn unless(silent: Arc<Notify>, work: impl Future<Output = ()>) {
    let mut work = std::pin::pin!(work);
    tokio::select! {
        () = silent.notified() => std::future::pending().await,
        () = &mut work => {}
    }
}

async fn read_ws(mut reader: WsReader, tell: mpsc::UnboundedSender<Came>) {
    loop {
        let came = reader.next().await;
        let end = matches!(came, Came::End(_));
        if tell.send(came).is_err() || end {
            return;
        }
    }
}

async fn read_wt(mut reader: WtReader, tell: mpsc::UnboundedSender<Came>) {
    loop {
        let came = reader.next().await;
        let end = matches!(came, Came::End(_));
        if tell.send(came).is_err() || end {
            return;
        }
    }
}

async fn read_rtc(mut reader: RtcReader, tell: mpsc::UnboundedSender<Came>) {
    loop {
        let came = reader.next().await;
        let end = matches!(came, Came::End(_));
        if tell.send(came).is_err() || end {
            return;
        }
    }
}

async fn read_stream(mut blocks: Blocks, tell: mpsc::UnboundedSender<Came>) {
    while let Some(block) = blocks.next().await {
        assert_eq!(block.event, None, "frames have no event name");
        let got = Got { id_line: block.id, ..Got::text(block.data.expect("data").as_bytes()) };
        let _ = tell.send(Came::Frame(got));
    }
    let _ = tell.send(Came::End(None));
}

async fn poll(posts: Posts, first: Value, tell: mpsc::UnboundedSender<Came>) {
    let mut batch = first;
    loop {
        for frame in batch["frames"].as_array().expect("frames") {
            let _ = tell.send(Came::Frame(Got::value(frame.clone())));
        }
        let named = batch["batch"].as_u64().expect("a number");
        let body = json!({"key": posts.key, "poll": {"batch": named, "wait_ms": 20_000}});
        let sent = posts.http.try_send(http::Method::POST, &posts.path, &[], body.to_string()).await;
        let Ok(answer) = sent else { break };
        if answer.status != 200 {
            assert_eq!(answer.status, 404);
            break;
        }
        batch = answer.json().await;
        let empty = batch["frames"].as_array().expect("frames").is_empty();
        assert_eq!(batch["batch"].as_u64(), Some(if empty { named } else { named + 1 }));
    }
    let _ = tell.send(Came::End(None));
}
