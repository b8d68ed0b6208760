//! The counting tests: traffic both ways while links move or die; every message is counted at every member.

use crate::support::*;
use crosspoint_client::{Client, Events, JoinOptions, Options, PublishOptions, Transport};
use std::collections::BTreeMap;
use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Publishes a running number every 5 ms (200 a second) until told to stop, each with a reply; returns how many.
fn publisher(client: Client, mut over: watch::Receiver<bool>) -> JoinHandle<u64> {
    tokio::spawn(async move {
        let mut ticks = tokio::time::interval(Duration::from_millis(5));
        let mut replies = tokio::task::JoinSet::new();
        let mut n = 0u64;
        while !*over.borrow_and_update() {
            ticks.tick().await;
            // Half of them without an id: only the session's own count protects those.
            if n.is_multiple_of(2) {
                let client = client.clone();
                let mut sent =
                    Box::pin(async move { client.publish(CHAT, "n", &n, PublishOptions::default()).await });
                // The first poll puts it into the queue: the order of sending is that of the numbers.
                assert!(poll_fn(|cx| Poll::Ready(sent.as_mut().poll(cx))).await.is_pending());
                replies.spawn(async move { drop(sent.await.unwrap()) });
            } else {
                client.send(CHAT, "n", &n).unwrap();
            }
            n += 1;
        }
        while let Some(reply) = replies.join_next().await {
            reply.unwrap();
        }
        n
    })
}

/// Reads until all that was announced has come; checks numbers, order and offsets.
fn reader(mut events: Events, mut total: watch::Receiver<Option<BTreeMap<String, u64>>>) -> JoinHandle<()> {
    tokio::spawn(async move {
        let mut next: BTreeMap<String, u64> = BTreeMap::new();
        let mut offset = 0;
        loop {
            if total.borrow_and_update().as_ref().is_some_and(|t| *t == next) {
                return;
            }
            tokio::select! {
                frame = events.next_frame() => {
                    let frame = frame.expect("the client was closed");
                    match frame.kind.as_str() {
                        "n" => {
                            let user = frame.from.as_ref().and_then(|f| f.user.clone()).unwrap();
                            let expected = next.entry(user.clone()).or_default();
                            assert_eq!(frame.parse::<u64>().unwrap(), *expected, "of {user}");
                            *expected += 1;
                            offset += 1;
                            assert_eq!(frame.offset, Some(offset));
                        }
                        other => panic!("`{other}`: {}", frame.encode_text()),
                    }
                }
                _ = total.changed() => {}
            }
        }
    })
}

/// Runs traffic between a client and a witness while `disturb` does its worst to the client.
pub(crate) async fn under_load<F: Future<Output = ()>>(
    options: Options,
    url: &str,
    disturb: impl FnOnce(Client) -> F,
) {
    let (alice, a) = joined(options, CHAT).await;
    let (bob, mut b) = connect(any(url, "bob")).await;
    let presence = JoinOptions { presence: true, ..JoinOptions::default() };
    // Were alice to flicker after this, a change of presence would come between the numbers.
    bob.room(CHAT, presence).await.unwrap();
    presence_of(&mut b, "join", "bob").await;
    let (over, running) = watch::channel(false);
    let (announce, total) = watch::channel(None);
    let readers = [reader(a, total.clone()), reader(b, total)];
    let publishers = [publisher(alice.clone(), running.clone()), publisher(bob.clone(), running)];
    let session = alice.status().session;
    disturb(alice.clone()).await;
    over.send_replace(true);
    let mut sent = BTreeMap::new();
    for (name, publisher) in ["alice", "bob"].into_iter().zip(publishers) {
        sent.insert(name.to_string(), within(publisher).await.unwrap());
    }
    assert!(sent.values().all(|n| *n > 20), "{sent:?}");
    announce.send_replace(Some(sent));
    for reader in readers {
        within(reader).await.unwrap();
    }
    assert_eq!(alice.status().session, session);
    assert_eq!((alice.counts().gaps, bob.counts().gaps), (0, 0));
}

#[tokio::test]
async fn twenty_moves_lose_double_and_reorder_nothing() {
    let hub = hub().await;
    under_load(any(&hub.url(), "alice"), &hub.url(), |alice| async move {
        for n in 0..20 {
            let to = if n % 2 == 0 { Transport::Sse } else { Transport::WebSocket };
            within(alice.move_to(to)).await.unwrap();
            assert_eq!(alice.status().transport, Some(to));
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let counts = alice.counts();
        assert_eq!((counts.moves, counts.reconnects, counts.resumes), (20, 0, 20));
    })
    .await;
}

#[tokio::test]
async fn moves_through_polls_do_neither() {
    let hub = hub().await;
    under_load(any(&hub.url(), "alice"), &hub.url(), |alice| async move {
        for to in
            [Transport::SsePoll, Transport::Sse, Transport::SsePoll, Transport::WebSocket, Transport::SsePoll]
        {
            within(alice.move_to(to)).await.unwrap();
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    })
    .await;
}

async fn killed_by(by: Transport) {
    let hub = hub().await;
    under_load(options(&hub, "alice", by), &hub.url(), |alice| async move {
        for n in 1..=20 {
            alice.kill_link().await.unwrap();
            within(alice.status_where(|_| alice.counts().reconnects == n)).await.unwrap();
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        assert_eq!(alice.counts().resumes, 20);
    })
    .await;
}

#[tokio::test]
async fn twenty_killed_websockets_do_neither() {
    killed_by(Transport::WebSocket).await;
}

#[tokio::test]
async fn twenty_killed_streams_do_neither() {
    killed_by(Transport::Sse).await;
}

#[tokio::test]
async fn twenty_killed_polls_do_neither() {
    killed_by(Transport::SsePoll).await;
}
