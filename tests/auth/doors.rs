//! The transports, as doors: what becomes of a client that shows something there.

use crate::credentials::By;
use crate::support::{Adapter, Http, Link, Offered, Refused, Version, within};
use crosspoint::Running;
use futures_util::{SinkExt as _, StreamExt as _};
use http::Method;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::{Error, Message};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Door {
    Negotiate,
    /// With a hello, after our subprotocol.
    WebSocket,
    /// Without either.
    PlainWebSocket,
    SseStream,
    SsePoll,
    EventStream,
    WebTransport,
    /// The offer by HTTP.
    WebRtc,
    /// Not a client's.
    Api,
}

/// The room that is tried.
const ROOM: &str = "r";

impl Door {
    pub(crate) const ALL: [Door; 9] = [
        Door::Negotiate,
        Door::WebSocket,
        Door::PlainWebSocket,
        Door::SseStream,
        Door::SsePoll,
        Door::EventStream,
        Door::WebTransport,
        Door::WebRtc,
        Door::Api,
    ];

    /// What becomes of it, in words: `in`, `in, join forbidden`, a status and a code where it is refused before anything else, `close` and a
    /// code where that comes after an upgrade.
    pub(crate) async fn try_with(
        self,
        hub: &Running,
        offer: &Offered,
        by: By,
        headers: &[(&str, &str)],
        query: &str,
    ) -> String {
        match self {
            Door::Negotiate => {
                let ask = json!({"version": 1, "transports": ["websocket"]}).to_string();
                request(hub, Method::POST, "/negotiate", headers, query, &ask).await
            }
            Door::WebRtc => {
                let sdp = [&[("content-type", "application/sdp")], headers].concat();
                request(hub, Method::POST, "/webrtc", &sdp, query, &offer.sdp).await
            }
            Door::EventStream => {
                let path = format!("/rooms/{ROOM}/events");
                let outcome = request(hub, Method::GET, &path, headers, query, "").await;
                // Its only join is the one that it begins with.
                outcome.replace("403 forbidden", "in, join forbidden")
            }
            Door::Api => request(hub, Method::GET, "/api/v1/rooms", headers, query, "").await,
            Door::PlainWebSocket => plain(hub, by, headers, query).await,
            Door::WebSocket => said(Adapter::WebSocket, hub, headers, query).await,
            Door::SseStream => said(Adapter::Stream, hub, headers, query).await,
            Door::SsePoll => said(Adapter::Poll, hub, headers, query).await,
            Door::WebTransport => said(Adapter::WebTransport, hub, headers, query).await,
        }
    }
}

/// Status and code of a plain request, of which 200 and 201 are `in`.
async fn request(
    hub: &Running,
    method: Method,
    path: &str,
    headers: &[(&str, &str)],
    query: &str,
    body: &str,
) -> String {
    let http = Http::new(hub.addr(), Version::H1).await;
    let answer = http.send(method, &format!("{path}{query}"), headers, body.to_owned()).await;
    if matches!(answer.status, 200 | 201) {
        return "in".into();
    }
    let (status, challenge) = (answer.status, answer.header("www-authenticate").to_owned());
    let body: Value = serde_json::from_str(&answer.text().await).unwrap();
    assert_eq!(status == 401, challenge.starts_with("Bearer"), "RFC 9110 §11.6.1");
    format!("{status} {}", body["error"]["code"].as_str().unwrap())
}

/// What a handshake that was refused is answered.
async fn refused_handshake(hub: &Running, headers: &[(&str, &str)], query: &str) -> String {
    let handshake = [
        ("connection", "upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ];
    request(hub, Method::GET, "/ws", &[&handshake, headers].concat(), query, "").await
}

/// A hello without anything of its own, and a join behind it.
async fn said(adapter: Adapter, hub: &Running, headers: &[(&str, &str)], query: &str) -> String {
    let hello = json!({"type": "hub:hello", "data": {"version": 1}});
    let mut link = match Link::open_at(adapter, hub, query, headers, &[hello]).await {
        Ok(link) => link,
        Err(Refused { status: 0, .. }) => return "refused".into(),
        Err(Refused { fault: Value::Null, .. }) => return refused_handshake(hub, headers, query).await,
        Err(Refused { status, fault }) => return format!("{status} {}", fault["code"].as_str().unwrap()),
    };
    let first = link.next_any().await;
    if first.kind() == "hub:close" {
        return format!("close {}", first["data"]["code"].as_str().unwrap());
    }
    assert_eq!((first.kind(), &first["data"]["user"]), ("hub:welcome", &json!("alice")));
    link.send(json!({"type": "hub:join", "room": ROOM, "id": "j"})).await;
    joined(&link.next().await.json)
}

fn joined(answer: &Value) -> String {
    match answer["type"].as_str().unwrap() {
        "hub:reply" => "in".into(),
        "hub:error" => format!("in, join {}", answer["data"]["code"].as_str().unwrap()),
        other => panic!("{other}"),
    }
}

/// A join as the first message.
async fn plain(hub: &Running, by: By, headers: &[(&str, &str)], query: &str) -> String {
    let mut request = format!("ws://{}/ws{query}", hub.addr()).into_client_request().unwrap();
    for (name, value) in headers {
        let name = http::HeaderName::from_bytes(name.as_bytes()).unwrap();
        request.headers_mut().insert(name, value.parse().unwrap());
    }
    let (mut socket, response) = match within(tokio_tungstenite::connect_async(request)).await {
        Ok(opened) => opened,
        Err(Error::Http(_)) => return refused_handshake(hub, headers, query).await,
        Err(e) => panic!("{e}"),
    };
    let chosen = response.headers().get("sec-websocket-protocol").map(|v| v.to_str().unwrap());
    assert_eq!(chosen, (by == By::Subprotocol).then_some("crosspoint.v1"), "the token does not come back");
    let join = json!({"type": "hub:join", "room": ROOM, "id": "j"}).to_string();
    socket.send(Message::text(join)).await.unwrap();
    match within(socket.next()).await {
        Some(Ok(Message::Text(text))) => joined(&serde_json::from_str(&text).unwrap()),
        other => panic!("{other:?}"),
    }
}
