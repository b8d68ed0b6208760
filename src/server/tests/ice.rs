//! What clients are told of STUN and TURN, and that it works.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{PATIENCE, SECRET, Ws, get, post, send, start, token};
use crosspoint::Running;
use crosspoint::auth::jwt::{Claims, Signer};
use crosspoint::config::{Config, IceUrl, Net};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::UdpSocket;
use turn::client::{Client, ClientConfig};
use webrtc_util::Conn;

/// STUN and TURN on any free port of loopback.
fn with_turn(config: &mut Config) {
    config.ice.addr = Some("127.0.0.1:0".parse().unwrap());
    (config.ice.stun, config.ice.turn.enabled) = (true, true);
    config.ice.turn.allow_peers = Net::loopback();
}

fn secured(config: &mut Config) {
    config.auth.jwt_secret = Some(SECRET.into());
}

async fn negotiate(hub: &Running, token: &str) -> Value {
    let ask = json!({"version": 1, "transports": ["websocket"]}).to_string();
    send(hub, "POST", "/negotiate", &[("authorization", &format!("Bearer {token}"))], &ask).await.json()
}

async fn client(addr: SocketAddr, entry: &Value) -> Client {
    let text = |field: &str| entry[field].as_str().unwrap_or_default().to_string();
    let config = ClientConfig {
        stun_serv_addr: addr.to_string(),
        turn_serv_addr: addr.to_string(),
        username: text("username"),
        password: text("credential"),
        realm: String::new(),
        software: String::new(),
        rto_in_ms: 0,
        conn: Arc::new(UdpSocket::bind("127.0.0.1:0").await.unwrap()),
        vnet: None,
    };
    let client = Client::new(config).await.unwrap();
    client.listen().await.unwrap();
    client
}

/// Relays a datagram to a peer and back with these credentials.
async fn relays(addr: SocketAddr, entry: &Value) {
    let client = client(addr, entry).await;
    let relay = tokio::time::timeout(PATIENCE, client.allocate()).await.unwrap().unwrap();
    let friend = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let mut buf = [0; 64];
    relay.send_to(b"there", friend.local_addr().unwrap()).await.unwrap();
    let (n, from) = tokio::time::timeout(PATIENCE, friend.recv_from(&mut buf)).await.unwrap().unwrap();
    friend.send_to(&buf[..n], from).await.unwrap();
    let (n, _) = tokio::time::timeout(PATIENCE, relay.recv_from(&mut buf)).await.unwrap().unwrap();
    assert_eq!(&buf[..n], b"there");
}

#[tokio::test]
async fn negotiation_gives_what_the_hubs_own_server_takes() {
    let hub = start(|c| {
        with_turn(c);
        secured(c);
    })
    .await;
    let addr = hub.ice().unwrap();
    let answer = negotiate(&hub, &token("alice")).await;
    assert_eq!(answer["ice_ms"], 3_600_000);
    let servers = answer["ice_servers"].as_array().unwrap();
    assert_eq!(servers[0], json!({"urls": [format!("stun:{addr}")]}));
    let ways = ["udp", "tcp"].map(|way| format!("turn:{addr}?transport={way}"));
    assert_eq!((servers.len(), &servers[1]["urls"]), (2, &json!(ways)));
    relays(addr, &servers[1]).await;
    let stun = client(addr, &servers[0]).await;
    stun.send_binding_request().await.unwrap();
    assert!(stun.allocate().await.is_err(), "STUN alone gives no relay");
    let metrics = get(&hub, "/metrics").await;
    for line in [
        "crosspoint_turn_allocations_total 1",
        "crosspoint_stun_bindings_total 1",
        "crosspoint_turn_bytes_out_total 5",
    ] {
        assert!(metrics.text().contains(line), "{line}");
    }
}

#[tokio::test]
async fn a_session_asks_for_more() {
    let hub = start(|c| {
        with_turn(c);
        secured(c);
    })
    .await;
    let (mut ws, _) = Ws::hello(&hub, json!({"version": 1, "token": token("alice")})).await;
    ws.send(json!({"type": "hub:ice", "id": "1"})).await;
    let reply = ws.find("hub:reply").await;
    assert_eq!((&reply["id"], &reply["data"]["ice_ms"]), (&json!("1"), &json!(3_600_000)));
    relays(hub.ice().unwrap(), &reply["data"]["ice_servers"][1]).await;
    // Alice is the same one here and there, to quotas; bob is another.
    let user = |entry: &Value| entry["username"].as_str().unwrap().split_once(':').unwrap().1.to_string();
    let negotiated = negotiate(&hub, &token("alice")).await;
    assert_eq!(user(&negotiated["ice_servers"][1]), user(&reply["data"]["ice_servers"][1]));
    assert_ne!(
        user(&negotiate(&hub, &token("bob")).await["ice_servers"][1]),
        user(&negotiated["ice_servers"][1])
    );
}

#[tokio::test]
async fn nobody_in_particular_gets_none_of_a_secured_hub() {
    let hub = start(|c| {
        with_turn(c);
        secured(c);
        c.namespaces = vec![crosspoint_hub::Namespace { public: true, ..Default::default() }];
    })
    .await;
    let ask = json!({"version": 1, "transports": ["websocket"], "user": "alice"});
    assert_eq!(post(&hub, "/negotiate", &ask).await.fault(), (401, "unauthorized".into()));
    let mut ws = Ws::connect(&hub, &[]).await.unwrap();
    ws.send(json!({"type": "hub:ice", "id": "1"})).await;
    let answer = ws.next().await;
    let given = &answer["data"]["ice_servers"];
    assert!(answer["type"] != "hub:reply" || *given == json!([]), "{answer}");
    assert!(!answer.to_string().contains("credential"), "{answer}");
}

#[tokio::test]
async fn credentials_end_with_the_token() {
    let hub = start(|c| {
        with_turn(c);
        secured(c);
    })
    .await;
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let claims = Claims { sub: "alice".into(), exp: Some((now + 300) as f64), ..Claims::default() };
    let short = Signer::hs256(SECRET.as_bytes()).sign(&claims).unwrap();
    let answer = negotiate(&hub, &short).await;
    // The hub gives tokens its leeway, 5 s.
    assert!((200_000..=305_000).contains(&answer["ice_ms"].as_u64().unwrap()), "{answer}");
}

#[tokio::test]
async fn others_servers_are_handed_out_and_none_are_an_empty_list() {
    let hub = start(|c| {
        c.ice.coturn.urls = vec![IceUrl::parse("turns:turn.example.com:5349").unwrap()];
        c.ice.coturn.secret = Some("a secret of coturn".into());
        c.ice.coturn.ttl_s = 600;
    })
    .await;
    let answer = post(&hub, "/negotiate", &json!({"version": 1, "transports": []})).await.json();
    assert_eq!((&answer["ice_ms"], hub.ice()), (&json!(600_000), None));
    let entry = &answer["ice_servers"][0];
    assert_eq!(entry["urls"], json!(["turns:turn.example.com:5349"]));
    assert!(entry["username"].is_string() && entry["credential"].is_string());
    assert!(!get(&hub, "/metrics").await.text().contains("crosspoint_turn"));
    let none =
        post(&common::dev().await, "/negotiate", &json!({"version": 1, "transports": []})).await.json();
    assert_eq!((&none["ice_servers"], none.get("ice_ms")), (&json!([]), None));
}

#[tokio::test]
async fn a_taken_port_hinders_only_who_asked_for_it() {
    let taken = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let addr = taken.local_addr().unwrap();
    let edit = |assumed: bool| {
        let mut config = Config::default();
        config.listen.addr = "127.0.0.1:0".parse().unwrap();
        with_turn(&mut config);
        (config.ice.addr, config.ice.assumed) = (Some(addr), assumed);
        config
    };
    let hub = crosspoint::Server::start(edit(true)).await.unwrap();
    assert_eq!(hub.ice(), None);
    let answer = post(&hub, "/negotiate", &json!({"version": 1, "transports": []})).await.json();
    assert_eq!(answer["ice_servers"], json!([]));
    let fault = crosspoint::Server::start(edit(false)).await.err().unwrap().to_string();
    assert!(fault.starts_with(&format!("`ice.addr`: cannot use {addr}")), "{fault}");
}

#[tokio::test]
async fn shutting_down_ends_the_relay() {
    let hub = start(|c| {
        with_turn(c);
        // Nobody else on this machine takes ports of this address.
        c.ice.addr = Some("127.77.0.2:0".parse().unwrap());
    })
    .await;
    let addr = hub.ice().unwrap();
    let answer = post(&hub, "/negotiate", &json!({"version": 1, "transports": [], "user": "a"})).await.json();
    relays(addr, &answer["ice_servers"][1]).await;
    hub.shutdown().await;
    std::net::TcpListener::bind(addr).unwrap();
}
