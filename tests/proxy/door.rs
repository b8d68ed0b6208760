//! Faults of new connections.

use std::io::ErrorKind;

use crosspoint_tests::proxy::{Accept, Event, Rules};
use tokio::net::TcpStream;

use crate::client::Ended;
use crate::{connect, logged, start};

async fn set(proxy: &crosspoint_tests::proxy::FaultProxy, accept: Accept) {
    proxy.set(Rules { accept, ..Rules::default() }).await.unwrap();
}

#[tokio::test]
async fn refused_ones_find_nobody_while_running_ones_go_on() {
    let (_upstream, proxy) = start().await;
    let mut running = connect(&proxy).await;
    running.get("/").await;
    running.answer().await;
    for _ in 0..3 {
        set(&proxy, Accept::Refuse).await;
        let refused = TcpStream::connect(proxy.address()).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
        running.get("/").await;
        assert_eq!(running.answer().await.0, 200);
        set(&proxy, Accept::Serve).await;
        connect(&proxy).await.get("/").await;
    }
}

#[tokio::test]
async fn reset_ones_are_reset() {
    let (_upstream, proxy) = start().await;
    set(&proxy, Accept::Reset).await;
    let mut client = connect(&proxy).await;
    assert_eq!(client.end().await, (String::new(), Ended::Reset));
}

#[tokio::test]
async fn ignored_ones_hear_nothing() {
    let (upstream, proxy) = start().await;
    set(&proxy, Accept::Ignore).await;
    let mut ignored = connect(&proxy).await;
    ignored.post("/", "ignored").await;
    logged(&proxy, |event| *event == Event::TurnedAway).await;
    set(&proxy, Accept::Serve).await;
    let mut client = connect(&proxy).await;
    client.post("/", "served").await;
    client.answer().await;
    assert_eq!(upstream.bodies(), ["served"]);
    assert!(ignored.is_silent());
}

#[tokio::test]
async fn a_hub_that_does_not_listen_is_a_502_and_another_can_take_its_place() {
    let (upstream, proxy) = start().await;
    let held = tokio::net::TcpSocket::new_v4().unwrap();
    held.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    proxy.set_upstream(held.local_addr().unwrap());
    let mut client = connect(&proxy).await;
    client.get("/").await;
    assert_eq!(client.answer().await.0, 502);
    assert_eq!(client.end().await.1, Ended::Closed);
    proxy.set_upstream(upstream.address());
    let mut client = connect(&proxy).await;
    client.get("/").await;
    assert_eq!(client.answer().await.0, 200);
}
