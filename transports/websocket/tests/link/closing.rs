use super::support::client::{closed, masked};
use super::support::peer::{Manners, Peer, Seen, fill, text};
use super::support::server::{FRAME_BYTES_MAX, Front, Server};
use super::support::within;
use crosspoint_core::{Code, Fault, OutFrame};
use socket2::SockRef;
use std::time::Duration;

const QUIET: Manners = Manners { echo: false, wait_every: None };

async fn down_once(peer: &Peer) {
    peer.until(Seen::Down).await;
    over(peer).await;
}

/// After [`Seen::Down`].
async fn over(peer: &Peer) {
    assert_eq!(peer.unread().await, []);
    assert_eq!(peer.sender.try_send(&mut [text("late")].iter()), 0, "nothing is taken any more");
    peer.sender.probe();
    peer.sender.close(&Fault::from(Code::Internal), None);
    assert_eq!(peer.unread().await, []);
}

#[tokio::test]
async fn the_hub_closes_with_its_last_words() {
    let mut server = Server::start(QUIET).await;
    let (mut raw, peer) = server.raw().await;
    let fault = Fault::from(Code::Replaced);
    peer.sender.close(&fault, Some(&OutFrame::with("hub:close", &fault)));
    peer.sender.close(&Fault::from(Code::Internal), None);
    assert_eq!(peer.send([text("too late")]), 1);
    let (first, last) = raw.frame().await.unwrap();
    assert_eq!(first, 0x81);
    assert!(String::from_utf8(last).unwrap().contains(r#""code":"replaced""#));
    assert_eq!(closed(raw.frame().await), (4409, "replaced".into()));
    raw.write(&masked(0x81, b"crossed the close frame")).await;
    raw.write(&masked(0x88, &4409u16.to_be_bytes())).await;
    assert_eq!(raw.frame().await, None, "the server ends the connection");
    assert_eq!(peer.seen().await, Seen::Down, "and what came after the close is not heard");
    over(&peer).await;
}

#[tokio::test]
async fn the_client_closes_with_a_code_and_without() {
    let mut server = Server::start(QUIET).await;
    for (payload, expected) in [(&b"\x03\xe9"[..], 1001), (b"\x0f\xa0reason", 4000), (b"", 0)] {
        let (mut raw, peer) = server.raw().await;
        raw.write(&[masked(0x81, b"goodbye"), masked(0x88, payload), masked(0x81, b"deaf")].concat()).await;
        assert_eq!(closed(raw.frame().await), (expected, String::new()));
        assert_eq!(raw.frame().await, None);
        assert_eq!(peer.seen().await, Seen::Text("goodbye".into()));
        assert_eq!(peer.seen().await, Seen::Turn);
        assert_eq!(peer.seen().await, Seen::Down);
        over(&peer).await;
    }
}

#[tokio::test]
async fn violations_close_with_their_code() {
    let mut server = Server::start(QUIET).await;
    let cases: [(Vec<u8>, u16); 6] = [
        (vec![0x81, 1, b'x'], 1002),
        (masked(0x83, b""), 1002),
        (masked(0x80, b"continues nothing"), 1002),
        (masked(0x88, &1005u16.to_be_bytes()), 1002),
        (masked(0x81, b"\xc3\x28"), 1007),
        (masked(0x88, b"\x03\xe8\xff"), 1007),
    ];
    for (bytes, code) in cases {
        let (mut raw, peer) = server.raw().await;
        // More than the socket's buffers would take back into a reset if it were left unread.
        raw.write(&[masked(0x81, b"fine"), bytes, vec![0; 100_000]].concat()).await;
        assert_eq!(closed(raw.frame().await).0, code);
        assert_eq!(raw.frame().await, None, "the server ends its direction");
        drop(raw);
        assert_eq!(peer.seen().await, Seen::Text("fine".into()));
        assert_eq!(peer.seen().await, Seen::Turn);
        assert_eq!(peer.seen().await, Seen::Down);
        over(&peer).await;
    }
}

#[tokio::test]
async fn too_large_is_said_before_it_is_sent() {
    let mut server = Server::start(QUIET).await;
    let whole = masked(0x82, &vec![0; FRAME_BYTES_MAX + 1])[..14].to_vec();
    let half = vec![0; FRAME_BYTES_MAX / 2];
    let sum = [masked(0x02, &half), masked(0x00, &half), masked(0x80, b"x")].concat();
    for bytes in [whole, sum] {
        let (mut raw, peer) = server.raw().await;
        raw.write(&bytes).await;
        let (_, last) = raw.frame().await.unwrap();
        assert!(String::from_utf8(last).unwrap().contains(r#""code":"frame_too_large""#));
        assert_eq!(closed(raw.frame().await), (1009, "frame_too_large".into()));
        drop(raw);
        down_once(&peer).await;
    }
}

#[tokio::test]
async fn an_end_without_close_frame() {
    let mut server = Server::start(QUIET).await;
    let (raw, peer) = server.raw().await;
    drop(raw);
    down_once(&peer).await;

    let (mut raw, peer) = server.raw().await;
    raw.write(&masked(0x81, b"cut off in the middle")[..9]).await;
    SockRef::from(&raw.stream).set_linger(Some(Duration::ZERO)).unwrap();
    drop(raw);
    down_once(&peer).await;
}

#[tokio::test]
async fn a_reset_is_found_by_writing_too() {
    // The peer's inbox is full, so nothing is read.
    let mut server = Server::start(Manners { echo: false, wait_every: Some(1) }).await;
    let (mut raw, peer) = server.raw().await;
    raw.write(&masked(0x81, b"enough")).await;
    peer.until(Seen::Turn).await;
    fill(&peer);
    SockRef::from(&raw.stream).set_linger(Some(Duration::ZERO)).unwrap();
    drop(raw);
    peer.until(Seen::Down).await;
    assert_eq!(peer.send([]), 1, "what was refused still waits");
}

#[tokio::test]
async fn a_client_that_never_answers_the_close() {
    let mut server = Server::with(Front::Http1, QUIET, Duration::from_millis(20)).await;
    let (mut raw, peer) = server.raw().await;
    peer.sender.close(&Fault::from(Code::HelloTimeout), None);
    down_once(&peer).await;
    assert_eq!(closed(raw.frame().await), (4408, "hello_timeout".into()));
    assert_eq!(raw.frame().await, None);

    let (_silent, peer) = server.raw().await;
    fill(&peer);
    peer.sender.close(&Fault::from(Code::SlowConsumer), None);
    down_once(&peer).await;
}

#[tokio::test]
async fn a_close_waits_for_what_was_begun() {
    let mut server = Server::with(Front::Auto, QUIET, Duration::from_secs(15)).await;
    let (mut raw, peer) = server.raw().await;
    fill(&peer);
    let fault = Fault::from(Code::SlowConsumer);
    peer.sender.close(&fault, Some(&OutFrame::with("hub:close", &fault)));
    let mut frames = 0;
    loop {
        let (first, payload) = raw.frame().await.unwrap();
        assert_eq!(first, 0x81);
        if payload.len() != 10_000 {
            assert!(String::from_utf8(payload).unwrap().contains("slow_consumer"));
            break;
        }
        frames += 1;
    }
    assert!(frames > 0);
    assert_eq!(closed(raw.frame().await), (4430, "slow_consumer".into()));
    raw.write(&masked(0x88, b"")).await;
    within(peer.until(Seen::Down)).await;
}

#[tokio::test]
async fn a_close_ends_a_wait() {
    let mut server = Server::start(Manners { echo: false, wait_every: Some(1) }).await;
    let (mut raw, peer) = server.raw().await;
    let close = masked(0x88, &1000u16.to_be_bytes());
    raw.write(&[masked(0x81, b"a"), masked(0x81, b"unheard"), close].concat()).await;
    peer.until(Seen::Turn).await;
    peer.sender.close(&Fault::from(Code::Shutdown), None);
    assert_eq!(closed(raw.frame().await), (1012, "shutdown".into()));
    assert_eq!(raw.frame().await, None);
    assert_eq!(peer.seen().await, Seen::Down);
    over(&peer).await;
}
