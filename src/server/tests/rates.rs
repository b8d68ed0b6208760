//! What an address may have, and what it is told: before any upgrade, and for each client behind a proxy on its own.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{Answer, PATIENCE, Ws, get, post, send, start};
use crosspoint::Running;
use crosspoint::config::Config;
use crosspoint_hub::Rates;
use http::StatusCode;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

async fn limited(edit: impl FnOnce(&mut Rates)) -> Running {
    start(|c| {
        c.rates.burst_ms = 1_000;
        edit(&mut c.rates);
    })
    .await
}

fn assert_limited(answer: &Answer) {
    assert_eq!(answer.fault(), (429, "rate_limited".into()));
    assert!(answer.json()["error"]["retry_after_ms"].as_u64().unwrap() >= 1);
    assert!(answer.header("retry-after").parse::<u64>().unwrap() >= 1);
}

fn ask() -> Value {
    json!({"version": 1, "transports": ["sse"], "user": "a"})
}

#[tokio::test]
async fn an_address_connects_so_often() {
    // Nothing comes back while the test runs: a burst of 20 takes 20 seconds.
    let hub = start(|c| (c.rates.burst_ms, c.rates.address.connects_per_s) = (20_000, 1)).await;
    for _ in 0..20 {
        assert_eq!(get(&hub, "/healthz").await.status, 200);
    }
    let mut stream = TcpStream::connect(hub.addr()).await.unwrap();
    let _ = stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    let mut text = vec![];
    let _ = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut text)).await.expect("it is closed");
    let text = String::from_utf8_lossy(&text);
    assert!(text.is_empty() || text.starts_with("HTTP/1.1 429 "), "{text}");
    let refused = hub.hub().refused();
    assert_eq!((refused[0].scope, refused[0].kind), ("address", "connections"));
}

/// As a proxy that is trusted, for this client.
async fn by_proxy(hub: &Running, client: &str, method: &str, path: &str, body: &Value) -> Answer {
    send(hub, method, path, &[("x-forwarded-for", client)], &body.to_string()).await
}

fn trusting(c: &mut Config) {
    c.trusted_proxies = serde_json::from_value(json!(["127.0.0.1"])).unwrap();
    c.rates.burst_ms = 10_000;
}

#[tokio::test]
async fn behind_a_trusted_proxy_each_client_has_its_own_measure() {
    let hub = start(|c| {
        trusting(c);
        let address = &mut c.rates.address;
        (address.connects_per_s, address.connections_max, address.handshakes_max) = (1, 1, 1);
    })
    .await;
    for _ in 0..10 {
        assert_eq!(by_proxy(&hub, "192.0.2.1", "POST", "/negotiate", &ask()).await.status, 200);
    }
    assert_limited(&by_proxy(&hub, "192.0.2.1", "POST", "/negotiate", &ask()).await);
    assert_limited(&by_proxy(&hub, "192.0.2.1", "POST", "/sse", &json!({"frames": []})).await);
    let upgrade = Ws::connect(&hub, &[("x-forwarded-for", "192.0.2.1")]).await;
    assert_eq!(upgrade.err(), Some(StatusCode::TOO_MANY_REQUESTS));
    // A browser never comes back to a plain stream after an error: it is told within one.
    let stream = by_proxy(&hub, "192.0.2.1", "GET", "/rooms/r/events", &Value::Null).await;
    assert_eq!(stream.status, 200);
    assert!(
        stream.text().contains("event: close") && stream.text().contains("rate_limited"),
        "{}",
        stream.text()
    );
    assert_eq!(by_proxy(&hub, "192.0.2.2", "POST", "/negotiate", &ask()).await.status, 200);
    assert_eq!(get(&hub, "/healthz").await.status, 200);
}

#[tokio::test]
async fn who_shows_bad_credentials_is_counted_before_they_are_judged() {
    let hub = start(|c| {
        trusting(c);
        c.auth.jwt_secret = Some("a secret of thirty-two bytes, or more".into());
        c.rates.address.connects_per_s = 1;
    })
    .await;
    let shown = [("x-forwarded-for", "192.0.2.1"), ("authorization", "Bearer no.good.token")];
    for n in 0.. {
        let stream = send(&hub, "GET", "/rooms/r/events", &shown, "").await;
        if stream.status == 200 {
            assert!(stream.text().contains("rate_limited"), "{}", stream.text());
            assert!(n >= 10, "each is counted once");
            break;
        }
        assert_eq!(stream.fault(), (401, "unauthorized".into()));
        assert!(n < 1_000, "it is refused some time");
    }
}

#[tokio::test]
async fn posts_of_an_address_have_a_number_per_second() {
    let hub = start(|c| {
        trusting(c);
        c.rates.address.posts_per_s = 1;
    })
    .await;
    let hello = json!({"type": "hub:hello", "data": {"version": 1, "user": "a"}});
    let open = json!({"mode": "poll", "frames": [hello]});
    let opened = by_proxy(&hub, "192.0.2.1", "POST", "/sse", &open).await.json();
    let path = format!("/sse/{}", opened["link"].as_str().unwrap());
    let post = |n: u64| {
        let frame = json!({"type": "x", "to": "user:nobody", "id": format!("{n}")});
        json!({"key": opened["key"], "start": n, "frames": [frame]})
    };
    for n in 1..=10 {
        assert_eq!(by_proxy(&hub, "192.0.2.1", "POST", &path, &post(n)).await.json()["received"], n);
    }
    assert_limited(&by_proxy(&hub, "192.0.2.1", "POST", &path, &post(11)).await);
    let again = by_proxy(&hub, "192.0.2.9", "POST", &path, &post(11)).await;
    assert_eq!(again.json()["received"], 11, "nothing of what was refused was taken");
}

#[tokio::test]
async fn half_open_connections_have_a_number_and_so_have_all() {
    let hub = limited(|r| (r.address.handshakes_max, r.address.connections_max) = (2, 3)).await;
    let mut silent = vec![];
    for _ in 0..2 {
        let mut stream = TcpStream::connect(hub.addr()).await.unwrap();
        stream.write_all(b"GET /healthz HTT").await.unwrap();
        silent.push(stream);
    }
    let closed = |mut stream: TcpStream| async move {
        let mut text = vec![];
        let _ = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut text)).await.expect("it is closed");
        let text = String::from_utf8_lossy(&text);
        assert!(text.is_empty() || text.starts_with("HTTP/1.1 429 "), "{text}");
    };
    closed(TcpStream::connect(hub.addr()).await.unwrap()).await;
    assert_eq!(hub.hub().refused()[0].kind, "handshakes");
    // One that asks is no handshake any more, and makes room for another one.
    silent[0].write_all(b"P/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    let mut answer = [0; 512];
    assert!(silent[0].read(&mut answer).await.unwrap() > 0);
    let mut third = TcpStream::connect(hub.addr()).await.unwrap();
    third.write_all(b"GET /healthz HTT").await.unwrap();
    closed(TcpStream::connect(hub.addr()).await.unwrap()).await;
    let kinds: Vec<_> = hub.hub().refused().iter().map(|r| r.kind).collect();
    assert_eq!(kinds, ["connections", "handshakes"], "three at once");
    drop((silent, third));
    // Theirs are free once the hub has noticed.
    let answered = async {
        loop {
            let mut stream = TcpStream::connect(hub.addr()).await.unwrap();
            let _ = stream
                .write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                .await;
            let mut text = String::new();
            let _ = stream.read_to_string(&mut text).await;
            if text.starts_with("HTTP/1.1 200") {
                return text;
            }
        }
    };
    let text = tokio::time::timeout(PATIENCE, answered).await.expect("there is room again");
    assert!(
        text.contains("crosspoint_rates_refused_total{scope=\"address\",kind=\"handshakes\"} "),
        "{text}"
    );
    assert!(text.contains("crosspoint_rate_addresses 1\n"));
}

#[tokio::test]
async fn links_of_an_address_have_a_number() {
    let hub = limited(|r| r.address.links_max = 2).await;
    let hello = |user: &str| json!({"version": 1, "user": user});
    let (first, _) = Ws::hello(&hub, hello("a")).await;
    let _second = Ws::hello(&hub, hello("b")).await;
    assert_eq!(Ws::connect(&hub, &[]).await.err(), Some(StatusCode::TOO_MANY_REQUESTS));
    assert_limited(&post(&hub, "/negotiate", &ask()).await);
    drop(first);
    let room = async { while Ws::connect(&hub, &[]).await.is_err() {} };
    tokio::time::timeout(PATIENCE, room).await.expect("a link that is gone makes room");
}
