//! An application that doesn't read: the client stops reading too, keeps the session, and loses nothing.

use crate::support::*;
use crosspoint_client::{Options, PublishOptions, State, Transport};

#[tokio::test]
async fn a_slow_reader_keeps_its_session_and_gets_everything() {
    for by in Transport::ALL {
        println!("by {by}");
        let mut config = config();
        config.limits.heartbeat_ms = 500;
        config.limits.resume_ms = 2_000;
        let hub = start(config).await;
        let (alice, _a) = joined(options(&hub, "alice", Transport::WebSocket), CHAT).await;
        let slow = Options { events_max: 8, ..options(&hub, "bob", by) };
        let (bob, mut b) = joined(slow, CHAT).await;
        for n in 0..500 {
            alice.publish(CHAT, "n", &n, PublishOptions::default()).await.unwrap();
        }
        // Several heartbeats long nobody reads.
        tokio::time::sleep(std::time::Duration::from_millis(1500)).await;
        for n in 0..500 {
            assert_eq!(frame(&mut b, "n").await.parse::<u32>().unwrap(), n);
        }
        assert_eq!(bob.status().state, State::Connected);
        assert_eq!((bob.counts().reconnects, bob.counts().gaps), (0, 0));
        bob.publish(CHAT, "n", &500, PublishOptions::default()).await.unwrap();
    }
}

#[tokio::test]
async fn a_full_queue_is_said_and_empties_again() {
    let hub = hub().await;
    let address = hub.addr();
    let small = Options { queue_max: 10, ..options(&hub, "alice", Transport::WebSocket) };
    let (alice, _a) = joined(small, CHAT).await;
    hub.shutdown().await;
    state(&alice, State::Reconnecting).await;
    let taken = (0..20).filter(|n| alice.send(CHAT, "n", n).is_ok()).count();
    // The join that came before may not be acknowledged yet.
    assert!((9..=10).contains(&taken), "{taken}");
    assert_eq!(alice.send(CHAT, "n", &0).unwrap_err().code, crosspoint_client::Code::LimitExceeded);
    let _again = start(crosspoint::config::Config { listen: listen(address), ..config() }).await;
    state(&alice, State::Connected).await;
    within(alice.publish(CHAT, "n", &21, PublishOptions::default())).await.unwrap();
}
