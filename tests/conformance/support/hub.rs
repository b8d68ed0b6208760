use super::http::{Http, Version};
use super::within;
use crosspoint::auth::jwt::{Claims, Signer};
use crosspoint::config::Config;
use crosspoint::{Running, Server, StartError};
use crosspoint_hub::{Namespace, Stats};
use http::Method;
use serde_json::{Value, json};
use std::time::{SystemTime, UNIX_EPOCH};

pub(crate) const SECRET: &str = "a secret of at least thirty-two bytes";
/// A room with history.
pub(crate) const CHAT: &str = "chat:1";
/// One without.
pub(crate) const LOBBY: &str = "lobby";

/// A hub with these changes to its configuration.
pub(crate) async fn start(edit: impl FnOnce(&mut Config)) -> Running {
    try_start(edit).await.unwrap()
}

pub(crate) async fn try_start(edit: impl FnOnce(&mut Config)) -> Result<Running, StartError> {
    let mut config = Config::default();
    config.listen.addr = ([127, 0, 0, 1], 0).into();
    let brief = Namespace { leave_delay_ms: 100, ..Namespace::default() };
    let chat = Namespace { prefix: "chat:".into(), history_events: 10_000, ..brief.clone() };
    let short = Namespace { prefix: "short:".into(), history_events: 3, ..brief.clone() };
    let public = Namespace { prefix: "public:".into(), public: true, ..chat.clone() };
    config.namespaces = vec![brief, chat, short, public];
    config.shutdown.drain_ms = 200;
    config.limits.drain_ms = 150;
    config.transports.webtransport.enabled = true;
    config.transports.webrtc.enabled = true;
    config.transports.webrtc.address_offers_per_s = 1_000;
    edit(&mut config);
    Server::start(config).await
}

/// A number of `GET /metrics`.
pub(crate) trait Metrics {
    /// Its name is without `crosspoint_`.
    async fn metric(&self, name: &str) -> u64;
}

impl Metrics for Running {
    async fn metric(&self, name: &str) -> u64 {
        let answer = Http::new(self.addr(), Version::H1).await.send(Method::GET, "/metrics", &[], "").await;
        let text = answer.text().await;
        let found = text.lines().find_map(|line| line.strip_prefix(&format!("crosspoint_{name} ")));
        found.unwrap_or_else(|| panic!("no {name}")).parse().unwrap()
    }
}

/// An open hub.
pub(crate) async fn open() -> Running {
    start(|_| {}).await
}

/// A hub that wants tokens, and believes its own clock to the second.
pub(crate) async fn secured() -> Running {
    start(|c| {
        c.auth.jwt_secret = Some(SECRET.into());
        c.auth.jwt_leeway_s = 0;
    })
    .await
}

pub(crate) fn unix_s() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() as f64
}

pub(crate) fn sign(claims: &Claims) -> String {
    Signer::hs256(SECRET.as_bytes()).sign(claims).unwrap()
}

pub(crate) fn token(user: &str) -> String {
    sign(&Claims { sub: user.into(), ..Claims::default() })
}

/// Waits until the hub's counters are so.
pub(crate) async fn stats(hub: &Running, so: impl Fn(&Stats) -> bool) -> Stats {
    within(async {
        loop {
            let stats = hub.hub().stats();
            if so(&stats) {
                return stats;
            }
            // The hub runs on the same thread.
            tokio::task::yield_now().await;
        }
    })
    .await
}

/// Publishes as a backend does.
pub(crate) async fn publish(hub: &Running, room: &str, data: impl Into<Value>) -> Value {
    let path = format!("/api/v1/rooms/{room}/events");
    let event = json!({"type": "n", "data": data.into(), "from": {"user": "backend"}});
    let answer = Http::new(hub.addr(), Version::H1).await.post(&path, &event).await;
    assert_eq!(answer.status, 200);
    answer.json().await
}

/// Asks for a ticket; status and answer.
pub(crate) async fn negotiate(hub: &Running, user: &str) -> Value {
    let ask = json!({"version": 1, "transports": ["websocket", "sse"], "user": user});
    let answer = Http::new(hub.addr(), Version::H1).await.post("/negotiate", &ask).await;
    assert_eq!(answer.status, 200);
    answer.json().await
}
