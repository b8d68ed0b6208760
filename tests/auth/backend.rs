//! A team's backend that answers the connect hook.

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use std::convert::Infallible;
use std::net::SocketAddr;
use tokio::net::TcpListener;

/// Runs until the test ends; what is asked is answered by the last word of the credential.
pub(crate) async fn start() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let service = service_fn(answer);
            let connection = hyper::server::conn::http1::Builder::new();
            tokio::spawn(connection.serve_connection(TokioIo::new(stream), service));
        }
    });
    addr
}

async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let body = request.into_body().collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let asked: Value = serde_json::from_slice(&body).unwrap_or_default();
    let credential = asked["data"]["credential"].as_str().unwrap_or_default();
    let verdict = verdict(asked["data"]["scheme"].as_str().unwrap_or_default(), credential);
    let mut response = Response::new(Full::from(verdict.to_string()));
    response.headers_mut().insert("content-type", "application/json".parse().unwrap());
    Ok(response)
}

fn verdict(scheme: &str, credential: &str) -> Value {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    let text = match scheme {
        "basic" => String::from_utf8(STANDARD.decode(credential).unwrap()).unwrap(),
        _ => credential.to_owned(),
    };
    let refused = |code: &str| json!({"allow": false, "code": code});
    match text.rsplit([':', ' ', '-']).next().unwrap_or_default() {
        "valid" => json!({"allow": true, "claims": {"sub": "alice"}}),
        "limited" => json!({"allow": true, "claims": {"sub": "alice", "join": ["other"]}}),
        "expired" => refused("token_expired"),
        "revoked" => refused("token_revoked"),
        _ => refused("unauthorized"),
    }
}
