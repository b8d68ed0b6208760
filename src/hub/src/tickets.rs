//! Negotiation tickets: short-lived, single use.

use crate::hub::{hex, random};
use crosspoint_core::{Code, Fault, Grant};
use parking_lot::Mutex;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

pub(crate) struct Tickets {
    life_ms: u64,
    max: usize,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    by_name: HashMap<Box<str>, Ticket>,
    /// In the order of their end.
    order: VecDeque<(u64, Box<str>)>,
}

#[derive(Clone)]
pub(crate) struct Ticket {
    pub(crate) grant: Arc<Grant>,
    /// The session it has opened.
    pub(crate) session: Option<Arc<str>>,
}

impl Tickets {
    pub(crate) fn new(life_ms: u64, max: usize) -> Tickets {
        Tickets { life_ms, max, inner: Mutex::default() }
    }

    pub(crate) fn issue(&self, now: u64, grant: Grant) -> Result<String, Fault> {
        let mut inner = self.inner.lock();
        inner.expire(now);
        if inner.order.len() >= self.max {
            return Err(Fault::new(Code::Unavailable, "Too many clients negotiate at once"));
        }
        let name = hex(&random::<16>());
        inner.by_name.insert(name.as_str().into(), Ticket { grant: Arc::new(grant), session: None });
        inner.order.push_back((now + self.life_ms, name.as_str().into()));
        Ok(name)
    }

    pub(crate) fn get(&self, now: u64, name: &str) -> Option<Ticket> {
        let mut inner = self.inner.lock();
        inner.expire(now);
        inner.by_name.get(name).cloned()
    }

    pub(crate) fn used(&self, name: &str, session: Arc<str>) {
        if let Some(t) = self.inner.lock().by_name.get_mut(name) {
            t.session = Some(session);
        }
    }
}

impl Inner {
    fn expire(&mut self, now: u64) {
        while self.order.front().is_some_and(|(end, _)| *end <= now) {
            if let Some((_, name)) = self.order.pop_front() {
                self.by_name.remove(&name);
            }
        }
    }
}
