//! Requests that become links: handed to their transports.

use super::app::App;
use super::body::Body;
use super::credentials::{Cookies, Seen};
use super::origin::Standing;
use super::reply::{self, Reply};
use crosspoint_core::link::Subscribe;
use crosspoint_core::{Code, Fault, LinkInfo, Transport};
use crosspoint_sse::SseBody;
use crosspoint_websocket::serve_tcp;
use http::header::SEC_WEBSOCKET_PROTOCOL;
use http::{Request, Response};
use hyper::body::Incoming;
use percent_encoding::percent_decode_str;
use std::net::IpAddr;

/// Where a request that becomes a link comes from.
pub(super) struct From<'a> {
    pub(super) standing: &'a Standing,
    pub(super) peer: IpAddr,
}

/// What is known of the client whose request this is. Secrets leave its URL.
///
/// # Errors
/// Why it does not come in.
pub(super) async fn enter<B>(
    app: &App,
    from: From<'_>,
    request: &mut Request<B>,
    transport: Option<Transport>,
    cookies: Cookies,
) -> Result<LinkInfo, Fault> {
    let (headers, query) = (request.headers(), request.uri().query());
    let From { standing, peer } = from;
    let info = app.door.enter(Seen { headers, query, standing, peer, transport, cookies }).await;
    app.door.strip(request.uri_mut());
    info
}

/// `GET /ws`
pub(super) async fn websocket(app: &App, from: From<'_>, mut request: Request<Incoming>) -> Reply {
    match crosspoint_websocket::upgrade(&request) {
        Ok((response, accept)) => {
            // Who offers our subprotocol says hello; others show here who they are, or never.
            let cookies = match response.headers().contains_key(SEC_WEBSOCKET_PROTOCOL) {
                true => Cookies::AwaitHello,
                false => Cookies::Decide,
            };
            if let Err(fault) = app.hub.takes_clients() {
                return reply::fault(&fault);
            }
            let info = match enter(app, from, &mut request, Some(Transport::WebSocket), cookies).await {
                Ok(info) => info,
                Err(fault) => return reply::fault(&fault),
            };
            let (acceptor, config) = (app.acceptor.clone(), app.websocket);
            tokio::spawn(async move {
                // Without an upgraded connection the client has gone before the response left.
                let Ok(upgraded) = accept.into_inner().await else { return };
                match crosspoint_sse::into_socket(upgraded) {
                    Ok((socket, early)) => serve_tcp(socket, early, info, &acceptor, config),
                    Err(upgraded) => crosspoint_websocket::serve(upgraded, info, &acceptor, config),
                };
            });
            response.map(|()| Body::empty())
        }
        Err(refusal) => {
            let (parts, ()) = refusal.response().into_parts();
            let mut reply = reply::fault(&refusal.fault());
            reply.headers_mut().extend(parts.headers);
            reply
        }
    }
}

/// `POST /sse`
pub(super) async fn open(app: &App, from: From<'_>, mut request: Request<Incoming>) -> Reply {
    if let Err(fault) = app.hub.takes_clients() {
        return reply::fault(&fault);
    }
    match enter(app, from, &mut request, Some(Transport::Sse), Cookies::AwaitHello).await {
        Ok(info) => sse(app.sse.open(info, request.into_body()).await),
        Err(fault) => reply::fault(&fault),
    }
}

/// `POST /sse/{link}`
pub(super) async fn uplink(app: &App, link: &str, body: Incoming) -> Reply {
    sse(app.sse.uplink(link, body).await)
}

/// `GET /rooms/{room}/events`
pub(super) async fn subscribe(
    app: &App,
    from: From<'_>,
    room: String,
    mut request: Request<Incoming>,
) -> Reply {
    let remote = app.door.remote(from.peer, request.headers());
    let info = match app.hub.connect_from(Some(remote)) {
        Ok(()) => enter(app, from, &mut request, Some(Transport::Sse), Cookies::Decide).await,
        Err(fault) => Err(fault),
    };
    let info = match info {
        Ok(info) => info,
        // Browsers never come back after an error.
        Err(fault) if fault.retry_is_due() => return reply::closed_stream(&fault),
        Err(fault) => return reply::fault(&fault),
    };
    match wanted(room, &request) {
        Ok(wanted) => sse(app.sse.subscribe(LinkInfo { subscribe: Some(wanted), ..info }).await),
        Err(fault) => reply::fault(&fault),
    }
}

fn wanted(room: String, request: &Request<Incoming>) -> Result<Subscribe, Fault> {
    let query = request.uri().query().unwrap_or_default();
    let last = request.headers().get("last-event-id").and_then(|v| v.to_str().ok());
    let since = last.filter(|v| !v.is_empty()).map(String::from).or(parameter(query, "since")?);
    let history = number(query, "history")?;
    Ok(Subscribe { room: room_name(room)?, since, history })
}

/// A room's name as a path or query gives it.
pub(super) fn room_name(room: String) -> Result<String, Fault> {
    if room.len() > crosspoint_core::frame::ROOM_BYTES_MAX || room.bytes().any(|b| b.is_ascii_control()) {
        return Err(Fault::new(
            Code::BadRequest,
            "A room's name has 1 to 256 bytes and no control characters",
        ));
    }
    Ok(room)
}

/// A parameter of a query (WHATWG URL §5.1); absent or empty is `None`.
pub(super) fn parameter(query: &str, name: &str) -> Result<Option<String>, Fault> {
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let Some((_, value)) = pairs.into_iter().find(|(n, v)| *n == name && !v.is_empty()) else {
        return Ok(None);
    };
    let value = value.replace('+', " ");
    let text = percent_decode_str(&value).decode_utf8();
    text.map(|t| Some(t.into_owned()))
        .map_err(|_| Fault::new(Code::BadRequest, format!("`{name}` is not UTF-8")))
}

/// A parameter that is a whole number.
pub(super) fn number<T: std::str::FromStr>(query: &str, name: &str) -> Result<Option<T>, Fault> {
    let wrong = |_| Fault::new(Code::BadRequest, format!("`{name}` is not a whole number"));
    parameter(query, name)?.map(|text| text.parse().map_err(|_| ()).map_err(wrong)).transpose()
}

fn sse(response: Response<SseBody>) -> Reply {
    response.map(Body::Sse)
}
