//! The suite that every engine must pass. `all` runs it; an engine's tests call it with a constructor of empty engines.

#![allow(clippy::expect_used, clippy::panic, reason = "a finding is a panic, as in any test")]
use super::{Change, Engine, Feed, HistoryFrom, HistoryQuery, Presence, Published};
use crate::config::Namespace;
use crosspoint_core::frame::{From, Volatile};
use crosspoint_core::wire::{Draft, Event};
use crosspoint_core::{Position, Raw, SharedFrame};
use parking_lot::Mutex;
use serde_json::value::to_raw_value;
use std::sync::Arc;

/// Records what an engine hands to the feed.
#[derive(Default)]
pub struct Recorder {
    events: Mutex<Vec<Arc<Event>>>,
    changes: Mutex<Vec<String>>,
    directs: Mutex<Vec<String>>,
}

impl Feed for Recorder {
    fn event(&self, event: Arc<Event>) {
        self.events.lock().push(event);
    }

    fn presence(&self, room: &str, change: Change) {
        self.changes.lock().push(match change {
            Change::Join(m) => format!("{room}: {} joins", m.user),
            Change::Update(m) => format!("{room}: {} has {}", m.user, m.sessions),
            Change::Leave { user, reason } => format!("{room}: {user} leaves, {reason}"),
        });
    }

    fn direct(&self, to: &str, _frame: &SharedFrame) -> usize {
        self.directs.lock().push(to.to_string());
        1
    }

    fn turn(&self) {}
}

/// One engine under test and what it handed on.
struct Bench {
    engine: Arc<dyn Engine>,
    feed: Arc<Recorder>,
    room: Arc<str>,
}

fn kept(history_events: usize) -> Namespace {
    Namespace { history_events, ..Namespace::default() }
}

impl Bench {
    fn new(engine: Arc<dyn Engine>) -> Bench {
        let feed = Arc::new(Recorder::default());
        engine.attach(feed.clone());
        let room: Arc<str> = "suite:1".into();
        engine.subscribe(&room);
        Bench { engine, feed, room }
    }

    async fn publish(&self, ns: &Namespace, user: &str, id: &str) -> Published {
        let draft = Draft {
            kind: "m".into(),
            data: to_raw_value(&id).ok(),
            payload: None,
            from: From { user: Some(user.into()), session: None },
            id: id.into(),
            named: true,
            echo: true,
            volatile: None,
        };
        self.engine.publish(&self.room, ns, draft).await.expect("publish")
    }

    async fn read(&self, ns: &Namespace, from: HistoryFrom, limit: usize) -> (Vec<u64>, bool, bool) {
        let page = self.engine.history(&self.room, ns, HistoryQuery { from, limit }).await.expect("history");
        (page.events.iter().map(|e| e.offset).collect(), page.complete, page.more)
    }

    fn handed(&self) -> Vec<u64> {
        self.feed.events.lock().iter().map(|e| e.offset).collect()
    }
}

/// Runs every case, each on a new engine. Panics with the case's finding.
pub async fn all<E: Engine + 'static>(mut engine: impl FnMut() -> E) {
    let mut bench = || Bench::new(Arc::new(engine()));
    offsets_count_and_reach_the_feed_in_order(bench()).await;
    a_repeated_id_is_stored_once_per_user(bench()).await;
    an_id_is_known_as_long_as_the_history_holds_its_event(bench()).await;
    without_history_nothing_is_kept_but_ids(bench()).await;
    volatile_events_have_no_place(bench()).await;
    history_is_read_by_position_offset_and_end(bench()).await;
    trimmed_and_foreign_positions_are_not_good(bench()).await;
    a_user_with_many_sessions_is_one_member(bench()).await;
    direct_messages_reach_the_feed(bench()).await;
    concurrent_publishers_get_one_order(bench()).await;
}

async fn offsets_count_and_reach_the_feed_in_order(b: Bench) {
    let ns = kept(10);
    for n in 1..=5u64 {
        let p = b.publish(&ns, "u", &format!("m{n}")).await;
        assert_eq!((p.offset, p.duplicate), (Some(n), false));
        let position = p.position.expect("a stored event has a position");
        assert_eq!((position.offset, &*position.id), (n, format!("m{n}").as_str()));
    }
    assert_eq!(b.handed(), [1, 2, 3, 4, 5]);
}

async fn a_repeated_id_is_stored_once_per_user(b: Bench) {
    let ns = kept(10);
    let first = b.publish(&ns, "u", "same").await;
    let again = b.publish(&ns, "u", "same").await;
    assert_eq!(again, Published { duplicate: true, ..first });
    assert_eq!(b.publish(&ns, "v", "same").await.offset, Some(2), "another user's id is another id");
    assert_eq!(b.handed(), [1, 2]);
}

async fn an_id_is_known_as_long_as_the_history_holds_its_event(b: Bench) {
    let ns = Namespace { dedup_ms: 1, ..kept(1_000_000) };
    let first = b.publish(&ns, "u", "old").await;
    let mut n = 0;
    while b.publish(&ns, "u", &format!("later {n}")).await.ts <= first.ts + 1 {
        n += 1;
    }
    assert_eq!(b.publish(&ns, "u", "old").await, Published { duplicate: true, ..first.clone() });
    assert!(!b.publish(&ns, "v", "old").await.duplicate, "another user's id is another id");
    let short = Namespace { history_events: 1, ..ns };
    b.publish(&short, "u", "last").await;
    assert!(
        !b.publish(&short, "u", "old").await.duplicate,
        "it is over its time and no longer in the history"
    );
}

async fn without_history_nothing_is_kept_but_ids(b: Bench) {
    let ns = kept(0);
    let first = b.publish(&ns, "u", "a").await;
    assert_eq!((first.offset, first.position.is_none()), (None, true));
    assert!(b.publish(&ns, "u", "a").await.duplicate);
    assert_eq!(b.handed(), [0]);
    assert_eq!(b.read(&ns, HistoryFrom::Beginning, 10).await, (vec![], true, false));
}

async fn volatile_events_have_no_place(b: Bench) {
    let ns = kept(10);
    for _ in 0..2 {
        let draft = Draft {
            kind: "typing".into(),
            data: None,
            payload: None,
            from: From::default(),
            id: "v".into(),
            named: true,
            echo: true,
            volatile: Some(Volatile::Flag(true)),
        };
        let p = b.engine.publish(&b.room, &ns, draft).await.expect("publish");
        assert_eq!((p.offset, p.duplicate), (None, false));
    }
    assert_eq!(b.handed(), [0, 0]);
    assert!(b.feed.events.lock().iter().all(|e| !e.frame.counted() && e.volatile_key.is_some()));
}

async fn history_is_read_by_position_offset_and_end(b: Bench) {
    let ns = kept(10);
    let mut positions = vec![];
    for n in 1..=6 {
        positions.push(b.publish(&ns, "u", &format!("m{n}")).await.position.expect("position"));
    }
    use HistoryFrom::*;
    assert_eq!(b.read(&ns, Since(positions[3].clone()), 10).await, (vec![5, 6], true, false));
    assert_eq!(b.read(&ns, Since(positions[5].clone()), 10).await, (vec![], true, false));
    assert_eq!(b.read(&ns, Since(positions[0].clone()), 2).await, (vec![2, 3], true, true));
    assert_eq!(b.read(&ns, After(4), 10).await, (vec![5, 6], true, false));
    assert_eq!(b.read(&ns, After(0), 10).await, (vec![1, 2, 3, 4, 5, 6], true, false));
    assert_eq!(b.read(&ns, Last(None), 2).await, (vec![5, 6], true, false));
    assert_eq!(b.read(&ns, Last(Some(5)), 2).await, (vec![3, 4], true, true));
    assert_eq!(b.read(&ns, Last(Some(1)), 2).await.0, Vec::<u64>::new());
    assert_eq!(b.read(&ns, Last(None), 0).await.0, Vec::<u64>::new());
    let query = HistoryQuery { from: Last(None), limit: 2 };
    let page = b.engine.history(&b.room, &ns, query).await.expect("history");
    assert_eq!((page.start, page.head), (positions[3].clone(), positions[5].clone()));
}

async fn trimmed_and_foreign_positions_are_not_good(b: Bench) {
    let ns = kept(3);
    let mut positions = vec![];
    for n in 1..=5 {
        positions.push(b.publish(&ns, "u", &format!("m{n}")).await.position.expect("position"));
    }
    use HistoryFrom::*;
    assert_eq!(
        b.read(&ns, Since(positions[0].clone()), 10).await,
        (vec![3, 4, 5], false, false),
        "2 is missing"
    );
    assert_eq!(b.read(&ns, Since(positions[1].clone()), 10).await, (vec![3, 4, 5], true, false));
    assert_eq!(b.read(&ns, After(0), 10).await, (vec![3, 4, 5], false, false));
    let other_life = Position { epoch: "other".into(), ..positions[4].clone() };
    assert!(!b.read(&ns, Since(other_life), 10).await.1);
    let rewritten = Position { id: "else".into(), ..positions[4].clone() };
    assert!(!b.read(&ns, Since(rewritten), 10).await.1);
    let ahead = Position { offset: 9, ..positions[4].clone() };
    assert!(!b.read(&ns, Since(ahead), 10).await.1);
}

async fn a_user_with_many_sessions_is_one_member(b: Bench) {
    let enter = async |user: &str, session: &str, state: Option<Raw>| {
        let p = Presence { user: user.into(), session: session.into(), info: None, state };
        b.engine.enter(&b.room, p).await.expect("enter");
    };
    enter("u", "s1", None).await;
    enter("u", "s2", to_raw_value(&serde_json::json!({"away": true})).ok()).await;
    enter("v", "s3", None).await;
    let members = b.engine.members(&b.room).await.expect("members");
    let seen: Vec<_> = members.iter().map(|m| (&*m.user, m.sessions)).collect();
    assert_eq!(seen, [("u", 2), ("v", 1)]);
    assert_eq!(members[0].state.as_ref().map(|s| s.get()), Some("{\"away\":true}"));
    for (user, session) in [("u", "s1"), ("u", "s1"), ("u", "s2"), ("w", "s9")] {
        b.engine.leave(&b.room, user, session, session).await.expect("leave");
    }
    let expected = ["u joins", "u has 2", "v joins", "u has 1", "u leaves, s2"];
    let expected = expected.map(|c| format!("suite:1: {c}"));
    assert_eq!(*b.feed.changes.lock(), expected);
}

async fn direct_messages_reach_the_feed(b: Bench) {
    let frame = crosspoint_core::OutFrame::with("hi", &1);
    assert_eq!(b.engine.direct("user:u", &frame).await.expect("direct"), 1);
    assert_eq!(*b.feed.directs.lock(), ["user:u"]);
}

async fn concurrent_publishers_get_one_order(b: Bench) {
    let b = Arc::new(b);
    let tasks: Vec<_> = (0..4)
        .map(|t| {
            let b = b.clone();
            tokio::spawn(async move {
                for n in 0..250 {
                    b.publish(&kept(2000), &format!("u{t}"), &format!("{t}-{n}")).await;
                }
            })
        })
        .collect();
    for t in tasks {
        t.await.expect("publisher");
    }
    assert_eq!(b.handed(), (1..=1000).collect::<Vec<u64>>());
    let read = b.read(&kept(2000), HistoryFrom::Beginning, 5000).await;
    assert_eq!(read.0, (1..=1000).collect::<Vec<u64>>());
}
