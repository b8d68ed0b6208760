//! The proxy over HTTP, for tests that aren't written in Rust.
//!
//! | request | body | answer |
//! |---|---|---|
//! | `GET /rules` | | the common [`Rules`] |
//! | `PUT /rules` | [`Rules`] | 204, when they hold |
//! | `PUT /connections/{n}/rules` | [`Rules`] | 204; 404 if it isn't open |
//! | `DELETE /connections/{n}/rules` | | 204: the common ones again |
//! | `GET /connections` | | an array of [`ConnectionInfo`](super::ConnectionInfo) |
//! | `POST /cut` | [`CutOrder`] | `{"cut": n}` |
//! | `PUT /upstream` | `"127.0.0.1:3001"` | 204: for new connections to the hub |
//! | `GET /log?after=n` | | an array of [`Entry`](super::Entry) behind number *n* |
//! | `GET /counters` | | [`Counters`](super::Counters) |
//!
//! A body that doesn't fit is answered by 400 with the reason as text.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::handle::{FaultProxy, Select};
use super::rules::{End, Rules};

const BODY_BYTES_MAX: usize = 1024 * 1024;

/// Ends connections now.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CutOrder {
    /// Which ones.
    pub select: Select,
    /// How the client's socket ends.
    pub client: End,
    /// How the hub's socket ends.
    pub upstream: End,
}

type Answer = Result<Response<Full<Bytes>>, Refusal>;

struct Refusal(StatusCode, String);

/// Serves the control addresses on this listener until dropped.
pub async fn serve(listener: TcpListener, proxy: Arc<FaultProxy>) -> io::Result<()> {
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await?;
        while connections.try_join_next().is_some() {}
        let proxy = Arc::clone(&proxy);
        let service = service_fn(move |request| answer(request, Arc::clone(&proxy)));
        connections.spawn(async move {
            // A client that leaves in the middle is its own affair.
            let _ = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

async fn answer(
    request: Request<Incoming>,
    proxy: Arc<FaultProxy>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    Ok(route(request, &proxy).await.unwrap_or_else(|Refusal(status, message)| text(status, message)))
}

async fn route(request: Request<Incoming>, proxy: &FaultProxy) -> Answer {
    let (parts, body) = request.into_parts();
    let path: Vec<&str> = parts.uri.path().split('/').skip(1).collect();
    match (&parts.method, &path[..]) {
        (&Method::GET, ["rules"]) => json(&proxy.rules()),
        (&Method::PUT, ["rules"]) => {
            let set = proxy.set(parse(body).await?).await;
            set.map_err(|error| Refusal(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))?;
            done()
        }
        (&Method::GET, ["connections"]) => json(&proxy.connections()),
        (&Method::PUT, ["connections", id, "rules"]) => {
            let rules: Rules = parse(body).await?;
            set_for(proxy, id, Some(rules))
        }
        (&Method::DELETE, ["connections", id, "rules"]) => set_for(proxy, id, None),
        (&Method::POST, ["cut"]) => {
            let order: CutOrder = parse(body).await?;
            json(&json!({"cut": proxy.cut(&order.select, order.client, order.upstream).await}))
        }
        (&Method::PUT, ["upstream"]) => {
            let address: SocketAddr = parse(body).await?;
            proxy.set_upstream(address);
            done()
        }
        (&Method::GET, ["log"]) => {
            let after = parts.uri.query().and_then(|query| query.strip_prefix("after=")).unwrap_or("0");
            let after = after.parse().map_err(|_| bad("after is a number"))?;
            json(&proxy.log().after(after))
        }
        (&Method::GET, ["counters"]) => json(&proxy.counters()),
        _ => Err(Refusal(StatusCode::NOT_FOUND, "no such address".into())),
    }
}

fn set_for(proxy: &FaultProxy, id: &str, rules: Option<Rules>) -> Answer {
    let id = id.parse().map_err(|_| bad("a connection is a number"))?;
    if !proxy.set_for(id, rules) {
        return Err(Refusal(StatusCode::NOT_FOUND, "the connection isn't open".into()));
    }
    done()
}

async fn parse<T: DeserializeOwned>(body: Incoming) -> Result<T, Refusal> {
    let body = Limited::new(body, BODY_BYTES_MAX).collect().await.map_err(|error| bad(&error.to_string()))?;
    serde_json::from_slice(&body.to_bytes()).map_err(|error| bad(&error.to_string()))
}

fn bad(message: &str) -> Refusal {
    Refusal(StatusCode::BAD_REQUEST, message.to_owned())
}

fn done() -> Answer {
    Ok(text(StatusCode::NO_CONTENT, String::new()))
}

fn json(value: &impl Serialize) -> Answer {
    let body = serde_json::to_vec(value)
        .map_err(|error| Refusal(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))?;
    let mut response = Response::new(Full::new(Bytes::from(body)));
    response
        .headers_mut()
        .insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static("application/json"));
    Ok(response)
}

fn text(status: StatusCode, message: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(message)));
    *response.status_mut() = status;
    response
}
