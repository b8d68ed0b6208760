//! Streams of HTTP/1 that leave hyper.

use crate::support::*;
use serde_json::json;
use std::io::ErrorKind;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

async fn open(server: &Server, version: &str) -> TcpStream {
    let body = json!({"frames": [{"type": "hub:hello"}]}).to_string();
    let length = body.len();
    let head = format!("POST /sse HTTP/{version}\r\nhost: a\r\ncontent-length: {length}\r\n\r\n");
    let mut socket = connect(server.addr).await;
    socket.write_all(format!("{head}{body}").as_bytes()).await.expect("sent");
    socket
}

async fn read_until(socket: &mut TcpStream, end: &str) -> String {
    let mut text = Vec::new();
    while !text.ends_with(end.as_bytes()) {
        let mut more = [0; 4096];
        match soon(socket.read(&mut more)).await.expect("bytes") {
            0 => panic!("it ended with {}", String::from_utf8_lossy(&text)),
            n => text.extend_from_slice(&more[..n]),
        }
    }
    String::from_utf8(text).expect("text")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_byte_of_a_stream_is_as_http_wants_it() {
    let server = serve(Driver::Http1).await;
    let mut socket = open(&server, "1.1").await;
    let head = read_until(&mut socket, "}\n\n\r\n").await;
    assert!(
        head.contains("\r\nconnection: close\r\n") && head.contains("\r\ntransfer-encoding: chunked\r\n"),
        "{head}"
    );
    let peer = server.hub.peer(0).await;
    peer.say("m", &json!(1));
    assert_eq!(read_until(&mut socket, "\n\n\r\n").await, "1d\r\ndata: {\"type\":\"m\",\"data\":1}\n\n\r\n");
    peer.say("n", &json!(2));
    peer.sender.close(&crosspoint_core::Code::Bye.into(), None);
    let mut rest = String::new();
    soon(socket.read_to_string(&mut rest)).await.expect("the end");
    assert_eq!(rest, "1d\r\ndata: {\"type\":\"n\",\"data\":2}\n\n\r\n0\r\n\r\n");
    peer.gone().await;
    assert_eq!((*peer.downs.borrow(), server.sse.links()), (1, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_old_proxy_gets_no_chunks() {
    let server = serve(Driver::Http1).await;
    let mut socket = open(&server, "1.0").await;
    let head = read_until(&mut socket, "}\n\n").await;
    assert!(!head.contains("transfer-encoding") && head.contains("\r\n\r\nevent: open\ndata: "), "{head}");
    let peer = server.hub.peer(0).await;
    peer.say("m", &json!(1));
    assert_eq!(read_until(&mut socket, "\n\n").await, "data: {\"type\":\"m\",\"data\":1}\n\n");
    peer.say("n", &json!(2));
    peer.close(crosspoint_core::Code::Shutdown);
    let mut rest = String::new();
    soon(socket.read_to_string(&mut rest)).await.expect("the end");
    assert!(rest.starts_with("data: {\"type\":\"n\",\"data\":2}\n\ndata: {\"type\":\"hub:close\""), "{rest}");
    assert!(rest.ends_with("}\n\n"), "{rest}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_talks_on_is_given_up() {
    let server = serve(Driver::Http1).await;
    let mut socket = open(&server, "1.1").await;
    read_until(&mut socket, "}\n\n\r\n").await;
    let peer = server.hub.peer(0).await;
    socket.write_all(&[b'x'; 1000]).await.expect("a little is ignored");
    peer.say("m", &json!(1));
    read_until(&mut socket, "\n\n\r\n").await;
    let sent = async {
        loop {
            if let Err(e) = socket.write_all(&[b'x'; 1000]).await {
                return e.kind();
            }
        }
    };
    let end = soon(sent).await;
    assert!(matches!(end, ErrorKind::ConnectionReset | ErrorKind::BrokenPipe), "{end}");
    peer.gone().await;
    assert_eq!((*peer.downs.borrow(), server.sse.links()), (1, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_before_the_stream_share_its_connection() {
    let server = serve(Driver::Http1).await;
    let mut socket = connect(server.addr).await;
    for _ in 0..2 {
        let request = "POST /sse/none HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\n{}";
        socket.write_all(request.as_bytes()).await.expect("sent");
        let answer = read_until(&mut socket, "}}").await;
        assert!(answer.starts_with("HTTP/1.1 404 ") && !answer.contains("connection: close"), "{answer}");
    }
    socket.write_all(b"GET /rooms/r/events HTTP/1.1\r\nhost: a\r\n\r\n").await.expect("sent");
    let head = read_until(&mut socket, "retry: 2000\n\n\r\n").await;
    assert!(head.starts_with("HTTP/1.1 200 ") && head.contains("connection: close"), "{head}");
    drop(socket);
    server.hub.peer(0).await.gone().await;
}
