use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::{Value, json};
use std::net::SocketAddr;
use tokio::net::{TcpSocket, TcpStream};

/// An HTTP client: HTTP/1.1 with a connection for each request, or HTTP/2 with one for all.
#[derive(Clone)]
pub struct Client {
    addr: SocketAddr,
    h2: Option<hyper::client::conn::http2::SendRequest<Full<Bytes>>>,
}

/// A connection with a small receive buffer.
pub async fn connect(addr: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_recv_buffer_size(16 << 10).expect("a buffer size");
    socket.connect(addr).await.expect("a connection")
}

/// A whole answer.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Value,
}

impl Answer {
    /// The number of the batch and the types of its frames.
    pub fn batch(&self) -> (u64, Vec<&str>) {
        assert_eq!(self.status, 200, "{self:?}");
        let frames = self.body["frames"].as_array().expect("frames");
        let types = frames.iter().map(|f| f["type"].as_str().expect("a type"));
        (self.body["batch"].as_u64().expect("a number"), types.collect())
    }

    pub fn code(&self) -> &str {
        self.body["error"]["code"].as_str().unwrap_or_default()
    }
}

/// One event of a stream.
#[derive(Debug, Default, PartialEq)]
pub struct Event {
    pub event: String,
    pub id: String,
    pub data: String,
}

impl Event {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.data).unwrap_or_else(|e| panic!("{e}: {self:?}"))
    }

    pub fn kind(&self) -> String {
        self.json()["type"].as_str().unwrap_or_default().to_owned()
    }
}

/// A stream that is being read. Dropping it breaks the connection off.
pub struct Events {
    pub headers: HeaderMap,
    pub link: String,
    pub key: String,
    body: Incoming,
    buffer: String,
    /// How many chunks the transport made, as far as the client can tell.
    pub chunks: usize,
}

impl Client {
    pub fn http1(addr: SocketAddr) -> Client {
        Client { addr, h2: None }
    }

    pub async fn http2(addr: SocketAddr) -> Client {
        let socket = TokioIo::new(connect(addr).await);
        // Small windows, so that a client that doesn't read is felt.
        let mut http2 = hyper::client::conn::http2::Builder::new(TokioExecutor::new());
        http2.initial_stream_window_size(64 << 10).initial_connection_window_size(64 << 10);
        let (send, connection) = http2.handshake(socket).await.expect("h2");
        tokio::spawn(connection);
        Client { addr, h2: Some(send) }
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: String,
    ) -> http::Response<Incoming> {
        let mut request = Request::builder().method(method).uri(format!("http://{}{path}", self.addr));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(Bytes::from(body))).expect("a request");
        super::soon(async {
            match &self.h2 {
                Some(h2) => h2.clone().send_request(request).await.expect("an answer"),
                None => {
                    let socket = TokioIo::new(connect(self.addr).await);
                    let (mut send, connection) =
                        hyper::client::conn::http1::handshake(socket).await.expect("http/1.1");
                    tokio::spawn(connection);
                    send.send_request(request).await.expect("an answer")
                }
            }
        })
        .await
    }

    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.post_text(path, body.to_string()).await
    }

    pub async fn post_text(&self, path: &str, body: String) -> Answer {
        let response = self.send(Method::POST, path, &[], body).await;
        Answer::read(response).await
    }

    /// Opens a link in poll mode.
    pub async fn open_poll(&self, frames: &Value) -> Answer {
        let answer = self.post("/sse", &json!({"mode": "poll", "frames": frames})).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer
    }

    /// A poll on the link of this opening.
    pub async fn poll(&self, opening: &Answer, batch: u64, wait_ms: u64) -> Answer {
        let Value::String(link) = &opening.body["link"] else { panic!("no link: {opening:?}") };
        let body = json!({"key": opening.body["key"], "poll": {"batch": batch, "wait_ms": wait_ms}});
        self.post(&format!("/sse/{link}"), &body).await
    }

    /// Frames up on a stream's link.
    pub async fn up(&self, events: &Events, start: u64, frames: &Value) -> Answer {
        let body = json!({"key": events.key, "start": start, "frames": frames});
        self.post(&format!("/sse/{}", events.link), &body).await
    }

    /// Opens a stream with these frames.
    pub async fn open(&self, frames: &Value) -> Events {
        let body = json!({"mode": "stream", "frames": frames}).to_string();
        let response = self.send(Method::POST, "/sse", &[("accept", "text/event-stream")], body).await;
        let mut events = Events::of(response);
        let open = events.next().await.expect("the opening");
        assert_eq!(open.event, "open");
        events.link = open.json()["link"].as_str().expect("a link").to_owned();
        events.key = open.json()["key"].as_str().expect("a key").to_owned();
        events
    }

    pub async fn get(&self, path: &str, headers: &[(&str, &str)]) -> Events {
        Events::of(self.send(Method::GET, path, headers, String::new()).await)
    }

    pub async fn get_whole(&self, path: &str) -> Answer {
        Answer::read(self.send(Method::GET, path, &[], String::new()).await).await
    }
}

impl Answer {
    async fn read(response: http::Response<Incoming>) -> Answer {
        let (parts, body) = response.into_parts();
        let body = super::soon(body.collect()).await.expect("a body").to_bytes();
        let body = serde_json::from_slice(&body).unwrap_or_else(|e| panic!("{e}: {body:?}"));
        Answer { status: parts.status.as_u16(), headers: parts.headers, body }
    }
}

impl Events {
    fn of(response: http::Response<Incoming>) -> Events {
        assert_eq!(response.status(), StatusCode::OK);
        let (parts, body) = response.into_parts();
        let (link, key, buffer) = Default::default();
        Events { headers: parts.headers, link, key, body, buffer, chunks: 0 }
    }

    /// The next block as it came, comments too; `None` at the end.
    pub async fn block(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.buffer.find("\n\n") {
                let rest = self.buffer.split_off(end + 2);
                return Some(std::mem::replace(&mut self.buffer, rest));
            }
            let data = super::soon(self.body.frame()).await?.expect("the stream").into_data().expect("data");
            self.chunks += 1;
            self.buffer.push_str(std::str::from_utf8(&data).expect("blocks end at chunk ends"));
        }
    }

    /// The next event.
    pub async fn next(&mut self) -> Option<Event> {
        loop {
            let block = self.block().await?;
            let mut event = Event::default();
            let mut data: Vec<&str> = Vec::new();
            for line in block.lines() {
                let (field, value) = line.split_once(": ").unwrap_or((line, ""));
                match field {
                    "event" => event.event = value.to_owned(),
                    "id" => event.id = value.to_owned(),
                    "data" => data.push(value),
                    _ => {}
                }
            }
            if !data.is_empty() {
                event.data = data.join("\n");
                return Some(event);
            }
        }
    }

    /// The next event, which is of this type.
    pub async fn expect(&mut self, kind: &str) -> Value {
        let event = self.next().await.unwrap_or_else(|| panic!("the stream ended before {kind}"));
        assert_eq!(event.kind(), kind, "{event:?}");
        event.json()
    }
}
