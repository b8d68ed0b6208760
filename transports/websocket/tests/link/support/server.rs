use super::client::{Raw, request};
use super::peer::{Hub, Manners, Peer};
use super::within;
use crosspoint_core::{Acceptor, LinkInfo};
use crosspoint_websocket::{Config, upgrade};
use http::{Request, Response};
use http_body_util::Empty;
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use socket2::SockRef;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_tungstenite::{WebSocketStream, client_async};

/// The limit on messages in these tests.
pub(crate) const FRAME_BYTES_MAX: usize = 256 << 10;

/// A client of tokio-tungstenite's.
pub(crate) type Client<T = TcpStream> = WebSocketStream<T>;

/// How the server's HTTP half is put together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Front {
    Http1,
    /// HTTP/1 and HTTP/2, which wraps the connection once more.
    Auto,
}

/// An HTTP server on loopback all of whose requests ask for a link.
pub(crate) struct Server {
    pub(crate) addr: SocketAddr,
    peers: mpsc::UnboundedReceiver<Arc<Peer>>,
    task: tokio::task::JoinHandle<()>,
}

impl Server {
    pub(crate) async fn start(manners: Manners) -> Server {
        Server::with(Front::Auto, manners, Duration::from_secs(2)).await
    }

    pub(crate) async fn with(front: Front, manners: Manners, close_wait: Duration) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let (hub, peers) = Hub::open(manners);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                // Small and fixed, so that a reader that stalls is soon noticed.
                SockRef::from(&stream).set_send_buffer_size(64 << 10).unwrap();
                tokio::spawn(http(stream, front, hub.clone(), close_wait));
            }
        });
        Server { addr, peers, task }
    }

    /// The next link's peer.
    pub(crate) async fn link(&mut self) -> Arc<Peer> {
        within(self.peers.recv()).await.expect("the server runs")
    }

    /// A client of tungstenite's with the peer of its link.
    pub(crate) async fn client(&mut self) -> (Client, Arc<Peer>) {
        let stream = TcpStream::connect(self.addr).await.unwrap();
        let (client, _) = within(client_async(format!("ws://{}/ws", self.addr), stream)).await.unwrap();
        (client, self.link().await)
    }

    /// A client that writes bytes, with the peer of its link.
    pub(crate) async fn raw(&mut self) -> (Raw, Arc<Peer>) {
        let mut raw = Raw::connect(self.addr).await;
        raw.write(request("").as_bytes()).await;
        let head = raw.head().await;
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        (raw, self.link().await)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Serves HTTP on a connection that may become a link.
pub(crate) async fn http<T>(io: T, front: Front, hub: Arc<dyn Acceptor>, close_wait: Duration)
where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(move |request: Request<Incoming>| {
        let hub = hub.clone();
        async move {
            let response: Response<()> = match upgrade(&request) {
                Ok((response, accept)) => {
                    let config = Config { frame_bytes_max: FRAME_BYTES_MAX, close_wait };
                    accept.serve(LinkInfo::default(), hub, config);
                    response
                }
                Err(refusal) => refusal.response(),
            };
            Ok::<_, Infallible>(response.map(|()| Empty::<Bytes>::new()))
        }
    });
    let io = TokioIo::new(io);
    // How a connection ends is what the clients of these tests look at.
    match front {
        Front::Http1 => {
            let _ = hyper::server::conn::http1::Builder::new()
                .serve_connection(io, service)
                .with_upgrades()
                .await;
        }
        Front::Auto => {
            let builder = auto::Builder::new(TokioExecutor::new());
            let _ = builder.serve_connection_with_upgrades(io, service).await;
        }
    }
}
