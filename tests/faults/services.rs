//! Requests to a service that wait for their answers while the links of both sides are cut and change: each is asked once, and
//! answered once.

use crate::scene::{hub_of, within};
use crosspoint::config::Config;
use crosspoint_client::Transport::{Sse, SsePoll, WebSocket};
use crosspoint_client::{BackoffOptions, Client, ClientEvent, Events, Options, Token, Transport};
use crosspoint_tests::proxy::{self, End, FaultProxy, Select};
use serde_json::json;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;

const KEY: &str = "the-api-key-of-the-sfu";
/// So many ask at once, and so many requests the service keeps before it answers the oldest.
const ASKERS: u64 = 16;
const HELD: usize = 12;

async fn behind(proxy: &FaultProxy, by: &[Transport], who: Options) -> (Client, Events) {
    let backoff = BackoffOptions { min_ms: 20, max_ms: 200, factor: 2.0 };
    let url = format!("http://{}", proxy.address());
    let client = Client::connect(Options { transports: by.to_vec(), backoff, url, ..who });
    let events = client.events();
    within(client.ready()).await.unwrap();
    (client, events)
}

/// Answers each request with what it asks, the oldest one when there are more than it holds; counts how often each number was asked.
async fn serve(client: Client, mut events: Events, mut over: watch::Receiver<bool>) -> Vec<u32> {
    let (mut asked, mut held) = (vec![], std::collections::VecDeque::new());
    loop {
        tokio::select! {
            event = events.next() => match event {
                Some(ClientEvent::Frame(frame)) => {
                    assert_eq!(frame.kind, "ask", "{}", frame.encode_text());
                    let n: usize = frame.parse().unwrap();
                    asked.resize(asked.len().max(n + 1), 0);
                    asked[n] += 1;
                    held.push_back((frame.request.clone().unwrap(), n));
                }
                Some(_) => {}
                None => return asked,
            },
            Ok(()) = over.changed() => {}
        }
        let keep = if *over.borrow() { 0 } else { HELD };
        while held.len() > keep {
            let (request, n) = held.pop_front().unwrap();
            client.answer(&request, Ok(n)).unwrap();
        }
    }
}

struct Scene {
    hub: crosspoint::Running,
    asker: Client,
    service: Client,
    proxies: [FaultProxy; 2],
    answered: watch::Receiver<u64>,
}

impl Scene {
    /// Waits for so many more answers.
    async fn flows(&self, more: u64) {
        let mut answered = self.answered.clone();
        let goal = *answered.borrow() + more;
        within(answered.wait_for(|n| *n >= goal)).await.expect("an asker failed");
    }

    async fn cut(&self, side: usize) {
        let client = [&self.asker, &self.service][side];
        let before = client.counts().reconnects;
        let by_poll = client.status().transport == Some(SsePoll);
        assert!(self.proxies[side].cut(&Select::all(), End::Reset, End::Reset).await > 0);
        // A poll on a new connection may do without a new link.
        if !by_poll {
            within(client.status_where(|s| s.transport.is_some() && client.counts().reconnects > before))
                .await
                .unwrap();
        }
    }
}

/// Lets people ask a service that begin on these transports, while `trouble` is made.
async fn asked(by: &[Transport], at: &[Transport], trouble: impl AsyncFnOnce(&Scene)) {
    let mut config = Config::default();
    config.limits.heartbeat_ms = 600;
    config.auth.services = serde_json::from_value(json!([{"name": "sfu", "key": KEY}])).unwrap();
    let hub = hub_of(config).await;
    let options = || proxy::Options::new(hub.addr());
    let proxies = [FaultProxy::start(options()).await.unwrap(), FaultProxy::start(options()).await.unwrap()];
    let key = Options { token: Token::from(KEY), ..Options::new("") };
    let (service, requests) = behind(&proxies[1], at, key).await;
    within(service.attach("sfu")).await.unwrap();
    let (asker, events) = behind(&proxies[0], by, Options::user("", "alice")).await;
    drop(events);

    let (over, ending) = watch::channel(false);
    let (count, answered) = watch::channel(0);
    let serving = tokio::spawn(serve(service.clone(), requests, ending.clone()));
    let mut askers = JoinSet::new();
    for first in 0..ASKERS {
        let (asker, over, count) = (asker.clone(), ending.clone(), count.clone());
        askers.spawn(async move {
            let mut n = first;
            while !*over.borrow() {
                let patience = Some(Duration::from_secs(60));
                let reply = asker.request("service:sfu", "ask", &n, patience).await.unwrap();
                assert_eq!(reply.parse::<u64>().unwrap(), n);
                count.send_modify(|count| *count += 1);
                n += ASKERS;
            }
            n
        });
    }
    let scene = Scene { hub, asker, service, proxies, answered };
    scene.flows(50).await;
    trouble(&scene).await;
    scene.flows(50).await;

    over.send_replace(true);
    let mut total = 0;
    while let Some(asker) = within(askers.join_next()).await {
        total += asker.unwrap() / ASKERS;
    }
    assert_eq!(total, *scene.answered.borrow());
    let stats = scene.hub.hub().stats();
    assert_eq!((stats.requests, stats.requests_waiting, stats.request_timeouts), (total, 0, 0));
    assert_eq!((stats.sessions_opened, stats.sessions), (2, 2));
    within(scene.service.close()).await;
    let seen = within(serving).await.unwrap();
    assert!(seen.iter().all(|times| *times <= 1), "nothing is asked twice");
    assert_eq!(seen.iter().map(|times| u64::from(*times)).sum::<u64>(), total);
}

#[tokio::test]
async fn requests_survive_cuts_of_either_side() {
    let cuts = async |scene: &Scene| {
        for round in 0..8 {
            scene.cut(round % 2).await;
            scene.flows(30).await;
        }
    };
    for (by, at) in [(WebSocket, WebSocket), (WebSocket, Sse), (Sse, WebSocket), (SsePoll, SsePoll)] {
        println!("{by} asks {at}");
        asked(&[by], &[at], cuts).await;
    }
}

#[tokio::test]
async fn requests_survive_moves_of_either_side() {
    asked(&Transport::OVER_TCP, &Transport::OVER_TCP, async |scene: &Scene| {
        for to in [Sse, WebSocket, SsePoll, WebSocket, SsePoll, Sse] {
            for client in [&scene.asker, &scene.service] {
                within(client.move_to(to)).await.unwrap();
                scene.flows(20).await;
            }
            // Both at once.
            let (a, b) = tokio::join!(scene.asker.move_to(WebSocket), scene.service.move_to(WebSocket));
            assert!(a.is_ok() && b.is_ok());
        }
        assert_eq!((scene.asker.counts().reconnects, scene.service.counts().reconnects), (0, 0));
    })
    .await;
}

#[tokio::test]
async fn requests_survive_moves_while_links_are_cut() {
    asked(&Transport::OVER_TCP, &Transport::OVER_TCP, async |scene: &Scene| {
        for (side, to) in [(0, Sse), (1, Sse), (0, WebSocket), (1, WebSocket)] {
            let client = [&scene.asker, &scene.service][side];
            tokio::join!(scene.cut(1 - side), async { within(client.move_to(to)).await.unwrap() });
            scene.flows(30).await;
        }
    })
    .await;
}
