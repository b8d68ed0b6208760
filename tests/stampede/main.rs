//! Ten thousand clients lose their hub at the same moment, and all come back: into the same rooms, one after the other. What is
//! counted is counted by the hub.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

mod hub;

use crosspoint_client::{Client, JoinOptions, Options, State, Transport};
use futures_util::StreamExt as _;
use hub::Hub;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

const CLIENTS: u64 = 10_000;
/// What the hub lets in within a second.
const RATE: u64 = 600;
/// Clients in a group's room, and rooms that all share.
const GROUP: u64 = 25;
const TEAMS: u64 = 100;
/// One in so many comes by negotiation, the others by hello.
const NEGOTIATE_EVERY: u64 = 4;
/// Only a failed test waits so long.
const PATIENCE: Duration = Duration::from_secs(200);
/// Descriptors for all but the clients' own links.
const DESCRIPTORS: u64 = 1_000;

fn rooms_of(n: u64) -> [String; 2] {
    [format!("group:{}", n / GROUP), format!("team:{}", n % TEAMS)]
}

fn expected(clients: u64) -> BTreeMap<String, u64> {
    let mut rooms = BTreeMap::new();
    (0..clients).flat_map(rooms_of).for_each(|room| *rooms.entry(room).or_default() += 1);
    rooms
}

/// All clients share one process, which may be slow at times; that is not what this is about, so nobody loses patience.
fn settings(rate: u64) -> Vec<String> {
    let rate = format!("limits.connects_per_s={rate}");
    let patience = ["limits.hello_ms=200000", "limits.heartbeat_ms=200000", "limits.beat_ms=0"];
    ["shutdown.drain_ms=500", &rate].into_iter().chain(patience).map(String::from).collect()
}

async fn arrive(url: String, n: u64) -> Client {
    let client = Client::connect(Options {
        transports: vec![Transport::WebSocket],
        negotiate: n.is_multiple_of(NEGOTIATE_EVERY),
        auto_upgrade: false,
        beat: Duration::ZERO,
        connect_timeout: PATIENCE,
        ready_timeout: PATIENCE,
        reply_timeout: PATIENCE,
        events_max: 1,
        ..Options::user(url, format!("user-{n}"))
    });
    client.ready().await.unwrap();
    for room in rooms_of(n) {
        client.room(&room, JoinOptions::default()).await.unwrap();
    }
    client
}

/// Waits until all are where they were.
async fn all_are_back(hub: &Hub, clients: &[Client]) {
    let (rooms, begun) = (expected(clients.len() as u64), Instant::now());
    loop {
        let refused = clients.iter().filter(|c| c.status().state == State::Closed).count();
        assert_eq!(refused, 0, "refused for good");
        let missing = clients.iter().filter(|c| c.status().state != State::Connected).count();
        if missing == 0 && hub.rooms().await == rooms {
            break;
        }
        assert!(begun.elapsed() < PATIENCE, "{missing} are not back");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let count = clients.len() as u64;
    assert_eq!(hub.metric("links{transport=\"websocket\"}").await, count);
    let (admitted, deferred) = (hub.metric("admitted_total").await, hub.metric("deferred_total").await);
    let (peak, connections) =
        (hub.metric("admitted_peak_100ms").await, hub.metric("http_connections_total").await);
    println!(
        "{count} back after {:?}: {admitted} let in, {deferred} told to wait, at most {peak} in 100 ms, {connections} connections",
        begun.elapsed()
    );
    assert!(peak <= 3 * RATE / 10, "{peak} came in within 100 ms");
    assert!(admitted <= 2 * count, "{admitted} were let in");
    // One each if all goes well, two with a negotiation; and one more whenever they were told to wait.
    assert!(connections <= 5 * count, "{connections} connections");
}

#[test]
fn ten_thousand_clients_come_back_without_a_stampede() {
    let descriptors = rlimit::increase_nofile_limit(u64::MAX).unwrap();
    let count = CLIENTS.min(descriptors.saturating_sub(DESCRIPTORS)) / TEAMS * TEAMS;
    assert!(count >= 1_000, "{descriptors} descriptors are too few");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let first = Hub::start("127.0.0.1:0", &settings(0));
        let (addr, begun) = (first.addr(), Instant::now());
        let arriving = (0..count).map(|n| arrive(first.url.clone(), n));
        let clients: Vec<Client> = futures_util::stream::iter(arriving).buffered(200).collect().await;
        assert_eq!(first.rooms().await, expected(count));
        println!("{count} clients after {:?}", begun.elapsed());

        first.kill();
        let second = Hub::start(&addr, &settings(RATE));
        all_are_back(&second, &clients).await;

        second.terminate();
        let third = Hub::start(&addr, &settings(RATE));
        all_are_back(&third, &clients).await;
    });
    // Ten thousand goodbyes are not what this is about.
    runtime.shutdown_background();
}
