//! Engines store history and presence, and carry events between nodes. An engine is one object behind `Arc<dyn Engine>`;
//! every one must pass the suite in `engine::suite` (feature `suite`).

mod log;
mod memory;
mod present;
#[cfg(feature = "suite")]
pub mod suite;

pub use memory::MemoryEngine;

use crate::config::Namespace;
use crosspoint_core::link::BoxFuture;
use crosspoint_core::wire::{Draft, Event};
use crosspoint_core::{Fault, Position, Raw, SharedFrame};
use serde::Serialize;
use std::future::{Future, IntoFuture};
use std::sync::Arc;

/// An engine's answer: there at once, or later. Engines that work in memory answer at once, and cost no allocation.
#[must_use]
pub enum Answer<T> {
    /// Here it is.
    Ready(Result<T, Fault>),
    /// It takes I/O.
    Later(BoxFuture<'static, Result<T, Fault>>),
}

impl<T: Send + 'static> IntoFuture for Answer<T> {
    type Output = Result<T, Fault>;
    type IntoFuture = BoxFuture<'static, Result<T, Fault>>;

    fn into_future(self) -> Self::IntoFuture {
        match self {
            Answer::Ready(r) => Box::pin(std::future::ready(r)),
            Answer::Later(f) => f,
        }
    }
}

impl<T> Answer<T> {
    /// An answer that a future gives.
    pub fn later(f: impl Future<Output = Result<T, Fault>> + Send + 'static) -> Answer<T> {
        Answer::Later(Box::pin(f))
    }
}

/// The result of a publish.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Published {
    /// The event's id.
    pub id: Arc<str>,
    /// Its place in the history.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offset: Option<u64>,
    /// Its position.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub position: Option<Position>,
    /// When it was taken, ms since 1970.
    pub ts: u64,
    /// It had been published before; the other values are of that time.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub duplicate: bool,
}

/// Which events of a room.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum HistoryFrom {
    /// Those after this position.
    Since(Position),
    /// Those after this offset of the history's present life.
    After(u64),
    /// The last ones, or the last ones before this offset.
    Last(Option<u64>),
    /// From the oldest that is kept.
    #[default]
    Beginning,
}

/// A question to a room's history.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HistoryQuery {
    /// Where.
    pub from: HistoryFrom,
    /// At most so many events.
    pub limit: usize,
}

/// Events of a room, oldest first.
#[derive(Debug, Clone)]
pub struct HistoryPage {
    /// The events.
    pub events: Vec<Arc<Event>>,
    /// The position before the first of them.
    pub start: Position,
    /// The position of the newest event in the history.
    pub head: Position,
    /// Nothing is missing between what was asked for and the first event. `false`: the events begin with the oldest kept.
    pub complete: bool,
    /// There are more after the last of them.
    pub more: bool,
}

impl HistoryPage {
    /// What a session gets of it (not its own events that it didn't want back), up to which offset that reaches, and whether
    /// there is more.
    pub(crate) fn part_of(&self, session: &str) -> (Vec<Arc<Event>>, u64, bool) {
        let own = |e: &&Arc<Event>| e.exclude.as_deref() != Some(session);
        let events: Vec<_> = self.events.iter().filter(own).cloned().collect();
        match self.events.last() {
            Some(last) if self.more && events.is_empty() => (events, last.offset, true),
            Some(_) => (events, self.head.offset, self.more),
            // Where nothing was asked for, nothing is missing.
            None => (events, self.head.offset, false),
        }
    }

    /// Lets go of events that don't fit into so many bytes, but for one: the last ones, or the first ones where the page ends
    /// at a given place.
    pub(crate) fn fit(&mut self, bytes_max: usize, keep_last: bool) {
        let mut bytes = 0;
        let mut fits = |e: &&Arc<Event>| {
            bytes += e.frame.cost();
            bytes <= bytes_max
        };
        let all = self.events.len();
        let keep = if keep_last {
            self.events.iter().rev().take_while(|e| fits(e)).count()
        } else {
            self.events.iter().take_while(|e| fits(e)).count()
        };
        let keep = keep.max(1).min(all);
        if keep_last {
            let dropped = self.events.drain(..all - keep).next_back();
            self.start = dropped.and_then(|e| e.position().cloned()).unwrap_or_else(|| self.start.clone());
        } else {
            self.events.truncate(keep);
            self.more |= keep < all;
        }
    }
}

/// A user in a room.
#[derive(Debug, Clone, Serialize)]
pub struct Member {
    /// The user.
    pub user: Arc<str>,
    /// What the grant shows of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub info: Option<Raw>,
    /// What they last set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<Raw>,
    /// How many sessions they have in the room.
    pub sessions: usize,
    /// Since when they are here, ms since 1970.
    pub since: u64,
}

/// One session's presence in a room.
#[derive(Debug, Clone)]
pub struct Presence {
    /// The user.
    pub user: Arc<str>,
    /// Their session.
    pub session: Arc<str>,
    /// What the grant shows of them.
    pub info: Option<Raw>,
    /// What they show; `None` leaves it as it is.
    pub state: Option<Raw>,
}

/// A change in who is here.
#[derive(Debug, Clone)]
pub enum Change {
    /// A user came.
    Join(Member),
    /// A member's state or number of sessions changed.
    Update(Member),
    /// A user's last session left.
    Leave {
        /// The user.
        user: Arc<str>,
        /// What the engine was told of that session.
        reason: Arc<str>,
    },
}

/// Where an engine hands what happens in rooms; the hub implements it. Called in the order of the room's offsets, and never
/// to block.
pub trait Feed: Send + Sync {
    /// An event has its place.
    fn event(&self, event: Arc<Event>);
    /// Who is in the room changed.
    fn presence(&self, room: &str, change: Change);
    /// A direct message for `user:…` or `session:…`; returns how many sessions of this node got it.
    fn direct(&self, to: &str, frame: &SharedFrame) -> usize;
    /// A batch of the above is over. An engine that calls from its own tasks says so before each wait; within a call of
    /// the hub's into the engine, the hub sees to it.
    fn turn(&self);
}

/// Stores history and presence and carries events between nodes.
pub trait Engine: Send + Sync {
    /// Where to hand what happens. Said once, before anything else.
    fn attach(&self, feed: Arc<dyn Feed>);

    /// This node has members in the room from now on, and wants its events; the room's epoch and offsets must not begin anew
    /// while anybody does.
    fn subscribe(&self, room: &Arc<str>);

    /// This node has no members in the room any more.
    fn unsubscribe(&self, room: &str);

    /// Gives an event its place and hands it to every node's feed. A repeated id of the same user within `dedup_ms`, or while the room's history
    /// holds the event, stores nothing and answers with the first result. Volatile events and rooms without history have no place.
    ///
    /// # Errors
    /// `unavailable`: nothing was stored, as far as the engine can tell; repeating with the same id is safe.
    fn publish(&self, room: &Arc<str>, namespace: &Namespace, draft: Draft) -> Answer<Published>;

    /// Reads history.
    ///
    /// # Errors
    /// `unavailable`.
    fn history(&self, room: &Arc<str>, namespace: &Namespace, query: HistoryQuery) -> Answer<HistoryPage>;

    /// A session is in a room, or has a new state there. The change goes to every node's feed.
    ///
    /// # Errors
    /// `unavailable`.
    fn enter(&self, room: &Arc<str>, presence: Presence) -> Answer<()>;

    /// A session is not in a room any more; harmless if it wasn't. `reason`: `left`, or the name of the code that says why.
    ///
    /// # Errors
    /// `unavailable`.
    fn leave(&self, room: &Arc<str>, user: &str, session: &str, reason: &str) -> Answer<()>;

    /// Who is here, by user.
    ///
    /// # Errors
    /// `unavailable`.
    fn members(&self, room: &str) -> Answer<Vec<Member>>;

    /// A direct message for `user:…` or `session:…`, on all nodes; answers how many sessions got it.
    ///
    /// # Errors
    /// `unavailable`.
    fn direct(&self, to: &str, frame: &SharedFrame) -> Answer<usize>;

    /// Drops what is over its time; called every few seconds.
    fn sweep(&self);
}
