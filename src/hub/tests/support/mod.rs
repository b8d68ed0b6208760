//! A hub with links in memory: what a transport would do, without a socket.

#![allow(dead_code, missing_docs, unreachable_pub)]
#![allow(clippy::expect_used, clippy::panic, reason = "shared by tests")]

use crosspoint_core::{
    Fault, Flow, Frame, Grant, LinkInfo, LinkPeer, LinkSender, Message, Raw, SharedFrame, Transport,
};
use crosspoint_hub::engine::Answer;
use crosspoint_hub::{Ask, Authenticator, Hub, HubConfig, MemoryEngine, Namespace};
use parking_lot::Mutex;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::{Notify, Semaphore};

/// Believes everybody, but `token: "t:<user>"` names a user, `token: "t:<user>:<seconds>"` for a time from now on, negative for
/// the past, and `token: "g:{…}"` is the grant itself; others are refused.
pub struct Open;

impl Authenticator for Open {
    fn verify(&self, ask: Ask<'_>) -> Answer<Grant> {
        Answer::Ready(named(ask.token))
    }

    fn open(&self, user: Option<&str>, info: Option<Raw>) -> Option<Grant> {
        Some(Grant { info, ..Grant::user(user.unwrap_or_default()) })
    }
}

/// The token of this grant.
pub fn token(grant: Value) -> String {
    format!("g:{grant}")
}

/// A time so many seconds from now on.
pub fn unix_s(from_now: i64) -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
    now.saturating_add_signed(from_now)
}

fn named(token: &str) -> Result<Grant, Fault> {
    if let Some(grant) = token.strip_prefix("g:") {
        return Ok(serde_json::from_str(grant).expect("a grant"));
    }
    let name = token.strip_prefix("t:").ok_or(crosspoint_core::Code::Unauthorized)?;
    let (user, seconds) = name.split_once(':').map_or((name, None), |(u, s)| (u, s.parse::<i64>().ok()));
    let expires_unix_s = seconds.map(unix_s);
    let services = vec!["sfu".to_string()];
    Ok(Grant { services, expires_unix_s, ..Grant::user(user) })
}

/// As [`Open`], but tokens that begin with `later:` take until [`Slow::tell`] is given as many permits.
pub struct Slow {
    pub tell: Arc<Semaphore>,
}

impl Authenticator for Slow {
    fn verify(&self, ask: Ask<'_>) -> Answer<Grant> {
        let Some(token) = ask.token.strip_prefix("later:") else { return Open.verify(ask) };
        let (answer, tell) = (named(token), self.tell.clone());
        Answer::later(async move {
            tell.acquire().await.expect("open").forget();
            answer
        })
    }

    fn open(&self, user: Option<&str>, info: Option<Raw>) -> Option<Grant> {
        Open.open(user, info)
    }
}

pub fn config() -> HubConfig {
    let chat = Namespace {
        prefix: "chat:".into(),
        history_events: 100,
        leave_delay_ms: 200,
        ..Namespace::default()
    };
    let mut config = HubConfig { namespaces: vec![chat], ..HubConfig::default() };
    config.namespaces.push(Namespace { leave_delay_ms: 200, ..Namespace::default() });
    config
}

pub fn hub(config: HubConfig) -> Arc<Hub> {
    hub_with(config, Arc::new(Open))
}

pub fn hub_with(config: HubConfig, auth: Arc<dyn Authenticator>) -> Arc<Hub> {
    let engine = MemoryEngine::new(config.limits.hub_rooms_max, "life".into());
    Hub::new(config, Arc::new(engine), auth)
}

/// A hub with a slow authenticator, and what makes it answer.
pub fn slow_hub(config: HubConfig) -> (Arc<Hub>, Arc<Semaphore>) {
    let tell = Arc::new(Semaphore::new(0));
    (hub_with(config, Arc::new(Slow { tell: tell.clone() })), tell)
}

#[derive(Default)]
struct Wire {
    frames: Mutex<Vec<Frame>>,
    counted: AtomicU64,
    /// How many frames the link still takes.
    room: Mutex<Option<usize>>,
    closed: Mutex<Option<Fault>>,
    news: Notify,
}

impl LinkSender for Wire {
    fn try_send(&self, frames: &mut dyn Iterator<Item = &SharedFrame>) -> usize {
        let mut taken = 0;
        if self.closed.lock().is_some() {
            return 0;
        }
        let mut room = self.room.lock();
        while *room != Some(0) {
            let Some(frame) = frames.next() else { break };
            let frame = Frame::decode_text(&frame.text()).expect("the hub's frames are frames");
            self.counted.fetch_add(frame.counted().into(), Ordering::Relaxed);
            self.frames.lock().push(frame);
            taken += 1;
            if let Some(n) = &mut *room {
                *n -= 1;
            }
        }
        self.news.notify_waiters();
        taken
    }

    fn probe(&self) {}

    fn close(&self, fault: &Fault, last: Option<&SharedFrame>) {
        self.closed.lock().get_or_insert(fault.clone());
        if let Some(last) = last {
            self.frames.lock().push(Frame::decode_text(&last.text()).expect("frame"));
        }
        self.news.notify_waiters();
    }
}

/// A client's end of a link.
pub struct Link {
    wire: Arc<Wire>,
    peer: Arc<dyn LinkPeer>,
}

impl Link {
    pub fn open(hub: &Arc<Hub>) -> Link {
        Link::open_with(hub, LinkInfo { transport: Some(Transport::WebSocket), ..LinkInfo::default() })
    }

    pub fn open_with(hub: &Arc<Hub>, info: LinkInfo) -> Link {
        let wire = Arc::new(Wire::default());
        let peer = hub.acceptor().link_up(info, wire.clone());
        Link { wire, peer }
    }

    /// A link whose hello brings this token; frames behind it.
    pub fn with_token(hub: &Arc<Hub>, token: &str, behind: &[Value]) -> (Link, Vec<Flow>) {
        let link = Link::open(hub);
        let mut frames = vec![json!({"type": "hub:hello", "data": {"version": 1, "token": token}})];
        frames.extend_from_slice(behind);
        let flows = link.batch(&frames);
        (link, flows)
    }

    /// A session with this grant.
    pub async fn granted(hub: &Arc<Hub>, grant: Value) -> (Link, Value) {
        let (link, _) = Link::with_token(hub, &token(grant), &[]);
        let welcome = link.until("hub:welcome").await;
        (link, data(&welcome))
    }

    /// Sends a frame that fails with this code.
    pub async fn fails(&self, frame: Value, code: crosspoint_core::Code) {
        let answer = self.ask(frame.clone()).await;
        assert_eq!((answer.kind.as_str(), &data(&answer)["code"]), ("hub:error", &json!(code)), "{frame}");
    }

    /// Sends a frame, and returns the reply's data.
    pub async fn reply(&self, frame: Value) -> Value {
        let answer = self.ask(frame.clone()).await;
        assert_eq!(answer.kind, "hub:reply", "{frame}: {}", answer.encode_text());
        data(&answer)
    }

    /// Waits until the hub has closed it with this code.
    pub async fn ends_with(&self, code: crosspoint_core::Code) {
        let close = self.until("hub:close").await;
        assert_eq!(data(&close)["code"], json!(code));
    }

    /// A session of this user.
    pub async fn hello(hub: &Arc<Hub>, user: &str) -> (Link, Value) {
        let link = Link::open(hub);
        link.send(json!({"type": "hub:hello", "data": {"version": 1, "user": user}}));
        let welcome = link.until("hub:welcome").await;
        (link, data(&welcome))
    }

    /// Another link for a session.
    pub fn resume(hub: &Arc<Hub>, welcome: &Value, received: u64) -> Link {
        let link = Link::open(hub);
        let data = json!({"version": 1, "session": welcome["session"], "resume": welcome["resume"], "received": received});
        link.send(json!({"type": "hub:hello", "data": data}));
        link
    }

    /// A session whose client can bulk.
    pub async fn hello_with_bulk(hub: &Arc<Hub>, user: &str) -> (Link, Value) {
        let link = Link::open(hub);
        link.send(json!({"type": "hub:hello", "data": {"version": 1, "user": user, "bulk": true}}));
        let welcome = link.until("hub:welcome").await;
        (link, data(&welcome))
    }

    /// The bulk session of the session of this welcome.
    pub async fn bulk(hub: &Arc<Hub>, main: &Value) -> (Link, Value) {
        let link = Link::open(hub);
        let of = json!({"session": main["session"], "resume": main["resume"]});
        link.send(json!({"type": "hub:hello", "data": {"version": 1, "bulk_for": of}}));
        let welcome = link.until("hub:welcome").await;
        (link, data(&welcome))
    }

    /// Whether the hub closed it with this code; otherwise it is cut.
    pub fn is_refused(&self, code: crosspoint_core::Code) -> bool {
        self.cut();
        self.closed().is_some_and(|fault| fault.code == code)
    }

    /// Resolves when the hub takes more, also after the link is gone.
    pub fn when_ready(&self) -> impl Future<Output = ()> + Send + 'static {
        self.peer.ready()
    }

    /// Resolves when the hub takes more after [`Flow::Wait`].
    pub async fn ready(&self) {
        tokio::time::timeout(Duration::from_secs(10), self.peer.ready()).await.expect("it reads on");
    }

    pub fn send(&self, frame: Value) {
        let _ = self.text(&frame.to_string());
    }

    pub fn text(&self, text: &str) -> Flow {
        let flow = self.peer.receive(None, Message::Text(text.to_string().into()));
        self.peer.turn();
        flow
    }

    /// Sends frames that were read together: one turn for all.
    pub fn batch(&self, frames: &[Value]) -> Vec<Flow> {
        let receive = |f: &Value| self.peer.receive(None, Message::Text(f.to_string().into()));
        let flows = frames.iter().map(receive).collect();
        self.peer.turn();
        flows
    }

    /// Sends a frame with an id and waits for its answer.
    pub async fn ask(&self, mut frame: Value) -> Frame {
        let id = format!("ask{}", self.wire.frames.lock().len());
        frame["id"] = id.as_str().into();
        self.send(frame);
        let answers = |f: &Frame| f.id.as_ref() == Some(&id) && f.kind.starts_with("hub:");
        let answer = self.find(&format!("the answer {id}"), answers).await;
        self.ack();
        answer
    }

    /// Acknowledges all that came; only right on a session's first link.
    pub fn ack(&self) {
        self.send(json!({"type": "hub:ack", "data": {"received": self.counted()}}));
    }

    pub async fn join(&self, room: &str) -> Value {
        let reply = self.ask(json!({"type": "hub:join", "room": room, "data": {"presence": true}})).await;
        assert_eq!(reply.kind, "hub:reply", "{}", reply.encode_text());
        data(&reply)
    }

    /// The first frame of this type, waiting for it if need be.
    pub async fn until(&self, kind: &str) -> Frame {
        self.find(kind, |f| f.kind == kind).await
    }

    pub async fn find(&self, what: &str, wanted: impl Fn(&Frame) -> bool) -> Frame {
        let search = async {
            loop {
                let news = self.wire.news.notified();
                tokio::pin!(news);
                news.as_mut().enable();
                if let Some(found) = self.wire.frames.lock().iter().find(|f| wanted(f)) {
                    return found.clone();
                }
                news.await;
            }
        };
        let found = tokio::time::timeout(Duration::from_secs(10), search).await;
        found.unwrap_or_else(|_| {
            panic!("{what} never came; closed: {:?}; got {:?}", self.closed(), self.kinds())
        })
    }

    /// The `data` of all frames of this type so far.
    pub fn data_of(&self, kind: &str) -> Vec<Value> {
        self.wire.frames.lock().iter().filter(|f| f.kind == kind).map(data).collect()
    }

    pub fn kinds(&self) -> Vec<String> {
        self.wire.frames.lock().iter().map(|f| f.kind.clone()).collect()
    }

    /// How many counted frames came.
    pub fn counted(&self) -> u64 {
        self.wire.counted.load(Ordering::Relaxed)
    }

    /// Takes the frames that came, so that they are not searched again.
    pub fn take(&self) -> Vec<Frame> {
        std::mem::take(&mut self.wire.frames.lock())
    }

    /// The link takes `n` more frames, or any number.
    pub fn takes(&self, n: Option<usize>) {
        *self.wire.room.lock() = n;
        self.peer.writable();
    }

    pub fn closed(&self) -> Option<Fault> {
        self.wire.closed.lock().clone()
    }

    pub fn cut(&self) {
        self.peer.down();
    }

    /// A `hub:bye` that came after the link's end.
    pub fn late_bye(&self) {
        self.peer.bye();
    }
}

pub fn data(frame: &Frame) -> Value {
    frame.parse().expect("data")
}
