//! How WebTransport links end: codes both ways, streams that end or are none of the link's.

use crate::support::*;
use crosspoint_core::Code;
use serde_json::json;
use wtransport::VarInt;
use wtransport::error::{ConnectionError, StreamReadError};

const BY: Adapter = Adapter::WebTransport;

fn closed_with(error: &ConnectionError) -> Option<u64> {
    match error {
        ConnectionError::ApplicationClosed(close) => Some(close.code().into_inner()),
        _ => None,
    }
}

#[tokio::test]
async fn who_does_not_close_is_closed_with_the_code() {
    let hub = open().await;
    let (mut alice, welcome) = BY.hello(&hub, hello("alice")).await;
    alice.fall_silent();
    let path = format!("/api/v1/sessions/{}", welcome["session"].as_str().unwrap());
    let http = Http::new(hub.addr(), Version::H1).await;
    assert_eq!(http.send(http::Method::DELETE, &path, &[], "").await.status, 200);
    let end = within(alice.wt().connection.closed()).await;
    assert_eq!(closed_with(&end), Some(u64::from(Code::Forbidden.close())));
    let ConnectionError::ApplicationClosed(close) = end else { unreachable!() };
    assert_eq!(close.reason(), b"forbidden");
    stats(&hub, |s| s.links == 0).await;
    alice.ack().await;
}

#[tokio::test]
async fn a_close_or_the_end_of_its_stream_ends_the_link_and_not_the_session() {
    let hub = open().await;
    for ending in 0..3 {
        let (mut alice, welcome) = BY.hello(&hub, hello("alice")).await;
        alice.join(CHAT, json!({})).await;
        match ending {
            0 => alice.wt().connection.close(VarInt::from_u32(4242), b"as I like"),
            1 => alice.wt_mut().finish().await,
            _ => alice.wt_mut().reset(7),
        }
        stats(&hub, |s| s.links == 0).await;
        let (_again, next) = BY.hello(&hub, again(&welcome, alice.received)).await;
        assert_eq!(next["resumed"], true, "{ending}");
    }
}

#[tokio::test]
async fn a_message_that_is_announced_too_large_closes_at_once() {
    let hub = start(|c| c.limits.frame_bytes_max = 2_000).await;
    for head in [[0, 0, 0x07, 0xd1], [0x7f, 0xff, 0xff, 0xff], [0xff; 4]] {
        let mut alice = BY.user(&hub, "alice").await;
        alice.wt_mut().raw(&head).await;
        alice.ends_with(Code::FrameTooLarge).await;
    }
}

#[tokio::test]
async fn half_a_message_is_none() {
    let hub = open().await;
    let mut bob = Adapter::WebSocket.joined(&hub, "bob", CHAT).await;
    let (mut alice, welcome) = BY.hello(&hub, hello("alice")).await;
    alice.join(CHAT, json!({})).await;
    let event = json!({"type": "n", "room": CHAT, "data": 1}).to_string();
    let whole = [&(event.len() as u32).to_be_bytes()[..], event.as_bytes()].concat();
    // Byte by byte it is one.
    for byte in &whole {
        alice.wt_mut().raw(&[*byte]).await;
    }
    assert_eq!(bob.next().await.number(), 1);
    alice.wt_mut().raw(&whole[..whole.len() - 1]).await;
    alice.wt_mut().finish().await;
    stats(&hub, |s| s.links == 1).await;
    let (_alice, next) = BY.hello(&hub, again(&welcome, alice.received)).await;
    assert_eq!(next["received"], 2, "the join and the event");
}

#[tokio::test]
async fn streams_that_are_none_of_the_links_are_reset_with_a_code() {
    let hub = open().await;
    let mut alice = BY.joined(&hub, "alice", CHAT).await;
    let connection = alice.wt().connection.clone();
    // One may be there for bulk.
    let (mut second, _read) = connection.open_bi().await.unwrap().await.unwrap();
    second.write_all(&[0]).await.unwrap();
    for _ in 0..3 {
        let (mut send, mut read) = connection.open_bi().await.unwrap().await.unwrap();
        let _ = send.write_all(b"hello?").await;
        let ended = within(read.read(&mut [0; 8])).await;
        let code = 0x52e4_a40f_a8db_u64 + 4413 + 4413 / 0x1e;
        assert_eq!(ended, Err(StreamReadError::Reset(VarInt::try_from(code).unwrap())), "limit_exceeded");
    }
    assert_eq!(hub.metric("webtransport_strays_total").await, 3);
    alice.send(json!({"type": "n", "room": CHAT, "data": 1})).await;
    assert_eq!(alice.next().await.number(), 1);
}

#[tokio::test]
async fn too_many_streams_close_the_link() {
    let hub = start(|c| c.transports.webtransport.address_streams_per_s = 10).await;
    let mut bob = Adapter::WebSocket.joined(&hub, "bob", CHAT).await;
    let mut alice = BY.joined(&hub, "alice", CHAT).await;
    let connection = alice.wt().connection.clone();
    let flood = tokio::spawn(async move {
        while let Ok(opening) = connection.open_bi().await {
            let Ok((mut send, _)) = opening.await else { return };
            let _ = send.write_all(b"!").await;
        }
    });
    alice.ends_with(Code::RateLimited).await;
    within(flood).await.unwrap();
    bob.send(json!({"type": "n", "room": CHAT, "data": 1})).await;
    assert_eq!(bob.next().await.number(), 1);
    stats(&hub, |s| s.links == 1).await;
}
