//! One client that does as much as it can, in every way there is, against others that chat: how much later do they get their messages?
//! Phases with and without it take turns in one run; the ratio of their 99th percentiles is what counts (docs/limits.md).

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

mod abuse;
mod chat;
#[path = "../hostile/hub.rs"]
#[allow(dead_code)]
mod hub;
#[path = "../hostile/wire.rs"]
#[allow(dead_code)]
mod wire;

use abuse::{Abuse, Abuser};
use chat::Chat;
use hub::Hub;
use std::time::Duration;

/// The recommended limits. Bursts are a second's, and of POSTs fewer may come, so that a phase is longer than they last.
const SETTINGS: [&str; 4] =
    ["rates.preset=public", "rates.burst_ms=1000", "rates.address.posts_per_s=100", "limits.resume_ms=1000"];
/// A percentile below this is noise of the machine, ms.
const FLOOR_MS: f64 = 5.0;
/// What the others' may grow by.
const RATIO_MAX: f64 = 2.0;

struct Row {
    abuse: Abuse,
    calm: Vec<f64>,
    abused: Vec<f64>,
}

impl Row {
    /// The median of the rounds' ratios.
    fn ratio(&self) -> f64 {
        let ratio = |(calm, abused): (&f64, &f64)| abused.max(FLOOR_MS) / calm.max(FLOOR_MS);
        median(self.calm.iter().zip(&self.abused).map(ratio).collect())
    }
}

fn median(mut all: Vec<f64>) -> f64 {
    all.sort_by(f64::total_cmp);
    all[all.len() / 2]
}

/// Kinds of abuse behind each phase of peace.
const GROUP: usize = 3;

/// Runs so many rounds of all kinds.
async fn measure(rounds: usize, phase: Duration) -> Vec<Row> {
    let hub = Hub::start(&SETTINGS);
    let chat = Chat::begin(&hub.url()).await;
    let abuser = Abuser::new(hub.addr);
    let mut rows: Vec<Row> =
        Abuse::ALL.iter().map(|abuse| Row { abuse: *abuse, calm: vec![], abused: vec![] }).collect();
    chat.phase(phase).await;
    for _ in 0..rounds {
        for group in rows.chunks_mut(GROUP) {
            let calm = chat.phase(phase).await;
            for row in group {
                row.calm.push(calm);
                abuser.begin(row.abuse);
                row.abused.push(chat.phase(phase).await);
                abuser.end().await;
            }
        }
    }
    chat.end().await;
    println!(
        "{:<14} {:>10} {:>10} {:>7} {:>8}  attempts, refused",
        "abuse", "calm p99", "p99", "ratio", "judged"
    );
    for row in &rows {
        let (tried, refused) = abuser.counts(row.abuse);
        let (calm, abused) = (median(row.calm.clone()), median(row.abused.clone()));
        let plain = abused / calm;
        println!(
            "{:<14} {calm:>7.2} ms {abused:>7.2} ms {plain:>7.2} {:>8.2}  {tried}, {refused}",
            row.abuse.name(),
            row.ratio()
        );
        assert!(refused > 0, "{} met no limit", row.abuse.name());
    }
    rows
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_abusive_client_delays_the_others_at_most_twofold() {
    for row in measure(5, Duration::from_millis(800)).await {
        assert!(row.ratio() <= RATIO_MAX, "{}: {:?} after {:?}", row.abuse.name(), row.abused, row.calm);
    }
}

/// The figures of docs/limits.md: `cargo test --release -p crosspoint-tests --test fairness -- --ignored --nocapture`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes minutes, and a machine of its own"]
async fn figures() {
    measure(15, Duration::from_secs(2)).await;
}
