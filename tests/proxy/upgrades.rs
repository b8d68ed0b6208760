//! Faults of WebSocket upgrades.

use crosspoint_tests::proxy::{Action, Event, Match, Rules};

use crate::client::{Ended, UPGRADE};
use crate::{connect, logged, start};

#[tokio::test]
async fn silence_after_the_101() {
    let (upstream, proxy) = start().await;
    proxy.set(Rules::http(Match::upgrade(), Action::SilentAfter101)).await.unwrap();
    let mut client = connect(&proxy).await;
    client.send(UPGRADE).await;
    assert!(client.until("\r\n\r\n").await.starts_with("HTTP/1.1 101"));
    logged(&proxy, |event| *event == Event::Upgraded).await;
    client.send("ping").await;
    client.close_write().await;
    assert!(upstream.socket_ended().await, "a close passes");
    assert_eq!(client.end().await, (String::new(), Ended::Closed), "but no byte came back");
}

#[tokio::test]
async fn a_reset_after_the_101_and_some_bytes() {
    for bytes in [0, 3] {
        let (upstream, proxy) = start().await;
        proxy.set(Rules::http(Match::upgrade(), Action::ResetAfter101 { bytes })).await.unwrap();
        let mut client = connect(&proxy).await;
        client.send(UPGRADE).await;
        client.send("echo").await;
        let (seen, ended) = client.end().await;
        let (head, echo) = seen.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 101"));
        assert_eq!((echo, ended), (&"echo"[..bytes as usize], Ended::Reset));
        assert!(!upstream.socket_ended().await);
    }
}

#[tokio::test]
async fn a_refusal_by_the_middlebox() {
    for status in [400, 502] {
        let (_upstream, proxy) = start().await;
        proxy.set(Rules::http(Match::upgrade(), Action::Respond { status })).await.unwrap();
        let mut client = connect(&proxy).await;
        client.send(UPGRADE).await;
        assert_eq!(client.answer().await.0, status);
        assert_eq!(client.end().await.1, Ended::Closed);
        let mut other = connect(&proxy).await;
        other.get("/").await;
        assert_eq!(other.answer().await, (200, "plain".into()), "plain HTTP passes");
    }
}

#[tokio::test]
async fn a_stripped_upgrade_is_a_plain_get() {
    let (_upstream, proxy) = start().await;
    proxy.set(Rules::http(Match::upgrade(), Action::StripUpgrade)).await.unwrap();
    let mut client = connect(&proxy).await;
    client.send(UPGRADE).await;
    assert_eq!(client.answer().await, (200, "plain".into()));
}

#[tokio::test]
async fn rules_choose_by_count() {
    let (_upstream, proxy) = start().await;
    let second_only = Match::upgrade().skip(1).times(1);
    proxy.set(Rules::http(second_only, Action::Respond { status: 400 })).await.unwrap();
    for status in ["101", "400", "101"] {
        let mut client = connect(&proxy).await;
        client.send(UPGRADE).await;
        assert_eq!(&client.until("\r\n\r\n").await[9..12], status);
    }
}

#[tokio::test]
async fn a_connect_becomes_a_tunnel_like_any_connection() {
    let (upstream, proxy) = start().await;
    let mut client = connect(&proxy).await;
    client.send("CONNECT hub:443 HTTP/1.1\r\nHost: hub:443\r\n\r\n").await;
    assert!(client.until("\r\n\r\n").await.starts_with("HTTP/1.1 200"));
    client.send("\u{16}\u{3}\u{1}|").await;
    assert_eq!(client.until("|").await, "\u{16}\u{3}\u{1}|", "whatever it carries");
    client.close_write().await;
    assert!(upstream.socket_ended().await);
}
