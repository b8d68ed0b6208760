//! What the backend was asked and told. Nothing where there are no hooks.

use super::text::Text;
use crate::hooks::{Backend, HookCounters};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

type Of = fn(&HookCounters) -> &AtomicU64;

pub(super) fn write(out: &mut Text, backend: &Backend) {
    let hooks = backend.figures();
    if hooks.is_empty() {
        return;
    }
    let counters: [(&str, &str, Of); 2] = [
        ("hook_requests_total", "Requests to the backend, repetitions too", |c| &c.attempts),
        ("hook_requests_failed_total", "Those of them that got no answer that counts", |c| {
            &c.failed_attempts
        }),
    ];
    for (name, help, of) in counters {
        out.head(name, "counter", help);
        for hook in &hooks {
            out.line(name, &[("hook", hook.name)], of(hook.counters).load(Relaxed));
        }
    }
    let name = "hook_answers_total";
    out.head(name, "counter", "What questions to the backend came to");
    let outcomes: [(&str, Of); 3] =
        [("allowed", |c| &c.allowed), ("refused", |c| &c.refused), ("failed", |c| &c.failed)];
    for hook in hooks.iter().filter(|hook| hook.name != "notify") {
        for (outcome, of) in outcomes {
            out.line(name, &[("hook", hook.name), ("outcome", outcome)], of(hook.counters).load(Relaxed));
        }
    }
    let name = "hook_open";
    out.head(name, "gauge", "1 while an address is left alone after failures");
    for hook in &hooks {
        out.line(name, &[("hook", hook.name)], u8::from(hook.open));
    }
    let Some(outbox) = backend.outbox() else { return };
    let (count, bytes) = outbox.waiting();
    out.single("notifications_waiting", "gauge", "Notifications that wait for the backend", count);
    out.single("notifications_waiting_bytes", "gauge", "Their bytes", bytes);
    let delivered = outbox.counters.delivered.load(Relaxed);
    out.single("notifications_delivered_total", "counter", "Notifications that the backend took", delivered);
    let name = "notifications_lost_total";
    out.head(name, "counter", "Notifications that it will not get");
    for (reason, n) in [("overflow", &outbox.counters.overflowed), ("expired", &outbox.counters.expired)] {
        out.line(name, &[("reason", reason)], n.load(Relaxed));
    }
}
