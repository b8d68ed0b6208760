//! A small HTTP server that remembers what reached it.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::timeout;

use crate::DEADLINE;

type Body = BoxBody<Bytes, Infallible>;

#[derive(Default)]
struct State {
    bodies: watch::Sender<Vec<String>>,
    /// Pieces of the running `/stream` answers.
    streams: Mutex<Vec<mpsc::UnboundedSender<Bytes>>>,
    stream_count: watch::Sender<usize>,
    /// How WebSockets ended: `true` = closed, `false` = failed.
    sockets_ended: watch::Sender<Vec<bool>>,
}

/// `POST /…` answers `<count>:<body>`, `GET /stream` what the test says, `/ws` and what is behind a CONNECT echo, all else `plain`.
pub(crate) struct Upstream {
    address: SocketAddr,
    state: Arc<State>,
    task: JoinHandle<()>,
}

impl Upstream {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State::default());
        let task = tokio::spawn(accept(listener, Arc::clone(&state)));
        Self { address, state, task }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Bodies of all POSTs so far.
    pub(crate) fn bodies(&self) -> Vec<String> {
        self.state.bodies.borrow().clone()
    }

    pub(crate) async fn wait_bodies(&self, count: usize) -> Vec<String> {
        let mut bodies = self.state.bodies.subscribe();
        timeout(DEADLINE, bodies.wait_for(|bodies| bodies.len() >= count)).await.unwrap().unwrap().clone()
    }

    /// Sends a piece on every running stream, of which there must be `count`.
    pub(crate) async fn stream(&self, count: usize, piece: &'static str) {
        let mut streams = self.state.stream_count.subscribe();
        timeout(DEADLINE, streams.wait_for(|streams| *streams == count)).await.unwrap().unwrap();
        self.state.streams.lock().iter().for_each(|stream| stream.send(Bytes::from(piece)).unwrap());
    }

    pub(crate) fn end_streams(&self) {
        self.state.streams.lock().clear();
    }

    /// Waits until the oldest stream's client is gone.
    pub(crate) async fn stream_left(&self) {
        let stream = self.state.streams.lock()[0].clone();
        timeout(DEADLINE, stream.closed()).await.unwrap();
    }

    /// How the first WebSocket ended.
    pub(crate) async fn socket_ended(&self) -> bool {
        let mut ended = self.state.sockets_ended.subscribe();
        timeout(DEADLINE, ended.wait_for(|ended| !ended.is_empty())).await.unwrap().unwrap()[0]
    }

    pub(crate) fn sockets_ended(&self) -> usize {
        self.state.sockets_ended.borrow().len()
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(listener: TcpListener, state: Arc<State>) {
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let state = Arc::clone(&state);
        let service = service_fn(move |request| answer(request, Arc::clone(&state)));
        connections.spawn(async move {
            let http = hyper::server::conn::http1::Builder::new();
            // Tests cut connections on purpose.
            let _ = http.serve_connection(TokioIo::new(stream), service).with_upgrades().await;
        });
    }
}

async fn answer(request: Request<Incoming>, state: Arc<State>) -> Result<Response<Body>, hyper::Error> {
    let connect = request.method() == http::Method::CONNECT;
    if connect || request.headers().contains_key("upgrade") {
        let upgrade = hyper::upgrade::on(request);
        tokio::spawn(async move {
            let (mut read, mut write) = tokio::io::split(TokioIo::new(upgrade.await.unwrap()));
            let closed = tokio::io::copy(&mut read, &mut write).await.is_ok();
            state.sockets_ended.send_modify(|ended| ended.push(closed));
        });
        let status = if connect { StatusCode::OK } else { StatusCode::SWITCHING_PROTOCOLS };
        let response = Response::builder().status(status);
        return Ok(response
            .header("upgrade", "websocket")
            .header("connection", "upgrade")
            .body(full(""))
            .unwrap());
    }
    if request.method() == "POST" {
        let body = String::from_utf8(request.into_body().collect().await?.to_bytes().to_vec()).unwrap();
        let mut count = 0;
        state.bodies.send_modify(|bodies| {
            bodies.push(body.clone());
            count = bodies.len();
        });
        return Ok(Response::new(full(&format!("{count}:{body}"))));
    }
    if request.uri().path() == "/stream" {
        let (pieces, mut rest) = mpsc::unbounded_channel();
        state.streams.lock().push(pieces);
        state.stream_count.send_modify(|count| *count += 1);
        let stream = futures_util::stream::poll_fn(move |cx| {
            rest.poll_recv(cx).map(|piece| piece.map(|piece| Ok(Frame::data(piece))))
        });
        let response = Response::builder().header("content-type", "text/event-stream; charset=utf-8");
        return Ok(response.body(StreamBody::new(stream).boxed()).unwrap());
    }
    Ok(Response::new(full("plain")))
}

fn full(text: &str) -> Body {
    Full::new(Bytes::copy_from_slice(text.as_bytes())).boxed()
}
