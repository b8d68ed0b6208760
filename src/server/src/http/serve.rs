//! From the route to the answer.

use super::app::App;
use super::body::Body;
use super::origin::{self, Standing};
use super::reply::{self, Reply};
use super::route::Route;
use super::{api, files, links, metrics, negotiate, webrtc};
use http::header::CONTENT_LENGTH;
use http::{HeaderValue, Method, Request, StatusCode};
use hyper::body::{Body as _, Incoming};
use std::net::IpAddr;

/// The address at the other end of a request's connection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer(pub(crate) IpAddr);

/// What [`super::stack`] found out about a request.
#[derive(Clone)]
pub(super) struct Passed {
    pub(super) route: Route,
    pub(super) standing: Standing,
}

/// Answers a request that came through the stack.
pub(super) async fn answer(app: &App, passed: Passed, peer: IpAddr, request: Request<Incoming>) -> Reply {
    let Passed { route, standing } = passed;
    if route == Route::Nowhere {
        return reply::not_found();
    }
    let allow = route.methods();
    if !allow.split(", ").any(|m| m == request.method().as_str()) {
        return reply::method_not_allowed(allow);
    }
    let is_head = request.method() == Method::HEAD;
    let info = || links::info(app, request.headers(), &standing, peer);
    let reply = match route {
        Route::WebSocket => links::websocket(app, info(), &request),
        Route::SseOpen => {
            let info = info();
            links::open(app, info, request.into_body()).await
        }
        Route::SseLink(link) => links::uplink(app, &link, request.into_body()).await,
        Route::RoomStream(room) => links::subscribe(app, info(), room, &request).await,
        Route::Negotiate => {
            let (info, host) = (info(), origin::host(&request));
            negotiate::negotiate(app, info, host, request.into_body()).await
        }
        Route::WebRtcOpen => {
            let info = info();
            webrtc::open(app, info, request).await
        }
        Route::WebRtcPeer(peer) => webrtc::close(app, &peer),
        Route::Health => reply::with(StatusCode::OK, "text/plain", "ok\n"),
        Route::Ready => match app.hub.takes_clients() {
            Ok(()) => reply::with(StatusCode::OK, "text/plain", "ready\n"),
            Err(fault) => {
                let mut reply = reply::fault(&fault);
                *reply.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
                reply
            }
        },
        Route::Metrics => metrics::metrics(app),
        Route::Demo(path) => files::demo(&path, request.headers()),
        Route::Sdk(path) => files::sdk(&path, request.headers()),
        route => api::api(app, route, request).await,
    };
    if is_head { without_body(reply) } else { reply }
}

/// The same head as with the body (RFC 9110 §9.3.2).
fn without_body(reply: Reply) -> Reply {
    let (mut head, body) = reply.into_parts();
    if let Some(len) = body.size_hint().exact() {
        head.headers.insert(CONTENT_LENGTH, HeaderValue::from(len));
    }
    Reply::from_parts(head, Body::empty())
}
