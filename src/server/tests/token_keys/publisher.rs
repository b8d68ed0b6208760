//! A server that publishes a key set, well or badly.

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

/// What it answers.
#[derive(Clone)]
pub(crate) enum How {
    Body(String),
    Status(u16),
    /// To its own `/elsewhere`, where this is.
    Redirect(String),
    Never,
}

#[derive(Default)]
struct State {
    how: Option<How>,
    paths: Vec<String>,
}

pub(crate) struct Publisher {
    addr: SocketAddr,
    scheme: &'static str,
    state: Arc<Mutex<State>>,
    _tasks: JoinSet<()>,
}

impl Publisher {
    pub(crate) async fn new(how: How) -> Publisher {
        Publisher::start(how, None).await
    }

    pub(crate) async fn start(how: How, tls: Option<TlsAcceptor>) -> Publisher {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let state = Arc::new(Mutex::new(State { how: Some(how), paths: vec![] }));
        let mut tasks = JoinSet::new();
        let (scheme, shared) = (if tls.is_some() { "https" } else { "http" }, state.clone());
        tasks.spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (state, tls) = (shared.clone(), tls.clone());
                tokio::spawn(async move {
                    match tls {
                        None => serve(stream, state).await,
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                serve(stream, state).await;
                            }
                        }
                    }
                });
            }
        });
        Publisher { addr, scheme, state, _tasks: tasks }
    }

    pub(crate) fn url(&self) -> String {
        format!("{}://localhost:{}/jwks", self.scheme, self.addr.port())
    }

    pub(crate) fn set(&self, how: How) {
        self.state.lock().unwrap().how = Some(how);
    }

    /// How often it was asked for this.
    pub(crate) fn asked(&self, path: &str) -> usize {
        self.state.lock().unwrap().paths.iter().filter(|p| *p == path).count()
    }
}

async fn serve(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, state: Arc<Mutex<State>>) {
    let service = service_fn(move |request: Request<Incoming>| answer(state.clone(), request));
    let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

async fn answer(
    state: Arc<Mutex<State>>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let path = request.uri().path().to_owned();
    let how = {
        let mut state = state.lock().unwrap();
        state.paths.push(path.clone());
        state.how.clone().unwrap()
    };
    let builder = Response::builder();
    Ok(match how {
        How::Body(body) => builder.body(Full::from(body)),
        How::Status(status) => builder.status(status).body(Full::from("{\"keys\":[]}")),
        How::Redirect(body) if path == "/elsewhere" => builder.body(Full::from(body)),
        How::Redirect(_) => builder.status(302).header("location", "/elsewhere").body(Full::default()),
        How::Never => std::future::pending().await,
    }
    .unwrap())
}
