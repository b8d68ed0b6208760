//! Certificates that change while sessions go on.

use crate::support::*;
use crosspoint::Running;
use serde_json::json;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use wtransport::Identity;

const BY: Adapter = Adapter::WebTransport;

/// Waits until so many changes have been made.
async fn rotations(hub: &Running, n: u64) {
    within(async { while hub.metric("webtransport_rotations_total").await < n {} }).await;
}

#[tokio::test]
async fn a_self_signed_one_is_changed_before_it_ends_and_sessions_go_on() {
    let hub = start(|c| c.transports.webtransport.self_signed_s = 4).await;
    let mut alice = BY.joined(&hub, "alice", CHAT).await;
    let (_, first) = hub.webtransport().unwrap();
    let old = client(&hub);
    rotations(&hub, 1).await;
    let (addr, second) = hub.webtransport().unwrap();
    assert_eq!(second[0], first[1], "the next one had been told");
    let url = format!("https://{addr}/webtransport");
    within(old.connect(&url)).await.expect("who negotiated before the change gets in after it");
    rotations(&hub, 2).await;
    assert!(within(old.connect(&url)).await.is_err(), "what it trusts is gone");
    let _bob = BY.user(&hub, "bob").await;
    alice.send(json!({"type": "n", "room": CHAT, "data": 1})).await;
    assert_eq!(alice.next().await.number(), 1);
    assert_eq!(hub.hub().stats().sessions_opened, 2);
}

/// Files that are gone after the test.
struct Files(PathBuf, PathBuf);

impl Files {
    fn new() -> Files {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let n = COUNT.fetch_add(1, Ordering::Relaxed);
        let at = |kind| std::env::temp_dir().join(format!("wt-{}-{n}.{kind}", std::process::id()));
        Files(at("crt"), at("key"))
    }

    /// A new pair; the hash of its certificate.
    async fn write(&self) -> [u8; 32] {
        let identity = Identity::self_signed(["localhost", "127.0.0.1"]).unwrap();
        // The library's own writing may be seen later than it returns.
        std::fs::write(&self.1, identity.private_key().to_secret_pem()).unwrap();
        std::fs::write(&self.0, identity.certificate_chain().as_slice()[0].to_pem()).unwrap();
        *identity.certificate_chain().as_slice()[0].hash().as_ref()
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        let _ = (std::fs::remove_file(&self.0), std::fs::remove_file(&self.1));
    }
}

#[tokio::test]
async fn files_are_read_again_when_they_change() {
    let files = Files::new();
    let first = files.write().await;
    let hub = start(|c| {
        let settings = &mut c.transports.webtransport;
        (settings.tls_cert, settings.tls_key) = (Some(files.0.clone()), Some(files.1.clone()));
    })
    .await;
    let (addr, hashes) = hub.webtransport().unwrap();
    assert!(hashes.is_empty(), "authorities vouch for what comes from files");
    let url = format!("https://{addr}/webtransport");
    let old = client_that_trusts([first]);
    let connection = within(old.connect(&url)).await.unwrap();
    let second = files.write().await;
    rotations(&hub, 1).await;
    // The same client would go on with its TLS session.
    assert!(within(client_that_trusts([first]).connect(&url)).await.is_err());
    within(client_that_trusts([second]).connect(&url)).await.unwrap();
    // The one that was there lives.
    let (mut send, _read) = connection.open_bi().await.unwrap().await.unwrap();
    let hello = json!({"type": "hub:hello", "data": hello("alice")}).to_string();
    send.write_all(&[&(hello.len() as u32).to_be_bytes()[..], hello.as_bytes()].concat()).await.unwrap();
    stats(&hub, |s| s.sessions == 1).await;
    // Nonsense changes nothing.
    std::fs::write(&files.0, "nonsense").unwrap();
    let third = files.write().await;
    rotations(&hub, 2).await;
    within(client_that_trusts([third]).connect(&url)).await.unwrap();
}

#[tokio::test]
async fn files_that_cannot_be_used_are_told_at_the_start() {
    let files = Files::new();
    files.write().await;
    std::fs::write(&files.1, Identity::self_signed(["x"]).unwrap().private_key().to_secret_pem()).unwrap();
    let started = try_start(|c| {
        let settings = &mut c.transports.webtransport;
        (settings.tls_cert, settings.tls_key) = (Some(files.0.clone()), Some(files.1.clone()));
    });
    let error = started.await.err().expect("not a pair").to_string();
    assert!(error.contains("`transports.webtransport.tls_key`"), "{error}");
}
