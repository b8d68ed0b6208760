//! The reference: what was sent, stored and asked, and what each application may therefore see.

use crate::views::View;
use crate::world::Check;
use crosspoint_core::{Frame, SharedFrame, wire};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

/// What an application waits for an answer to.
#[derive(Debug, Clone)]
pub(crate) enum Ask {
    Join { nth: u64, room: String, options: Map<String, Value> },
    Leave { nth: u64, room: String },
    Publish { room: String },
    Request { question: u64 },
    Direct,
    Attach,
}

/// One session's counted frames in both directions.
#[derive(Default)]
struct Stream {
    peer: Option<usize>,
    /// By number, as the client sent them.
    up: Vec<Frame>,
    /// How many of them the hub acted on.
    acted: u64,
    /// By number, as the hub sent them.
    down: Vec<SharedFrame>,
    ended: bool,
}

/// An event at its place in a history.
pub(crate) struct Stored {
    pub(crate) born: u32,
    /// The life of the history that doesn't have it any more.
    pub(crate) died: Option<u32>,
    exclude: Option<String>,
}

#[derive(Default)]
pub(crate) struct Truth {
    pub(crate) lives: u32,
    pub(crate) placed: BTreeMap<(u64, String), Stored>,
    /// Without history: in the order of publishing.
    pub(crate) order: Vec<(String, Option<String>)>,
    pub(crate) head: u64,
    /// Copies that live, by id.
    copies: BTreeMap<String, u32>,
}

#[derive(Default)]
pub(crate) struct PeerModel {
    pub(crate) gone: bool,
    pub(crate) views: BTreeMap<String, View>,
    pub(crate) awaiting: BTreeMap<String, Ask>,
    pub(crate) sessions: BTreeSet<String>,
    requests: BTreeSet<String>,
    /// Frames without an id: sent, arrived, and said to be lost.
    pub(crate) unnamed_sent: u64,
    unnamed_arrived: u64,
    pub(crate) lost: u64,
    /// The newest position the application saw, as it would store it.
    pub(crate) last_position: BTreeMap<String, String>,
    /// Rooms in which a publish may fail: they were left, or joining them failed.
    pub(crate) unsteady: BTreeSet<String>,
}

pub(crate) struct Model {
    pub(crate) peers: Vec<PeerModel>,
    pub(crate) rooms: BTreeMap<String, Truth>,
    streams: BTreeMap<String, Stream>,
    unnamed: BTreeSet<u64>,
    pub(crate) deliveries: u64,
    pub(crate) gaps: u64,
}

impl Model {
    pub(crate) fn new(peers: usize) -> Model {
        Model {
            peers: (0..peers).map(|_| PeerModel::default()).collect(),
            rooms: BTreeMap::new(),
            streams: BTreeMap::new(),
            unnamed: BTreeSet::new(),
            deliveries: 0,
            gaps: 0,
        }
    }

    pub(crate) fn begin_session(&mut self, name: &str) {
        self.streams.insert(name.to_owned(), Stream::default());
    }

    pub(crate) fn session_ended(&mut self, name: &str) {
        if let Some(stream) = self.streams.get_mut(name) {
            stream.ended = true;
        }
    }

    pub(crate) fn living(&self) -> usize {
        self.peers.iter().filter(|p| !p.gone).count()
    }

    pub(crate) fn gone(&mut self, peer: usize) {
        self.peers[peer].gone = true;
    }

    fn stream(&mut self, session: &str) -> Result<&mut Stream, String> {
        self.streams.get_mut(session).ok_or_else(|| format!("session {session} was never begun"))
    }

    /// The client put a counted frame on a link.
    pub(crate) fn transmitted(&mut self, session: &str, seq: u64, frame: &Frame) -> Check {
        let stream = self.stream(session)?;
        match seq.checked_sub(1).and_then(|at| stream.up.get(at as usize)) {
            Some(first) if first == frame => Ok(()),
            Some(_) => Err(format!("{session}: frame {seq} up is another one than before")),
            None if seq == stream.up.len() as u64 + 1 => {
                stream.up.push(frame.clone());
                Ok(())
            }
            None => Err(format!("{session}: frame {seq} up follows frame {}", stream.up.len())),
        }
    }

    /// The client was told that its frames arrived.
    pub(crate) fn acked(&mut self, session: &str, received: u64) -> Check {
        let stream = self.stream(session)?;
        if received > stream.up.len() as u64 {
            return Err(format!("{session}: {received} acknowledged of {}", stream.up.len()));
        }
        if received > stream.acted && !stream.ended {
            return Err(format!("{session}: {received} acknowledged, {} acted on", stream.acted));
        }
        Ok(())
    }

    /// The hub acts on a counted frame.
    pub(crate) fn arrived(&mut self, session: &str, number: u64, frame: &Frame) -> Check {
        let stream = self.stream(session)?;
        stream.acted += 1;
        if stream.acted != number || stream.up.get(number as usize - 1) != Some(frame) {
            return Err(format!("{session}: the {}th frame acted on is frame {number} up", stream.acted));
        }
        let Some(peer) = stream.peer.filter(|_| frame.id.is_none()) else { return Ok(()) };
        self.peers[peer].unnamed_arrived += 1;
        let data: Value = frame.parse().unwrap_or_default();
        match data["u"].as_u64() {
            Some(u) if !self.unnamed.insert(u) => Err(format!("{session}: frame {u} without id came twice")),
            _ => Ok(()),
        }
    }

    /// The hub gave a link a counted frame; `unseen` are those handed to the session before and not given yet.
    pub(crate) fn given(
        &mut self,
        session: &str,
        number: u64,
        frame: &SharedFrame,
        unseen: &mut VecDeque<SharedFrame>,
    ) -> Check {
        let stream = self.stream(session)?;
        match stream.down.get(number as usize - 1) {
            Some(first) if Arc::ptr_eq(first, frame) => return Ok(()),
            Some(_) => return Err(format!("{session}: frame {number} down is another one than before")),
            None if number != stream.down.len() as u64 + 1 => {
                return Err(format!("{session}: frame {number} down follows frame {}", stream.down.len()));
            }
            None => stream.down.push(frame.clone()),
        }
        if unseen.front().is_some_and(|f| Arc::ptr_eq(f, frame)) {
            unseen.pop_front();
        }
        Ok(())
    }

    /// The client counted a frame.
    pub(crate) fn received(&mut self, session: &str, number: u64, frame: &Frame) -> Check {
        let stream = self.stream(session)?;
        let sent = stream.down.get(number as usize - 1).ok_or("a frame that was never sent")?;
        if sent.text() != frame.encode_text().as_bytes() {
            return Err(format!("{session}: frame {number} down came as another one"));
        }
        Ok(())
    }

    pub(crate) fn welcomed(&mut self, peer: usize, session: &str, resumed: bool) -> Check {
        let stream = self.stream(session)?;
        if resumed != (stream.peer == Some(peer)) {
            return Err(format!("client {peer} has {session}, resumed {resumed}"));
        }
        stream.peer = Some(peer);
        let p = &mut self.peers[peer];
        p.sessions.insert(session.to_owned());
        if !resumed {
            p.views.values_mut().for_each(View::new_session);
        }
        Ok(())
    }

    pub(crate) fn stored(
        &mut self,
        room: &str,
        life: u32,
        offset: Option<u64>,
        id: &str,
        exclude: Option<&str>,
    ) -> Check {
        let truth = self.rooms.entry(room.to_owned()).or_default();
        let copies = truth.copies.entry(id.to_owned()).or_default();
        *copies += 1;
        if *copies > 1 {
            return Err(format!("{room}: {id} is stored twice"));
        }
        let exclude = exclude.map(str::to_owned);
        match offset {
            None => truth.order.push((id.to_owned(), exclude)),
            Some(offset) => {
                truth.head = offset;
                truth.placed.insert((offset, id.to_owned()), Stored { born: life, died: None, exclude });
            }
        }
        Ok(())
    }

    pub(crate) fn rewritten(
        &mut self,
        room: &str,
        gone: impl IntoIterator<Item = Arc<wire::Event>>,
        head: u64,
    ) {
        let truth = self.rooms.entry(room.to_owned()).or_default();
        truth.lives += 1;
        truth.head = head;
        for event in gone {
            truth.copies.remove(&*event.id);
        }
        let over = truth.placed.iter_mut().filter(|((offset, _), s)| *offset > head && s.died.is_none());
        over.for_each(|(_, stored)| stored.died = Some(truth.lives));
    }

    pub(crate) fn ask(&mut self, peer: usize, id: &str, ask: Ask) {
        let p = &mut self.peers[peer];
        if let Ask::Leave { room, .. } = &ask {
            p.unsteady.insert(room.clone());
        }
        p.awaiting.insert(id.to_owned(), ask);
    }

    pub(crate) fn is_new_request(&mut self, peer: usize, request: &str) -> bool {
        self.peers[peer].requests.insert(request.to_owned())
    }

    /// Frames without an id may be missing where the client said so.
    pub(crate) fn check_unnamed(&self) -> Check {
        for (i, p) in self.peers.iter().enumerate().filter(|(_, p)| !p.gone) {
            let missing = p.unnamed_sent.checked_sub(p.unnamed_arrived);
            match missing {
                Some(missing) if missing <= p.lost => {}
                _ => {
                    let (sent, arrived, lost) = (p.unnamed_sent, p.unnamed_arrived, p.lost);
                    return Err(format!(
                        "client {i}: {arrived} of {sent} frames without id came, lost {lost}"
                    ));
                }
            }
        }
        Ok(())
    }
}

impl Truth {
    /// Whether none of these sessions gets an event that is or was at this offset.
    pub(crate) fn spares(&self, offset: u64, sessions: &BTreeSet<String>) -> bool {
        let mut at = self.placed.range((offset, String::new())..(offset + 1, String::new()));
        at.any(|(_, s)| s.exclude.as_ref().is_some_and(|x| sessions.contains(x)))
    }

    pub(crate) fn spares_nth(&self, n: u64, sessions: &BTreeSet<String>) -> bool {
        let (_, exclude) = &self.order[n as usize];
        exclude.as_ref().is_some_and(|x| sessions.contains(x))
    }
}
