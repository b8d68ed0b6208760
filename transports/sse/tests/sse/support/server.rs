use super::TestHub;
use crosspoint_core::link::Subscribe;
use crosspoint_core::{Limits, LinkInfo};
use crosspoint_sse::{Config, Handover, Http1, Sse, SseBody};
use http::{Method, Request, Response};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use tokio::net::TcpStream;

pub struct Server {
    pub addr: SocketAddr,
    pub hub: Arc<TestHub>,
    pub sse: Sse,
    pub driver: Driver,
}

/// The defaults, with names that are told apart but not secret.
pub fn config() -> Config {
    let count = AtomicU64::new(1);
    let random = move || {
        let n = count.fetch_add(1, SeqCst).to_be_bytes();
        let mut out = [0xA5; 16];
        out[8..].copy_from_slice(&n);
        out
    };
    Config::new(&Limits { reorder_frames_max: 8, ..Limits::default() }, Arc::new(random))
}

/// How the server drives its connections.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Driver {
    /// hyper, to the end.
    Hyper,
    /// `Http1`, which takes streams over.
    Http1,
}

pub async fn serve(driver: Driver) -> Server {
    serve_with(driver, config()).await
}

pub async fn serve_with(driver: Driver, config: Config) -> Server {
    let hub = Arc::new(TestHub::default());
    let sse = Sse::new(hub.clone(), config);
    let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
    socket.set_send_buffer_size(16 << 10).expect("a buffer size");
    socket.bind("127.0.0.1:0".parse().expect("an address")).expect("a port");
    let listener = socket.listen(128).expect("a listener");
    let addr = listener.local_addr().expect("an address");
    let front = sse.clone();
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            tokio::spawn(connection(driver, front.clone(), socket));
        }
    });
    Server { addr, hub, sse, driver }
}

async fn connection(driver: Driver, sse: Sse, socket: TcpStream) {
    let handover = Handover::default();
    let taken = handover.clone();
    let service = service_fn(move |request: Request<Incoming>| {
        let (sse, taken) = (sse.clone(), taken.clone());
        Box::pin(async move {
            let version = request.version();
            let (mut head, mut body) = route(sse, request).await.into_parts();
            if driver == Driver::Http1 {
                taken.offer(version, &mut head.headers, &mut body);
            }
            Ok::<_, Infallible>(Response::from_parts(head, body))
        })
    });
    let _ = match driver {
        Driver::Http1 => {
            let mut builder = hyper::server::conn::http1::Builder::new();
            Http1::new(builder.max_buf_size(16 << 10), socket, handover, service).await.map_err(Into::into)
        }
        Driver::Hyper => {
            let mut builder = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
            builder.http1().max_buf_size(16 << 10);
            builder.serve_connection(TokioIo::new(socket), service).await
        }
    };
}

async fn route(sse: Sse, request: Request<Incoming>) -> Response<SseBody> {
    let path = request.uri().path().to_owned();
    let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    let method = request.method().clone();
    match (method, parts.as_slice()) {
        (Method::POST, ["sse"]) => sse.open(LinkInfo::default(), request.into_body()).await,
        (Method::POST, ["sse", link]) => sse.uplink(link, request.into_body()).await,
        (Method::GET, ["rooms", room, "events"]) => {
            let since =
                request.headers().get("last-event-id").and_then(|v| v.to_str().ok()).map(str::to_owned);
            let subscribe = Subscribe { room: (*room).to_owned(), since, history: None };
            sse.subscribe(LinkInfo { subscribe: Some(subscribe), ..LinkInfo::default() }).await
        }
        _ => panic!("no such route: {path}"),
    }
}
