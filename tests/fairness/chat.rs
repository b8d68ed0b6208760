//! Those who chat and mean no harm.

use crosspoint_client::{Client, Events, JoinOptions, Options, PublishOptions, Transport};
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;

pub(crate) const ROOM: &str = "commons";
const PEOPLE: u32 = 8;
const EVERY: Duration = Duration::from_millis(80);

/// Latencies, by when the message was sent.
type Heard = Arc<Mutex<Vec<(Duration, Duration)>>>;

pub(crate) struct Chat {
    begun: Instant,
    heard: Heard,
    over: Arc<AtomicBool>,
    people: Vec<(Client, JoinHandle<()>, JoinHandle<()>)>,
}

impl Chat {
    pub(crate) async fn begin(url: &str) -> Chat {
        let (begun, heard, over) = (Instant::now(), Heard::default(), Arc::new(AtomicBool::new(false)));
        let mut people = vec![];
        for n in 0..PEOPLE {
            let by = if n % 4 == 3 { Transport::Sse } else { Transport::WebSocket };
            let options = Options { transports: vec![by], ..Options::user(url, format!("person-{n}")) };
            let client = Client::connect(options);
            let events = client.events();
            client.ready().await.unwrap();
            client.room(ROOM, JoinOptions::default()).await.unwrap();
            let listening = tokio::spawn(listen(events, begun, heard.clone()));
            let talking = tokio::spawn(talk(client.clone(), n, begun, over.clone()));
            people.push((client, listening, talking));
        }
        Chat { begun, heard, over, people }
    }

    /// Chats so long, and tells the 99th percentile of the time from sending to hearing, ms.
    pub(crate) async fn phase(&self, long: Duration) -> f64 {
        let from = self.begun.elapsed();
        tokio::time::sleep(long).await;
        let to = self.begun.elapsed();
        // What was sent last has been heard when something later has been.
        let all = || PEOPLE as usize * (PEOPLE as usize - 1);
        for _ in 0..1_000 {
            let later = self.heard.lock().iter().filter(|(sent, _)| *sent >= to).count();
            if later >= all() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let mut heard = self.heard.lock();
        let mut times: Vec<Duration> =
            heard.iter().filter(|(sent, _)| (from..to).contains(sent)).map(|(_, took)| *took).collect();
        heard.clear();
        drop(heard);
        times.sort();
        assert!(times.len() >= 200, "only {} messages were heard", times.len());
        times[times.len() * 99 / 100].as_secs_f64() * 1_000.0
    }

    pub(crate) async fn end(self) {
        self.over.store(true, Ordering::Relaxed);
        for (client, listening, talking) in self.people {
            talking.await.unwrap();
            let counts = client.counts();
            assert_eq!((counts.reconnects, counts.gaps, counts.duplicates), (0, 0, 0));
            client.close().await;
            listening.await.unwrap();
        }
    }
}

async fn listen(mut events: Events, begun: Instant, heard: Heard) {
    while let Some(frame) = events.next_frame().await {
        if frame.kind == "said" {
            let sent = Duration::from_nanos(frame.parse::<u64>().unwrap());
            heard.lock().push((sent, begun.elapsed().saturating_sub(sent)));
        }
    }
}

async fn talk(client: Client, n: u32, begun: Instant, over: Arc<AtomicBool>) {
    tokio::time::sleep(EVERY * n / PEOPLE).await;
    let mut pace = tokio::time::interval(EVERY);
    while !over.load(Ordering::Relaxed) {
        pace.tick().await;
        let sent = begun.elapsed().as_nanos() as u64;
        let client = client.clone();
        // Whoever waits for the reply before saying more measures less when it matters.
        tokio::spawn(async move {
            let options = PublishOptions { echo: Some(false), ..PublishOptions::default() };
            client.publish(ROOM, "said", &sent, options).await
        });
    }
}
