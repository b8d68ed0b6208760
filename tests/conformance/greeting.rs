//! Clients of whom it takes time to find out who they are: the keys of their tokens have to be fetched.

use crate::support::*;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use crosspoint::Running;
use crosspoint::auth::jwt::Signer;
use crosspoint_core::Code;
use rcgen::KeyPair;
use serde_json::{Value, json};
use std::sync::Arc;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

/// Publishes the key of its tokens, when it is told to.
struct Maker {
    pair: KeyPair,
    url: String,
    tell: Arc<Semaphore>,
    _task: Task,
}

impl Maker {
    async fn new() -> Maker {
        let pair = KeyPair::generate().unwrap();
        let (x, y) = pair.public_key_raw()[1..].split_at(32);
        let number = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let key =
            json!({"kty": "EC", "crv": "P-256", "alg": "ES256", "kid": "k", "x": number(x), "y": number(y)});
        let body = json!({"keys": [key]}).to_string();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://localhost:{}/jwks", listener.local_addr().unwrap().port());
        let tell = Arc::new(Semaphore::new(0));
        let told = tell.clone();
        let task = Task::new(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut asked = vec![];
                while !asked.ends_with(b"\r\n\r\n") && stream.read_buf(&mut asked).await.is_ok_and(|n| n > 0)
                {
                }
                told.acquire().await.unwrap().forget();
                let head =
                    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
                let _ = stream.write_all(format!("{head}{body}").as_bytes()).await;
            }
        });
        Maker { pair, url, tell, _task: task }
    }

    async fn hub(&self) -> Running {
        let url = serde_json::from_value(json!(self.url)).unwrap();
        start(|c| c.auth.jwks_urls = vec![url]).await
    }

    fn token(&self, by: &KeyPair) -> String {
        let signer = Signer::pem(None, by.serialize_pem().as_bytes()).unwrap();
        signer.with_kid(Some("k".into())).sign_json(&json!({"sub": "alice"})).unwrap()
    }
}

/// Waits until the hub has the hello, and finds that nothing came of it yet.
async fn hello_waits(hub: &Running) {
    let stats = stats(hub, |s| s.messages_in > 0).await;
    assert_eq!((stats.links, stats.sessions), (1, 0));
}

fn publish(n: u64) -> Value {
    json!({"type": "n", "room": CHAT, "id": format!("p{n}"), "data": n})
}

pub(crate) async fn what_is_sent_behind_a_hello_waits_with_it(by: Adapter) {
    let maker = Maker::new().await;
    let hub = maker.hub().await;
    let behind = vec![json!({"type": "hub:join", "room": CHAT, "id": "j"}), publish(1), publish(2)];
    let data = json!({"version": 1, "token": maker.token(&maker.pair)});
    let come = by.try_hello_with(&hub, &[], data, behind);
    let tell = async {
        hello_waits(&hub).await;
        maker.tell.add_permits(1);
    };
    let (come, ()) = tokio::join!(come, tell);
    let (mut alice, welcome) = come.expect("a welcome");
    assert_eq!(welcome["user"], "alice");
    alice.send(publish(3)).await;
    let (mut replies, mut events) = (vec![], vec![]);
    while events.len() < 3 || replies.len() < 4 {
        let got = alice.next().await;
        match got.kind() {
            "hub:reply" => replies.push(got["id"].as_str().unwrap().to_string()),
            "n" => events.push(got.number()),
            other => panic!("{other}"),
        }
    }
    assert_eq!((replies.as_slice(), events), (&["j", "p1", "p2", "p3"].map(String::from)[..], vec![1, 2, 3]));
}

pub(crate) async fn who_is_refused_then_is_told_as_always(by: Adapter) {
    let maker = Maker::new().await;
    let hub = maker.hub().await;
    let data = json!({"version": 1, "token": maker.token(&KeyPair::generate().unwrap())});
    let come = by.try_hello(&hub, data);
    let tell = async {
        hello_waits(&hub).await;
        maker.tell.add_permits(1);
    };
    let (come, ()) = tokio::join!(come, tell);
    come.err().expect("refused").assert(by, Code::Unauthorized);
    stats(&hub, |s| (s.links, s.sessions) == (0, 0)).await;
}

pub(crate) async fn a_client_that_goes_meanwhile_leaves_nothing(by: Adapter) {
    let maker = Maker::new().await;
    let hub = maker.hub().await;
    let data = json!({"version": 1, "token": maker.token(&maker.pair)});
    tokio::select! {
        _ = by.try_hello(&hub, data.clone()) => panic!("nobody knows who it is"),
        () = hello_waits(&hub) => {}
    }
    // A WebSocket that isn't read doesn't tell of its end: its client goes right behind the welcome, and may come back.
    let parked = u64::from(by == Adapter::WebSocket);
    if parked == 0 {
        stats(&hub, |s| s.links == 0).await;
    }
    maker.tell.add_permits(1);
    stats(&hub, |s| (s.links, s.sessions_opened) == (0, parked)).await;
    let (_alice, welcome) = by.hello(&hub, data).await;
    assert_eq!(welcome["user"], "alice");
    let stats = hub.hub().stats();
    assert_eq!((stats.links, stats.sessions), (1, 1 + parked));
}
