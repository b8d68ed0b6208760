//! coturn takes the credentials that the hub issues for it, and coturn's client is served by the hub's own relay. Where coturn isn't installed
//! (Debian: `coturn`) these tests say "skipped", except in CI.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

mod common;

use common::{PATIENCE, post, start};
use crosspoint::Running;
use crosspoint::config::{IceUrl, Net};
use serde_json::{Value, json};
use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::net::UdpSocket;
use turn::client::{Client, ClientConfig};
use webrtc_util::Conn;

const SECRET: &str = "the secret of hub and coturn";

fn is_installed() -> bool {
    let there =
        |name| Command::new(name).arg("-h").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok();
    let all = there("turnserver") && there("turnutils_uclient");
    assert!(all || std::env::var_os("CI").is_none(), "CI needs coturn");
    if !all {
        println!("skipped: coturn is not installed");
    }
    all
}

struct Coturn {
    process: Child,
    addr: SocketAddr,
    dir: std::path::PathBuf,
}

impl Coturn {
    async fn start() -> Coturn {
        // Nobody else on this machine takes ports of this address.
        let free = std::net::UdpSocket::bind("127.77.0.3:0").unwrap().local_addr().unwrap();
        let dir =
            std::env::temp_dir().join(format!("crosspoint-coturn-{}-{}", std::process::id(), free.port()));
        std::fs::create_dir(&dir).unwrap();
        let file = |name: &str| dir.join(name).display().to_string();
        let process = Command::new("turnserver")
            .args(["-n", "--no-tls", "--no-dtls", "--no-cli", "--allow-loopback-peers", "--use-auth-secret"])
            .args([
                "--listening-ip",
                "127.77.0.3",
                "--relay-ip",
                "127.77.0.3",
                "--realm",
                "coturn.example.com",
            ])
            .args(["--listening-port", &free.port().to_string(), "--static-auth-secret", SECRET])
            .args(["--log-file", &file("log"), "--pidfile", &file("pid"), "--userdb", &file("db")])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let coturn = Coturn { process, addr: free, dir };
        let deadline = Instant::now() + PATIENCE;
        let nobody = json!({});
        while client(coturn.addr, &nobody, "").await.send_binding_request().await.is_err() {
            assert!(Instant::now() < deadline, "coturn did not start");
        }
        coturn
    }
}

impl Drop for Coturn {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

async fn client(addr: SocketAddr, entry: &Value, suffix: &str) -> Client {
    let text = |field: &str| entry[field].as_str().unwrap_or_default().to_string();
    let config = ClientConfig {
        stun_serv_addr: addr.to_string(),
        turn_serv_addr: addr.to_string(),
        username: text("username"),
        password: text("credential") + suffix,
        realm: String::new(),
        software: String::new(),
        rto_in_ms: 50,
        conn: Arc::new(UdpSocket::bind("127.0.0.1:0").await.unwrap()),
        vnet: None,
    };
    let client = Client::new(config).await.unwrap();
    client.listen().await.unwrap();
    client
}

async fn entry(hub: &Running, n: usize) -> Value {
    let ask = json!({"version": 1, "transports": [], "user": "zoë"});
    post(hub, "/negotiate", &ask).await.json()["ice_servers"][n].clone()
}

#[tokio::test]
async fn coturn_takes_what_the_hub_issues() {
    if !is_installed() {
        return;
    }
    let coturn = Coturn::start().await;
    let hub = start(|c| {
        c.ice.coturn.urls = vec![IceUrl::parse(&format!("turn:{}", coturn.addr)).unwrap()];
        c.ice.coturn.secret = Some(SECRET.into());
    })
    .await;
    let given = entry(&hub, 0).await;
    assert_eq!(given["urls"], json!([format!("turn:{}", coturn.addr)]));
    let client_there = client(coturn.addr, &given, "").await;
    let relay = tokio::time::timeout(PATIENCE, client_there.allocate()).await.unwrap().unwrap();
    let friend = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    relay.send_to(b"by coturn", friend.local_addr().unwrap()).await.unwrap();
    let mut buf = [0; 64];
    let (n, _) = tokio::time::timeout(PATIENCE, friend.recv_from(&mut buf)).await.unwrap().unwrap();
    assert_eq!(&buf[..n], b"by coturn");
    assert!(client(coturn.addr, &given, "x").await.allocate().await.is_err(), "a wrong password");
}

/// coturn's client: two allocations that talk to each other through the relay.
async fn uclient(addr: SocketAddr, entry: &Value, options: &'static [&str]) -> String {
    let text = |field: &str| entry[field].as_str().unwrap().to_string();
    let (user, password) = (text("username"), text("credential"));
    let run = tokio::task::spawn_blocking(move || {
        let mut command = Command::new("turnutils_uclient");
        command.args(["-y", "-c", "-m", "1", "-n", "20", "-l", "333", "-u", &user, "-w", &password]);
        command.args(options).args(["-p", &addr.port().to_string(), &Ipv4Addr::LOCALHOST.to_string()]);
        let output = command.output().unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
    });
    tokio::time::timeout(Duration::from_secs(60), run).await.unwrap().unwrap()
}

#[tokio::test]
async fn the_hubs_relay_serves_coturns_client_by_udp_and_tcp() {
    if !is_installed() {
        return;
    }
    let hub = start(|c| {
        c.ice.addr = Some("127.0.0.1:0".parse().unwrap());
        c.ice.turn.enabled = true;
        c.ice.turn.allow_peers = Net::loopback();
    })
    .await;
    let given = entry(&hub, 1).await;
    // By channels on UDP, by indications on TCP.
    for options in [&[][..], &["-t", "-s"]] {
        let said = uclient(hub.ice().unwrap(), &given, options).await;
        assert!(said.contains("Total lost packets 0 (0.000000%)"), "{options:?}: {said}");
        assert!(
            said.contains("tot_recv_msgs=40") || said.contains("tot_recv_msgs=20"),
            "{options:?}: {said}"
        );
    }
}
