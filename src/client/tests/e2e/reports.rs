//! What the hub learns of how its clients got their links.

use crate::support::*;
use crosspoint::Running;
use crosspoint_client::{JoinOptions, Transport};
use crosspoint_hub::WayStats;

fn way(hub: &Running, transport: &str) -> Option<WayStats> {
    hub.hub().reach().transports.into_iter().find(|w| w.transport == transport)
}

/// Waits until so many links by this transport were reported.
async fn reported(hub: &Running, transport: &str, wins: u64) -> WayStats {
    within(async {
        loop {
            match way(hub, transport).filter(|w| w.reported.wins >= wins) {
                Some(way) => return way,
                None => tokio::task::yield_now().await,
            }
        }
    })
    .await
}

#[tokio::test]
async fn every_link_is_reported_with_its_first_message() {
    for by in Transport::OVER_TCP {
        println!("by {by}");
        let hub = hub().await;
        let (alice, _events) = connect(options(&hub, "alice", by)).await;
        alice.room(CHAT, JoinOptions::default()).await.unwrap();
        let told = reported(&hub, by.name(), 1).await.reported;
        assert_eq!((told.attempts, told.connect_ms.count, told.first_ms.count), (1, 1, 1));
        assert!(told.first_ms.sum >= told.connect_ms.sum);
        assert!(hub.hub().reach().moves.is_empty());
        // A loss, and its end.
        alice.kill_link().await.unwrap();
        within(alice.status_where(|_| alice.counts().reconnects == 1)).await.unwrap();
        alice.publish(CHAT, "n", &1, Default::default()).await.unwrap();
        reported(&hub, by.name(), 2).await;
        let moves = hub.hub().reach().moves;
        let told: Vec<_> = moves.iter().map(|m| (m.from, m.to, m.cause, m.direction, m.count)).collect();
        assert_eq!(told, [(by.name(), by.name(), "lost", "same", 1)]);
    }
}
