//! Links that nobody uses: what they cost, and how soon it is noticed that they are dead.

use crate::scene::{ROOM, within};
use crosspoint::config::Config;
use crosspoint::{Running, Server};
use crosspoint_client::{BackoffOptions, Client, JoinOptions, Options, State, Transport};
use crosspoint_tests::proxy::{self, FaultProxy, Lane, Rules};
use futures_util::future::join_all;
use std::time::{Duration, Instant};

/// What the docs promise.
const NOTICED_WITHIN: Duration = Duration::from_secs(5);
const MINUTE_BYTES: u64 = 1_000;

struct Quiet {
    client: Client,
    proxy: FaultProxy,
    _hub: Running,
}

impl Quiet {
    /// A client that is in a room and does nothing; its hub and its beats are so many times as fast as usual.
    async fn start(by: Transport, times: u32) -> Quiet {
        let mut config = Config::default();
        config.listen.addr = ([127, 0, 0, 1], 0).into();
        let limits = &mut config.limits;
        for ms in [&mut limits.beat_ms, &mut limits.heartbeat_ms, &mut limits.ack_delay_ms] {
            *ms /= u64::from(times);
        }
        let hub = Server::start(config).await.unwrap();
        let proxy = FaultProxy::start(proxy::Options::new(hub.addr())).await.unwrap();
        let usual = Options::user(format!("http://{}", proxy.address()), "alice");
        let backoff = BackoffOptions { min_ms: 20, max_ms: 200, factor: 2.0 };
        let client =
            Client::connect(Options { transports: vec![by], beat: usual.beat / times, backoff, ..usual });
        client.room(ROOM, JoinOptions::default()).await.unwrap();
        Quiet { client, proxy, _hub: hub }
    }

    async fn comes_to(&self, state: State) {
        within(self.client.status_where(|s| s.state == state)).await.unwrap();
    }
}

#[tokio::test]
async fn an_idle_client_costs_less_than_a_kilobyte_a_minute() {
    const TIMES: u32 = 20;
    let minute = Duration::from_secs(60) / TIMES;
    let quiet = Quiet::start(Transport::WebSocket, TIMES).await;
    // What belongs to the beginning is over: the join is acknowledged.
    tokio::time::sleep(minute / 5).await;
    let bytes = || {
        let counters = quiet.proxy.counters();
        counters.up_bytes + counters.down_bytes
    };
    let before = bytes();
    tokio::time::sleep(minute).await;
    let spent = bytes() - before;
    println!("{spent} bytes a minute");
    assert!(spent > 0 && spent < MINUTE_BYTES, "{spent} bytes a minute");
    assert_eq!(quiet.client.counts().reconnects, 0);
}

async fn hole(by: Transport, which: &str, rules: Rules, busy: bool) {
    let quiet = Quiet::start(by, 1).await;
    let session = quiet.client.status().session;
    let talker = busy.then(|| {
        let client = quiet.client.clone();
        tokio::spawn(async move {
            loop {
                // When too many wait, one less matters not.
                let _ = client.send(ROOM, "n", &1);
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        })
    });
    quiet.proxy.set(rules).await.unwrap();
    let begun = Instant::now();
    quiet.comes_to(State::Reconnecting).await;
    let took = begun.elapsed();
    println!("{by}, {which}, busy {busy}: left after {took:?}");
    assert!(took < NOTICED_WITHIN, "{by}, {which}, busy {busy}: left after {took:?}");
    quiet.proxy.set(Rules::default()).await.unwrap();
    quiet.comes_to(State::Connected).await;
    assert_eq!(quiet.client.status().session, session);
    if let Some(talker) = talker {
        talker.abort();
    }
}

#[tokio::test]
async fn a_black_hole_is_noticed_in_five_seconds() {
    let holes = || {
        [
            ("both ways", Rules::both(Lane::swallow())),
            ("up", Rules { up: Lane::swallow(), ..Rules::default() }),
            ("down", Rules { down: Lane::swallow(), ..Rules::default() }),
        ]
    };
    let all = Transport::OVER_TCP.into_iter().flat_map(|by| {
        let idle = holes().map(|(which, rules)| hole(by, which, rules, false));
        let busy = holes().map(|(which, rules)| hole(by, which, rules, true));
        idle.into_iter().chain(busy)
    });
    join_all(all).await;
}
