//! Faults of bytes: one direction of a connection, whatever runs on it.

use std::time::{Duration, Instant};

use crosspoint_tests::proxy::{End, Event, Lane, Rules, Select};

use crate::client::{Ended, UPGRADE};
use crate::{DEADLINE, connect, logged, start};

#[tokio::test]
async fn everything_passes_without_rules() {
    let (upstream, proxy) = start().await;
    let mut client = connect(&proxy).await;
    client.post("/a", "one").await;
    assert_eq!(client.answer().await, (200, "1:one".into()));
    client
        .send("POST /b HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\ntwo\r\n0\r\n\r\n")
        .await;
    assert_eq!(client.answer().await, (200, "2:two".into()));
    client.get("/c").await;
    assert_eq!(client.answer().await, (200, "plain".into()));
    client.send(UPGRADE).await;
    client.until("\r\n\r\n").await;
    client.send("ping").await;
    client.until("ping").await;
    client.close_write().await;
    assert_eq!(client.end().await, (String::new(), Ended::Closed));
    assert!(upstream.socket_ended().await);
    assert_eq!(proxy.counters().requests, 4);
    assert_eq!(proxy.counters().faults, 0);
}

#[tokio::test]
async fn two_requests_sent_at_once_are_both_answered() {
    let (_upstream, proxy) = start().await;
    let mut client = connect(&proxy).await;
    client
        .send("GET /a HTTP/1.1\r\nHost: h\r\n\r\nPOST /b HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\nx")
        .await;
    assert_eq!(client.answer().await.1, "plain");
    assert_eq!(client.answer().await.1, "1:x");
}

#[tokio::test]
async fn a_delay_is_added_to_each_direction() {
    let (_upstream, proxy) = start().await;
    proxy.set(Rules::both(Lane::delay(60))).await.unwrap();
    let mut client = connect(&proxy).await;
    let begun = Instant::now();
    client.get("/").await;
    client.answer().await;
    assert!(begun.elapsed() >= Duration::from_millis(120));
}

#[tokio::test]
async fn a_swallowed_direction_loses_bytes_and_closes_until_the_rule_goes() {
    let (upstream, proxy) = start().await;
    let mut client = connect(&proxy).await;
    client.send(UPGRADE).await;
    client.until("\r\n\r\n").await;
    proxy.set(Rules { up: Lane::swallow(), ..Rules::default() }).await.unwrap();
    client.send("lost").await;
    client.close_write().await;
    logged(&proxy, |event| *event == Event::ClientClosed).await;
    assert_eq!(upstream.sockets_ended(), 0);
    proxy.set(Rules::default()).await.unwrap();
    assert!(upstream.socket_ended().await);
    assert_eq!(client.end().await, (String::new(), Ended::Closed));
    assert_eq!(proxy.counters().up_swallowed_bytes, 4);
}

#[tokio::test]
async fn a_stalled_direction_loses_nothing() {
    let (_upstream, proxy) = start().await;
    let mut client = connect(&proxy).await;
    client.send(UPGRADE).await;
    client.until("\r\n\r\n").await;
    proxy.set(Rules::both(Lane::stall())).await.unwrap();
    client.send("late").await;
    // Another connection's whole exchange: the stalled one has had its chance.
    let mut other = connect(&proxy).await;
    let opened = proxy.log().wait(0, DEADLINE, |entry| entry.connection == 2).await.unwrap();
    assert!(proxy.set_for(opened.connection, Some(Rules::default())));
    other.post("/", "x").await;
    other.answer().await;
    assert!(client.is_silent());
    proxy.set(Rules::default()).await.unwrap();
    client.until("late").await;
}

#[tokio::test]
async fn a_lane_ends_after_exactly_so_many_bytes() {
    for (with, ended) in [(End::Reset, Ended::Reset), (End::Close, Ended::Closed)] {
        let (_upstream, proxy) = start().await;
        proxy.set(Rules { down: Lane::end_after(17, with), ..Rules::default() }).await.unwrap();
        let mut client = connect(&proxy).await;
        client.get("/").await;
        assert_eq!(client.end().await, ("HTTP/1.1 200 OK\r\n".into(), ended));
    }
}

#[tokio::test]
async fn a_running_connection_ends_when_a_rule_of_0_bytes_is_set() {
    let (upstream, proxy) = start().await;
    let mut client = connect(&proxy).await;
    client.send(UPGRADE).await;
    client.until("\r\n\r\n").await;
    proxy.set(Rules { up: Lane::end_after(0, End::Reset), ..Rules::default() }).await.unwrap();
    assert_eq!(client.end().await.1, Ended::Reset);
    assert!(!upstream.socket_ended().await, "the hub sees the reset too");
}

#[tokio::test]
async fn a_throttled_lane_passes_everything_slowly() {
    let (_upstream, proxy) = start().await;
    let mut client = connect(&proxy).await;
    proxy.set(Rules { up: Lane::throttle(10_000), ..Rules::default() }).await.unwrap();
    let begun = Instant::now();
    let body = "x".repeat(4_000);
    client.post("/", &body).await;
    assert_eq!(client.answer().await, (200, format!("1:{body}")));
    assert!(begun.elapsed() >= Duration::from_millis(300));
}

#[tokio::test]
async fn a_cut_tells_whom_it_says() {
    let (upstream, proxy) = start().await;
    let mut client = connect(&proxy).await;
    client.send(UPGRADE).await;
    client.until("\r\n\r\n").await;
    assert_eq!(proxy.cut(&Select::path("/nothing"), End::Reset, End::Reset).await, 0);
    assert_eq!(proxy.cut(&Select::path("/ws"), End::Reset, End::Keep).await, 1);
    assert_eq!(client.end().await.1, Ended::Reset);
    assert_eq!(upstream.sockets_ended(), 0, "the hub knows of nothing");
    assert_eq!(proxy.connections().len(), 1);
    assert_eq!(proxy.cut(&Select::all(), End::Close, End::Reset).await, 1);
    assert!(!upstream.socket_ended().await);
}

#[tokio::test]
async fn the_hub_may_end_unnoticed_by_the_client() {
    let (upstream, proxy) = start().await;
    let mut client = connect(&proxy).await;
    client.send(UPGRADE).await;
    client.until("\r\n\r\n").await;
    let id = proxy.connections()[0].connection;
    assert_eq!(proxy.cut(&Select::connection(id), End::Keep, End::Close).await, 1);
    assert!(upstream.socket_ended().await);
    assert!(client.is_silent());
}

#[tokio::test]
async fn a_clients_reset_reaches_the_hub_as_one() {
    let (upstream, proxy) = start().await;
    let mut client = connect(&proxy).await;
    client.send(UPGRADE).await;
    client.until("\r\n\r\n").await;
    let outer =
        crosspoint_tests::proxy::FaultProxy::start(crosspoint_tests::proxy::Options::new(proxy.address()));
    let outer = outer.await.unwrap();
    let mut through = connect(&outer).await;
    through.send(UPGRADE).await;
    through.until("\r\n\r\n").await;
    outer.cut(&Select::all(), End::Close, End::Reset).await;
    logged(&proxy, |event| *event == Event::ClientReset).await;
    assert!(!upstream.socket_ended().await);
    assert_eq!(upstream.sockets_ended(), 1, "the other connection lives");
}

#[tokio::test]
async fn what_is_not_http_1_passes_as_it_is() {
    let (_upstream, proxy) = start().await;
    let mut client = connect(&proxy).await;
    client.send("\u{16}\u{3}\u{1}\r\n\r\n").await;
    // A TLS greeting: the upstream speaks HTTP/1.1 only and says so.
    assert!(client.end().await.0.starts_with("HTTP/1.1 4"));
    logged(&proxy, |event| *event == Event::Raw).await;
}
