//! A backend: a real HTTP server that checks every signature, does as it is told, and remembers.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use crosspoint::Running;
use crosspoint::config::{Config, HookUrl};
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use ring::hmac;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

pub const HOOK_SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
pub const OLD_SECRET: &str = "whsec_b2xkLXNlY3JldC1vbGQtc2VjcmV0LW9sZC1zZWNyZXQ=";

/// A request as it came.
#[derive(Clone, Debug)]
pub struct Call {
    pub path: String,
    pub id: String,
    pub headers: HeaderMap,
    pub raw: Bytes,
    pub body: Value,
}

impl Call {
    pub fn data(&self) -> &Value {
        &self.body["data"]
    }
}

/// What becomes of a request.
#[derive(Clone)]
pub enum Act {
    Json(u16, Value),
    Text(u16, String),
    Redirect(String),
    /// No answer, ever.
    Hang,
    /// The connection breaks.
    Break,
    /// The answer waits until the gate is opened.
    Held(watch::Receiver<bool>, Value),
}

type Script = dyn Fn(&Call) -> Act + Send + Sync;

struct Inner {
    script: Mutex<Arc<Script>>,
    calls: watch::Sender<Vec<Call>>,
    /// Connections are broken as soon as they come.
    down: watch::Sender<bool>,
}

#[derive(Clone)]
pub struct Backend {
    addr: SocketAddr,
    inner: Arc<Inner>,
    _tasks: Arc<JoinSet<()>>,
}

/// What it takes to say yes.
pub fn yes() -> Act {
    Act::Json(200, json!({"allow": true}))
}

impl Backend {
    pub async fn start(script: impl Fn(&Call) -> Act + Send + Sync + 'static) -> Backend {
        Backend::serve(None, script).await
    }

    /// With TLS, if that is given.
    pub async fn serve(
        tls: Option<TlsAcceptor>,
        script: impl Fn(&Call) -> Act + Send + Sync + 'static,
    ) -> Backend {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let inner = Arc::new(Inner {
            script: Mutex::new(Arc::new(script)),
            calls: watch::Sender::default(),
            down: watch::Sender::default(),
        });
        let mut tasks = JoinSet::new();
        let serving = inner.clone();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (inner, tls) = (serving.clone(), tls.clone());
                connections.spawn(async move {
                    match tls {
                        None => connection(inner, stream).await,
                        // Who doesn't trust the certificate goes away in the handshake.
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                connection(inner, stream).await;
                            }
                        }
                    }
                });
            }
        });
        Backend { addr, inner, _tasks: Arc::new(tasks) }
    }

    pub fn url(&self, path: &str) -> HookUrl {
        HookUrl::parse(&format!("http://{}{path}", self.addr)).unwrap()
    }

    /// From now on it does this.
    pub fn script(&self, script: impl Fn(&Call) -> Act + Send + Sync + 'static) {
        *self.inner.script.lock().unwrap() = Arc::new(script);
    }

    /// Breaks all connections and takes no others, until it is up again.
    pub fn down(&self, down: bool) {
        self.inner.down.send_replace(down);
    }

    pub fn calls(&self) -> Vec<Call> {
        self.inner.calls.borrow().clone()
    }

    pub fn to(&self, path: &str) -> Vec<Call> {
        self.calls().into_iter().filter(|call| call.path == path).collect()
    }

    /// Waits until what came fits.
    pub async fn wait(&self, fits: impl FnMut(&Vec<Call>) -> bool) -> Vec<Call> {
        let mut calls = self.inner.calls.subscribe();
        let seen = tokio::time::timeout(crate::common::PATIENCE, calls.wait_for(fits)).await;
        seen.expect("the calls in time").unwrap().clone()
    }

    /// All notifications, in the order in which they came, repetitions too.
    pub fn notifications(&self) -> Vec<Value> {
        told(&self.calls())
    }
}

async fn connection(inner: Arc<Inner>, stream: impl AsyncRead + AsyncWrite + Unpin) {
    let mut down = inner.down.subscribe();
    let service = service_fn(|request| answer(inner.clone(), request));
    let serving = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    tokio::select! {
        _ = serving => {}
        _ = down.wait_for(|down| *down) => {}
    }
}

/// The notifications in these calls.
pub fn told(calls: &[Call]) -> Vec<Value> {
    let of = |call: &Call| call.data().as_array().cloned().unwrap_or_default();
    calls.iter().filter(|call| call.path == "/notify").flat_map(of).collect()
}

async fn answer(
    inner: Arc<Inner>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, std::io::Error> {
    let (head, body) = request.into_parts();
    let raw = body.collect().await.map_err(std::io::Error::other)?.to_bytes();
    assert_eq!(head.method, "POST");
    assert_eq!(head.headers["content-type"], "application/json");
    assert!(verified(&head.headers, &raw, HOOK_SECRET), "a signature that is good");
    let call = Call {
        path: head.uri.path().into(),
        id: head.headers["webhook-id"].to_str().unwrap().into(),
        body: serde_json::from_slice(&raw).unwrap(),
        headers: head.headers,
        raw,
    };
    let script = inner.script.lock().unwrap().clone();
    let act = script(&call);
    inner.calls.send_modify(|calls| calls.push(call));
    let reply = |status: u16, text: String| {
        Response::builder().status(status).header("content-type", "application/json").body(text.into())
    };
    let response = match act {
        Act::Json(status, value) => reply(status, value.to_string()),
        Act::Text(status, text) => reply(status, text),
        Act::Redirect(to) => Response::builder().status(307).header("location", to).body(Full::default()),
        Act::Hang => std::future::pending().await,
        Act::Break => return Err(std::io::Error::other("as asked")),
        Act::Held(mut gate, value) => {
            let _ = gate.wait_for(|open| *open).await;
            reply(200, value.to_string())
        }
    };
    response.map_err(std::io::Error::other)
}

/// As the specification of Standard Webhooks says it.
pub fn verified(headers: &HeaderMap, body: &[u8], secret: &str) -> bool {
    let text = |name: &str| headers[name].to_str().unwrap().to_string();
    let (id, timestamp) = (text("webhook-id"), text("webhook-timestamp"));
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    if now.abs_diff(timestamp.parse().unwrap()) > 300 {
        return false;
    }
    let key = STANDARD.decode(secret.strip_prefix("whsec_").unwrap()).unwrap();
    let signed = [format!("{id}.{timestamp}.").as_bytes(), body].concat();
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &key), &signed);
    let expected = format!("v1,{}", STANDARD.encode(tag));
    text("webhook-signature").split(' ').any(|signature| signature == expected)
}

/// An open hub whose hooks go to the backend: `hooked:` rooms ask and tell, others don't.
pub async fn hub(backend: &Backend, edit: impl FnOnce(&mut Config)) -> Running {
    crate::common::start(|c| {
        configure(c, backend);
        edit(c);
    })
    .await
}

pub fn configure(c: &mut Config, backend: &Backend) {
    let hooks = &mut c.hooks;
    hooks.secrets = vec![HOOK_SECRET.into()];
    hooks.backoff_ms = 5;
    hooks.backoff_ms_max = 50;
    hooks.breaker_failures = 1_000_000;
    hooks.join.url = Some(backend.url("/join"));
    hooks.publish.url = Some(backend.url("/publish"));
    hooks.request.url = Some(backend.url("/request"));
    hooks.request.services = vec!["billing".into(), "bot-*".into()];
    hooks.notify.url = Some(backend.url("/notify"));
    let namespace = |value| serde_json::from_value(value).unwrap();
    c.namespaces = vec![
        namespace(json!({"prefix": ""})),
        namespace(json!({"prefix": "join:", "hooks": ["join"]})),
        namespace(json!({"prefix": "publish:", "hooks": ["publish"], "history_events": 100})),
        namespace(json!({
            "prefix": "told:", "hooks": ["room", "member", "message"], "history_events": 10_000, "leave_delay_ms": 0
        })),
    ];
}
