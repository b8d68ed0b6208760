//! Limits of those who come in: connections, links, sessions; asked by the front before it does anything for them.

use super::{Entry, Held, Kind, Limiter, Refusal, Scope, address};
use crate::cell::Cell;
use crate::hub::Hub;
use crosspoint_core::{Code, Fault, LinkInfo};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};

/// A TCP connection of an address, as long as this lives.
#[derive(Debug)]
pub struct Connection {
    entry: Arc<Entry>,
    asked: AtomicBool,
}

impl Connection {
    /// Its first request has come: it is no handshake any more.
    pub fn asked(&self) {
        if !self.asked.swap(true, Relaxed) {
            self.entry.handshakes.fetch_sub(1, Relaxed);
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.asked();
        self.entry.connections.fetch_sub(1, Relaxed);
    }
}

/// One more, unless that is more than `max` (0: any number).
fn hold(count: &AtomicUsize, max: usize) -> bool {
    let may = |n: usize| (max == 0 || n < max).then_some(n + 1);
    count.fetch_update(Relaxed, Relaxed, may).is_ok()
}

impl Limiter {
    /// What is kept of an address; `None` where it has no limits.
    fn entry(&self, remote: Option<IpAddr>) -> Option<Arc<Entry>> {
        let rates = &self.rates.address;
        let held = rates.connections_max > 0 || rates.handshakes_max > 0 || rates.links_max > 0;
        let ip = remote.filter(|_| self.address.on || held)?;
        Some(self.addresses.of(self.clock, address(ip)))
    }

    fn take(&self, entry: &Entry, scope: Scope, kind: Kind) -> Result<(), Fault> {
        let limits = if scope == Scope::User { &self.user } else { &self.address };
        limits.take(&entry.buckets, kind, 1).map_err(|wait| self.fault(&Refusal { scope, kind, wait }))
    }

    /// A link came up. It counts in any case; the error says that it is to be closed.
    pub(crate) fn link_up(&self, info: &LinkInfo) -> (Option<Arc<Entry>>, Result<(), Fault>) {
        let Some(entry) = self.entry(info.remote) else { return (None, Ok(())) };
        let (max, others) = (entry.max(self.rates.address.links_max), entry.links.fetch_add(1, Relaxed));
        let may = max == 0 || others < max;
        (Some(entry), if may { Ok(()) } else { Err(self.held(Scope::Address, Held::Links)) })
    }
}

impl Hub {
    /// A TCP connection from this address.
    ///
    /// # Errors
    /// `rate_limited`: the address has as many as it may, or opens them too fast.
    pub fn connection_from(&self, ip: IpAddr) -> Result<Option<Connection>, Fault> {
        let limits = &self.rates;
        let Some(entry) = limits.entry(Some(ip)) else { return Ok(None) };
        limits.take(&entry, Scope::Address, Kind::Connections)?;
        if !hold(&entry.connections, entry.max(limits.rates.address.connections_max)) {
            return Err(limits.held(Scope::Address, Held::Connections));
        }
        if !hold(&entry.handshakes, entry.max(limits.rates.address.handshakes_max)) {
            entry.connections.fetch_sub(1, Relaxed);
            return Err(limits.held(Scope::Address, Held::Handshakes));
        }
        Ok(Some(Connection { entry, asked: AtomicBool::new(false) }))
    }

    /// A request of this address for a negotiation or a link.
    ///
    /// # Errors
    /// `rate_limited`: too many of them, or of the address's links.
    pub fn connect_from(&self, remote: Option<IpAddr>) -> Result<(), Fault> {
        let limits = &self.rates;
        let Some(entry) = limits.entry(remote) else { return Ok(()) };
        limits.take(&entry, Scope::Address, Kind::Connects)?;
        let max = entry.max(limits.rates.address.links_max);
        if max > 0 && entry.links.load(Relaxed) >= max {
            return Err(limits.held(Scope::Address, Held::Links));
        }
        Ok(())
    }

    /// A POST of this address to a link.
    ///
    /// # Errors
    /// `rate_limited`.
    pub fn post_from(&self, remote: Option<IpAddr>) -> Result<(), Fault> {
        if self.rates.rates.address.posts_per_s == 0 {
            return Ok(());
        }
        let Some(entry) = self.rates.entry(remote) else { return Ok(()) };
        self.rates.take(&entry, Scope::Address, Kind::Posts)
    }

    /// A user negotiates, or comes with a session.
    pub(crate) fn admit_user(&self, user: &str) -> Result<(), Fault> {
        let limits = &self.rates;
        if limits.rates.user.connects_per_s == 0 || user.is_empty() {
            return Ok(());
        }
        let entry = limits.users.of(limits.clock, user.into());
        limits.take(&entry, Scope::User, Kind::Connects)
    }

    /// Whether a user may have one session more than these.
    pub(crate) fn one_session_more(&self, sessions: usize) -> Result<(), Fault> {
        let max = self.rates.rates.user.sessions_max;
        if max > 0 && sessions >= max {
            return Err(self.rates.held(Scope::User, Held::Sessions));
        }
        Ok(())
    }

    /// Whether a session's user may be in one room more.
    pub(crate) fn one_room_more(&self, cell: &Cell, room: &str) -> Result<(), Fault> {
        let max = self.rates.rates.user.rooms_max;
        if max == 0 || cell.state.lock().rooms.get(room).is_some() {
            return Ok(());
        }
        let cells = self.users_cells(&cell.user);
        if cells.iter().map(|c| c.state.lock().rooms.len()).sum::<usize>() < max {
            return Ok(());
        }
        self.rates.count(Scope::User, Held::Rooms as usize);
        Err(Fault::new(Code::LimitExceeded, format!("A user's sessions may be in {max} rooms together")))
    }

    pub(crate) fn room_is_full(&self, room: &str) -> Fault {
        self.rates.count(Scope::Room, Held::Sessions as usize);
        Fault::new(Code::LimitExceeded, format!("As many as may be are in the room {room}"))
    }

    /// Whether a session's user may have one request more under way.
    pub(crate) fn one_request_more(&self, cell: &Cell) -> Result<(), Fault> {
        let max = self.rates.rates.user.requests_max;
        if max == 0 {
            return Ok(());
        }
        let cells = self.users_cells(&cell.user);
        if cells.iter().map(|c| c.state.lock().requests).sum::<usize>() < max {
            return Ok(());
        }
        Err(self.rates.held(Scope::User, Held::Requests))
    }
}
