//! A WebSocket on a plain connection gets the socket itself, so that senders write to it directly.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::PATIENCE;
use crosspoint_sse::{Handover, Http1, into_socket};
use http::header::{CONNECTION, UPGRADE};
use http::{Request, Response, StatusCode};
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use std::convert::Infallible;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

#[tokio::test]
async fn an_upgraded_connection_gives_its_socket_and_what_came_early() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (socket, client_addr) = listener.accept().await.unwrap();
    client.write_all(b"GET / HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\nearly").await.unwrap();
    let (found, mut finds) = mpsc::channel(1);
    let service = service_fn(move |mut request: Request<Incoming>| {
        let found = found.clone();
        tokio::spawn(async move {
            let upgraded = hyper::upgrade::on(&mut request).await.unwrap();
            let (socket, early) = into_socket(upgraded).expect("the socket");
            found.send((socket.peer_addr().unwrap(), early)).await.unwrap();
        });
        let mut response = Response::new(Empty::<bytes::Bytes>::new());
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        response.headers_mut().insert(CONNECTION, "upgrade".parse().unwrap());
        response.headers_mut().insert(UPGRADE, "x".parse().unwrap());
        async move { Ok::<_, Infallible>(response) }
    });
    tokio::spawn(Http1::new(&http1::Builder::new(), socket, Handover::default(), service));
    let (peer, early) = tokio::time::timeout(PATIENCE, finds.recv()).await.unwrap().unwrap();
    assert_eq!((peer, &early[..]), (client_addr, &b"early"[..]));
}
