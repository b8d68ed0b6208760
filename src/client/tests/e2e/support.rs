use crosspoint::config::{Auth, Config, Listen};
use crosspoint::{Running, Server};
use crosspoint_client::{
    BackoffOptions, Client, ClientEvent, Events, Frame, JoinOptions, Options, State, Transport,
};
use crosspoint_hub::Namespace;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

pub(crate) const SECRET: &str = "a secret of at least thirty-two bytes";
/// A room whose namespace keeps history.
pub(crate) const CHAT: &str = "chat:1";

/// Fails the test when something doesn't happen.
pub(crate) async fn within<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(30), what).await.expect("it never happened")
}

pub(crate) fn config() -> Config {
    let mut config = Config { listen: listen(([127, 0, 0, 1], 0).into()), ..Config::default() };
    let chat = Namespace { prefix: "chat:".into(), history_events: 100_000, ..Namespace::default() };
    config.namespaces = vec![Namespace { leave_delay_ms: 200, ..Namespace::default() }, chat];
    config.shutdown.drain_ms = 200;
    config.transports.webtransport.enabled = true;
    config
}

pub(crate) fn listen(addr: SocketAddr) -> Listen {
    Listen { addr, ..Listen::default() }
}

pub(crate) fn secured() -> Config {
    let auth = Auth { jwt_secret: Some(SECRET.into()), ..Auth::default() };
    Config { auth, ..config() }
}

pub(crate) async fn start(config: Config) -> Running {
    Server::start(config).await.unwrap()
}

pub(crate) async fn hub() -> Running {
    start(config()).await
}

/// Quick to try again, and only by this transport.
pub(crate) fn options(hub: &Running, user: &str, by: Transport) -> Options {
    Options { transports: vec![by], ..any(&hub.url(), user) }
}

/// The same by any transport that needs nothing but TCP.
pub(crate) fn any(url: &str, user: &str) -> Options {
    let backoff = BackoffOptions { min_ms: 50, max_ms: 400, factor: 2.0 };
    Options { backoff, transports: Transport::OVER_TCP.to_vec(), ..Options::user(url, user) }
}

pub(crate) async fn connect(options: Options) -> (Client, Events) {
    let client = Client::connect(options);
    let events = client.events();
    client.ready().await.unwrap();
    (client, events)
}

pub(crate) async fn joined(options: Options, room: &str) -> (Client, Events) {
    let (client, events) = connect(options).await;
    client.room(room, JoinOptions::default()).await.unwrap();
    (client, events)
}

/// The next frame of this type.
pub(crate) async fn frame(events: &mut Events, kind: &str) -> Arc<Frame> {
    within(async {
        loop {
            let frame = events.next_frame().await.expect("the client was closed");
            if frame.kind == kind {
                return frame;
            }
        }
    })
    .await
}

/// The next event that this finds something in.
pub(crate) async fn event<T>(events: &mut Events, find: impl Fn(ClientEvent) -> Option<T>) -> T {
    within(async {
        loop {
            let event = events.next().await.expect("the client was closed");
            if let Some(found) = find(event) {
                return found;
            }
        }
    })
    .await
}

pub(crate) async fn state(client: &Client, state: State) {
    within(client.status_where(|s| s.state == state)).await.unwrap();
}

pub(crate) fn text(frame: &Frame) -> String {
    frame.parse().unwrap()
}

/// Waits for a change of presence that names this user.
pub(crate) async fn presence_of(events: &mut Events, change: &str, user: &str) {
    loop {
        let data: serde_json::Value = frame(events, "hub:presence").await.parse().unwrap();
        let who = |m: &serde_json::Value| m == user || m["user"] == user;
        if data[change].as_array().is_some_and(|list| list.iter().any(who)) {
            return;
        }
    }
}
