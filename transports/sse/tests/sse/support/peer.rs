use bytes::Bytes;
use crosspoint_core::link::BoxFuture;
use crosspoint_core::session::{Kind, Session, Taken};
use crosspoint_core::{
    Acceptor, Code, Fault, Flow, Frame, Limits, LinkInfo, LinkPeer, LinkSender, Message, OutFrame,
    SharedFrame,
};
use parking_lot::Mutex;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use tokio::sync::{Notify, watch};

/// One session per link, without registry or rooms.
pub struct TestHub {
    pub peers: Mutex<Vec<Arc<Peer>>>,
    pub accepting: AtomicBool,
    /// Plain streams are refused with this, in `link_up`.
    pub refuse: Mutex<Option<Code>>,
    came: Notify,
}

pub struct Peer {
    pub info: LinkInfo,
    pub sender: Arc<dyn LinkSender>,
    pub limits: Arc<Limits>,
    session: Mutex<Option<Session>>,
    /// Types of the frames that had an effect, `!` for those that are none.
    pub acted: Mutex<Vec<String>>,
    pub turns: AtomicUsize,
    pub alive: AtomicUsize,
    /// Frames that the transport took, and how often it said that it has room again.
    pub taken: AtomicUsize,
    pub writable: AtomicUsize,
    pub downs: watch::Sender<usize>,
    /// Whether the inbox is full: `receive` says `Wait`.
    pub full: watch::Sender<bool>,
    pub changed: Notify,
}

impl Default for TestHub {
    fn default() -> TestHub {
        TestHub {
            peers: Mutex::default(),
            accepting: AtomicBool::new(true),
            refuse: Mutex::default(),
            came: Notify::new(),
        }
    }
}

impl TestHub {
    /// The link that came as the `n`th.
    pub async fn peer(&self, n: usize) -> Arc<Peer> {
        super::soon(async {
            loop {
                let came = self.came.notified();
                if let Some(peer) = self.peers.lock().get(n) {
                    return peer.clone();
                }
                came.await;
            }
        })
        .await
    }
}

impl Acceptor for TestHub {
    fn link_up(&self, info: LinkInfo, sender: Arc<dyn LinkSender>) -> Arc<dyn LinkPeer> {
        let limits =
            Arc::new(Limits { reorder_frames_max: 8, outbox_bytes_max: 16 << 20, ..Limits::default() });
        let mut session = None;
        if info.subscribe.is_some() {
            match *self.refuse.lock() {
                Some(code) => {
                    sender.close(&code.into(), Some(&OutFrame::with("hub:close", &Fault::from(code))))
                }
                None => {
                    let mut listener = Session::new(0, limits.clone(), Kind::Listener);
                    let _ = listener.link_up(0, 1, 0);
                    let _ = listener.send(OutFrame::with("hub:reply", &json!({})));
                    session = Some(listener);
                }
            }
        }
        let peer = Arc::new(Peer {
            info,
            sender,
            limits,
            session: Mutex::new(session),
            acted: Mutex::default(),
            turns: AtomicUsize::new(0),
            alive: AtomicUsize::new(0),
            taken: AtomicUsize::new(0),
            writable: AtomicUsize::new(0),
            downs: watch::channel(0).0,
            full: watch::channel(false).0,
            changed: Notify::new(),
        });
        self.peers.lock().push(peer.clone());
        self.came.notify_waiters();
        peer
    }

    fn accepting(&self) -> bool {
        self.accepting.load(SeqCst)
    }
}

impl Peer {
    /// Sends a counted frame down, through the session's outbox.
    pub fn send(&self, frame: SharedFrame) {
        if let Some(session) = self.session.lock().as_mut() {
            session.send(frame).expect("the outbox holds twice its limit");
        }
        self.transmit();
    }

    pub fn say(&self, kind: &str, data: &Value) {
        self.send(OutFrame::with(kind, data));
    }

    pub fn close(&self, code: Code) {
        let fault = Fault::from(code);
        self.sender.close(&fault, Some(&OutFrame::with("hub:close", &fault)));
    }

    pub async fn acted_until(&self, n: usize) -> Vec<String> {
        super::soon(async {
            loop {
                let changed = self.changed.notified();
                let acted = self.acted.lock().clone();
                if acted.len() >= n {
                    return acted;
                }
                changed.await;
            }
        })
        .await
    }

    pub async fn gone(&self) {
        super::soon(self.downs.subscribe().wait_for(|n| *n > 0)).await.expect("still there");
    }

    fn hello(&self, frame: &Frame) -> Flow {
        let data: Value = frame.parse().unwrap_or_default();
        if let Some(code) = data["user"].as_str().and_then(Code::from_name) {
            let fault = Fault::from(code);
            self.sender.close(&fault, Some(&OutFrame::with("hub:close", &fault)));
            return Flow::Stop;
        }
        assert!(self.session.lock().is_none(), "a link says hello once");
        let mut session = Session::new(0, self.limits.clone(), Kind::Resumable);
        session.link_up(0, 1, 0).expect("a new session takes a link");
        session.control(OutFrame::with("hub:welcome", &json!({"session": "s", "received": 0, "start": 1})));
        *self.session.lock() = Some(session);
        Flow::Continue
    }

    fn transmit(&self) {
        if let Some(session) = self.session.lock().as_mut() {
            session.transmit(1, |_, frames| {
                let taken = self.sender.try_send(frames);
                self.taken.fetch_add(taken, SeqCst);
                taken
            });
        }
    }

    fn act(&self, what: &str) {
        self.acted.lock().push(what.to_owned());
        self.changed.notify_waiters();
    }
}

impl LinkPeer for Peer {
    fn receive(&self, seq: Option<u64>, message: Message) -> Flow {
        assert_eq!(*self.downs.borrow(), 0, "nothing follows down");
        assert!(!*self.full.borrow(), "not before ready");
        let Message::Text(text) = message else { return Flow::Stop };
        let frame = Frame::decode_text(&text).unwrap_or_else(|_| Frame::new("!"));
        if frame.kind == "hub:hello" {
            return self.hello(&frame);
        }
        let mut guard = self.session.lock();
        let Some(session) = guard.as_mut() else { return Flow::Stop };
        match session.receive(1, 1, seq, frame) {
            Taken::Act(frame) => {
                if frame.kind == "fill" {
                    self.full.send_replace(true);
                }
                self.act(&frame.kind);
                while let Some(early) = session.take_early(1) {
                    self.act(&early.kind);
                }
            }
            Taken::Nothing => {}
            Taken::Refused => panic!("the transport hands over what can't be kept"),
            Taken::Fault(code) => {
                self.sender.close(&code.into(), None);
                return Flow::Stop;
            }
            Taken::Bye => {
                self.sender.close(&Code::Bye.into(), None);
                return Flow::Stop;
            }
        }
        if *self.full.borrow() { Flow::Wait } else { Flow::Continue }
    }

    fn datagram(&self, _: Bytes) {}

    fn turn(&self) {
        self.turns.fetch_add(1, SeqCst);
        self.transmit();
    }

    fn ready(&self) -> BoxFuture<'static, ()> {
        let mut full = self.full.subscribe();
        Box::pin(async move {
            let _ = full.wait_for(|full| !full).await;
        })
    }

    fn writable(&self) {
        assert_eq!(*self.downs.borrow(), 0, "nothing follows down");
        self.writable.fetch_add(1, SeqCst);
        if let Some(session) = self.session.lock().as_mut() {
            session.writable(1);
        }
        self.transmit();
    }

    fn alive(&self) {
        self.alive.fetch_add(1, SeqCst);
    }

    fn received(&self) -> u64 {
        self.session.lock().as_ref().map_or(0, Session::received)
    }

    fn bye(&self) {
        self.act("late bye");
    }

    fn down(&self) {
        self.downs.send_modify(|n| *n += 1);
    }
}
