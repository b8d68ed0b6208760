//! Many threads at one hub: whatever they do to each other, who stays gets every event once and in order, and what ends leaves
//! nothing behind. `CROSSPOINT_SEED=<n>` chooses what they do.

#![allow(clippy::expect_used, clippy::panic, clippy::print_stdout, reason = "helpers of tests")]

#[path = "../support/mod.rs"]
mod support;

mod client;

use client::{Client, Rng, Seen};
use crosspoint_core::frame::From;
use crosspoint_core::wire::Draft;
use crosspoint_core::{Code, Limits};
use crosspoint_hub::{Hub, HubConfig, Namespace};
use parking_lot::Mutex;
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use support::Link;
use tokio::runtime::Handle;

const THREADS: u64 = 8;
const STEPS: u64 = 1_000;
const KEPT: [&str; 3] = ["chat:1", "chat:2", "chat:3"];
const PLAIN: [&str; 2] = ["r1", "r2"];
const DEADLINE: Duration = Duration::from_secs(60);

fn seed() -> u64 {
    std::env::var("CROSSPOINT_SEED").ok().and_then(|s| s.parse().ok()).unwrap_or(1)
}

fn config(outbox_bytes_max: usize) -> HubConfig {
    let limits = Limits {
        outbox_bytes_max,
        request_ms: 300,
        hello_ms: 2_000,
        resume_ms: 120_000,
        drain_ms: 50,
        heartbeat_ms: 60_000,
        connects_per_s: 0,
        ..Limits::default()
    };
    let all = Namespace { leave_delay_ms: 100, ..Namespace::default() };
    let chat =
        Namespace { prefix: "chat:".into(), history_events: 100_000, history_bytes: 64 << 20, ..all.clone() };
    HubConfig { limits, namespaces: vec![all, chat], ..HubConfig::default() }
}

/// What the threads share.
struct Ring {
    hub: Arc<Hub>,
    runtime: Handle,
    /// Names of sessions, of which some have ended.
    names: Mutex<Vec<String>>,
    /// Links that were left behind, to be cut by somebody else.
    links: Mutex<Vec<Arc<Link>>>,
    over: AtomicBool,
}

impl Ring {
    fn new(config: HubConfig) -> Arc<Ring> {
        Arc::new(Ring {
            hub: support::hub(config),
            runtime: Handle::current(),
            names: Mutex::default(),
            links: Mutex::default(),
            over: AtomicBool::new(false),
        })
    }

    fn thread<T: Send + 'static>(
        self: &Arc<Ring>,
        run: impl FnOnce(&Ring) -> T + Send + 'static,
    ) -> JoinHandle<T> {
        let ring = self.clone();
        thread::spawn(move || {
            let _entered = ring.runtime.enter();
            run(&ring)
        })
    }

    fn begin(&self, rng: &mut Rng) -> Client {
        let client = Client::hello(&self.hub, &format!("u{}", rng.below(10)));
        self.names.lock().push(client.name());
        client
    }

    fn any_name(&self, rng: &mut Rng) -> Option<String> {
        let names = self.names.lock();
        // Of the newest ones: most of the others have ended.
        let newest = names.len().min(64);
        (newest > 0).then(|| names[names.len() - 1 - rng.below(newest as u64) as usize].clone())
    }

    /// Joins, leaves, publishes, moves, loses links, asks and ends sessions.
    fn churn(&self, seed: u64) {
        let mut rng = Rng(seed);
        let mut clients: Vec<Client> = (0..6).map(|_| self.begin(&mut rng)).collect();
        for _ in 0..STEPS {
            let at = rng.below(6) as usize;
            let client = &mut clients[at];
            client.pump();
            if client.ended {
                client.link.cut();
                clients[at] = self.begin(&mut rng);
                continue;
            }
            let rooms = [KEPT[rng.below(3) as usize], PLAIN[rng.below(2) as usize]];
            let room = rooms[rng.below(2) as usize];
            match rng.below(20) {
                0..4 => client.join(room, rng.below(2) == 0),
                4 => client.leave(room),
                5..12 if client.joined.contains(room) => client.publish(room),
                12 => {
                    let left = client.resume(false);
                    self.links.lock().push(left);
                }
                13 => drop(client.resume(true)),
                14 => {
                    client.bye();
                    clients[at] = self.begin(&mut rng);
                }
                15 => client.link.send(json!({"type": "hub:attach", "data": {"service": "sfu"}})),
                16 => client.link.send(json!({"type": "hub:state", "room": room, "data": {"n": at}})),
                17 => {
                    let name = self.any_name(&mut rng).unwrap_or_default();
                    let to = if rng.below(2) == 0 { "service:sfu".into() } else { format!("session:{name}") };
                    client
                        .link
                        .send(json!({"type": "q", "to": to, "id": format!("q{}", rng.below(1 << 40))}));
                }
                _ => {}
            }
        }
        for mut client in clients {
            client.pump();
            client.bye();
        }
    }

    /// Does from outside what the others don't expect.
    fn meddle(&self, seed: u64) -> u64 {
        let mut rng = Rng(seed);
        let mut ended = 0;
        let mut number = 0;
        while !self.over.load(Ordering::Relaxed) {
            let left = self.links.lock().pop();
            if let Some(link) = left {
                link.cut();
            }
            match rng.below(200) {
                0..2 => {
                    let name = self.any_name(&mut rng);
                    let fault = Code::Forbidden.into();
                    ended += u64::from(name.is_some_and(|n| self.hub.end_session(&n, &fault)));
                }
                2..40 => {
                    let draft = Draft {
                        kind: "m".into(),
                        data: serde_json::value::to_raw_value(&number).ok(),
                        payload: None,
                        from: From { user: Some("backend".into()), session: Some(format!("backend{seed}")) },
                        id: format!("backend{seed}-{number}"),
                        named: true,
                        echo: true,
                        volatile: None,
                    };
                    let room =
                        [KEPT[rng.below(3) as usize], PLAIN[rng.below(2) as usize]][rng.below(2) as usize];
                    let published = self.runtime.block_on(self.hub.publish(room, draft));
                    assert!(!published.expect("published").duplicate);
                    number += 1;
                }
                40 => drop(self.hub.rooms("", "", 100, |_| true)),
                41 => drop(self.hub.stats()),
                _ => thread::yield_now(),
            }
        }
        ended
    }

    fn heads(&self) -> BTreeMap<String, u64> {
        let head = |room: &&str| {
            let page = self.runtime.block_on(self.hub.history(room, None, None, Some(1))).expect("history");
            (room.to_string(), page.head.offset)
        };
        KEPT.iter().map(head).collect()
    }
}

/// Every kept room's events are there once and in order, up to its head.
fn check_kept(events: &[Seen], heads: &BTreeMap<String, u64>) {
    for (room, head) in heads {
        let offsets: Vec<_> = events.iter().filter(|e| e.0 == *room).filter_map(|e| e.1).collect();
        assert_eq!(offsets, (1..=*head).collect::<Vec<_>>(), "{room}");
    }
}

fn complete(events: &[Seen], heads: &BTreeMap<String, u64>) -> bool {
    events.iter().filter(|e| e.1.is_some()).count() as u64 >= heads.values().sum()
}

fn eventually(what: &str, so: impl Fn() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !so() {
        assert!(Instant::now() < deadline, "{what}: not so in time");
        thread::yield_now();
    }
}

/// Nothing is left of anybody.
fn check_empty(ring: Arc<Ring>) {
    ring.links.lock().drain(..).for_each(|l| l.cut());
    let hub = &ring.hub;
    let s = hub.stats();
    assert_eq!((s.sessions, s.users, s.rooms, s.services), (0, 0, 0, 0), "{s:?}");
    assert_eq!((s.links, s.links_waiting, s.requests_waiting), (0, 0, 0), "{s:?}");
    eventually("nobody is present", || {
        let members = |room: &&str| ring.runtime.block_on(hub.presence(room)).expect("presence").len();
        KEPT.iter().chain(&PLAIN).map(members).sum::<usize>() == 0
    });
    let hub = Arc::downgrade(hub);
    let ring = Arc::into_inner(ring).expect("all threads are over");
    drop(ring);
    eventually("the hub is gone with its last user", || hub.upgrade().is_none());
}

/// Watchers take all that comes, and move; what they saw is returned when all is said.
fn watch(ring: &Arc<Ring>, rooms: &'static [&'static str], slow: bool, seed: u64) -> JoinHandle<Client> {
    let (ready, set) = std::sync::mpsc::channel();
    let handle = ring.thread(move |ring| {
        let mut rng = Rng(seed);
        let mut client = Client::hello(&ring.hub, &format!("watcher{seed}"));
        // A slow reader is ended by the presence of so many.
        rooms.iter().for_each(|room| client.join(room, !slow));
        client.wait("the joins", |c| c.present.len() == rooms.len());
        ready.send(()).expect("somebody waits");
        let deadline = Instant::now() + 2 * DEADLINE;
        loop {
            let over = ring.over.load(Ordering::Acquire);
            client.pump();
            assert!(!client.ended, "{:?}", client.link.closed());
            if over && complete(&client.events, &ring.heads()) {
                client.link.takes(None);
                return client;
            }
            assert!(Instant::now() < deadline, "{} events, {:?}", client.events.len(), ring.heads());
            match rng.below(if over { 400 } else { 40 }) {
                0 => {
                    let left = client.resume(false);
                    ring.links.lock().push(left);
                }
                1 => drop(client.resume(true)),
                2 if slow => client.link.takes(Some(rng.below(20) as usize)),
                3 if slow => client.link.takes(None),
                _ => thread::yield_now(),
            }
        }
    });
    set.recv().expect("the watcher has joined");
    handle
}

fn run(ring: &Arc<Ring>, watchers: Vec<JoinHandle<Client>>) -> Vec<Client> {
    let churns: Vec<_> =
        (0..THREADS).map(|n| ring.thread(move |ring| ring.churn(seed() * 1000 + n))).collect();
    let meddlers: Vec<_> =
        (0..2).map(|n| ring.thread(move |ring| ring.meddle(seed() * 1000 + 500 + n))).collect();
    churns.into_iter().for_each(|t| t.join().expect("a thread of sessions"));
    ring.over.store(true, Ordering::Release);
    let ended: u64 = meddlers.into_iter().map(|t| t.join().expect("a meddler")).sum();
    let watchers: Vec<_> = watchers.into_iter().map(|t| t.join().expect("a watcher")).collect();
    println!("{:?}, {ended} ended from outside", ring.hub.stats());
    watchers
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn who_stays_misses_nothing_and_who_goes_leaves_nothing() {
    tokio::task::spawn_blocking(|| {
        let ring = Ring::new(config(64 << 20));
        let all: &'static [&'static str] = &["chat:1", "chat:2", "chat:3", "r1", "r2"];
        let watchers = (1..4).map(|n| watch(&ring, all, false, n)).collect();
        let mut watchers = run(&ring, watchers);
        let heads = ring.heads();
        let expected = ring.hub.stats().published;
        for client in &mut watchers {
            client.wait("all events", |c| c.events.len() as u64 >= expected);
            assert_eq!((client.events.len() as u64, client.gaps), (expected, 0));
            check_kept(&client.events, &heads);
            // Rooms without history keep each publisher's order.
            let mut last: BTreeMap<(&str, &str), u64> = BTreeMap::new();
            for (room, offset, from, number) in &client.events {
                if offset.is_none()
                    && let Some(before) = last.insert((room, from), *number)
                {
                    assert!(before < *number, "{from} in {room}: {number} after {before}");
                }
            }
        }
        let here = |c: &Client| {
            let rooms = all.iter().map(|r| (r.to_string(), vec!["watcher1", "watcher2", "watcher3"]));
            rooms
                .map(|(r, users)| (r, users.into_iter().map(String::from).collect()))
                .collect::<BTreeMap<_, _>>()
                == c.present
        };
        for client in &mut watchers {
            client.wait("word that the others are gone", here);
            assert!(!client.ended);
            client.bye();
        }
        drop(watchers);
        check_empty(ring);
    })
    .await
    .expect("the test");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn slow_readers_miss_nothing_that_is_kept() {
    tokio::task::spawn_blocking(|| {
        let ring = Ring::new(config(8 << 10));
        let watchers = (1..4).map(|n| watch(&ring, &KEPT, true, n)).collect();
        let mut watchers = run(&ring, watchers);
        let heads = ring.heads();
        for client in &mut watchers {
            assert_eq!(client.gaps, 0);
            check_kept(&client.events, &heads);
            client.bye();
        }
        drop(watchers);
        check_empty(ring);
    })
    .await
    .expect("the test");
}
