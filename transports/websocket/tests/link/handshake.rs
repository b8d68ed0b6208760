use super::support::client::{Raw, masked, request};
use super::support::peer::{Manners, Seen};
use super::support::server::{Front, Server};
use std::time::Duration;

const ECHO: Manners = Manners { echo: true, wait_every: None };

async fn answer(server: &Server, request: &str) -> String {
    let mut raw = Raw::connect(server.addr).await;
    raw.write(request.as_bytes()).await;
    raw.head().await.to_lowercase()
}

#[tokio::test]
async fn the_accept_key_and_the_subprotocol() {
    let server = Server::start(ECHO).await;
    let head = answer(&server, &request("")).await;
    assert!(head.starts_with("http/1.1 101 "), "{head}");
    assert!(head.contains("sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo=\r\n"), "{head}");
    assert!(!head.contains("sec-websocket-protocol"), "not offered, so not chosen: {head}");
    let offers =
        ["Sec-WebSocket-Protocol: other, crosspoint.v1\r\n", "Sec-WebSocket-Protocol: crosspoint.v1\r\n"];
    for offer in offers {
        let head = answer(&server, &request(offer)).await;
        assert!(head.contains("sec-websocket-protocol: crosspoint.v1\r\n"), "{head}");
    }
    let head = answer(&server, &request("Sec-WebSocket-Protocol: chat\r\n")).await;
    assert!(head.starts_with("http/1.1 101 ") && !head.contains("sec-websocket-protocol"), "{head}");
}

#[tokio::test]
async fn what_is_not_a_handshake_is_refused() {
    let server = Server::start(ECHO).await;
    let good = request("");
    let version = answer(&server, &good.replace("Version: 13", "Version: 8")).await;
    assert!(
        version.starts_with("http/1.1 426 ") && version.contains("sec-websocket-version: 13\r\n"),
        "{version}"
    );
    let bad = [
        good.replace("GET ", "POST "),
        good.replace("HTTP/1.1", "HTTP/1.0"),
        good.replace("Upgrade: websocket\r\n", ""),
        good.replace("Upgrade: websocket", "Upgrade: h2c"),
        good.replace("keep-alive, Upgrade", "keep-alive"),
        good.replace("dGhlIHNhbXBsZSBub25jZQ==", "c2hvcnQ="),
        good.replace("dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25j!Q=="),
        good.replace("Sec-WebSocket-Key", "X-Key"),
        request("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"),
    ];
    for request in bad {
        let head = answer(&server, &request).await;
        assert!(head.starts_with("http/1.1 400 ") || head.starts_with("http/1.0 400 "), "{request}\n{head}");
    }
}

#[tokio::test]
async fn frames_sent_along_with_the_request_are_not_lost() {
    for front in [Front::Http1, Front::Auto] {
        let mut server = Server::with(front, ECHO, Duration::from_secs(2)).await;
        let mut raw = Raw::connect(server.addr).await;
        let early = masked(0x81, b"early");
        let (whole, cut) = (masked(0x81, b"bird"), early.split_at(4));
        raw.write(&[request("").as_bytes(), &whole, cut.0].concat()).await;
        assert!(raw.head().await.starts_with("HTTP/1.1 101 "));
        assert_eq!(raw.frame().await, Some((0x81, b"bird".to_vec())));
        raw.write(cut.1).await;
        assert_eq!(raw.frame().await, Some((0x81, b"early".to_vec())));
        let peer = server.link().await;
        assert_eq!(peer.seen().await, Seen::Text("bird".into()));
    }
}
