use super::{Task, within};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, Method, Request};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::Value;
use std::net::SocketAddr;
use tokio::net::TcpStream;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Version {
    /// A connection for each request.
    H1,
    /// One connection for all, without TLS.
    H2,
}

/// An HTTP client.
pub(crate) struct Http {
    addr: SocketAddr,
    h2: Option<(http2::SendRequest<Full<Bytes>>, Task)>,
}

/// An answer; its connection lives as long.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    body: Incoming,
    _connection: Option<Task>,
}

impl Http {
    pub(crate) async fn new(addr: SocketAddr, version: Version) -> Http {
        let h2 = match version {
            Version::H1 => None,
            Version::H2 => {
                let stream = TcpStream::connect(addr).await.unwrap();
                stream.set_nodelay(true).unwrap();
                let io = TokioIo::new(stream);
                let (sender, connection) = http2::handshake(TokioExecutor::new(), io).await.unwrap();
                Some((sender, Task::new(async move { drop(connection.await) })))
            }
        };
        Http { addr, h2 }
    }

    /// Sends a request; `Err` if the connection ended before the answer.
    pub(crate) async fn try_send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Result<Answer, hyper::Error> {
        let uri = match self.h2 {
            Some(_) => format!("http://{}{path}", self.addr),
            None => path.to_string(),
        };
        let mut request = Request::builder().method(method).uri(uri).body(Full::new(body.into())).unwrap();
        if self.h2.is_none() {
            request.headers_mut().insert("host", self.addr.to_string().parse().unwrap());
        }
        for (name, value) in headers {
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            request.headers_mut().insert(name, value.parse().unwrap());
        }
        let (response, connection) = match &self.h2 {
            Some((sender, _)) => (sender.clone().send_request(request).await?, None),
            None => {
                let io = TokioIo::new(TcpStream::connect(self.addr).await.unwrap());
                let (mut sender, connection) = http1::handshake(io).await?;
                let connection = Task::new(async move { drop(connection.await) });
                (sender.send_request(request).await?, Some(connection))
            }
        };
        let (head, body) = response.into_parts();
        Ok(Answer { status: head.status.as_u16(), headers: head.headers, body, _connection: connection })
    }

    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Answer {
        within(self.try_send(method, path, headers, body)).await.expect("an answer")
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send(Method::POST, path, &[("content-type", "application/json")], body.to_string()).await
    }
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |v| v.to_str().unwrap())
    }

    /// The next part of the body; `None` at its end, however it ends.
    pub(crate) async fn chunk(&mut self) -> Option<Bytes> {
        loop {
            if let Ok(data) = self.body.frame().await?.ok()?.into_data() {
                return Some(data);
            }
        }
    }

    pub(crate) async fn json(self) -> Value {
        assert_eq!(self.header("content-type"), "application/json");
        let body = self.text().await;
        serde_json::from_str(&body).unwrap_or_else(|e| panic!("{e}: {body:?}"))
    }

    pub(crate) async fn text(self) -> String {
        let body = within(self.body.collect()).await.expect("a whole body").to_bytes();
        String::from_utf8(body.into()).expect("UTF-8")
    }
}
