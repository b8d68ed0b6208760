//! What operators see of a client behind a network that breaks WebSocket, and of its moves.

use crate::scene::{ROOM, hub_with, within};
use crosspoint::Running;
use crosspoint_client::{Client, JoinOptions, Options, PublishOptions, Transport};
use crosspoint_hub::{MoveStats, ReportedStats};
use crosspoint_tests::proxy::{self, Action, End, FaultProxy, Match, Rules, Select};

fn broken() -> Rules {
    Rules::http(Match::upgrade(), Action::SilentAfter101)
}

fn reported(hub: &Running, transport: &str) -> ReportedStats {
    let ways = hub.hub().reach().transports;
    ways.into_iter().find(|w| w.transport == transport).unwrap().reported
}

/// Waits until a move was reported, and says something so that there is a first message.
async fn moved(hub: &Running, client: &Client, from: &str, to: &str) -> MoveStats {
    within(async {
        loop {
            client.publish(ROOM, "n", &0, PublishOptions::default()).await.unwrap();
            let moves = hub.hub().reach().moves;
            if let Some(found) = moves.into_iter().find(|m| (m.from, m.to) == (from, to)) {
                return found;
            }
        }
    })
    .await
}

#[tokio::test]
async fn a_broken_websocket_and_the_moves_around_it_are_seen() {
    let hub = hub_with(10_000).await;
    let proxy = FaultProxy::start(proxy::Options::new(hub.addr())).await.unwrap();
    proxy.set(broken()).await.unwrap();
    let url = format!("http://{}", proxy.address());
    let transports = vec![Transport::WebSocket, Transport::Sse];
    let alice = Client::connect(Options { transports, ..Options::user(url, "alice") });
    alice.ready().await.unwrap();
    assert_eq!(alice.status().transport, Some(Transport::Sse));
    alice.room(ROOM, JoinOptions::default()).await.unwrap();
    within(async {
        while reported(&hub, "sse").wins == 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let (websocket, sse) = (reported(&hub, "websocket"), reported(&hub, "sse"));
    assert_eq!((websocket.attempts, websocket.wins), (1, 0));
    assert_eq!(websocket.failures.into_iter().collect::<Vec<_>>(), [("timeout", 1)]);
    assert_eq!((sse.attempts, sse.wins, sse.connect_ms.count, sse.first_ms.count), (1, 1, 1, 1));
    assert!(sse.connect_ms.sum > 0 && sse.first_ms.sum >= sse.connect_ms.sum);

    // The network heals: up, when the client looks for something better.
    proxy.set(Rules::default()).await.unwrap();
    let up = moved(&hub, &alice, "sse", "websocket").await;
    assert_eq!((up.cause, up.direction, up.count), ("up", "up", 1));
    assert_eq!(reported(&hub, "websocket").wins, 1);

    // And breaks again: down.
    proxy.set(broken()).await.unwrap();
    assert!(proxy.cut(&Select::all(), End::Reset, End::Reset).await > 0);
    let down = moved(&hub, &alice, "websocket", "sse").await;
    assert_eq!((down.cause, down.direction, down.count), ("down", "down", 1));
    assert_eq!(alice.counts().gaps, 0);
}
