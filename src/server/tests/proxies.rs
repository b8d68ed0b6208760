//! Proxies that say whose connections and requests they bring: PROXY headers, by hand and by haproxy.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

mod common;

use common::{PATIENCE, start};
use crosspoint::Running;
use crosspoint::config::Net;
use serde_json::{Value, json};
use std::process::{Child, Command, Stdio};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const ASK: &str = r#"{"version":1,"transports":[]}"#;

/// A hub that takes headers of this machine's proxies.
async fn behind() -> Running {
    start(|c| {
        c.trusted_proxies = Net::loopback();
        c.listen.proxy_protocol = true;
    })
    .await
}

fn request() -> String {
    format!(
        "POST /negotiate HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{ASK}",
        ASK.len()
    )
}

/// Everything that comes back until the end.
async fn exchange(mut stream: TcpStream, bytes: &[u8]) -> String {
    // The hub may have ended the connection already.
    let _ = stream.write_all(bytes).await;
    let mut answer = vec![];
    let read = stream.read_to_end(&mut answer);
    let _ = tokio::time::timeout(PATIENCE, read).await.expect("an end in time");
    String::from_utf8_lossy(&answer).into_owned()
}

/// The name of the network that the hub sees a client in who comes with this header.
async fn network(hub: &Running, header: &[u8]) -> Value {
    let stream = TcpStream::connect(hub.addr()).await.unwrap();
    let answer = exchange(stream, &[header, request().as_bytes()].concat()).await;
    named(&answer)
}

fn named(answer: &str) -> Value {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((answer, "null"));
    assert!(head.starts_with("HTTP/1.1 200"), "{answer}");
    let network = serde_json::from_str::<Value>(body).unwrap()["network"].clone();
    assert!(network.is_string(), "{answer}");
    network
}

fn v2(source: [u8; 4], more: &[u8]) -> Vec<u8> {
    let body = [&source[..], &[127, 0, 0, 1, 0, 80, 1, 187], more].concat();
    [b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0", &[body.len() as u8][..], &body].concat()
}

#[tokio::test]
async fn clients_have_the_address_that_a_trusted_proxy_says() {
    let hub = behind().await;
    let lines = network(&hub, b"PROXY TCP4 198.51.100.7 127.0.0.1 5 80\r\n").await;
    let local = network(&hub, b"PROXY UNKNOWN\r\n").await;
    assert_ne!(lines, local);
    assert_eq!(network(&hub, &v2([198, 51, 100, 9], &[])).await, lines, "the same /24");
    assert_eq!(network(&hub, &v2([198, 51, 100, 9], &[4, 0, 1, 0])).await, lines);
    assert_ne!(network(&hub, &v2([203, 0, 113, 9], &[])).await, lines);
    assert_eq!(network(&hub, b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0").await, local, "the proxy itself");
}

#[tokio::test]
async fn a_trusted_proxy_that_says_nothing_is_not_served() {
    let hub = behind().await;
    for header in [&b""[..], b"PROXY TCP4 x y 1 2\r\n", b"\r\n\r\n\0\r\nQUIT\n\x21\x11\xff\xff"] {
        let stream = TcpStream::connect(hub.addr()).await.unwrap();
        let answer = exchange(stream, &[header, request().as_bytes()].concat()).await;
        assert_eq!(answer, "", "{header:?}");
    }
}

#[tokio::test]
async fn nobody_else_is_believed() {
    let nobody: Vec<Net> = serde_json::from_value(json!(["192.0.2.1"])).unwrap();
    let hub = start(|c| {
        c.trusted_proxies = nobody;
        c.listen.proxy_protocol = true;
    })
    .await;
    let own = network(&hub, b"").await;
    let stream = TcpStream::connect(hub.addr()).await.unwrap();
    let spoofed = [b"PROXY TCP4 198.51.100.7 127.0.0.1 5 80\r\n", request().as_bytes()].concat();
    assert!(exchange(stream, &spoofed).await.starts_with("HTTP/1.1 400"));
    assert_eq!(network(&hub, b"").await, own);
}

#[tokio::test]
async fn who_is_slow_to_begin_is_not_waited_for() {
    let hub = start(|c| {
        c.trusted_proxies = Net::loopback();
        c.listen.proxy_protocol = true;
        c.http.header_ms = 100;
    })
    .await;
    for beginning in [&b""[..], b"PROXY TCP4 198.51", b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c1234"] {
        let stream = TcpStream::connect(hub.addr()).await.unwrap();
        assert_eq!(exchange(stream, beginning).await, "", "{beginning:?}");
    }
}

/// haproxy in front of a hub, one door for each version of the header.
struct Haproxy {
    process: Child,
    ports: [u16; 2],
    file: std::path::PathBuf,
}

impl Haproxy {
    async fn start(hub: &Running) -> Option<Haproxy> {
        let there = Command::new("haproxy").arg("-v").stdout(Stdio::null()).status().is_ok();
        assert!(there || std::env::var_os("CI").is_none(), "CI needs haproxy");
        if !there {
            println!("skipped: haproxy is not installed");
            return None;
        }
        // Nobody else on this machine takes ports of this address.
        let free = || std::net::TcpListener::bind("127.77.0.6:0").unwrap();
        let held = [free(), free()];
        let ports = held.each_ref().map(|l| l.local_addr().unwrap().port());
        drop(held);
        let door = |n: usize, option: &str| {
            format!("listen v{n}\n  bind 127.77.0.6:{}\n  server hub {} {option}\n", ports[n - 1], hub.addr())
        };
        let config = format!(
            "defaults\n  mode tcp\n  timeout connect 5s\n  timeout client 30s\n  timeout server 30s\n{}{}",
            door(1, "send-proxy"),
            door(2, "send-proxy-v2 proxy-v2-options unique-id,crc32c")
        );
        let file = std::env::temp_dir().join(format!("crosspoint-haproxy-{}.cfg", std::process::id()));
        std::fs::write(&file, config).unwrap();
        let mut command = Command::new("haproxy");
        command.arg("-db").arg("-f").arg(&file).stdout(Stdio::null()).stderr(Stdio::null());
        let process = command.spawn().unwrap();
        let haproxy = Haproxy { process, ports, file };
        let up = async {
            while TcpStream::connect(("127.77.0.6", ports[1])).await.is_err() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, up).await.expect("haproxy starts");
        Some(haproxy)
    }
}

impl Drop for Haproxy {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = std::fs::remove_file(&self.file);
    }
}

#[tokio::test]
async fn haproxy_is_understood() {
    let hub = behind().await;
    let Some(haproxy) = Haproxy::start(&hub).await else { return };
    let there = network(&hub, b"PROXY TCP4 127.88.0.9 127.0.0.1 5 80\r\n").await;
    assert_ne!(there, network(&hub, b"PROXY UNKNOWN\r\n").await);
    for port in haproxy.ports {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind("127.88.0.5:0".parse().unwrap()).unwrap();
        let stream = socket.connect(([127, 77, 0, 6], port).into()).await.unwrap();
        assert_eq!(named(&exchange(stream, request().as_bytes()).await), there, "port {port}");
    }
}
