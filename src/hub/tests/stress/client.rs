//! A client of the stress tests: counts as the protocol says, over whatever links, on whatever thread.

use crate::support::{Link, data};
use crosspoint_core::Frame;
use crosspoint_hub::Hub;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// SplitMix64 (Steele, Lea and Flood 2014).
pub(crate) struct Rng(pub(crate) u64);

impl Rng {
    pub(crate) fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % n
    }
}

/// An event as it came: the room, its offset, who sent it, and the sender's own number.
pub(crate) type Seen = (String, Option<u64>, String, u64);

pub(crate) struct Client {
    hub: Arc<Hub>,
    pub(crate) link: Arc<Link>,
    pub(crate) welcome: Value,
    next: Option<u64>,
    pub(crate) received: u64,
    acked: u64,
    pub(crate) ended: bool,
    pub(crate) joined: BTreeSet<String>,
    pub(crate) events: Vec<Seen>,
    pub(crate) gaps: usize,
    /// Who is in which room, as far as it was told.
    pub(crate) present: BTreeMap<String, BTreeSet<String>>,
    rooms_asked: BTreeMap<String, String>,
    pub(crate) published: u64,
    asked: u64,
}

impl Client {
    pub(crate) fn hello(hub: &Arc<Hub>, user: &str) -> Client {
        let link = Link::open(hub);
        link.send(json!({"type": "hub:hello", "data": {"version": 1, "token": format!("t:{user}")}}));
        let mut client = Client {
            hub: hub.clone(),
            link: Arc::new(link),
            welcome: Value::Null,
            next: None,
            received: 0,
            acked: 0,
            ended: false,
            joined: BTreeSet::new(),
            events: vec![],
            gaps: 0,
            present: BTreeMap::new(),
            rooms_asked: BTreeMap::new(),
            published: 0,
            asked: 0,
        };
        client.wait("the welcome", |c| c.next.is_some());
        client
    }

    pub(crate) fn name(&self) -> String {
        self.welcome["session"].as_str().unwrap_or_default().to_string()
    }

    /// Takes what came, until this is so. The session may have ended.
    pub(crate) fn wait(&mut self, what: &str, until: impl Fn(&Client) -> bool) {
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            self.pump();
            if self.ended || until(self) {
                return;
            }
            assert!(Instant::now() < deadline, "{what} never came");
            std::thread::yield_now();
        }
    }

    pub(crate) fn pump(&mut self) {
        for frame in self.link.take() {
            match frame.kind.as_str() {
                "hub:welcome" => {
                    let welcome = data(&frame);
                    self.next = welcome["start"].as_u64();
                    if self.welcome.is_null() {
                        self.welcome = welcome;
                    }
                }
                "hub:close" => self.ended = true,
                _ if frame.counted() => self.count(&frame),
                _ => {}
            }
        }
        self.ended |= self.link.closed().is_some();
        if self.received > self.acked && !self.ended {
            self.acked = self.received;
            self.link.send(json!({"type": "hub:ack", "data": {"received": self.received}}));
        }
    }

    fn count(&mut self, frame: &Frame) {
        let seq = self.next.expect("counted frames follow the welcome");
        self.next = Some(seq + 1);
        assert!(seq <= self.received + 1, "frame {seq} came after {}", self.received);
        if seq <= self.received {
            return;
        }
        self.received = seq;
        match (frame.kind.as_str(), &frame.room) {
            ("m", Some(room)) => {
                let from = frame.from.as_ref().and_then(|f| f.session.clone()).unwrap_or_default();
                self.events.push((room.clone(), frame.offset, from, frame.parse().expect("a number")));
            }
            ("hub:gap", _) => self.gaps += 1,
            ("hub:presence", Some(room)) => {
                let changes = data(frame);
                let users = self.present.entry(room.clone()).or_default();
                for member in
                    [&changes["join"], &changes["update"]].into_iter().filter_map(Value::as_array).flatten()
                {
                    users.insert(member["user"].as_str().expect("user").to_string());
                }
                for user in changes["leave"].as_array().into_iter().flatten() {
                    users.remove(user.as_str().expect("user"));
                }
            }
            ("hub:reply", _) => {
                let answers = data(frame);
                if let Some(room) = frame.id.as_ref().and_then(|id| self.rooms_asked.remove(id)) {
                    let members = answers["members"].as_array().into_iter().flatten();
                    let users = members.map(|m| m["user"].as_str().expect("user").to_string());
                    self.present.insert(room, users.collect());
                }
            }
            ("q", _) => {
                let answer = json!({"type": "hub:answer", "request": frame.request, "data": 1});
                self.link.send(answer);
            }
            _ => {}
        }
    }

    pub(crate) fn join(&mut self, room: &str, presence: bool) {
        self.asked += 1;
        let id = format!("j{}", self.asked);
        self.rooms_asked.insert(id.clone(), room.to_string());
        let data = json!({"presence": presence});
        self.link.send(json!({"type": "hub:join", "room": room, "id": id, "data": data}));
        self.joined.insert(room.to_string());
    }

    pub(crate) fn leave(&mut self, room: &str) {
        self.link.send(json!({"type": "hub:leave", "room": room}));
        self.joined.remove(room);
    }

    pub(crate) fn publish(&mut self, room: &str) {
        let id = format!("{}-{}", self.name(), self.published);
        let frame = json!({"type": "m", "room": room, "id": id, "data": self.published});
        self.link.send(frame.clone());
        if self.published.is_multiple_of(7) {
            self.link.send(frame);
        }
        self.published += 1;
    }

    /// Another link carries the session: the one before is cut first, or later by whoever gets it.
    pub(crate) fn resume(&mut self, cut_first: bool) -> Arc<Link> {
        if cut_first {
            self.link.cut();
        }
        self.next = None;
        let link = Arc::new(Link::resume(&self.hub, &self.welcome, self.received));
        let before = std::mem::replace(&mut self.link, link);
        self.wait("the next welcome", |c| c.next.is_some());
        before
    }

    pub(crate) fn bye(&mut self) {
        self.link.send(json!({"type": "hub:bye"}));
        self.link.cut();
    }
}
