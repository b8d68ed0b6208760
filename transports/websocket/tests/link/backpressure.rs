use super::support::peer::{Manners, Peer, Seen, text};
use super::support::server::Server;
use super::support::within;
use socket2::SockRef;
use std::sync::Arc;

const QUIET: Manners = Manners { echo: false, wait_every: None };

/// The n-th message: lengths from some bytes to some KiB, each different from its neighbours.
fn numbered(n: usize) -> String {
    format!("{n}:{}", "x".repeat(n * 7919 % 5000))
}

async fn publish(peer: Arc<Peer>, count: usize, burst: usize) {
    for first in (0..count).step_by(burst) {
        peer.send((first..first + burst).map(|n| text(&numbered(n))));
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_slow_reader_gets_everything_in_order() {
    const COUNT: usize = 3000;
    let mut server = Server::start(QUIET).await;
    let (mut raw, peer) = server.raw().await;
    SockRef::from(&raw.stream).set_recv_buffer_size(64 << 10).unwrap();
    publish(peer.clone(), COUNT, 30).await;
    assert!(peer.send([]) > 0, "more than the socket's buffers hold");
    for n in 0..COUNT {
        let (first, payload) = raw.frame().await.unwrap();
        assert!(first == 0x81 && payload == numbered(n).as_bytes(), "message {n}");
    }
    assert_eq!(peer.seen().await, Seen::Writable);
    assert_eq!(peer.send([]), 0);
    peer.send([text("and it goes on")]);
    assert_eq!(raw.frame().await.unwrap().1, b"and it goes on");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_while_others_send_and_the_reader_reads() {
    const COUNT: usize = 10_000;
    let mut server = Server::start(QUIET).await;
    let (mut raw, peer) = server.raw().await;
    SockRef::from(&raw.stream).set_recv_buffer_size(64 << 10).unwrap();
    let publisher = tokio::spawn(publish(peer.clone(), COUNT, 10));
    for n in 0..COUNT {
        let (first, payload) = raw.frame().await.unwrap();
        assert!(first == 0x81 && payload == numbered(n).as_bytes(), "message {n}");
    }
    within(publisher).await.unwrap();
    assert_eq!(peer.send([]), 0);
}
