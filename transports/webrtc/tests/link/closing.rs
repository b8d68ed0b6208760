use crate::support::client::{Client, connection, offer};
use crate::support::hub::{Seen, Server, config};
use crate::support::until;
use crosspoint_core::{Code, Fault, LinkInfo, OutFrame};
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

/// Nothing is left of any peer.
async fn nothing_left(server: &Server) {
    let counters = server.endpoint.counters();
    let left = || (counters.peers.load(Relaxed), counters.links.load(Relaxed), server.endpoint.entries());
    until(|| left() == (0, 0, 0)).await;
}

#[tokio::test]
async fn the_hub_says_its_last_word_and_closes() {
    let mut server = Server::start(false);
    let mut client = Client::connect(&server.endpoint).await.opened().await;
    let link = server.link().await;
    let fault = Fault::from(Code::Replaced);
    link.sender.close(&fault, Some(&OutFrame::with("hub:close", &fault)));
    assert!(client.text().await.contains(r#""code":"replaced""#));
    assert!(client.next().await.is_none());
    link.until(Seen::Down).await;
    assert_eq!(link.send([OutFrame::with("late", &())]), 1);
    nothing_left(&server).await;
}

#[tokio::test]
async fn a_client_that_does_not_read_is_closed_all_the_same() {
    let mut server = Server::start(false);
    let client = Client::connect(&server.endpoint).await.opened().await;
    let link = server.link().await;
    let long = OutFrame::with("t", &"x".repeat(60_000));
    while link.send([long.clone()]) == 0 {}
    link.sender.close(&Fault::from(Code::SlowConsumer), None);
    link.until(Seen::Down).await;
    nothing_left(&server).await;
    drop(client);
}

#[tokio::test]
async fn a_client_that_closes_is_gone_at_once() {
    let mut server = Server::start(false);
    let client = Client::connect(&server.endpoint).await.opened().await;
    let link = server.link().await;
    client.send_text("last").await;
    link.until(Seen::Text("last".into())).await;
    client.pc.close().await.unwrap();
    link.until(Seen::Down).await;
    assert_eq!(link.unread().await, []);
    nothing_left(&server).await;
}

#[tokio::test]
async fn a_client_may_say_goodbye_by_http() {
    let mut server = Server::start(false);
    let client = Client::connect(&server.endpoint).await.opened().await;
    let link = server.link().await;
    assert!(!server.endpoint.bye("nobody") && server.endpoint.bye(&client.name));
    link.until(Seen::Down).await;
    assert_eq!(link.seen().await, Seen::Bye);
    nothing_left(&server).await;
    assert!(!server.endpoint.bye(&client.name));
}

#[tokio::test]
async fn a_peer_that_opens_no_channel_is_dropped() {
    let open_wait = Duration::from_millis(300);
    let server = Server::with(false, crosspoint_webrtc::Config { open_wait, ..config() }, &["127.0.0.1:0"]);
    let pc = connection("127.0.0.1:0").await;
    let _channel = pc.create_data_channel("other", None).await.unwrap();
    let sdp = offer(&*pc).await;
    server.endpoint.answer(LinkInfo::default(), &sdp).await.unwrap();
    let counters = server.endpoint.counters();
    assert_eq!((counters.peers.load(Relaxed), counters.answered.load(Relaxed)), (1, 1));
    nothing_left(&server).await;
    assert_eq!(counters.unopened.load(Relaxed), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_vanishes_is_given_up() {
    let idle = Duration::from_secs(1);
    let mut server = Server::with(false, crosspoint_webrtc::Config { idle, ..config() }, &["127.0.0.1:0"]);
    let client = {
        // Its runtime stops dead, and nothing of it is said goodbye to.
        let other =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let endpoint = &server.endpoint;
        let client = std::thread::scope(|scope| {
            let made =
                scope.spawn(|| other.block_on(async { Client::connect(endpoint).await.opened().await }));
            tokio::task::block_in_place(|| made.join().unwrap())
        });
        other.shutdown_background();
        client
    };
    server.link().await.until(Seen::Down).await;
    nothing_left(&server).await;
    std::mem::forget(client);
}

#[tokio::test]
async fn an_endpoint_that_closes_cuts_its_links_and_frees_its_port() {
    let mut server = Server::start(false);
    let mut client = Client::connect(&server.endpoint).await.opened().await;
    let link = server.link().await;
    let addr = server.endpoint.addrs()[0];
    server.endpoint.close().await;
    link.until(Seen::Down).await;
    assert!(client.next().await.is_none());
    assert_eq!(server.endpoint.answer(LinkInfo::default(), "v=0").await.unwrap_err().code, Code::BadRequest);
    drop(server);
    until(|| crosspoint_webrtc::bind(addr).is_ok()).await;
}
