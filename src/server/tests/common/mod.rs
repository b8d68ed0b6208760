//! A server on a free port, and a small HTTP client.
#![allow(dead_code, missing_docs, unreachable_pub)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use bytes::Bytes;
use crosspoint::auth::jwt::{Claims, Signer};
use crosspoint::config::Config;
use crosspoint::{Running, Server};
use futures_util::{SinkExt as _, StreamExt as _};
use http::{HeaderMap, HeaderName, Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::{Error, Message, client::IntoClientRequest as _};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

pub const SECRET: &str = "0123456789abcdef0123456789abcdef";
pub const KEY: &str = "an-api-key-of-tests";
/// Only a failed test waits so long.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// An open hub.
pub async fn dev() -> Running {
    start(|_| {}).await
}

/// A hub with a secret and an API key.
pub async fn secured() -> Running {
    start(|c| {
        c.auth.jwt_secret = Some(SECRET.into());
        c.auth.api_keys = vec![KEY.into()];
    })
    .await
}

pub async fn start(edit: impl FnOnce(&mut Config)) -> Running {
    let mut config = Config::default();
    config.listen.addr = SocketAddr::from(([127, 0, 0, 1], 0));
    config.shutdown.drain_ms = 50;
    edit(&mut config);
    Server::start(config).await.unwrap()
}

pub fn token(user: &str) -> String {
    let claims = Claims { sub: user.into(), ..Claims::default() };
    Signer::hs256(SECRET.as_bytes()).sign(&claims).unwrap()
}

pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e}: {:?}", self.body))
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |v| v.to_str().unwrap())
    }

    /// Status and code of an error.
    pub fn fault(&self) -> (u16, String) {
        (self.status.as_u16(), self.json()["error"]["code"].as_str().unwrap_or_default().into())
    }
}

/// Sends one request on a connection of its own.
pub async fn send(hub: &Running, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
    let stream = TcpStream::connect(hub.addr()).await.unwrap();
    let (mut sender, conn) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    let conn = tokio::spawn(conn);
    let mut request = Request::new(Full::new(Bytes::from(body.to_string())));
    *request.method_mut() = Method::from_bytes(method.as_bytes()).unwrap();
    *request.uri_mut() = path.parse().unwrap();
    request.headers_mut().insert("host", hub.addr().to_string().parse().unwrap());
    for (name, value) in headers {
        request
            .headers_mut()
            .insert(HeaderName::from_bytes(name.as_bytes()).unwrap(), value.parse().unwrap());
    }
    let answer = tokio::time::timeout(PATIENCE, async {
        let (head, body) = sender.send_request(request).await.unwrap().into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Answer { status: head.status, headers: head.headers, body }
    });
    let answer = answer.await.expect("an answer in time");
    conn.abort();
    answer
}

pub async fn get(hub: &Running, path: &str) -> Answer {
    send(hub, "GET", path, &[], "").await
}

pub async fn post(hub: &Running, path: &str, body: &Value) -> Answer {
    send(hub, "POST", path, &[], &body.to_string()).await
}

/// With the API key.
pub async fn api(hub: &Running, method: &str, path: &str, body: &Value) -> Answer {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    send(hub, method, path, &[("authorization", &format!("Bearer {KEY}"))], &body).await
}

/// A WebSocket client that speaks frames.
pub struct Ws(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Ws {
    /// Connects, with these request headers.
    pub async fn connect(hub: &Running, headers: &[(&str, &str)]) -> Result<Ws, StatusCode> {
        let mut request = format!("ws://{}/ws", hub.addr()).into_client_request().unwrap();
        for (name, value) in headers {
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            request.headers_mut().insert(name, value.parse().unwrap());
        }
        match tokio_tungstenite::connect_async(request).await {
            Ok((stream, _)) => Ok(Ws(stream)),
            Err(Error::Http(response)) => Err(response.status()),
            Err(e) => panic!("{e}"),
        }
    }

    /// Connects and says hello; the welcome's data.
    pub async fn hello(hub: &Running, data: Value) -> (Ws, Value) {
        let mut ws = Ws::connect(hub, &[]).await.unwrap();
        ws.send(serde_json::json!({"type": "hub:hello", "data": data})).await;
        let first = ws.next().await;
        assert_eq!(first["type"], "hub:welcome", "{first}");
        (ws, first["data"].clone())
    }

    pub async fn send(&mut self, frame: Value) {
        self.0.send(Message::text(frame.to_string())).await.unwrap();
    }

    /// The next frame; `null` when the connection has ended.
    pub async fn next(&mut self) -> Value {
        let next = async {
            loop {
                match self.0.next().await {
                    Some(Ok(Message::Text(text))) => return serde_json::from_str(&text).unwrap(),
                    Some(Ok(Message::Close(_)) | Err(_)) | None => return Value::Null,
                    Some(Ok(_)) => {}
                }
            }
        };
        tokio::time::timeout(PATIENCE, next).await.expect("a frame in time")
    }

    /// The next frame of this type.
    pub async fn find(&mut self, kind: &str) -> Value {
        loop {
            let frame = self.next().await;
            assert!(!frame.is_null(), "the connection ended before {kind}");
            if frame["type"] == kind {
                return frame;
            }
        }
    }

    pub async fn join(&mut self, room: &str) -> Value {
        self.send(serde_json::json!({"type": "hub:join", "room": room, "id": "j"})).await;
        self.find("hub:reply").await["data"].clone()
    }
}
