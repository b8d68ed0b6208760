//! The fault proxy does what its rules say, against a small upstream of its own.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod bytes;
mod client;
mod control;
mod door;
mod exchanges;
mod upgrades;
mod upstream;

use crosspoint_tests::proxy::{Event, FaultProxy, Options};
use std::time::Duration;

use client::Client;
use upstream::Upstream;

/// How long a test waits for something before it fails.
const DEADLINE: Duration = Duration::from_secs(10);

async fn start() -> (Upstream, FaultProxy) {
    let upstream = Upstream::start().await;
    let proxy = FaultProxy::start(Options::new(upstream.address())).await.unwrap();
    (upstream, proxy)
}

async fn connect(proxy: &FaultProxy) -> Client {
    Client::connect(proxy.address()).await
}

async fn logged(proxy: &FaultProxy, fits: impl Fn(&Event) -> bool) -> Event {
    proxy.log().wait(0, DEADLINE, |entry| fits(&entry.event)).await.expect("the event is logged").event
}
