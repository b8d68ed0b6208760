//! What a backend is asked while other things happen.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use crosspoint_core::link::BoxFuture;
use crosspoint_core::{Cap, Code, Fault};
use crosspoint_hub::{
    Action, HookPoint, Hooks, Hub, JoinAsk, Moderation, Namespace, Notification, PublishAsk, RequestAnswer,
    RequestAsk, Rewrite,
};
use serde_json::{Value, json};
use std::sync::Arc;
use support::*;
use tokio::sync::Semaphore;

const ROOM: &str = "asked:1";

/// Lets everybody do everything, and takes its time for each publish; `quiet` may not publish nor be seen.
struct Held(Arc<Inside>);

struct Inside {
    asked: Semaphore,
    answers: Arc<Semaphore>,
    told: parking_lot::Mutex<Vec<Notification>>,
}

impl Held {
    async fn asked(&self) {
        self.0.asked.acquire().await.unwrap().forget();
    }

    fn answer(&self) {
        self.0.answers.add_permits(1);
    }
}

impl Hooks for Held {
    fn join(&self, ask: JoinAsk) -> BoxFuture<'static, Result<Vec<Cap>, Fault>> {
        let quiet = *ask.asker.user == *"quiet";
        Box::pin(async move { Ok(if quiet { vec![Cap::Publish, Cap::Presence] } else { vec![] }) })
    }

    fn publish(&self, _: PublishAsk) -> BoxFuture<'static, Result<Rewrite, Fault>> {
        self.0.asked.add_permits(1);
        let answers = self.0.answers.clone();
        Box::pin(async move {
            answers.acquire().await.unwrap().forget();
            Ok(Rewrite::default())
        })
    }

    fn answers(&self, _: &str) -> bool {
        false
    }

    fn request(&self, _: RequestAsk) -> BoxFuture<'static, Result<RequestAnswer, Fault>> {
        Box::pin(async { Err(Code::Unavailable.into()) })
    }

    fn notify(&self, notification: Notification) {
        self.0.told.lock().push(notification);
    }

    fn wants_sessions(&self) -> bool {
        true
    }
}

fn asking() -> Arc<Hub> {
    let mut config = config();
    config.namespaces.push(Namespace {
        prefix: "asked:".into(),
        history_events: 10,
        hooks: vec![HookPoint::Join, HookPoint::Publish, HookPoint::Room],
        ..Namespace::default()
    });
    hub(config)
}

fn with_backend() -> (Arc<Hub>, Held) {
    let (asked, answers) = (Semaphore::new(0), Arc::new(Semaphore::new(0)));
    let held = Held(Arc::new(Inside { asked, answers, told: parking_lot::Mutex::default() }));
    let hub = asking();
    hub.use_hooks(Arc::new(Held(held.0.clone())));
    (hub, held)
}

fn publish(id: &str) -> Value {
    json!({"type": "n", "room": ROOM, "id": id})
}

#[tokio::test]
async fn without_a_backend_nobody_gets_into_a_room_that_asks_one() {
    let hub = asking();
    let (link, _) = Link::hello(&hub, "a").await;
    link.fails(json!({"type": "hub:join", "room": ROOM}), Code::Unavailable).await;
    link.join("chat:1").await;
}

#[tokio::test]
async fn what_happened_while_the_backend_thought_counts() {
    let (hub, held) = with_backend();
    let (link, _) = Link::hello(&hub, "a").await;
    link.join(ROOM).await;

    link.send(publish("1"));
    held.asked().await;
    let mute = Moderation { action: Action::Mute, user: "a".into(), for_ms: None, reason: None, by: None };
    hub.moderate(ROOM, mute.clone()).unwrap();
    held.answer();
    let answer = link.find("the answer", |f| f.id.as_deref() == Some("1")).await;
    assert_eq!(data(&answer)["code"], Code::Muted.name());
    hub.moderate(ROOM, Moderation { action: Action::Unmute, ..mute }).unwrap();

    link.send(publish("2"));
    held.asked().await;
    assert_eq!(hub.force_leave("a", ROOM, &Code::Forbidden.into()), 1);
    held.answer();
    let answer = link.find("the answer", |f| f.id.as_deref() == Some("2")).await;
    assert_eq!(data(&answer)["code"], Code::NotJoined.name());
    assert!(hub.history(ROOM, None, None, None).await.unwrap().events.is_empty());
}

#[tokio::test]
async fn who_says_goodbye_has_published_before() {
    let (hub, held) = with_backend();
    let (link, _) = Link::hello(&hub, "a").await;
    let (other, _) = Link::hello(&hub, "b").await;
    link.join(ROOM).await;
    other.join(ROOM).await;
    link.send(publish("last"));
    held.asked().await;
    link.send(json!({"type": "hub:bye"}));
    held.answer();
    assert_eq!(other.until("n").await.id.as_deref(), Some("last"));
    let told = held.0.told.lock();
    let ended = |n: &Notification| matches!(n, Notification::SessionEnded { user, code: Code::Bye, .. } if **user == *"a");
    assert_eq!(told.iter().filter(|n| ended(n)).count(), 1);
    assert!(matches!(&told[0], Notification::RoomOccupied(room) if **room == *ROOM));
    assert!(!told.iter().any(|n| matches!(n, Notification::RoomVacated(_))), "b is there");
}

#[tokio::test]
async fn a_goodbye_escapes_no_mute_and_no_ban() {
    for action in [Action::Mute, Action::Ban] {
        let (hub, held) = with_backend();
        let (link, _) = Link::hello(&hub, "a").await;
        let (other, _) = Link::hello(&hub, "b").await;
        link.join(ROOM).await;
        other.join(ROOM).await;
        link.send(publish("last"));
        held.asked().await;
        let what = Moderation { action, user: "a".into(), for_ms: None, reason: None, by: None };
        hub.moderate(ROOM, what).unwrap();
        link.send(json!({"type": "hub:bye"}));
        held.answer();
        other.send(publish("after"));
        held.asked().await;
        held.answer();
        assert_eq!(other.until("n").await.id.as_deref(), Some("after"), "{action:?}");
    }
}

#[tokio::test]
async fn what_was_said_before_the_goodbye_is_done_before_it() {
    let (hub, held) = with_backend();
    let (link, _) = Link::hello(&hub, "a").await;
    let (other, _) = Link::hello(&hub, "b").await;
    link.join(ROOM).await;
    other.join(ROOM).await;
    for id in ["1", "2", "3"] {
        link.send(publish(id));
    }
    held.asked().await;
    link.send(json!({"type": "hub:bye"}));
    link.send(publish("late"));
    for id in ["1", "2", "3"] {
        held.answer();
        other.find("the publish", |f| f.kind == "n" && f.id.as_deref() == Some(id)).await;
    }
    link.ends_with(Code::Bye).await;
    assert_eq!(
        (hub.stats().sessions, hub.history(ROOM, None, None, None).await.unwrap().events.len()),
        (1, 3)
    );
}

#[tokio::test]
async fn what_the_backend_denies_holds_in_that_room_alone() {
    let (hub, _held) = with_backend();
    let (link, _) = Link::hello(&hub, "quiet").await;
    link.join(ROOM).await;
    link.fails(publish("1"), Code::Forbidden).await;
    link.fails(json!({"type": "hub:presence", "room": ROOM}), Code::Forbidden).await;
    assert!(hub.presence(ROOM).await.unwrap().is_empty(), "nobody sees it");
    link.join("chat:1").await;
    link.reply(json!({"type": "n", "room": "chat:1"})).await;
    assert_eq!(hub.presence("chat:1").await.unwrap().len(), 1);
}
