//! Losses: of a link, of the hub, of the session.

use crate::support::*;
use crosspoint_client::{
    BackoffOptions, Client, ClientEvent, Code, JoinOptions, Options, PublishOptions, State, Transport,
};
use std::net::SocketAddr;

fn session(event: ClientEvent) -> Option<bool> {
    match event {
        ClientEvent::Session { resumed, .. } => Some(resumed),
        _ => None,
    }
}

#[tokio::test]
async fn what_was_missed_comes_after_the_loss() {
    for by in Transport::ALL {
        println!("by {by}");
        let hub = hub().await;
        let (alice, _a) = joined(options(&hub, "alice", Transport::WebSocket), CHAT).await;
        let (bob, mut b) = joined(options(&hub, "bob", by), CHAT).await;
        let before = bob.status().session;
        assert!(!event(&mut b, session).await);
        bob.kill_link().await.unwrap();
        for n in 0..20 {
            alice.publish(CHAT, "n", &n, PublishOptions::default()).await.unwrap();
            bob.send(CHAT, "b", &n).unwrap();
        }
        assert!(event(&mut b, session).await);
        let mut own = 0;
        let mut theirs = 0;
        while own < 20 || theirs < 20 {
            let frame = within(b.next_frame()).await.unwrap();
            let count = if frame.kind == "n" { &mut theirs } else { &mut own };
            assert_eq!(frame.parse::<i32>().unwrap(), *count);
            *count += 1;
        }
        assert_eq!(bob.status().session, before);
        assert_eq!((bob.counts().reconnects, bob.counts().gaps), (1, 0));
    }
}

#[tokio::test]
async fn a_client_waits_for_a_hub_that_is_not_there_yet() {
    let first = hub().await;
    let address = first.addr();
    first.shutdown().await;
    let client = Client::connect(any(&format!("http://{address}"), "alice"));
    let mut events = client.events();
    let failed = |e| match e {
        ClientEvent::State { .. } | ClientEvent::Closed(_) => Some(()),
        _ => None,
    };
    within(client.status_where(|s| s.fault.is_some())).await.unwrap();
    assert_eq!(client.status().state, State::Connecting);
    let _again = start(at(address)).await;
    client.ready().await.unwrap();
    event(&mut events, failed).await;
    assert_eq!(client.status().state, State::Connected);
}

fn at(address: SocketAddr) -> crosspoint::config::Config {
    crosspoint::config::Config { listen: listen(address), ..config() }
}

#[tokio::test]
async fn a_hub_that_comes_back_finds_its_clients_in_their_rooms() {
    for by in Transport::ALL {
        println!("by {by}");
        let first = hub().await;
        let address = first.addr();
        let (alice, mut a) = joined(options(&first, "alice", by), CHAT).await;
        alice.publish(CHAT, "msg", "before", PublishOptions::default()).await.unwrap();
        first.shutdown().await;
        state(&alice, State::Reconnecting).await;
        // Has an id, so it goes into the new session.
        let waiting = tokio::spawn({
            let alice = alice.clone();
            async move { alice.publish(CHAT, "msg", "meanwhile", PublishOptions::default()).await }
        });
        let second = start(at(address)).await;
        within(waiting).await.unwrap().unwrap();
        let gap = frame(&mut a, "hub:gap").await;
        assert_eq!(gap.room.as_deref(), Some(CHAT), "the memory of the first hub is gone");
        let got = frame(&mut a, "msg").await;
        assert_eq!(text(&got), "meanwhile");
        let (bob, _b) = joined(options(&second, "bob", by), CHAT).await;
        bob.publish(CHAT, "msg", "after", PublishOptions::default()).await.unwrap();
        assert_eq!(text(&*frame(&mut a, "msg").await), "after");
        alice.close().await;
        second.shutdown().await;
    }
}

#[tokio::test]
async fn attempts_are_spaced() {
    let hub = hub().await;
    let address = hub.addr();
    let day = BackoffOptions { min_ms: 86_400_000, max_ms: 86_400_000, factor: 1.0 };
    let patient = Options { backoff: day, ..options(&hub, "alice", Transport::WebSocket) };
    let (alice, _events) = connect(patient).await;
    hub.shutdown().await;
    // In its place a listener that hangs up on everybody.
    let listener = tokio::net::TcpListener::bind(address).await.unwrap();
    let mut attempts = 0;
    let hang_up = async {
        loop {
            drop(listener.accept().await.unwrap());
            attempts += 1;
        }
    };
    // A loop without waits would come by thousands in this time.
    let _ = tokio::time::timeout(std::time::Duration::from_millis(500), hang_up).await;
    assert!(attempts <= 2, "{attempts}");
    assert_eq!(alice.status().state, State::Reconnecting);
}

#[tokio::test]
async fn a_new_session_recovers_rooms_from_their_history() {
    let hub = hub().await;
    let (alice, _a) = joined(options(&hub, "alice", Transport::WebSocket), CHAT).await;
    let (bob, mut b) = joined(options(&hub, "bob", Transport::WebSocket), CHAT).await;
    bob.room("plain", JoinOptions::default()).await.unwrap();
    alice.publish(CHAT, "msg", "one", PublishOptions::default()).await.unwrap();
    frame(&mut b, "msg").await;
    let first = bob.status().session.unwrap();
    let position = bob.position(CHAT).await.unwrap();
    assert!(position.contains(".1."), "{position}");
    // The hub forgets the session while its link is down.
    bob.kill_link().await.unwrap();
    hub.hub().end_session(&first, &Code::Internal.into());
    alice.publish(CHAT, "msg", "two", PublishOptions::default()).await.unwrap();
    let mut rooms = vec![];
    let mut texts = vec![];
    let mut gaps = vec![];
    while rooms.len() < 2 || texts.is_empty() {
        match within(b.next()).await.unwrap() {
            ClientEvent::Rejoined { room, .. } => rooms.push(room),
            ClientEvent::Frame(f) if f.kind == "msg" => texts.push(text(&f)),
            ClientEvent::Frame(f) if f.kind == "hub:gap" => gaps.push(f.room.clone().unwrap()),
            ClientEvent::Closed(fault) => panic!("{fault}"),
            _ => {}
        }
    }
    rooms.sort();
    assert_eq!(
        (rooms, texts, gaps),
        (vec![CHAT.into(), "plain".into()], vec!["two".into()], vec!["plain".into()])
    );
    assert_ne!(bob.status().session.unwrap(), first);
}

#[tokio::test]
async fn an_address_that_is_none_is_said_at_once() {
    let client = Client::connect(Options::new("carrier-pigeon://roof"));
    assert_eq!(within(client.ready()).await.unwrap_err().code, Code::BadRequest);
    assert_eq!(client.status().state, State::Closed);
    assert!(within(client.events().next()).await.is_none());
}
