//! An attack, what others notice of it, and what it leaves.

use crate::hub::Hub;
use crate::wire::within;
use crosspoint_client::{Client, Events, JoinOptions, Options, PublishOptions, Transport};
use std::net::SocketAddr;

/// What a hub may hold after an attack more than after the one before, KiB: allocators keep some, a leak would come again.
const GROWTH_MAX: u64 = 12 << 10;

/// Two who chat, one by WebSocket, one by SSE, and watch who comes.
struct Bystanders {
    people: [(Client, Events); 2],
    said: u64,
}

const ROOM: &str = "bystanders";

impl Bystanders {
    async fn new(hub: &Hub) -> Bystanders {
        let person = async |user: &str, by: Transport| {
            let client = Client::connect(Options { transports: vec![by], ..Options::user(hub.url(), user) });
            let events = client.events();
            client.ready().await.unwrap();
            client.room(ROOM, JoinOptions { presence: true, ..JoinOptions::default() }).await.unwrap();
            (client, events)
        };
        let mut people = [person("ann", Transport::WebSocket).await, person("ben", Transport::Sse).await];
        // From the arrival of both on any change of presence is a fault.
        for (_, events) in &mut people {
            while !within(events.next_frame()).await.unwrap().encode_text().contains("\"ben\"") {}
        }
        Bystanders { people, said: 0 }
    }

    /// Each says something, which both hear and is the next thing they hear.
    async fn chat(&mut self) {
        for speaker in 0..2 {
            self.said += 1;
            let (client, _) = &self.people[speaker];
            within(client.publish(ROOM, "n", &self.said, PublishOptions::default())).await.unwrap();
            for (_, events) in &mut self.people {
                let heard = within(events.next_frame()).await.expect("the client was closed");
                assert_eq!(heard.kind, "n", "{}", heard.encode_text());
                assert_eq!(heard.parse::<u64>().unwrap(), self.said);
            }
        }
    }

    fn assert_calm(&self) {
        for (client, _) in &self.people {
            let counts = client.counts();
            assert_eq!((counts.reconnects, counts.gaps, counts.duplicates), (0, 0, 0));
        }
    }
}

/// Attacks a hub with these settings, twice.
pub(crate) async fn siege<F>(settings: &[&str], attack: impl Fn(SocketAddr) -> F) -> Hub
where
    F: Future<Output = ()> + Send + 'static,
{
    let hub = Hub::start(settings);
    let mut bystanders = Bystanders::new(&hub).await;
    bystanders.chat().await;
    let before = hub.rss();
    let (tasks, files) = (hub.metrics().await["crosspoint_tasks"], hub.files());
    let mut after = vec![];
    for _ in 0..2 {
        let attacking = tokio::spawn(attack(hub.addr));
        loop {
            bystanders.chat().await;
            if attacking.is_finished() {
                break;
            }
        }
        attacking.await.unwrap();
        for gauge in ["sessions", "users"] {
            hub.metric(gauge, |n| n == 2).await;
        }
        hub.metric("rooms", |n| n == 1).await;
        hub.metric("links_waiting", |n| n == 0).await;
        hub.metric("links{transport=\"websocket\"}", |n| n == 1).await;
        hub.metric("links{transport=\"sse\"}", |n| n == 1).await;
        hub.metric("bulk_sessions", |n| n == 0).await;
        // With its connection each stream is gone.
        for gauge in ["links", "bulk_links", "opening", "connections"] {
            hub.metric(&format!("webtransport_{gauge}"), |n| n == 0).await;
        }
        for gauge in ["links", "peers", "entries"] {
            hub.metric(&format!("webrtc_{gauge}"), |n| n == 0).await;
        }
        // The stream, its uplink, the negotiations, and this question.
        hub.metric("http_connections", |n| n <= 6).await;
        // Beside those of the connections.
        hub.metric("tasks", |n| n <= tasks + 8).await;
        hub.fewer_files(files + 8).await;
        bystanders.chat().await;
        if let Some(first) = after.first() {
            // The allocator takes some seconds to give back what was freed; what leaks never comes back.
            hub.returns_memory(first + GROWTH_MAX + first / 8).await;
        }
        after.push(hub.rss());
    }
    bystanders.assert_calm();
    println!("{before} KiB before, {after:?} after; {} messages meanwhile", bystanders.said);
    hub
}
