//! A client: core's machine, the driver that opens links for it, and a record of what went in and came out.

use crate::link::LinkId;
use crate::record::Record;
use crate::world::{Check, Event, World};
use crosspoint_core::client::{Client, ClientConfig, Hello, Input, Output};
use crosspoint_core::{Code, Frame};
use serde_json::json;
use std::collections::BTreeSet;

/// What core gives an answer at least, ms.
const PATIENCE_MS: u64 = 2_000;

pub(crate) struct Peer {
    pub(crate) user: String,
    pub(crate) client: Client,
    pub(crate) queue_max: usize,
    pub(crate) links: BTreeSet<LinkId>,
    /// The link that said hello last and isn't welcomed yet.
    asked: Option<LinkId>,
    /// A connect is on its way.
    connecting: bool,
    pub(crate) away_until: u64,
    pub(crate) asleep_until: u64,
    /// It has wanted other paces of beats.
    pub(crate) paced: bool,
    /// When it last gave a link up for its silence.
    silent_at: Option<u64>,
    /// It said goodbye.
    pub(crate) gone: bool,
    pub(crate) app: crate::app::App,
    pub(crate) record: Record,
}

impl Peer {
    pub(crate) fn new(i: usize, config: ClientConfig) -> Peer {
        Peer {
            user: format!("u{i}"),
            queue_max: config.queue_max,
            record: Record::new(&config),
            client: Client::new(config),
            links: BTreeSet::new(),
            asked: None,
            connecting: true,
            away_until: 0,
            asleep_until: 0,
            paced: false,
            silent_at: None,
            gone: false,
            app: crate::app::App::default(),
        }
    }
}

impl World {
    pub(crate) fn connect(&mut self, i: usize, cause: &str) -> Check {
        let peer = &mut self.peers[i];
        peer.connecting = false;
        if peer.gone {
            return Ok(());
        }
        if self.now < peer.away_until {
            peer.connecting = true;
            let at = peer.away_until;
            self.at(at, Event::Connect(i, "lost"));
            return Ok(());
        }
        if peer.client.link().is_some() && matches!(cause, "connect" | "lost") {
            return Ok(());
        }
        let link = self.open_link(i);
        let mut auth = serde_json::Map::new();
        auth.insert("user".into(), json!(self.peers[i].user));
        self.client(i, Input::Hello { link, cause: cause.to_owned(), auth })
    }

    /// The application sends a frame. `false`: too many wait.
    pub(crate) fn send(&mut self, i: usize, frame: Frame) -> Result<bool, String> {
        if self.peers[i].gone {
            return Ok(false);
        }
        let counted = frame.counted();
        let unnamed = counted && frame.id.is_none();
        let taken = self.input(i, Input::Send { frame })?;
        self.model.peers[i].unnamed_sent += u64::from(unnamed && taken);
        Ok(taken)
    }

    /// Something happens to a client.
    pub(crate) fn client(&mut self, i: usize, input: Input) -> Check {
        self.input(i, input).map(drop)
    }

    fn input(&mut self, i: usize, input: Input) -> Result<bool, String> {
        let now = self.now;
        if self.lines.is_some() {
            let line = serde_json::to_string(&input).unwrap_or_default();
            self.trace(|| format!("client {i} < {line}"));
        }
        self.peers[i].paced |= matches!(input, Input::Pace { .. });
        if let Input::Hello { link, .. } = &input {
            self.peers[i].asked = Some(*link);
        }
        let peer = &mut self.peers[i];
        let (before, session) = (peer.client.received(), peer.client.session().map(str::to_owned));
        let frame = match &input {
            Input::Frame { frame, .. } if frame.counted() => Some(frame.clone()),
            _ => None,
        };
        if let Input::Closed { link } = &input {
            peer.asked.take_if(|l| l == link);
        }
        let json = peer.record.input(&input);
        let taken = peer.client.handle(now, input).is_ok();
        let outputs: Vec<_> = std::iter::from_fn(|| peer.client.poll()).collect();
        peer.record.outputs(now, json, taken, &outputs, peer.client.deadline());
        if let (Some(frame), Some(session)) = (frame, session) {
            match peer.client.received() {
                n if n == before => {}
                n if n == before + 1 => self.model.received(&session, n, &frame)?,
                n => return Err(format!("client {i}: one frame moved its count from {before} to {n}")),
            }
        }
        for output in outputs {
            self.output(i, output)?;
        }
        let peer = &self.peers[i];
        let (current, asked) = (peer.client.link(), peer.asked);
        if let Some(link) = peer.links.iter().find(|l| Some(**l) != current && Some(**l) != asked) {
            return Err(format!("client {i} leaves link {link} open, has {current:?}, asked on {asked:?}"));
        }
        self.reconnect(i);
        Ok(taken)
    }

    /// A client gives a link up for its silence: it must have reason to.
    fn check_silence(&mut self, i: usize, id: LinkId) -> Check {
        self.peers[i].silent_at = Some(self.now);
        let Some(link) = self.links.get(&id).filter(|_| self.profile.has_beats()) else { return Ok(()) };
        let lives = link.hub_open && !link.up.dead && !link.down.dead;
        if lives { Err(format!("client {i} takes link {id}, which lives, for dead")) } else { Ok(()) }
    }

    /// Who is carried by a dead link notices it in time.
    pub(crate) fn check_carried(&self, i: usize) -> Check {
        let peer = &self.peers[i];
        let link = peer.client.link().and_then(|id| self.links.get(&id));
        let Some(since) = link.and_then(|l| l.dead_since).filter(|_| !peer.gone) else { return Ok(()) };
        if self.now < peer.asleep_until + PATIENCE_MS {
            return Ok(());
        }
        // Repeated deaths make patient.
        let patience = match peer.silent_at {
            Some(at) if at + 60_000 > since => self.limits.heartbeat_ms,
            _ => PATIENCE_MS,
        };
        let late = self.now - since.max(peer.asleep_until);
        // The pace may have been another one when the link died.
        let pace = match peer.client.beat_ms() {
            0 => 3 * self.limits.heartbeat_ms / 2,
            _ if peer.paced => 3 * self.limits.beat_ms,
            beat_ms => beat_ms,
        };
        if late > pace + patience + 1_000 {
            return Err(format!("client {i} has been carried by a dead link for {late} ms"));
        }
        Ok(())
    }

    fn reconnect(&mut self, i: usize) {
        let peer = &mut self.peers[i];
        let idle = peer.client.link().is_none() && peer.asked.is_none();
        if idle && !peer.gone && !std::mem::replace(&mut peer.connecting, true) {
            let wait = self.rng.within((1, 200));
            self.schedule(wait, Event::Connect(i, "lost"));
        }
    }

    fn output(&mut self, i: usize, output: Output) -> Check {
        if self.lines.is_some() {
            let line = serde_json::to_string(&output).unwrap_or_default();
            self.trace(|| format!("client {i} > {line}"));
        }
        let peer = &mut self.peers[i];
        match output {
            Output::Transmit { link, seq, frame } => {
                if frame.kind == "hub:hello" {
                    let said = frame.parse::<Hello>().map_err(|e| e.to_string())?.received;
                    if said != peer.client.received() {
                        return Err(format!("client {i}: a hello with {said}"));
                    }
                }
                if let (Some(seq), Some(session)) = (seq, peer.client.session()) {
                    self.model.transmitted(session, seq, &frame)?;
                }
                self.send_up(link, seq, frame)
            }
            Output::Beat { link } => {
                self.beat_up(link);
                Ok(())
            }
            Output::Close { link, code } => {
                if code == Code::HeartbeatTimeout {
                    self.check_silence(i, link)?;
                }
                let peer = &mut self.peers[i];
                peer.asked.take_if(|l| *l == link);
                if matches!(code, Code::BadFrame | Code::OutOfOrder) {
                    return Err(format!("client {i} gives up link {link}: {code}"));
                }
                self.client_closes(link);
                Ok(())
            }
            Output::Refused { link, .. } => {
                peer.asked.take_if(|l| *l == link);
                self.client_closes(link);
                Ok(())
            }
            Output::Welcomed { link, session, resumed, .. } => {
                peer.asked.take_if(|l| *l == link);
                self.model.welcomed(i, &session, resumed)
            }
            Output::Event { frame } => {
                self.react(i, &frame);
                self.model.event(i, &frame)
            }
            Output::Rejoined { room, data } => {
                let base = self.hub.rooms.get(room.as_str()).map_or(0, |r| r.base.offset);
                self.model.rejoined(i, &room, &data, base)
            }
            Output::RejoinFailed { room, .. } => {
                self.model.rejoin_failed(i, &room);
                self.peers[i].app.rooms.remove(&room);
                Ok(())
            }
            Output::Lost { frames } => {
                self.model.peers[i].lost += frames;
                Ok(())
            }
            Output::Acked { received } => match peer.client.session() {
                Some(session) => self.model.acked(session, received),
                None => Err(format!("client {i}: an ack without a session")),
            },
            Output::Move { .. } => {
                self.schedule(1, Event::Connect(i, "asked"));
                Ok(())
            }
            Output::Rtt { .. } => Ok(()),
        }
    }
}
