use crate::support::client::{Client, message};
use crate::support::hub::{FRAME_BYTES_MAX, Seen, Server, config, text};
use bytes::Bytes;
use crosspoint_core::{Code, Fault, Frame, Message, OutFrame};
use std::sync::Arc;
use webrtc::data_channel::DataChannelEvent;

#[tokio::test]
async fn messages_come_and_go() {
    let mut server = Server::start(true);
    let mut client = Client::connect(&server.endpoint).await.opened().await;
    let link = server.link().await;
    client.send_text(r#"{"type":"t","data":1}"#).await;
    assert_eq!(link.seen().await, Seen::Text(r#"{"type":"t","data":1}"#.into()));
    assert_eq!(client.text().await, r#"{"type":"t","data":1}"#);

    let mut frame = Frame::new("bytes");
    frame.payload = Some(Bytes::from_static(b"\0raw"));
    let binary = OutFrame::new(&frame).binary().unwrap();
    client.send(true, &binary).await;
    assert!(matches!(client.next().await, Some(Message::Binary(bytes)) if bytes == binary));
}

#[tokio::test]
async fn empty_messages_are_messages() {
    let mut server = Server::start(true);
    let mut client = Client::connect(&server.endpoint).await.opened().await;
    let link = server.link().await;
    client.send_text("").await;
    client.send(true, b"").await;
    client.send_text(r#"{"type":"after"}"#).await;
    assert_eq!(link.seen().await, Seen::Text(String::new()));
    assert_eq!(link.seen().await, Seen::Binary(vec![]));
    assert_eq!(client.text().await, r#"{"type":"after"}"#);
}

#[tokio::test]
async fn long_messages_go_in_parts_both_ways() {
    let mut server = Server::start(true);
    let mut client = Client::connect(&server.endpoint).await.opened().await;
    let _link = server.link().await;
    for len in [60_000, 65_520, 65_537, 140_000, FRAME_BYTES_MAX - 40] {
        let long = format!(r#"{{"type":"t","data":"{}"}}"#, "x".repeat(len));
        client.send_text(&long).await;
        assert_eq!(client.text().await, long);
    }
}

#[tokio::test]
async fn a_message_that_is_too_large_closes_the_link() {
    let mut server = Server::start(false);
    let mut client = Client::connect(&server.endpoint).await.opened().await;
    let link = server.link().await;
    client.send(false, &vec![b' '; FRAME_BYTES_MAX + 1]).await;
    assert!(client.text().await.contains(r#""code":"frame_too_large""#));
    link.until(Seen::Down).await;
    assert!(client.next().await.is_none());
}

#[tokio::test]
async fn volatile_frames_have_a_channel_of_their_own() {
    let mut server = Server::start(false);
    let mut client = Client::connect(&server.endpoint).await.opened().await;
    let link = server.link().await;
    client.volatile.send_text("up").await.unwrap();
    link.until(Seen::Datagram("up".into())).await;
    let volatile = |len: usize| {
        let mut frame = Frame::with("cursor", &"c".repeat(len));
        frame.volatile = Some(crosspoint_core::frame::Volatile::Flag(true));
        Arc::new(OutFrame::new(&frame))
    };
    assert_eq!(link.send([volatile(1_200), volatile(10), text("counted")]), 0);
    assert!(message(&*client.volatile).await.starts_with(br#"{"type":"cursor","#));
    assert!(client.text().await.len() > 1_200, "what is too large takes the other channel");
    assert_eq!(client.text().await, r#"{"type":"t","data":"counted"}"#);
}

#[tokio::test]
async fn several_sockets_and_address_families_are_one_endpoint() {
    let mut server = Server::with(true, config(), &["127.0.0.1:0", "[::1]:0"]);
    assert_eq!(server.endpoint.addrs().len(), 2);
    for from in ["127.0.0.1:0", "[::1]:0"] {
        let mut client = Client::from(&server.endpoint, from).await.opened().await;
        let _link = server.link().await;
        client.send_text(r#"{"type":"t"}"#).await;
        assert_eq!(client.text().await, r#"{"type":"t"}"#);
        let candidates = client.answer.lines().filter(|line| line.starts_with("a=candidate")).count();
        assert_eq!(candidates, 2, "{}", client.answer);
        client.pc.close().await.unwrap();
    }
}

#[tokio::test]
async fn a_further_link_comes_and_goes_beside_the_first() {
    let mut server = Server::start(true);
    let mut client = Client::connect(&server.endpoint).await.opened().await;
    let first = server.link().await;
    for round in 0..3 {
        let bulk = client.pc.create_data_channel("crosspoint-bulk", None).await.unwrap();
        let link = server.link().await;
        while !matches!(bulk.poll().await, Some(DataChannelEvent::OnOpen)) {}
        let text = format!(r#"{{"type":"bulk","data":{round}}}"#);
        bulk.send_text(&text).await.unwrap();
        assert_eq!(message(&*bulk).await, text.as_bytes());
        if round == 1 {
            let fault = Fault::from(Code::Replaced);
            link.sender.close(&fault, Some(&OutFrame::with("hub:close", &fault)));
            assert!(message(&*bulk).await.starts_with(br#"{"type":"hub:close""#));
        } else {
            bulk.close().await.unwrap();
        }
        link.until(Seen::Down).await;
        // Behind the end of the channel, so that both ends are done with it.
        client.send_text(r#"{"type":"t"}"#).await;
        assert_eq!(client.text().await, r#"{"type":"t"}"#);
    }
    assert_eq!(first.unread().await, vec![Seen::Text(r#"{"type":"t"}"#.into()); 3]);
}

#[tokio::test]
async fn a_further_link_that_waits_holds_nobody_up() {
    let mut server = Server::start(true);
    let mut client = Client::connect(&server.endpoint).await.opened().await;
    let _first = server.link().await;
    let bulk = client.pc.create_data_channel("crosspoint-bulk", None).await.unwrap();
    let link = server.link().await;
    link.set_waits(true);
    let large = "x".repeat(60_000);
    for _ in 0..10 {
        bulk.send_text(&large).await.unwrap();
    }
    client.send_text(r#"{"type":"t"}"#).await;
    assert_eq!(client.text().await, r#"{"type":"t"}"#);
    // Who sends more than anybody may, to a link that doesn't take it, is not waited for.
    for _ in 0..20 {
        bulk.send_text(&large).await.unwrap();
    }
    link.until(Seen::Down).await;
    client.send_text(r#"{"type":"t"}"#).await;
    assert_eq!(client.text().await, r#"{"type":"t"}"#);
}
