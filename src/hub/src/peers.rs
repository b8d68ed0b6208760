//! The roster of peers of a room, and the signals by which its sessions set up what they have between themselves.

use crate::act::{Asked, Step, parse, reply, room_of};
use crate::cell::Cell;
use crate::clock::unix_ms;
use crate::hub::Hub;
use crate::moderation::Action;
use crate::permit::forbidden;
use crate::room::Room;
use crate::turn;
use crosspoint_core::frame::From;
use crosspoint_core::wire::OutFrame;
use crosspoint_core::{Cap, Code, Fault, Frame, Raw};
use parking_lot::Mutex;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Who is on a room's roster, in the order of coming; at most the namespace's `peers_max`. Its lock is held while a change is told, and the
/// one who made it answered, so that all see the changes in one order.
#[derive(Default)]
pub(crate) struct Roster(Mutex<Vec<Seat>>);

struct Seat {
    cell: Arc<Cell>,
    peer: Peer,
}

#[derive(Clone, Serialize)]
struct Peer {
    session: Arc<str>,
    user: Arc<str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    info: Option<Raw>,
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<Raw>,
    since: u64,
}

#[derive(Serialize)]
struct PeersReply<'a> {
    peers: Vec<&'a Peer>,
    max: usize,
}

/// The data of `hub:peers` down: one change.
#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
enum News<'a> {
    Join([&'a Peer; 1]),
    Update([Update<'a>; 1]),
    Leave([Left<'a>; 1]),
}

#[derive(Serialize)]
struct Update<'a> {
    session: &'a str,
    state: &'a Option<Raw>,
}

#[derive(Serialize)]
struct Left<'a> {
    session: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<Code>,
}

#[derive(Deserialize, Default)]
struct PeersData {
    #[serde(default)]
    state: Option<Raw>,
    #[serde(default)]
    leave: bool,
}

impl Roster {
    /// Takes a session off, and tells the others; with the code if it ended.
    pub(crate) fn remove(&self, room: &str, session: &str, code: Option<Code>) {
        let mut seats = self.0.lock();
        let Some(at) = seats.iter().position(|s| *s.cell.name == *session) else { return };
        seats.remove(at);
        if seats.is_empty() {
            *seats = vec![];
        }
        tell(&seats, room, session, &News::Leave([Left { session, code }]));
    }

    /// Takes a session off that may not be on it any more, because it may not signal, or only not call and does; tells it, too.
    pub(crate) fn evict(&self, room: &str, session: &str, code: Code, may_signal: bool) {
        let mut seats = self.0.lock();
        let Some(at) = seats.iter().position(|s| *s.cell.name == *session) else { return };
        if may_signal && !seats[at].peer.state.as_deref().is_some_and(calls) {
            return;
        }
        tell(&seats, room, "", &News::Leave([Left { session, code: Some(code) }]));
        seats.remove(at);
    }
}

/// Whether who shows this state is in the room's call (docs/calls.md).
fn calls(state: &RawValue) -> bool {
    #[derive(Deserialize)]
    struct State {
        call: Option<IgnoredAny>,
    }
    serde_json::from_str::<State>(state.get()).is_ok_and(|state| state.call.is_some())
}

/// Tells all but one.
fn tell(seats: &[Seat], room: &str, but: &str, news: &News<'_>) {
    if seats.iter().all(|s| *s.cell.name == *but) {
        return;
    }
    let frame = Arc::new(OutFrame::new(&Frame::with("hub:peers", news).room(room)));
    for seat in seats.iter().filter(|s| *s.cell.name != *but) {
        seat.cell.send(frame.clone());
        turn::cell(&seat.cell);
    }
}

impl Hub {
    pub(crate) fn peers(self: &Arc<Hub>, cell: &Arc<Cell>, frame: &Frame) -> Step {
        match self.change_roster(cell, frame) {
            Ok(()) => Step::Done,
            Err(fault) => self.fail(cell, &Asked::of(frame), fault),
        }
    }

    fn change_roster(self: &Arc<Hub>, cell: &Arc<Cell>, frame: &Frame) -> Result<(), Fault> {
        let name = room_of(frame)?;
        let data = parse::<Option<PeersData>>(frame)?.unwrap_or_default();
        self.check_state(data.state.as_deref())?;
        let room = self.room_for_signals(cell, name)?;
        if data.leave {
            room.roster.remove(name, &cell.name, None);
            self.reply_now(cell, &Asked::of(frame), Ok(json!({})));
            return Ok(());
        }
        if data.state.as_deref().is_some_and(calls) && !cell.state.lock().may(Cap::Call, name) {
            return Err(forbidden("calls in", name));
        }
        self.seat(cell, &room, frame.id.as_deref(), data.state)?;
        let (ended, is_in, signals, calls) = {
            let state = cell.state.lock();
            let ended = state.torn_down.then(|| state.core.ended().unwrap_or(Code::SessionExpired));
            let is_in = state.rooms.get(name).is_some();
            (ended, is_in, state.may(Cap::Signal, name), state.may(Cap::Call, name))
        };
        if ended.is_some() || !is_in {
            // It left the room, or all, before it was on this roster.
            room.roster.remove(name, &cell.name, ended);
        } else if !(signals && calls) {
            room.roster.evict(name, &cell.name, Code::Forbidden, signals);
        }
        Ok(())
    }

    /// Puts a session on the roster, or changes its state there.
    fn seat(
        self: &Arc<Hub>,
        cell: &Arc<Cell>,
        room: &Room,
        id: Option<&str>,
        shown: Option<Raw>,
    ) -> Result<(), Fault> {
        let max = room.namespace.peers_max;
        let info = cell.state.lock().grant.info.clone();
        let mut seats = room.roster.0.lock();
        let at = seats.iter().position(|s| Arc::ptr_eq(&s.cell, cell));
        let mut peer = match at {
            Some(at) => seats[at].peer.clone(),
            None if seats.len() >= max => {
                let text = format!("{max} peers are on the roster of {} already", room.name);
                return Err(Fault::new(Code::LimitExceeded, text));
            }
            None => {
                let (session, user) = (cell.name.clone(), cell.user.clone());
                Peer { session, user, info, state: None, since: unix_ms() }
            }
        };
        let before = peer.state.as_ref().map(|state| state.get());
        let changed = shown.as_ref().is_some_and(|state| Some(state.get()) != before);
        peer.state = shown.or(peer.state);
        let mut peers: Vec<&Peer> = seats.iter().map(|s| &s.peer).collect();
        match at {
            Some(at) => peers[at] = &peer,
            None => peers.push(&peer),
        }
        let roster = PeersReply { peers, max };
        let reply = id.map(|id| self.fitting(reply(id, &roster))).transpose()?;
        if at.is_none() {
            tell(&seats, &room.name, &cell.name, &News::Join([&peer]));
        } else if changed {
            let update = Update { session: &peer.session, state: &peer.state };
            tell(&seats, &room.name, &cell.name, &News::Update([update]));
        }
        match at {
            Some(at) => seats[at].peer = peer,
            None => seats.push(Seat { cell: cell.clone(), peer }),
        }
        if let Some(reply) = reply {
            self.send_to(cell, reply);
        }
        Ok(())
    }

    /// Relays a signal from one session of a room to another one.
    pub(crate) fn signal(self: &Arc<Hub>, cell: &Arc<Cell>, frame: &Frame) -> Result<Value, Fault> {
        let name = room_of(frame)?;
        let target = self.signalled(cell, name, frame.to.as_deref())?;
        let mut signal = Frame::new("hub:signal").room(name);
        signal.from = Some(From::session(&cell.user, &cell.name));
        (signal.data, signal.payload) = (frame.data.clone(), frame.payload.clone());
        self.stats.signals.fetch_add(1, Ordering::Relaxed);
        turn::events_first(self, &target);
        self.send_to(&target, Arc::new(OutFrame::new(&signal)));
        Ok(json!({}))
    }

    /// Whom a signal is for, if both are in the room.
    pub(crate) fn signalled(&self, cell: &Cell, room: &str, to: Option<&str>) -> Result<Arc<Cell>, Fault> {
        if self.room_for_signals(cell, room)?.is_moderated() {
            self.moderations.check(room, &cell.user, Action::Mute)?;
        }
        let Some(("session", to)) = to.and_then(|to| to.split_once(':')) else {
            return Err(Fault::new(Code::BadRequest, "hub:signal needs a `to` that is session:…"));
        };
        let joined = |other: &Arc<Cell>| other.state.lock().rooms.get(room).is_some();
        let target = self.session(to).filter(joined);
        target.ok_or_else(|| Fault::new(Code::NotFound, "No such session in the room"))
    }

    /// The room, if this session may signal in it.
    fn room_for_signals(&self, cell: &Cell, name: &str) -> Result<Arc<Room>, Fault> {
        if !self.namespaces.of(name).signal {
            let text = format!("In {name} peers do not signal each other");
            return Err(Fault::new(Code::Forbidden, text));
        }
        let state = cell.state.lock();
        if !state.may(Cap::Signal, name) {
            return Err(forbidden("signals in", name));
        }
        let joined = state.rooms.get(name).map(|j| j.room.clone());
        joined.ok_or_else(|| Fault::new(Code::NotJoined, format!("Join the room {name} first")))
    }
}
