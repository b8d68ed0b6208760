//! The life of one peer: its packets, its timers, its links.

use crate::counters::Gauge;
use crate::endpoint::Shared;
use crate::lane::{Closing, Lane};
use crate::routes::{Packet, Route, Told};
use crate::socket;
use crosspoint_core::{LinkInfo, Transport};
use rtc::data_channel::RTCDataChannelId;
use rtc::peer_connection::RTCPeerConnection;
use rtc::peer_connection::event::{RTCDataChannelEvent, RTCPeerConnectionEvent};
use rtc::peer_connection::message::RTCMessage;
use rtc::peer_connection::state::RTCPeerConnectionState;
use rtc::sansio::Protocol as _;
use rtc::shared::{TaggedBytesMut, TransportContext, TransportProtocol};
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::Poll;
use std::time::{Duration, Instant};
use tokio::sync::{Notify, mpsc, watch};
use tokio::time::sleep_until;

/// Packets taken before what they caused is sent, so that acknowledgements go together.
const BURST: usize = 64;
/// Bytes of volatile messages that SCTP may hold: what waits longer is better replaced.
const VOLATILE_OUTSTANDING_MAX: usize = 8 << 10;
/// Packets of a peer whose messages have to wait are taken up to so many bytes; further ones come again. Checks always are.
const FED_MAX: usize = 768 << 10;
/// After this silence only timers of seconds can be running.
const QUIET: Duration = Duration::from_secs(1);
/// Channels that a peer may open beside its links', over its life.
const STRAYS_MAX: usize = 8;

/// The label of the link's channel, which the client opens.
const LABEL: &str = "crosspoint";
/// That of a further link's.
const FURTHER: &str = "crosspoint-bulk";

/// A peer that was answered.
pub(crate) struct Peer {
    pub(crate) pc: RTCPeerConnection,
    pub(crate) shared: Arc<Shared>,
    pub(crate) route: Route,
    pub(crate) info: LinkInfo,
    /// The longest message that the client takes in one, bytes.
    pub(crate) message_bytes_max: usize,
    /// The link, once its channel is open; the peer ends with it.
    pub(crate) lane: Option<Lane>,
    /// A further one.
    pub(crate) further: Option<Lane>,
    /// The channel of volatile frames, which is agreed on without a word: the library would send all that goes by a channel of the client's
    /// making until it arrives.
    pub(crate) volatile: RTCDataChannelId,
    pub(crate) changed: Arc<Notify>,
    pub(crate) strays: usize,
    /// Streams have been or may be used again.
    pub(crate) reused: bool,
    /// Something came since the hub asked for a sign of life.
    pub(crate) heard: bool,
    /// Bytes taken since messages have to wait.
    pub(crate) fed: usize,
    pub(crate) active: Instant,
    pub(crate) over: bool,
    pub(crate) _gauge: Gauge,
}

impl Peer {
    /// Runs until the client is gone or the hub has closed the link.
    pub(crate) async fn run(mut self, mut inbox: mpsc::Receiver<Packet>, mut told: watch::Receiver<Told>) {
        let opens_until = Instant::now() + self.shared.config.open_wait;
        loop {
            let now = Instant::now();
            let outstanding = self.work(now);
            self.send_packets().await;
            let closes_until = match self.closing(now, outstanding) {
                Closing::No => None,
                Closing::Said => break,
                Closing::Since(since) => Some(since + self.shared.config.close_wait),
            };
            let gives_up = if self.lane.is_none() { Some(opens_until) } else { closes_until };
            if self.over || gives_up.is_some_and(|at| at <= now) {
                break;
            }
            let timer = self.timer(now, outstanding);
            let wakes = [timer, gives_up].into_iter().flatten().min().unwrap_or(now + QUIET);
            let changed = self.changed.clone();
            tokio::select! {
                packet = inbox.recv() => {
                    let mut next = packet;
                    for _ in 0..BURST {
                        let Some(packet) = next else { break };
                        self.feed(packet);
                        next = inbox.try_recv().ok();
                    }
                }
                () = changed.notified() => {}
                () = ready(&mut self.lane) => self.fed = 0,
                () = ready(&mut self.further) => {}
                () = sleep_until(wakes.into()) => {}
                told = told.wait_for(|told| *told != Told::Nothing) => {
                    let bye = told.is_ok_and(|told| *told == Told::Bye);
                    for lane in self.lanes() {
                        lane.bye = bye;
                    }
                    break;
                }
            }
        }
        if self.lane.is_none() {
            self.shared.counters.unopened.fetch_add(1, Relaxed);
        }
        // So that the other end hears of it; what fails of it, it finds out by itself.
        let _ = self.pc.close();
        self.send_packets().await;
    }

    fn lanes(&mut self) -> impl Iterator<Item = &mut Lane> {
        self.lane.iter_mut().chain(&mut self.further)
    }

    /// When a timer of the library may have run out.
    fn timer(&mut self, now: Instant, outstanding: usize) -> Option<Instant> {
        let at = self.pc.poll_timeout()?;
        let quiet = outstanding == 0 && self.lane.is_some() && now.duration_since(self.active) > QUIET;
        // It asks to be woken five times a second, whatever there is to do.
        Some(if quiet { at.max(now + QUIET) } else { at })
    }

    fn feed(&mut self, packet: Packet) {
        let Packet { socket, from, bytes } = packet;
        let is_check = bytes.first().is_some_and(|first| *first < 4);
        if self.lane.as_ref().is_some_and(Lane::waits) && !is_check {
            self.fed += bytes.len();
            if self.fed > FED_MAX {
                return;
            }
        }
        if self.route.is_full(&from) {
            return;
        }
        let now = Instant::now();
        self.heard = true;
        if !is_check {
            self.active = now;
        }
        let transport = TransportContext {
            local_addr: socket::stand_in(socket, from.is_ipv4()),
            peer_addr: from,
            transport_protocol: TransportProtocol::UDP,
            ecn: None,
        };
        // What is wrong with a packet is the business of who sent it.
        let _ = self.pc.handle_read(TaggedBytesMut { now, transport, message: bytes });
        if self.reused {
            // The end of a channel is told behind what the next packets make of its stream: a new one would be taken for it.
            self.events();
        }
    }

    /// Does all that there is to do, and returns the bytes that are under way.
    fn work(&mut self, now: Instant) -> usize {
        if self.pc.poll_timeout().is_some_and(|at| at <= now) {
            // Its faults are those of single packets.
            let _ = self.pc.handle_timeout(now);
        }
        self.events();
        while !self.lane.as_ref().is_some_and(Lane::waits) {
            let Some(next) = self.pc.poll_read() else { break };
            if let RTCMessage::DataChannelMessage(channel, message) = next.message {
                self.message(channel, message.is_string, message.data);
            }
        }
        self.events();
        let Some(lane) = &mut self.lane else { return 0 };
        lane.turn();
        if lane.prove(self.heard) {
            self.heard = false;
        }
        let outstanding = lane.send(&mut self.pc, now, self.message_bytes_max);
        self.send_volatile(now);
        let further = self.work_further(now);
        if outstanding + further > 0 {
            self.active = now;
        }
        outstanding
    }

    /// The same for the further link, which may end by itself.
    fn work_further(&mut self, now: Instant) -> usize {
        let Some(lane) = &mut self.further else { return 0 };
        lane.turn();
        let outstanding = lane.send(&mut self.pc, now, self.message_bytes_max);
        let over = match lane.closing(now, outstanding) {
            Closing::No => false,
            Closing::Since(since) => now >= since + self.shared.config.close_wait,
            Closing::Said => true,
        };
        if over {
            let channel = lane.channel;
            self.further = None;
            if let Some(mut channel) = self.pc.data_channel(channel) {
                // Fails only on one that is closed.
                let _ = channel.close();
            }
        }
        outstanding
    }

    fn message(&mut self, channel: RTCDataChannelId, text: bool, bytes: bytes::BytesMut) {
        if !self.is_known(channel) {
            // The event of its opening may stand behind its first message.
            self.events();
        }
        if let Some(lane) = self.lanes().find(|lane| lane.channel == channel) {
            lane.take(text, bytes);
        } else if let Some(lane) = self.lane.as_mut().filter(|_| self.volatile == channel) {
            lane.take_volatile(bytes);
        }
    }

    fn is_known(&self, channel: RTCDataChannelId) -> bool {
        self.volatile == channel || self.lane.iter().chain(&self.further).any(|lane| lane.channel == channel)
    }

    fn events(&mut self) {
        while !self.over
            && let Some(event) = self.pc.poll_event()
        {
            match event {
                RTCPeerConnectionEvent::OnDataChannel(RTCDataChannelEvent::OnOpen(channel)) => {
                    self.open(channel)
                }
                RTCPeerConnectionEvent::OnDataChannel(RTCDataChannelEvent::OnClose(channel)) => {
                    self.over |= self.lane.as_ref().is_some_and(|lane| lane.channel == channel);
                    self.further.take_if(|lane| lane.channel == channel);
                    if let Some(lane) = self.lane.as_ref().filter(|_| self.volatile == channel) {
                        lane.link.lose_nothing();
                    }
                }
                RTCPeerConnectionEvent::OnConnectionStateChangeEvent(state) => {
                    self.over |= matches!(
                        state,
                        RTCPeerConnectionState::Disconnected
                            | RTCPeerConnectionState::Failed
                            | RTCPeerConnectionState::Closed
                    );
                }
                _ => {}
            }
        }
    }

    fn open(&mut self, id: RTCDataChannelId) {
        let Some(mut channel) = self.pc.data_channel(id) else { return };
        match channel.label() {
            _ if id == self.volatile => {}
            LABEL if self.lane.is_none() && channel.ordered() => self.lane = Some(self.link(id, false)),
            FURTHER if self.further.is_none() && self.lane.is_some() && channel.ordered() => {
                self.further = Some(self.link(id, true));
                self.reused = true;
            }
            _ => {
                // Fails only on one that is closed.
                let _ = channel.close();
                self.shared.counters.strays.fetch_add(1, Relaxed);
                self.strays += 1;
                self.reused = true;
                self.over |= self.strays > STRAYS_MAX;
            }
        }
    }

    fn link(&self, channel: RTCDataChannelId, bulk: bool) -> Lane {
        let info = LinkInfo { transport: Some(Transport::WebRtc), bulk, ..self.info.clone() };
        let Shared { acceptor, config, counters, .. } = &*self.shared;
        Lane::new(channel, info, self.changed.clone(), &**acceptor, config.frame_bytes_max, counters)
    }

    fn send_volatile(&mut self, now: Instant) {
        let Some(lane) = &self.lane else { return };
        let Some(mut channel) = self.pc.data_channel(self.volatile) else { return };
        while channel.outstanding_bytes() < VOLATILE_OUTSTANDING_MAX {
            let Some(text) = lane.link.take_volatile() else { break };
            if String::from_utf8(text.into()).is_ok_and(|text| channel.send_text(now, text).is_ok()) {
                self.shared.counters.volatile_out.fetch_add(1, Relaxed);
            }
        }
    }

    fn closing(&mut self, now: Instant, outstanding: usize) -> Closing {
        self.lane.as_mut().map_or(Closing::No, |lane| lane.closing(now, outstanding))
    }

    async fn send_packets(&mut self) {
        while let Some(packet) = self.pc.poll_write() {
            let to = packet.transport.peer_addr;
            let socket = self.shared.sockets.get(socket::number(packet.transport.local_addr));
            if let Some(socket) = socket.filter(|_| self.route.claim(to)) {
                // One that the system doesn't take is as good as lost on the way.
                let _ = socket.send_to(&packet.message, to).await;
                self.shared.counters.packets_out.fetch_add(1, Relaxed);
            }
        }
    }
}

/// Resolves when the hub takes a link's messages again.
async fn ready(lane: &mut Option<Lane>) {
    poll_fn(|cx| lane.as_mut().map_or(Poll::Pending, |lane| lane.poll_ready(cx))).await;
}
