//! From the route to the answer.

use super::app::App;
use super::body::Body;
use super::origin::Standing;
use super::reply::{self, Reply};
use super::route::Route;
use super::{api, files, limits, links, metrics, negotiate, problem, webrtc};
use http::header::CONTENT_LENGTH;
use http::{HeaderValue, Method, Request, StatusCode};
use hyper::body::{Body as _, Incoming};
use std::net::IpAddr;
use std::sync::Arc;

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
pub(super) async fn answer(
    app: &Arc<App>,
    passed: Passed,
    peer: IpAddr,
    request: Request<Incoming>,
) -> Reply {
    let Passed { route, standing } = passed;
    let (allow, is_api) = (route.methods(), route.is_api());
    if !route.exists() {
        return if is_api { problem::not_found() } else { reply::not_found() };
    }
    if !problem::takes(allow, request.method()) {
        return if is_api { problem::method_not_allowed(allow) } else { reply::method_not_allowed(allow) };
    }
    if let Err(fault) = limits::admit(app, &route, peer, request.headers()) {
        return reply::fault(&fault);
    }
    let is_head = request.method() == Method::HEAD;
    let from = links::From { standing: &standing, peer };
    let reply = match route {
        Route::WebSocket => links::websocket(app, from, request).await,
        Route::SseOpen => links::open(app, from, request).await,
        Route::SseLink(link) => links::uplink(app, &link, request.into_body()).await,
        Route::RoomStream(room) => links::subscribe(app, from, room, request).await,
        Route::Negotiate => negotiate::negotiate(app, from, request).await,
        Route::WebRtcOpen => webrtc::open(app, from, request).await,
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
        Route::OpenApi => reply::with(StatusCode::OK, "application/json", api::document()),
        Route::Api(place) => api::api(app, place, request).await,
        Route::Nowhere => reply::not_found(),
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
