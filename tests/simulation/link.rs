//! What a link is made of: pipes that keep order until they die, POSTs that don't, polls.

use crosspoint_core::{Frame, SharedFrame};
use std::collections::VecDeque;
use std::rc::Rc;

pub(crate) type LinkId = u32;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Ordered both ways.
    WebSocket,
    /// Ordered down, POSTs up.
    Sse,
    /// Batches fetched by polls down, POSTs up.
    Poll,
}

/// One direction of an ordered stream.
#[derive(Debug)]
pub(crate) struct Pipe<T> {
    queue: VecDeque<(u64, usize, T)>,
    last_at: u64,
    pub(crate) stalled_until: u64,
    pub(crate) dead: bool,
    bytes: usize,
    /// The sender was refused and waits for room.
    pub(crate) blocked: bool,
}

impl<T> Pipe<T> {
    pub(crate) fn new() -> Pipe<T> {
        Pipe { queue: VecDeque::new(), last_at: 0, stalled_until: 0, dead: false, bytes: 0, blocked: false }
    }

    pub(crate) fn has_room(&self, window: usize) -> bool {
        self.bytes < window
    }

    /// Puts an item on its way. Returns when the pipe has to be looked at, if it was empty.
    pub(crate) fn push(&mut self, at: u64, bytes: usize, item: T) -> Option<u64> {
        // A dead pipe fills up as a socket's buffer does.
        self.bytes += bytes;
        if self.dead {
            return None;
        }
        self.last_at = self.last_at.max(at);
        self.queue.push_back((self.last_at, bytes, item));
        (self.queue.len() == 1).then_some(self.last_at.max(self.stalled_until))
    }

    /// What arrives now, and when to look again.
    pub(crate) fn due(&mut self, now: u64) -> (Vec<T>, Option<u64>) {
        let mut items = vec![];
        while self.stalled_until <= now && self.queue.front().is_some_and(|(at, ..)| *at <= now) {
            if let Some((_, bytes, item)) = self.queue.pop_front() {
                self.bytes -= bytes;
                items.push(item);
            }
        }
        (items, self.queue.front().map(|(at, ..)| (*at).max(self.stalled_until)))
    }

    /// Nothing that is under way arrives.
    pub(crate) fn kill(&mut self) {
        self.dead = true;
        self.queue.clear();
    }
}

/// The body of a numbered batch on its way up.
#[derive(Debug)]
pub(crate) struct Post {
    pub(crate) id: u32,
    pub(crate) start: Option<u64>,
    pub(crate) frames: Vec<Frame>,
}

#[derive(Debug, Default)]
pub(crate) struct Posts {
    pub(crate) waiting: VecDeque<(Option<u64>, Frame)>,
    /// Those that are not answered, with how often they were tried.
    pub(crate) open: Vec<(Rc<Post>, u32)>,
    pub(crate) next: u32,
    pub(crate) scheduled: bool,
    /// One is wanted, even without frames.
    pub(crate) beat: bool,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum PostAnswer {
    Received(u64),
    OutOfOrder(u64),
    Gone,
}

#[derive(Debug, Default)]
pub(crate) struct Poll {
    // The hub's end.
    pub(crate) batch: u64,
    pub(crate) sent: Vec<SharedFrame>,
    pub(crate) out: Vec<SharedFrame>,
    pub(crate) waiting: Option<u64>,
    // The client's end.
    pub(crate) have: u64,
    pub(crate) attempt: u64,
    pub(crate) tries: u32,
}

#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) peer: usize,
    pub(crate) kind: Kind,
    pub(crate) client_open: bool,
    pub(crate) hub_open: bool,
    /// The session that said hello here, as the hub sees it.
    pub(crate) session: Option<String>,
    pub(crate) up: Pipe<(Option<u64>, Frame)>,
    pub(crate) down: Pipe<SharedFrame>,
    pub(crate) posts: Posts,
    pub(crate) poll: Poll,
    /// The number of the next counted frame down.
    pub(crate) next_down: u64,
    /// The number of the last counted frame that the client put on it.
    pub(crate) last_up: Option<u64>,
    /// A direction of it died, and nobody was told.
    pub(crate) dead_since: Option<u64>,
}

impl Link {
    pub(crate) fn new(peer: usize, kind: Kind) -> Link {
        Link {
            peer,
            kind,
            client_open: true,
            hub_open: true,
            session: None,
            up: Pipe::new(),
            down: Pipe::new(),
            posts: Posts::default(),
            poll: Poll::default(),
            next_down: 1,
            last_up: None,
            dead_since: None,
        }
    }

    /// Takes a frame down, if there is room.
    pub(crate) fn has_room(&self, window: usize) -> bool {
        match self.kind {
            Kind::Poll => self.poll.out.iter().map(|f| f.cost()).sum::<usize>() < window,
            _ => self.down.has_room(window),
        }
    }
}
