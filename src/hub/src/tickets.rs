//! Negotiation tickets: short-lived, single use, bound to where they were given out.

mod binding;

pub(crate) use binding::Place;
pub use binding::TicketBinding;

use crate::cell::Cell;
use crate::hub::{hex, random};
use crate::link::FULL_RETRY_MS;
use crosspoint_core::{Code, Fault, Grant, LinkInfo};
use parking_lot::Mutex;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

pub(crate) struct Tickets {
    life_ms: u64,
    max: usize,
    binding: TicketBinding,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    by_name: HashMap<Box<str>, Ticket>,
    /// In the order of their end.
    order: VecDeque<(u64, Box<str>)>,
}

struct Ticket {
    grant: Arc<Grant>,
    place: Place,
    /// The session it has opened.
    session: Option<Arc<str>>,
}

/// What a ticket leads to.
pub(crate) enum Opened {
    /// A new session.
    New(Arc<Cell>),
    /// The session of this name, which it has opened before.
    Before(Arc<str>),
}

impl Tickets {
    pub(crate) fn new(life_ms: u64, max: usize, binding: TicketBinding) -> Tickets {
        Tickets { life_ms, max, binding, inner: Mutex::default() }
    }

    pub(crate) fn issue(&self, now: u64, grant: Grant, place: Place) -> Result<String, Fault> {
        let mut inner = self.inner.lock();
        inner.expire(now);
        if inner.order.len() >= self.max {
            return Err(
                Fault::new(Code::Unavailable, "Too many clients negotiate at once").after(FULL_RETRY_MS)
            );
        }
        let name = hex(&random::<16>());
        inner.by_name.insert(name.as_str().into(), Ticket { grant: Arc::new(grant), place, session: None });
        inner.order.push_back((now + self.life_ms, name.as_str().into()));
        Ok(name)
    }

    /// Its grant, if it has opened no session yet and fits this link.
    pub(crate) fn grant(&self, now: u64, name: &str, link: &LinkInfo) -> Option<Arc<Grant>> {
        let mut inner = self.inner.lock();
        inner.expire(now);
        let ticket = inner.by_name.get(name).filter(|t| t.session.is_none());
        ticket.filter(|t| self.binding.fits(&t.place, link)).map(|t| t.grant.clone())
    }

    /// Opens a session, once: of two who come with the ticket at the same time one finds the other's session. Elsewhere it is none, and stays
    /// good for whom it was given.
    pub(crate) fn open(
        &self,
        now: u64,
        name: &str,
        link: &LinkInfo,
        make: impl FnOnce(Arc<Grant>) -> Result<Arc<Cell>, Fault>,
    ) -> Result<Opened, Fault> {
        let mut inner = self.inner.lock();
        inner.expire(now);
        let ticket = inner.by_name.get_mut(name).filter(|t| self.binding.fits(&t.place, link));
        let ticket = ticket.ok_or(Code::Unauthorized)?;
        if let Some(session) = &ticket.session {
            return Ok(Opened::Before(session.clone()));
        }
        let cell = make(ticket.grant.clone())?;
        ticket.session = Some(cell.name.clone());
        Ok(Opened::New(cell))
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
