//! Brings notifications to the backend: at least once, each lane in order.

use super::answer::Body;
use super::caller::{Caller, HookError, Target, message_id};
use super::outbox::{Item, Outbox};
use crate::config;
use bytes::Bytes;
use crosspoint_core::Raw;
use crosspoint_hub::Notification;
use parking_lot::Mutex;
use serde::Serialize;
use serde_json::value::RawValue;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::task::JoinSet;

/// What a notification looks like.
#[derive(Serialize, Default)]
struct Told<'a> {
    id: String,
    #[serde(rename = "type")]
    kind: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    room: Option<&'a str>,
    stream: &'a str,
    seq: u64,
    ts: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    session: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    info: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    event: Option<Raw>,
}

fn told(item: &Item) -> Told<'_> {
    let base = Told {
        id: format!("{}-{}", item.stream, item.seq),
        stream: &item.stream,
        seq: item.seq,
        ts: item.ts,
        ..Told::default()
    };
    match &item.what {
        Notification::RoomOccupied(room) => Told { kind: "room_occupied", room: Some(room), ..base },
        Notification::RoomVacated(room) => Told { kind: "room_vacated", room: Some(room), ..base },
        Notification::MemberJoined { room, member } => Told {
            kind: "member_joined",
            room: Some(room),
            user: Some(&member.user),
            info: member.info.as_deref(),
            state: member.state.as_deref(),
            ..base
        },
        Notification::MemberLeft { room, user, reason } => {
            Told { kind: "member_left", room: Some(room), user: Some(user), reason: Some(reason), ..base }
        }
        Notification::MessageStored(event) => Told {
            kind: "message_stored",
            room: Some(&event.room),
            // What the hub has encoded itself is JSON.
            event: serde_json::from_slice(&event.frame.text()).ok(),
            ..base
        },
        Notification::SessionEnded { session, user, code } => Told {
            kind: "session_ended",
            session: Some(session),
            user: Some(user),
            reason: Some(code.name()),
            ..base
        },
    }
}

/// The outbox, and the tasks that empty it.
pub(super) struct Notifier {
    pub(super) outbox: Arc<Outbox>,
    pub(super) sessions: bool,
    pub(super) target: Target,
    couriers: Mutex<JoinSet<()>>,
}

struct Courier {
    caller: Arc<Caller>,
    target: Target,
    outbox: Arc<Outbox>,
    lane: usize,
    batch_max: usize,
    keep: Duration,
}

impl Notifier {
    /// Call it inside a tokio runtime.
    pub(super) fn start(caller: &Arc<Caller>, target: Target, settings: &config::NotifyHook) -> Notifier {
        let outbox = Arc::new(Outbox::new(settings.lanes, settings.queue_max, settings.queue_bytes_max));
        let mut couriers = JoinSet::new();
        for lane in 0..outbox.lanes() {
            let courier = Courier {
                caller: caller.clone(),
                target: target.clone(),
                outbox: outbox.clone(),
                lane,
                batch_max: settings.batch_max,
                keep: Duration::from_millis(settings.keep_ms),
            };
            couriers.spawn(courier.run());
        }
        Notifier { outbox, sessions: settings.sessions, target, couriers: Mutex::new(couriers) }
    }

    /// Waits until all are delivered, at most so long. What is left then is lost, and said to be.
    pub(super) async fn close(&self, within: Duration) {
        let _ = tokio::time::timeout(within, self.outbox.empty()).await;
        self.couriers.lock().abort_all();
        let (lost, _) = self.outbox.waiting();
        if lost > 0 {
            tracing::error!(lost, "notifications were not delivered before the hub ended");
        }
    }
}

impl Courier {
    async fn run(self) {
        loop {
            let filled = self.outbox.lane(self.lane).filled.notified();
            let batch = self.outbox.batch(self.lane, self.batch_max);
            if batch.is_empty() {
                filled.await;
            } else {
                self.deliver(&batch).await;
                self.outbox.done(self.lane, batch.len());
            }
        }
    }

    /// Returns once the backend has them, or they are too old.
    async fn deliver(&self, batch: &[Item]) {
        let notifications: Vec<_> = batch.iter().map(told).collect();
        let counters = &self.outbox.counters;
        let count = batch.len() as u64;
        let body = match serde_json::to_vec(&Body { kind: "notifications", data: notifications }) {
            Ok(body) => Bytes::from(body),
            Err(error) => {
                tracing::error!(%error, "notifications cannot be written");
                counters.expired.fetch_add(count, Ordering::Relaxed);
                return;
            }
        };
        let (id, mut failed) = (message_id(), 0);
        loop {
            let pause = match self.caller.attempt(&self.target, &id, body.clone()).await {
                Ok(_) => {
                    counters.delivered.fetch_add(count, Ordering::Relaxed);
                    return;
                }
                Err(HookError::Open(left)) => left,
                Err(HookError::Status(_, Some(told))) => told.min(self.caller.pause_max()),
                Err(_) => Duration::ZERO,
            };
            failed += 1;
            if batch.last().is_some_and(|item| self.is_too_old(item)) {
                counters.expired.fetch_add(count, Ordering::Relaxed);
                tracing::error!(lost = count, "notifications are given up: the backend did not take them");
                return;
            }
            tokio::time::sleep(pause.max(self.caller.pause(failed))).await;
        }
    }

    fn is_too_old(&self, item: &Item) -> bool {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        now.saturating_sub(Duration::from_millis(item.ts)) > self.keep
    }
}
