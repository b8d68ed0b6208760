//! Bulk: sessions beside others, whose receivers hold their senders back.

use crate::support::*;
use crosspoint::Running;
use crosspoint_core::Code;
use serde_json::{Value, json};

/// A client with its bulk session.
struct Client {
    main: Link,
    said: Value,
    bulk: Link,
    bulk_said: Value,
}

fn bulk_for(main: &Value) -> Value {
    json!({"version": 1, "bulk_for": {"session": main["session"], "resume": main["resume"]}})
}

async fn main_session(by: Adapter, hub: &Running, user: &str) -> (Link, Value) {
    let (main, said) = by.hello(hub, json!({"version": 1, "user": user, "bulk": true})).await;
    assert_eq!(said["bulk"], true);
    (main, said)
}

impl Client {
    async fn new(by: Adapter, hub: &Running, user: &str) -> Client {
        let (main, said) = main_session(by, hub, user).await;
        let (bulk, bulk_said) = by.try_hello_beside(hub, &main, bulk_for(&said)).await.expect("a welcome");
        assert_eq!((&bulk_said["bulk"], &bulk_said["reports"]), (&Value::Null, &Value::Null));
        Client { main, said, bulk, bulk_said }
    }

    fn name(&self) -> String {
        format!("session:{}", self.said["session"].as_str().unwrap())
    }

    /// Its bulk session goes on by another link; what the hub doesn't have of these goes again.
    async fn go_on(&mut self, by: Adapter, hub: &Running, to: &str, sent: u64, size: usize) {
        let resume = again(&self.bulk_said, self.bulk.received);
        let (next, said) = by.try_hello_beside(hub, &self.main, resume).await.expect("a welcome");
        assert_eq!(said["resumed"], true);
        self.bulk = next;
        for n in self.bulk.sent..sent {
            self.send(to, n, size).await;
        }
    }

    async fn send(&mut self, to: &str, n: u64, size: usize) {
        let piece = json!({"type": "piece", "to": to, "id": format!("p{n}")});
        self.bulk.send_bytes(piece, &bytes(n, size)).await;
    }
}

/// Which piece it is, and so many bytes more.
fn bytes(n: u64, size: usize) -> Vec<u8> {
    [&n.to_be_bytes()[..], &vec![n as u8; size]].concat()
}

/// The next piece on this link, which must be this one.
async fn piece(link: &mut Link, n: u64, size: usize) -> Value {
    let got = link.find("piece").await;
    assert!(
        got.bytes.as_deref() == Some(&*bytes(n, size)),
        "{:?}: piece {n} is another one: {:.200}",
        link.by,
        got.json.to_string()
    );
    got.json
}

pub(crate) async fn bytes_go_beside_the_session(by: Adapter) {
    let hub = open().await;
    let mut alice = Client::new(by, &hub, "alice").await;
    for (at, to) in (0..).zip(Adapter::ALL) {
        let mut bob = Client::new(to, &hub, "bob").await;
        for n in [at * 2, at * 2 + 1] {
            alice.send(&bob.name(), n, 40_000).await;
            let got = piece(&mut bob.bulk, n, 40_000).await;
            assert_eq!(got["from"], json!({"user": "alice", "session": alice.said["session"]}));
            assert_eq!((&got["bulk"], got.get("id")), (&json!(true), None));
            assert_eq!(alice.bulk.reply(&format!("p{n}")).await["data"], json!({"delivered": 1}));
        }
        bob.main.send(json!({"type": "hub:bye"})).await;
        bob.bulk.ends_with(Code::Bye).await;
    }
    alice.bulk.fails(json!({"type": "n", "room": CHAT}), Code::BadRequest).await;
    alice.bulk.fails(json!({"type": "n", "to": "session:none"}), Code::NotFound).await;
    assert_eq!(hub.hub().stats().sessions, 1);
}

pub(crate) async fn a_receiver_is_asked_for_its_bulk_session(by: Adapter) {
    let hub = open().await;
    let mut alice = Client::new(by, &hub, "alice").await;
    let (mut main, said) = main_session(by, &hub, "bob").await;
    let to = format!("session:{}", said["session"].as_str().unwrap());
    alice.send(&to, 0, 10).await;
    assert_eq!(main.next().await.json, json!({"type": "hub:bulk", "data": {}}));
    let (mut bulk, _) = by.try_hello_beside(&hub, &main, bulk_for(&said)).await.expect("a welcome");
    piece(&mut bulk, 0, 10).await;
    // Who can't is not asked.
    let (mut carol, said) = by.hello(&hub, hello("carol")).await;
    alice.send(&format!("session:{}", said["session"].as_str().unwrap()), 1, 10).await;
    assert_eq!(piece(&mut carol, 1, 10).await["bulk"], true);
}

pub(crate) async fn bulk_moves_and_breaks_without_loss(by: Adapter) {
    const COUNT: u64 = 60;
    let hub = open().await;
    let (mut alice, mut bob) = (Client::new(by, &hub, "alice").await, Client::new(by, &hub, "bob").await);
    let mut ways = Adapter::ALL.into_iter().cycle();
    let (mut sent, mut got) = (0, 0);
    while got < COUNT {
        // Never more than may wait.
        while sent < COUNT && sent - got < 8 {
            alice.send(&bob.name(), sent, 5_000).await;
            sent += 1;
        }
        for _ in 0..3 {
            piece(&mut bob.bulk, got, 5_000).await;
            got += 1;
        }
        match got % 12 {
            // By another link while the one before lives, which on WebTransport has the only place beside the first.
            3 => bob.go_on(other(&mut ways, bob.bulk.by), &hub, "", 0, 0).await,
            6 => alice.go_on(other(&mut ways, alice.bulk.by), &hub, &bob.name(), sent, 5_000).await,
            9 => {
                let mut main = again(&bob.said, bob.main.received);
                main["bulk"] = true.into();
                bob.main = by.hello(&hub, main).await.0;
                // A stream beside the old one went with it.
                bob.go_on(by, &hub, "", 0, 0).await;
            }
            _ => {}
        }
    }
    assert_eq!(hub.hub().stats().bulk_frames, COUNT);
    assert_eq!(hub.hub().stats().sessions, 2);
}

/// Another way than this one.
fn other(ways: &mut impl Iterator<Item = Adapter>, than: Adapter) -> Adapter {
    ways.find(|way| *way != than).expect("there are others")
}

pub(crate) async fn a_receiver_that_does_not_read_holds_back_its_sender_only(by: Adapter) {
    const SIZE: usize = 40_000;
    let hub = open().await;
    let limits = hub.hub().limits().clone();
    let (mut alice, mut bob) = (Client::new(by, &hub, "alice").await, Client::new(by, &hub, "bob").await);
    let (mut sent, mut answered) = (0, 0);
    // In flight: what the client may have there, which is little.
    let window = (limits.bulk_bytes_max / (SIZE * 4 / 3 + 100)) as u64;
    let full = (limits.bulk_bytes_max / SIZE) as u64;
    while sent < full + window {
        alice.send(&bob.name(), sent, SIZE).await;
        sent += 1;
        if sent - answered == window && answered < full - 2 {
            alice.bulk.reply(&format!("p{answered}")).await;
            answered += 1;
        }
    }
    // Both main sessions are as quick as ever, and the hub has not answered for what it has no room for.
    for n in 0..20 {
        alice.main.send(json!({"type": "n", "to": bob.name(), "data": n})).await;
        assert_eq!(bob.main.find("n").await.number(), n);
    }
    assert!(hub.hub().stats().bulk_frames <= full, "{} of {full}", hub.hub().stats().bulk_frames);
    for n in 0..sent {
        piece(&mut bob.bulk, n, SIZE).await;
    }
    alice.bulk.reply(&format!("p{}", sent - 1)).await;
    assert_eq!(hub.hub().stats().bulk_frames, sent);
}

pub(crate) async fn a_bulk_session_needs_its_main_one(by: Adapter) {
    let hub = open().await;
    let (main, said) = main_session(by, &hub, "alice").await;
    let wrong = json!({"version": 1, "bulk_for": {"session": said["session"], "resume": "guess"}});
    for hello in [wrong, bulk_for(&json!({"session": "none", "resume": said["resume"]}))] {
        let refused = by.try_hello_beside(&hub, &main, hello).await.map(drop).expect_err("it is refused");
        refused.assert(by, Code::SessionExpired);
    }
    let (_, first) = by.try_hello_beside(&hub, &main, bulk_for(&said)).await.expect("a welcome");
    by.cut(&hub, 1).await;
    let (mut bulk, second) = by.try_hello_beside(&hub, &main, bulk_for(&said)).await.expect("a welcome");
    assert_eq!(first["session"], second["session"], "its welcome may have got lost");
    let path = format!("/api/v1/sessions/{}", said["session"].as_str().unwrap());
    let http = Http::new(hub.addr(), Version::H1).await;
    assert_eq!(http.send(http::Method::DELETE, &path, &[], "").await.status, 200);
    bulk.ends_with(Code::Forbidden).await;
    assert_eq!(hub.hub().stats().bulk_sessions, 0);
}
