use super::support::client::masked;
use super::support::peer::{Manners, Seen};
use super::support::server::{FRAME_BYTES_MAX, Front, Server};
use super::support::within;
use futures_util::{SinkExt, StreamExt};
use std::time::Duration;
use tokio_tungstenite::tungstenite::Message;

const ECHO: Manners = Manners { echo: true, wait_every: None };

#[tokio::test]
async fn messages_of_all_sizes_come_back() {
    for front in [Front::Http1, Front::Auto] {
        let mut server = Server::with(front, ECHO, Duration::from_secs(2)).await;
        let (mut client, _) = server.client().await;
        for size in [0, 1, 125, 126, 127, 65_535, 65_536, FRAME_BYTES_MAX] {
            let binary = Message::binary((0..size).map(|i| (i * 31) as u8).collect::<Vec<_>>());
            let text = Message::text("ä€x".repeat(size / 6));
            for message in [binary, text] {
                within(client.send(message.clone())).await.unwrap();
                assert!(within(client.next()).await.unwrap().unwrap() == message, "{size} bytes, {front:?}");
            }
        }
    }
}

#[tokio::test]
async fn fragments_and_pings_between_them() {
    let mut server = Server::start(ECHO).await;
    let (mut raw, peer) = server.raw().await;
    raw.write(&masked(0x01, b"one ")).await;
    raw.write(&masked(0x89, b"still there?")).await;
    assert_eq!(raw.frame().await, Some((0x8A, b"still there?".to_vec())), "before the message is whole");
    assert_eq!(peer.seen().await, Seen::Alive);
    raw.write(&masked(0x00, b"")).await;
    raw.write(&masked(0x80, b"two")).await;
    assert_eq!(raw.frame().await, Some((0x81, b"one two".to_vec())));
    assert_eq!(peer.seen().await, Seen::Text("one two".into()));
}

#[tokio::test]
async fn every_ping_of_a_batch_is_answered_in_order() {
    let mut server = Server::start(ECHO).await;
    let (mut raw, _) = server.raw().await;
    let pings: Vec<Vec<u8>> = (0..200u8).map(|i| vec![i; 100]).collect();
    raw.write(&pings.iter().flat_map(|p| masked(0x89, p)).collect::<Vec<_>>()).await;
    for ping in pings {
        assert_eq!(raw.frame().await, Some((0x8A, ping)));
    }
}

#[tokio::test]
async fn byte_by_byte() {
    let mut server = Server::start(ECHO).await;
    let (mut raw, _) = server.raw().await;
    let payload = vec![b'p'; 300];
    for byte in [masked(0x82, &payload), masked(0x81, b"next")].concat() {
        raw.write(&[byte]).await;
    }
    assert_eq!(raw.frame().await, Some((0x82, payload)));
    assert_eq!(raw.frame().await, Some((0x81, b"next".to_vec())));
}

#[tokio::test]
async fn a_probe_is_a_ping_and_its_pong_a_sign_of_life() {
    let mut server = Server::start(ECHO).await;
    let (mut raw, peer) = server.raw().await;
    peer.sender.probe();
    assert_eq!(raw.frame().await, Some((0x89, vec![])));
    raw.write(&masked(0x8A, b"")).await;
    assert_eq!(peer.seen().await, Seen::Alive);
}

#[tokio::test]
async fn a_peer_that_waits_gets_the_rest_of_what_was_read_later() {
    let mut server = Server::start(Manners { echo: true, wait_every: Some(3) }).await;
    let (mut raw, peer) = server.raw().await;
    let frames: Vec<u8> = (0..8).flat_map(|i| masked(0x81, i.to_string().as_bytes())).collect();
    raw.write(&frames).await;
    let mut seen = Vec::new();
    for _ in 0..2 {
        loop {
            seen.push(peer.seen().await);
            let texts = seen.iter().filter(|s| matches!(s, Seen::Text(_))).count();
            if texts % 3 == 0 && seen.last() == Some(&Seen::Turn) {
                break;
            }
        }
        peer.release();
        assert_eq!(peer.seen().await, Seen::Released, "nothing came while the peer waited");
    }
    for i in 0..8 {
        assert_eq!(raw.frame().await, Some((0x81, i.to_string().into_bytes())));
    }
}
