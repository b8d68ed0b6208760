//! Notifications that wait: in order for each room, bounded in number and bytes.

use crosspoint_hub::Notification;
use parking_lot::Mutex;
use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::sync::Notify;

/// What one costs beside its names and content.
const OVERHEAD_BYTES: usize = 256;
/// Streams that a lane remembers, twice; one that is forgotten begins anew under another name.
const STREAMS_MAX: usize = 16_384;
/// Bytes in one request, if it has more than one notification.
const BATCH_BYTES_MAX: usize = 256 << 10;

/// All that waits. `lanes` are delivered independently of each other; a room is always in the same one.
pub(crate) struct Outbox {
    lanes: Vec<Lane>,
    hasher: RandomState,
    count_max: usize,
    bytes_max: usize,
    count: AtomicUsize,
    bytes: AtomicUsize,
    /// Something was lost since there was room last.
    overflowed: AtomicBool,
    /// Told when nothing waits any more.
    emptied: Notify,
    pub(crate) counters: OutboxCounters,
}

/// Since the hub's start.
#[derive(Default)]
pub(crate) struct OutboxCounters {
    pub(crate) delivered: AtomicU64,
    /// For want of room.
    pub(crate) overflowed: AtomicU64,
    /// For want of an answer in `keep_ms`.
    pub(crate) expired: AtomicU64,
}

pub(super) struct Lane {
    queue: Mutex<Queue>,
    pub(super) filled: Notify,
}

#[derive(Default)]
struct Queue {
    items: VecDeque<Item>,
    streams: HashMap<Arc<str>, Stream>,
    older: HashMap<Arc<str>, Stream>,
}

/// The numbering of one room's notifications.
#[derive(Clone)]
struct Stream {
    name: Arc<str>,
    last: u64,
}

/// One that waits.
#[derive(Clone)]
pub(super) struct Item {
    pub(super) stream: Arc<str>,
    /// 1, 2, 3, … within the stream.
    pub(super) seq: u64,
    /// When it happened, ms since 1970.
    pub(super) ts: u64,
    pub(super) what: Notification,
    bytes: usize,
}

impl Queue {
    fn number(&mut self, key: Arc<str>) -> (Arc<str>, u64) {
        if !self.streams.contains_key(&key) {
            if self.streams.len() >= STREAMS_MAX {
                self.older = std::mem::take(&mut self.streams);
            }
            let known = self.older.remove(&key);
            let stream =
                known.unwrap_or_else(|| Stream { name: crosspoint_hub::random_id().into(), last: 0 });
            self.streams.insert(key.clone(), stream);
        }
        match self.streams.get_mut(&key) {
            Some(stream) => {
                stream.last += 1;
                (stream.name.clone(), stream.last)
            }
            None => (key, 0),
        }
    }
}

impl Outbox {
    pub(super) fn new(lanes: usize, count_max: usize, bytes_max: usize) -> Outbox {
        let lane = |_| Lane { queue: Mutex::default(), filled: Notify::new() };
        Outbox {
            lanes: (0..lanes.max(1)).map(lane).collect(),
            hasher: RandomState::new(),
            count_max,
            bytes_max,
            count: AtomicUsize::new(0),
            bytes: AtomicUsize::new(0),
            overflowed: AtomicBool::new(false),
            emptied: Notify::new(),
            counters: OutboxCounters::default(),
        }
    }

    pub(super) fn lanes(&self) -> usize {
        self.lanes.len()
    }

    pub(super) fn lane(&self, at: usize) -> &Lane {
        &self.lanes[at]
    }

    /// How many wait, and their bytes.
    pub(crate) fn waiting(&self) -> (usize, usize) {
        (self.count.load(Ordering::Relaxed), self.bytes.load(Ordering::Relaxed))
    }

    /// Puts it behind the others of its room. Where there is no room for it only its number is used up, so that the backend can see that it is
    /// missing.
    pub(super) fn push(&self, what: Notification) {
        let key = key(&what);
        let lane = &self.lanes[(self.hasher.hash_one(&key) % self.lanes.len() as u64) as usize];
        let bytes = bytes(&what);
        let mut queue = lane.queue.lock();
        let (stream, seq) = queue.number(key);
        let count = self.count.fetch_add(1, Ordering::Relaxed);
        let waiting = self.bytes.fetch_add(bytes, Ordering::Relaxed);
        if count >= self.count_max || waiting + bytes > self.bytes_max {
            drop(queue);
            self.forget(1, bytes);
            return self.lost();
        }
        let ts = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_millis() as u64);
        queue.items.push_back(Item { stream, seq, ts, what, bytes });
        drop(queue);
        lane.filled.notify_one();
    }

    fn lost(&self) {
        self.counters.overflowed.fetch_add(1, Ordering::Relaxed);
        if !self.overflowed.swap(true, Ordering::Relaxed) {
            tracing::error!("notifications are lost: as many wait for the backend as may");
        }
    }

    fn forget(&self, count: usize, bytes: usize) {
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
        let before = self.count.fetch_sub(count, Ordering::Relaxed);
        if before - count < self.count_max / 2 {
            self.overflowed.store(false, Ordering::Relaxed);
        }
        if before == count {
            self.emptied.notify_waiters();
        }
    }

    /// The first ones of a lane. They stay there until [`Outbox::done`].
    pub(super) fn batch(&self, lane: usize, count_max: usize) -> Vec<Item> {
        let queue = self.lanes[lane].queue.lock();
        let mut bytes = 0;
        let fits = |item: &&Item| {
            bytes += item.bytes;
            bytes <= BATCH_BYTES_MAX || bytes == item.bytes
        };
        queue.items.iter().take(count_max).take_while(fits).cloned().collect()
    }

    /// The first ones of a lane are done with.
    pub(super) fn done(&self, lane: usize, count: usize) {
        let mut queue = self.lanes[lane].queue.lock();
        let count = count.min(queue.items.len());
        let bytes = queue.items.drain(..count).map(|item| item.bytes).sum();
        drop(queue);
        self.forget(count, bytes);
    }

    /// Returns once nothing waits.
    pub(super) async fn empty(&self) {
        loop {
            let emptied = self.emptied.notified();
            if self.waiting().0 == 0 {
                return;
            }
            emptied.await;
        }
    }
}

/// What its order counts within: a room, or a user.
fn key(what: &Notification) -> Arc<str> {
    match what {
        Notification::RoomOccupied(room)
        | Notification::RoomVacated(room)
        | Notification::MemberJoined { room, .. }
        | Notification::MemberLeft { room, .. } => room.clone(),
        Notification::MessageStored(event) => event.room.clone(),
        // A room of this name would share the numbers, which does no harm.
        Notification::SessionEnded { user, .. } => format!("\0user:{user}").into(),
    }
}

fn bytes(what: &Notification) -> usize {
    OVERHEAD_BYTES
        + match what {
            Notification::RoomOccupied(room) | Notification::RoomVacated(room) => room.len(),
            Notification::MemberJoined { room, member } => {
                let raw = |raw: &Option<crosspoint_core::Raw>| raw.as_ref().map_or(0, |raw| raw.get().len());
                room.len() + member.user.len() + raw(&member.info) + raw(&member.state)
            }
            Notification::MemberLeft { room, user, reason } => room.len() + user.len() + reason.len(),
            Notification::MessageStored(event) => event.frame.cost(),
            Notification::SessionEnded { session, user, .. } => session.len() + user.len(),
        }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn occupied(room: &str) -> Notification {
        Notification::RoomOccupied(room.into())
    }

    #[test]
    fn rooms_keep_their_order_and_numbers_and_batches_stay_until_they_are_done() {
        let outbox = Outbox::new(1, 100, 1 << 20);
        for room in ["a", "b", "a", "a"] {
            outbox.push(occupied(room));
        }
        let numbers = |items: &[Item]| items.iter().map(|i| i.seq).collect::<Vec<_>>();
        assert_eq!(numbers(&outbox.batch(0, 3)), [1, 1, 2]);
        assert_eq!(numbers(&outbox.batch(0, 3)), [1, 1, 2], "nothing was taken yet");
        outbox.done(0, 3);
        let last = outbox.batch(0, 3);
        assert_eq!(numbers(&last), [3]);
        outbox.done(0, 1);
        assert_eq!(outbox.waiting(), (0, 0));
    }

    #[test]
    fn what_has_no_room_is_counted_and_leaves_a_hole_in_the_numbers() {
        let outbox = Outbox::new(1, 2, 1 << 20);
        (0..5).for_each(|_| outbox.push(occupied("a")));
        assert_eq!(outbox.counters.overflowed.load(Ordering::Relaxed), 3);
        assert_eq!(outbox.waiting().0, 2);
        outbox.done(0, 2);
        outbox.push(occupied("a"));
        assert_eq!(outbox.batch(0, 9)[0].seq, 6);
        let small = Outbox::new(1, 100, OVERHEAD_BYTES * 2);
        (0..3).for_each(|_| small.push(occupied("a")));
        assert_eq!(small.waiting().0, 1);
    }

    #[test]
    fn a_room_is_always_in_the_same_lane() {
        let outbox = Outbox::new(8, 10_000, 1 << 30);
        for n in 0..1_000 {
            outbox.push(occupied(&format!("room {}", n % 50)));
        }
        let mut seen = HashMap::new();
        for lane in 0..8 {
            for item in outbox.batch(lane, 10_000) {
                let Notification::RoomOccupied(room) = &item.what else { panic!("nothing else was told") };
                let last = seen.entry(room.clone()).or_insert((lane, 0));
                assert_eq!(*last, (lane, item.seq - 1));
                last.1 = item.seq;
            }
        }
        assert!(seen.len() == 50 && seen.values().all(|(_, last)| *last == 20));
    }
}
