//! Two people who number what they say, two hundred times a second each: one behind the fault proxy, the other beside the hub,
//! watching who comes and goes. Both check every number of both.

use crosspoint::config::Config;
use crosspoint::{Running, Server};
use crosspoint_client::{BackoffOptions, Client, Events, JoinOptions, Options, PublishOptions, Transport};
use crosspoint_hub::Namespace;
use crosspoint_tests::proxy::{self, FaultProxy, Rules, Select};
use crosspoint_tests::udp::UdpRelay;
use std::collections::BTreeMap;
use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

pub(crate) const ROOM: &str = "chat:1";

/// Fails the test when something doesn't happen.
pub(crate) async fn within<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(40), what).await.expect("it never happened")
}

/// A hub that notices silence soon.
pub(crate) async fn hub() -> Running {
    hub_with(600).await
}

pub(crate) async fn hub_with(heartbeat_ms: u64) -> Running {
    let mut config = Config::default();
    config.limits.heartbeat_ms = heartbeat_ms;
    hub_of(config).await
}

pub(crate) async fn hub_of(mut config: Config) -> Running {
    config.listen.addr = ([127, 0, 0, 1], 0).into();
    // A flicker of presence would be told at once.
    let chat = Namespace {
        prefix: "chat:".into(),
        history_events: 100_000,
        leave_delay_ms: 0,
        ..Namespace::default()
    };
    config.namespaces = vec![chat];
    Server::start(config).await.unwrap()
}

pub(crate) struct Scene {
    /// The one behind the proxy.
    pub(crate) alice: Client,
    pub(crate) hub: Running,
    pub(crate) proxy: FaultProxy,
    /// How many of alice's events the other one has seen, and of the other's she.
    progress: [watch::Receiver<u64>; 2],
    session: Option<String>,
    publishers: Vec<JoinHandle<u64>>,
    readers: Vec<JoinHandle<()>>,
    over: watch::Sender<bool>,
    total: watch::Sender<Option<BTreeMap<String, u64>>>,
    bob: Client,
    /// What WebTransport passes through.
    udp: Option<UdpRelay>,
}

impl Scene {
    /// Alice may use these transports, through a proxy with these rules.
    pub(crate) async fn start(transports: &[Transport], rules: Rules) -> Scene {
        Scene::at(hub().await, transports, rules).await
    }

    /// At a hub that gives a link up later than the client gives up an attempt: what a middlebox holds back doesn't end before.
    pub(crate) async fn patient(transports: &[Transport], rules: Rules) -> Scene {
        Scene::at(hub_with(4_000).await, transports, rules).await
    }

    /// At a hub with the defaults that offers WebTransport through a relay. Alice begins by WebSocket or SSE.
    pub(crate) async fn over_udp(transports: &[Transport]) -> Scene {
        let relay = UdpRelay::start().await.unwrap();
        let mut config = Config::default();
        let webtransport = &mut config.transports.webtransport;
        webtransport.enabled = true;
        webtransport.url = Some(format!("https://{}/webtransport", relay.address()));
        let hub = hub_of(config).await;
        relay.lead_to(hub.webtransport().unwrap().0);
        let scene = Scene::at(hub, transports, Rules::default()).await;
        Scene { udp: Some(relay), ..scene }
    }

    pub(crate) fn udp(&self) -> &UdpRelay {
        self.udp.as_ref().unwrap()
    }

    async fn at(hub: Running, transports: &[Transport], rules: Rules) -> Scene {
        let proxy = FaultProxy::start(proxy::Options::new(hub.addr())).await.unwrap();
        proxy.set(rules).await.unwrap();
        let backoff = BackoffOptions { min_ms: 20, max_ms: 200, factor: 2.0 };
        let behind = format!("http://{}", proxy.address());
        let options = Options { transports: transports.to_vec(), backoff, ..Options::user(behind, "alice") };
        let (alice, a) = joined(options, JoinOptions::default()).await;
        let watching = JoinOptions { presence: true, ..JoinOptions::default() };
        let (bob, mut b) = joined(Options::user(hub.url(), "bob"), watching).await;
        // From bob's own arrival on any change of presence is a fault.
        loop {
            let frame = within(b.next_frame()).await.unwrap();
            if frame.kind == "hub:presence" && frame.encode_text().contains("\"bob\"") {
                break;
            }
        }
        let (over, running) = watch::channel(false);
        let (total, announced) = watch::channel(None);
        let (mut progress, mut readers) = (vec![], vec![]);
        for (events, of) in [(b, "alice"), (a, "bob")] {
            let (seen, watched) = watch::channel(0);
            progress.push(watched);
            readers.push(tokio::spawn(read(events, of, seen, announced.clone())));
        }
        let publishers =
            [&alice, &bob].map(|c| tokio::spawn(publish(c.clone(), running.clone()))).into_iter().collect();
        let session = alice.status().session;
        let progress = progress.try_into().expect("two");
        Scene { alice, hub, proxy, progress, session, publishers, readers, over, total, bob, udp: None }
    }

    /// Waits until so many more events of each have reached the other.
    pub(crate) async fn flows(&self, more: u64) {
        for seen in &self.progress {
            let mut seen = seen.clone();
            let goal = *seen.borrow() + more;
            within(seen.wait_for(|n| *n >= goal)).await.expect("a reader failed");
        }
    }

    pub(crate) async fn set(&self, rules: Rules) {
        self.proxy.set(rules).await.unwrap();
    }

    pub(crate) async fn move_to(&self, to: Transport) {
        within(self.alice.move_to(to)).await.unwrap();
        assert_eq!(self.alice.status().transport, Some(to));
    }

    /// Twenty moves over these, with traffic between.
    pub(crate) async fn moves(&self, over: &[Transport]) {
        for to in over.iter().cycle().take(20) {
            self.move_to(*to).await;
            self.flows(15).await;
        }
        let counts = self.alice.counts();
        assert_eq!((counts.moves, counts.reconnects), (20, 0));
    }

    /// Waits until so many links were lost and replaced.
    pub(crate) async fn reconnects(&self, n: u64) {
        within(self.alice.status_where(|s| s.transport.is_some() && self.alice.counts().reconnects >= n))
            .await
            .unwrap();
    }

    /// The proxy's connections that are WebSockets, or all others.
    pub(crate) fn connections(&self, upgraded: bool) -> Vec<u64> {
        let all = self.proxy.connections().into_iter();
        all.filter(|c| c.upgraded == upgraded).map(|c| c.connection).collect()
    }

    pub(crate) async fn cut(&self, client: proxy::End, upstream: proxy::End) {
        assert!(self.proxy.cut(&Select::all(), client, upstream).await > 0);
    }

    /// Ends the traffic. All that was sent must have come: once, in order, without a gap, to one session that never left.
    pub(crate) async fn end(self) {
        self.over.send_replace(true);
        let mut sent = BTreeMap::new();
        for (name, publisher) in ["alice", "bob"].into_iter().zip(self.publishers) {
            sent.insert(name.to_string(), within(publisher).await.unwrap());
        }
        println!("{sent:?}, {:?}, {:?}", self.alice.counts(), self.proxy.counters());
        self.total.send_replace(Some(sent));
        for reader in self.readers {
            within(reader).await.unwrap();
        }
        assert_eq!(self.alice.status().session, self.session);
        assert_eq!((self.alice.counts().gaps, self.bob.counts().gaps), (0, 0));
        let stats = self.hub.hub().stats();
        assert_eq!((stats.gaps, stats.sessions, stats.sessions_opened), (0, 2, 2));
    }
}

async fn joined(options: Options, join: JoinOptions) -> (Client, Events) {
    let client = Client::connect(options);
    let events = client.events();
    client.ready().await.unwrap();
    client.room(ROOM, join).await.unwrap();
    (client, events)
}

/// Publishes 0, 1, 2 … until it is over; returns how many.
async fn publish(client: Client, over: watch::Receiver<bool>) -> u64 {
    let mut ticks = tokio::time::interval(Duration::from_millis(5));
    let mut replies = JoinSet::new();
    let mut n = 0;
    while !*over.borrow() {
        ticks.tick().await;
        // Every second one without an id: only the session's count protects those.
        if n % 2 == 0 {
            let client = client.clone();
            let sent = async move { client.publish(ROOM, "n", &n, PublishOptions::default()).await };
            let mut sent = Box::pin(sent);
            // The first poll puts it into the queue, so that the order of sending is that of the numbers.
            assert!(
                poll_fn(|cx| Poll::Ready(sent.as_mut().poll(cx))).await.is_pending(),
                "the queue is full"
            );
            replies.spawn(async move { drop(sent.await.unwrap()) });
        } else {
            client.send(ROOM, "n", &n).unwrap();
        }
        n += 1;
    }
    while let Some(reply) = replies.join_next().await {
        reply.unwrap();
    }
    n
}

/// Reads until all that was announced has come; every number and every offset must be the next one.
async fn read(
    mut events: Events,
    of: &str,
    seen: watch::Sender<u64>,
    mut total: watch::Receiver<Option<BTreeMap<String, u64>>>,
) {
    let (mut next, mut offset) = (BTreeMap::<String, u64>::new(), 0);
    while total.borrow_and_update().as_ref().is_none_or(|total| *total != next) {
        tokio::select! {
            frame = events.next_frame() => {
                let frame = frame.expect("the client was closed");
                assert_eq!(frame.kind, "n", "{}", frame.encode_text());
                let user = frame.from.as_ref().and_then(|f| f.user.clone()).unwrap();
                let expected = next.entry(user.clone()).or_default();
                assert_eq!(frame.parse::<u64>().unwrap(), *expected, "of {user}");
                *expected += 1;
                if user == of {
                    seen.send_replace(*expected);
                }
                offset += 1;
                assert_eq!(frame.offset, Some(offset));
            }
            _ = total.changed() => {}
        }
    }
}
