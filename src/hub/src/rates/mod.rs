//! Rates: how much a session, a user, an address may do, and how much may be done in a room. Who is over it is told so, who goes on is read
//! more slowly, and who doesn't stop is let go. Nothing here costs anything that isn't configured.

mod bucket;
mod config;
mod doors;
mod entries;
mod pace;
mod reads;

use crate::act::{Asked, Step};
use crate::cell::{Cell, State};
use crate::clock::Clock;
use crate::config::HubConfig;
use crate::hub::Hub;
use crate::moderation::Action;
use crate::room::Room;
use bucket::{Buckets, Bursts, Limit, Limits};
pub use config::{AddressRates, Preset, Rates, RoomRates, SessionRates, UserRates};
use crosspoint_core::{Cap, Code, Fault, Frame};
pub use doors::Connection;
pub(crate) use entries::Entry;
use entries::{Entries, address};
pub(crate) use pace::Pace;
pub(crate) use reads::LinkRates;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

pub(crate) use bucket::Kind;

/// Whose limit it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    Session,
    User,
    Address,
    Room,
}

const SCOPES: [&str; 4] = ["session", "user", "address", "room"];

/// What was refused, as metrics call it. Concurrency has names of its own.
const REFUSED: [&str; 14] = [
    "frames",
    "bytes",
    "joins",
    "publishes",
    "states",
    "refusals",
    "connects",
    "connections",
    "posts",
    "links",
    "handshakes",
    "sessions",
    "rooms",
    "requests",
];

/// What may not be had any more at once; places in [`REFUSED`].
#[derive(Debug, Clone, Copy)]
pub(crate) enum Held {
    Connections = 7,
    Links = 9,
    Handshakes = 10,
    Sessions = 11,
    Rooms = 12,
    Requests = 13,
}

/// Kinds that sessions have, and rooms.
const SESSION_KINDS: usize = 6;
const ROOM_KINDS: usize = 5;
/// A session gets the refusal of a frame forgiven so often.
const FORGIVEN_EVERY: Duration = Duration::from_secs(10);
/// A session that has had too many frames refused is not read for so long after each further one, ms.
const PAUSE_MS: u64 = 1_000;
/// When who connects too often may try again at the earliest, ms.
const CONNECT_RETRY_MS: u64 = 1_000;
/// When who has too much at once may try again, ms.
const HELD_RETRY_MS: u64 = 5_000;

/// What a session has used up; made with its first frame, where there are limits.
pub(crate) struct Spent {
    buckets: Buckets<SESSION_KINDS>,
    user: Option<Arc<Entry>>,
    /// Its links are not read before.
    paused_until: u64,
}

/// A room's limits and what has been used of them.
pub(crate) struct RoomSpent {
    limits: Arc<RoomLimits>,
    buckets: Buckets<ROOM_KINDS>,
}

struct RoomLimits {
    limits: Limits<ROOM_KINDS>,
    sessions_max: usize,
}

/// A limit was met.
struct Refusal {
    scope: Scope,
    kind: Kind,
    wait: Duration,
}

/// How many times a limit was met.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Refused {
    /// `session`, `user`, `address` or `room`.
    pub scope: &'static str,
    /// `frames`, `bytes`, `joins`, `publishes`, `states`, `connects`, `connections`, `posts`, `links`, `handshakes`, `sessions`, `rooms`,
    /// `requests`; `refusals`: sessions ended for not minding them.
    pub kind: &'static str,
    /// Since the hub's start.
    pub count: u64,
}

/// The limits in force, and what is known of users and addresses.
pub(crate) struct Limiter {
    clock: Clock,
    pub(crate) rates: Rates,
    session: Limits<SESSION_KINDS>,
    user: Limits<{ entries::KINDS }>,
    address: Limits<{ entries::KINDS }>,
    /// By namespace.
    rooms: HashMap<String, Arc<RoomLimits>>,
    /// Whether frames that act are looked at.
    acting: bool,
    users: Entries<Arc<str>>,
    addresses: Entries<IpAddr>,
    refused: [[AtomicU64; REFUSED.len()]; SCOPES.len()],
}

impl Limiter {
    pub(crate) fn new(config: &HubConfig, clock: Clock) -> Limiter {
        use Kind::*;
        let HubConfig { rates, limits, namespaces, .. } = config;
        let bytes_min = limits.frame_bytes_max.max(limits.post_bytes_max);
        let bursts = Bursts { clock, ms: rates.burst_ms, bytes_min };
        let r = &rates.session;
        let mut session = Limits::new(
            bursts,
            &[
                (Frames, r.frames_per_s),
                (Bytes, r.bytes_per_s),
                (Joins, r.joins_per_s),
                (Publishes, r.publishes_per_s),
                (States, r.states_per_s),
            ],
        );
        let r = &rates.user;
        let user = Limits::new(
            bursts,
            &[
                (Frames, r.frames_per_s),
                (Bytes, r.bytes_per_s),
                (Joins, r.joins_per_s),
                (Publishes, r.publishes_per_s),
                (States, r.states_per_s),
                (Connects, r.connects_per_s),
            ],
        );
        let r = &rates.address;
        let address = Limits::new(
            bursts,
            &[
                (Frames, r.frames_per_s),
                (Bytes, r.bytes_per_s),
                (Joins, r.joins_per_s),
                (Publishes, r.publishes_per_s),
                (States, r.states_per_s),
                (Connects, r.connects_per_s),
                (Connections, r.connects_per_s),
                (Posts, r.posts_per_s),
            ],
        );
        let of = |r: RoomRates| {
            let per_s = [
                (Bytes, r.bytes_per_s),
                (Joins, r.joins_per_s),
                (Publishes, r.publishes_per_s),
                (States, r.states_per_s),
            ];
            Arc::new(RoomLimits { limits: Limits::new(bursts, &per_s), sessions_max: r.sessions_max })
        };
        let mut rooms: HashMap<_, _> =
            namespaces.iter().map(|n| (n.prefix.clone(), of(n.rates(&rates.room)))).collect();
        rooms.entry(String::new()).or_insert_with(|| of(rates.room.clone()));
        rooms.retain(|_, r| r.limits.on || r.sessions_max > 0);
        let acting = session.on || user.on || address.on || rooms.values().any(|r| r.limits.on);
        let refusals = rates.refused_max.saturating_mul(2);
        session.set(Refusals, Limit::new(clock, 1, FORGIVEN_EVERY, refusals.into()).filter(|_| refusals > 0));
        Limiter {
            clock,
            session,
            user,
            address,
            rooms,
            acting,
            users: Entries::new(rates.entries_max),
            addresses: Entries::new(rates.entries_max),
            refused: Default::default(),
            rates: rates.clone(),
        }
    }

    /// What a room of this namespace keeps, if it has limits.
    pub(crate) fn room(&self, prefix: &str) -> Option<Box<RoomSpent>> {
        let limits = self.rooms.get(prefix)?.clone();
        Some(Box::new(RoomSpent { limits, buckets: Buckets::default() }))
    }

    /// A session that has nothing to be remembered for is as small as before its first frame.
    pub(crate) fn forget(&self, state: &mut State) {
        state.spent.take_if(|spent| spent.buckets.are_full(self.clock));
    }

    /// Lets go of users and addresses that have nothing to be remembered for.
    pub(crate) fn sweep(&self) {
        self.users.sweep(self.clock);
        self.addresses.sweep(self.clock);
    }

    fn count(&self, scope: Scope, place: usize) {
        self.refused[scope as usize][place].fetch_add(1, Relaxed);
    }

    /// Who has too much at once, and when they may try again.
    pub(crate) fn held(&self, scope: Scope, what: Held) -> Fault {
        self.count(scope, what as usize);
        let (of, what) = (SCOPES[scope as usize], REFUSED[what as usize]);
        Fault::new(Code::RateLimited, format!("Too many {what} of one {of} at once")).after(HELD_RETRY_MS)
    }

    fn fault(&self, refusal: &Refusal) -> Fault {
        let Refusal { scope, kind, wait } = refusal;
        self.count(*scope, *kind as usize);
        let text = format!("Too many {} of one {}", REFUSED[*kind as usize], SCOPES[*scope as usize]);
        // Many wait for the same place, and cost more than it.
        let least = if matches!(kind, Kind::Connects) { CONNECT_RETRY_MS } else { 1 };
        Fault::new(Code::RateLimited, text).after((wait.as_micros().div_ceil(1_000) as u64).max(least))
    }

    /// Takes what a frame needs of its session, user and address.
    fn charge(&self, cell: &Cell, state: &mut State, needs: &[(Kind, u32)]) -> Result<(), Refusal> {
        // A guest without a name is a user of one session.
        let of_user = self.user.on && !state.grant.user.is_empty();
        let spent = state.spent.get_or_insert_with(|| {
            let user = of_user.then(|| self.users.of(self.clock, cell.user.clone()));
            Box::new(Spent { buckets: Buckets::default(), user, paused_until: 0 })
        });
        let refusal = |scope, kind| move |wait| Refusal { scope, kind, wait };
        for &(kind, n) in needs {
            self.session.take(&spent.buckets, kind, n).map_err(refusal(Scope::Session, kind))?;
        }
        if let Some(entry) = &spent.user {
            for &(kind, n) in needs {
                self.user.take(&entry.buckets, kind, n).map_err(refusal(Scope::User, kind))?;
            }
        }
        if let Some(entry) = state.link.as_ref().and_then(|carrier| carrier.address.as_ref()) {
            for &(kind, n) in needs {
                self.address.take(&entry.buckets, kind, n).map_err(refusal(Scope::Address, kind))?;
            }
        }
        Ok(())
    }
}

impl RoomSpent {
    fn charge(&self, needs: &[(Kind, u32)]) -> Result<(), Refusal> {
        for &(kind, n) in needs.iter().filter(|(kind, _)| *kind != Kind::Frames) {
            let refusal = |wait| Refusal { scope: Scope::Room, kind, wait };
            self.limits.limits.take(&self.buckets, kind, n).map_err(refusal)?;
        }
        Ok(())
    }
}

impl Room {
    /// Whether one more session may join.
    pub(crate) fn is_full(&self) -> bool {
        let max = self.spent.as_ref().map_or(0, |s| s.limits.sessions_max);
        max > 0 && self.sessions() >= max
    }
}

impl State {
    /// When its links may be read again, by the hub's clock.
    pub(crate) fn paused_until(&self) -> u64 {
        self.spent.as_ref().map_or(0, |s| s.paused_until)
    }
}

/// What a frame is beside a frame, and whether a room's limits count it.
fn kind_of(frame: &Frame) -> (Option<Kind>, bool) {
    match frame.kind.strip_prefix("hub:") {
        None if frame.room.is_some() && frame.to.is_none() => (Some(Kind::Publishes), true),
        Some("join") => (Some(Kind::Joins), true),
        Some("state" | "peers") => (Some(Kind::States), true),
        _ => (None, false),
    }
}

fn bytes_of(frame: &Frame) -> u32 {
    let data = frame.data.as_ref().map_or(0, |d| d.get().len());
    u32::try_from(data + frame.payload.as_ref().map_or(0, bytes::Bytes::len)).unwrap_or(u32::MAX)
}

impl Hub {
    /// Looks whether a frame may be acted on now. If not: it has been answered (or dropped, where it may be lost).
    pub(crate) fn too_fast(self: &Arc<Hub>, cell: &Arc<Cell>, frame: &Frame) -> Option<Step> {
        if !self.rates.acting {
            return None;
        }
        let refusal = self.charge(cell, frame).err()?;
        let fault = self.rates.fault(&refusal);
        if frame.volatile.is_some() {
            self.stats.rate_dropped.fetch_add(1, Relaxed);
            return Some(Step::Done);
        }
        self.stats.rate_limited.fetch_add(1, Relaxed);
        if matches!(refusal.scope, Scope::Session | Scope::User) && self.goes_on(cell, refusal.scope) {
            self.rates.count(Scope::Session, Kind::Refusals as usize);
            let fault = Fault::new(Code::RateLimited, "Refused frames did not make it slower");
            self.tear_down(cell, &fault.after(HELD_RETRY_MS));
            return Some(Step::Done);
        }
        Some(self.fail(cell, &Asked::of(frame), fault))
    }

    fn charge(&self, cell: &Cell, frame: &Frame) -> Result<(), Refusal> {
        let (kind, in_room) = kind_of(frame);
        let mut needs = [(Kind::Frames, 1), (Kind::Bytes, bytes_of(frame)), (Kind::Frames, 0)];
        let needs = match kind {
            Some(kind) => {
                needs[2] = (kind, 1);
                &needs[..]
            }
            None => &needs[..2],
        };
        let room = {
            let mut state = cell.state.lock();
            if !state.services.is_empty() {
                return Ok(());
            }
            self.rates.charge(cell, &mut state, needs)?;
            let name = frame.room.as_deref().filter(|_| in_room && !self.rates.rooms.is_empty());
            let Some(name) = name.filter(|name| self.may_in_room(cell, &state, frame, name)) else {
                return Ok(());
            };
            state.rooms.get(name).map(|j| j.room.clone()).ok_or(name)
        };
        // Whoever is not in the room yet joins it, or publishes from without.
        let room = room.or_else(|name| self.rooms.read().get(name).cloned().ok_or(()));
        match room.as_ref().map(|room| &room.spent) {
            Ok(Some(spent)) => spent.charge(needs),
            _ => Ok(()),
        }
    }

    /// Whether the frame, of a kind that rooms count, is allowed there: what isn't takes nothing from those who are.
    fn may_in_room(&self, cell: &Cell, state: &State, frame: &Frame, name: &str) -> bool {
        let joined = state.rooms.get(name);
        let may = |cap| state.may_in(joined, cap, name, None);
        let not = |action| self.moderations.check(name, &cell.user, action).is_ok();
        match (&*frame.kind, joined) {
            ("hub:join", _) => may(Cap::Join) && not(Action::Ban),
            ("hub:state", joined) => joined.is_some() && may(Cap::Presence),
            ("hub:peers", joined) => joined.is_some_and(|j| j.room.namespace.signal) && may(Cap::Signal),
            (_, Some(joined)) => may(Cap::Publish) && (!joined.room.is_moderated() || not(Action::Mute)),
            (_, None) => {
                state.grant.publish_unjoined && may(Cap::Publish) && not(Action::Ban) && not(Action::Mute)
            }
        }
    }

    /// What a join takes of the room, where only the token that it shows allows it.
    ///
    /// # Errors
    /// `rate_limited`.
    pub(crate) fn charge_join(&self, cell: &Cell, frame: &Frame, name: &str) -> Result<(), Fault> {
        {
            let state = cell.state.lock();
            if self.rates.rooms.is_empty() || state.may(Cap::Join, name) || !state.services.is_empty() {
                return Ok(());
            }
        }
        let room = self.rooms.read().get(name).cloned();
        let Some(spent) = room.as_ref().and_then(|room| room.spent.as_ref()) else { return Ok(()) };
        spent.charge(&[(Kind::Bytes, bytes_of(frame)), (Kind::Joins, 1)]).map_err(|refusal| {
            self.stats.rate_limited.fetch_add(1, Relaxed);
            self.rates.fault(&refusal)
        })
    }

    /// Notes that a session was refused a frame by its own limits or its user's. `true`: it has been too often.
    fn goes_on(&self, cell: &Cell, scope: Scope) -> bool {
        let mut state = cell.state.lock();
        let Some(spent) = &mut state.spent else { return false };
        if scope == Scope::User && spent.user.as_ref().is_some_and(|user| user.is_shared) {
            return false;
        }
        if self.rates.session.take(&spent.buckets, Kind::Refusals, 1).is_err() {
            return true;
        }
        let max = u64::from(self.rates.rates.refused_max);
        if max > 0 && spent.buckets.missing(Kind::Refusals, self.clock, FORGIVEN_EVERY) > max {
            spent.paused_until = self.clock.now() + PAUSE_MS;
            self.stats.rate_paused.fetch_add(1, Relaxed);
        }
        false
    }

    /// How often limits of rates were met; those that never were are left out.
    pub fn refused(&self) -> Vec<Refused> {
        let rows = SCOPES.iter().zip(&self.rates.refused);
        rows.flat_map(|(scope, row)| REFUSED.iter().zip(row).map(move |(kind, n)| (*scope, *kind, n)))
            .map(|(scope, kind, n)| Refused { scope, kind, count: n.load(Relaxed) })
            .filter(|r| r.count > 0)
            .collect()
    }

    /// Users and addresses that are known apart now.
    pub fn rate_entries(&self) -> (usize, usize) {
        (self.rates.users.len(), self.rates.addresses.len())
    }
}
