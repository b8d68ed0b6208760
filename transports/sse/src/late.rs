//! Links whose stream has ended: a page that closes sends its `hub:bye` as a beacon, which may come after that.

use crate::link::Secret;
use crate::sse::Shared;
use crosspoint_core::LinkPeer;
use parking_lot::Mutex;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

/// Links that are kept at most; the oldest go first.
const KEPT_MAX: usize = 10_000;

#[derive(Default)]
pub(crate) struct Late(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    links: HashMap<Secret, (Secret, Arc<dyn LinkPeer>)>,
    order: VecDeque<(Instant, Secret)>,
    /// A task waits for the oldest one's end.
    swept: bool,
}

impl Late {
    /// The peer of a link that is kept, and its key.
    pub(crate) fn find(&self, name: &Secret) -> Option<(Secret, Arc<dyn LinkPeer>)> {
        self.0.lock().links.get(name).cloned()
    }

    pub(crate) fn forget(&self, name: &Secret) {
        let gone = self.0.lock().links.remove(name);
        drop(gone);
    }

    /// Removes what is over its time; when to look again, if anything is left.
    fn sweep(&self) -> Option<Instant> {
        let mut gone = vec![];
        let mut kept = self.0.lock();
        while kept.order.front().is_some_and(|(end, _)| *end <= Instant::now()) {
            let name = kept.order.pop_front().map(|(_, name)| name);
            gone.extend(name.and_then(|name| kept.links.remove(&name)));
        }
        let next = kept.order.front().map(|(end, _)| *end);
        kept.swept = next.is_some();
        if next.is_none() {
            *kept = Kept::default();
        }
        drop(kept);
        next
    }
}

impl Shared {
    /// Keeps the peer of a link that ends for as long as a beacon may be on its way.
    pub(crate) fn keep(self: &Arc<Shared>, name: Secret, key: Secret, peer: Arc<dyn LinkPeer>) {
        let end = Instant::now() + Duration::from_millis(self.config.late_ms);
        let (oldest, swept) = {
            let mut kept = self.late.0.lock();
            kept.links.insert(name, (key, peer));
            kept.order.push_back((end, name));
            let full = kept.order.len() > KEPT_MAX;
            let oldest = if full { kept.order.pop_front() } else { None };
            let oldest = oldest.and_then(|(_, name)| kept.links.remove(&name));
            (oldest, std::mem::replace(&mut kept.swept, true))
        };
        drop(oldest);
        if !swept {
            let shared = self.clone();
            self.runtime.spawn(async move {
                while let Some(next) = shared.late.sweep() {
                    sleep_until(next).await;
                }
            });
        }
    }
}
