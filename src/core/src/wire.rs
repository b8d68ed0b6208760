//! A frame on its way down, encoded at most once per wire encoding and shared by all its receivers.

use crate::frame::{Frame, From, Volatile, binary_message};
use crate::position::Position;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use serde::Serialize;
use serde_json::value::RawValue;
use std::sync::{Arc, OnceLock};

/// A frame that many sessions hold.
pub type SharedFrame = Arc<OutFrame>;

/// A wire encoding; each has one slot in every frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wire {
    /// A whole RFC 6455 frame, unmasked.
    WebSocket,
    /// A whole event block of an event stream, as a chunk of HTTP/1.1.
    Sse,
}

/// An encoded frame.
#[derive(Debug)]
pub struct OutFrame {
    /// The frame as JSON, without the payload if there is one.
    json: Bytes,
    /// The binary payload.
    payload: Option<Bytes>,
    /// The event's position, for `id:` lines.
    position: Option<Position>,
    /// Whether it has a place in the session's sequence.
    counted: bool,
    volatile: bool,
    slots: [OnceLock<Bytes>; 2],
}

/// What a session's memory bill holds for each frame beside its bytes.
const OVERHEAD_BYTES: usize = 64;

impl OutFrame {
    /// Encodes a frame.
    pub fn new(frame: &Frame) -> OutFrame {
        let json = match &frame.payload {
            None => frame.encode_text(),
            Some(_) => serde_json::to_string(frame).unwrap_or_default(),
        };
        OutFrame {
            json: json.into(),
            payload: frame.payload.clone(),
            position: None,
            counted: frame.counted(),
            volatile: frame.volatile.is_some(),
            slots: Default::default(),
        }
    }

    /// Encodes a frame of this type and data.
    pub fn with(kind: &str, data: &impl Serialize) -> SharedFrame {
        Arc::new(OutFrame::new(&Frame::with(kind, data)))
    }

    /// A beat: no frame, only a sign of life. There is one for all links.
    pub fn beat() -> SharedFrame {
        static BEAT: OnceLock<SharedFrame> = OnceLock::new();
        let beat = || {
            let json = Bytes::from_static(Frame::BEAT);
            OutFrame {
                json,
                payload: None,
                position: None,
                counted: false,
                volatile: false,
                slots: Default::default(),
            }
        };
        BEAT.get_or_init(|| Arc::new(beat())).clone()
    }

    /// Whether it is a beat.
    pub fn is_beat(&self) -> bool {
        *self.json == *Frame::BEAT
    }

    /// The JSON text; without the payload where there is one.
    pub fn json(&self) -> &Bytes {
        &self.json
    }

    /// The binary payload.
    pub fn payload(&self) -> Option<&Bytes> {
        self.payload.as_ref()
    }

    /// The event's position in its room's history.
    pub fn position(&self) -> Option<&Position> {
        self.position.as_ref()
    }

    /// Whether it has a place in the session's sequence.
    pub fn counted(&self) -> bool {
        self.counted
    }

    /// Whether it may be lost, doubled or overtaken: datagrams may carry it.
    pub fn volatile(&self) -> bool {
        self.volatile
    }

    /// What an outbox is charged for it, in bytes.
    pub fn cost(&self) -> usize {
        self.json.len() + self.payload.as_ref().map_or(0, Bytes::len) + OVERHEAD_BYTES
    }

    /// The JSON text for transports that carry text only: a payload becomes `data64`.
    pub fn text(&self) -> Bytes {
        let Some(payload) = &self.payload else { return self.json.clone() };
        let mut out = Vec::with_capacity(self.json.len() + payload.len() * 4 / 3 + 16);
        out.extend_from_slice(self.json.strip_suffix(b"}").unwrap_or(&self.json));
        out.extend_from_slice(b",\"data64\":\"");
        out.extend_from_slice(STANDARD.encode(payload).as_bytes());
        out.extend_from_slice(b"\"}");
        out.into()
    }

    /// The binary message, if there is a payload.
    pub fn binary(&self) -> Option<Bytes> {
        self.payload.as_ref().map(|p| binary_message(&self.json, p))
    }

    /// The bytes in this encoding; `encode` runs at most once per frame and encoding.
    pub fn wire(&self, wire: Wire, encode: impl FnOnce(&OutFrame) -> Bytes) -> &Bytes {
        self.slots[wire as usize].get_or_init(|| encode(self))
    }
}

/// What is published, before the engine gives it its place.
#[derive(Debug, Clone)]
pub struct Draft {
    /// The application's type.
    pub kind: String,
    /// The JSON payload.
    pub data: Option<Box<RawValue>>,
    /// The binary payload, instead.
    pub payload: Option<Bytes>,
    /// The publisher.
    pub from: From,
    /// The publisher's id, or the hub's.
    pub id: String,
    /// The publisher gave the id: a repetition is recognised by it.
    pub named: bool,
    /// `false`: the publishing session doesn't get it.
    pub echo: bool,
    /// For events that are not stored.
    pub volatile: Option<Volatile>,
}

/// An event with its place in a room.
#[derive(Debug)]
pub struct Event {
    /// The room.
    pub room: Arc<str>,
    /// Its id: the publisher's or the hub's.
    pub id: Box<str>,
    /// Its place in the room's history; 0 where the room has none.
    pub offset: u64,
    /// The life of the history that `offset` counts in.
    pub epoch: Arc<str>,
    /// When the hub took it, ms since 1970.
    pub ts: u64,
    /// The session that doesn't get it (`echo: false`).
    pub exclude: Option<Box<str>>,
    /// The sender's key among volatile events.
    pub volatile_key: Option<Box<str>>,
    /// The encoded frame.
    pub frame: SharedFrame,
}

#[derive(Serialize)]
struct EventJson<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    room: &'a str,
    id: &'a str,
    from: &'a From,
    #[serde(skip_serializing_if = "is_zero")]
    offset: u64,
    ts: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    volatile: Option<&'a Volatile>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<&'a RawValue>,
}

fn is_zero(n: &u64) -> bool {
    *n == 0
}

impl Draft {
    /// Encodes the event at its place. `offset` 0 and an empty epoch: the room has no history.
    pub fn place(self, room: &Arc<str>, epoch: &Arc<str>, offset: u64, ts_unix_ms: u64) -> Event {
        let json = EventJson {
            kind: &self.kind,
            room,
            id: &self.id,
            from: &self.from,
            offset,
            ts: ts_unix_ms,
            volatile: self.volatile.as_ref(),
            data: self.data.as_deref(),
        };
        let mut text = Vec::with_capacity(160 + self.data.as_ref().map_or(0, |d| d.get().len()));
        // Serializing strings and checked JSON into memory has no way to fail.
        let _ = serde_json::to_writer(&mut text, &json);
        let position =
            (offset > 0).then(|| Position { epoch: epoch.clone(), offset, id: self.id.as_str().into() });
        let volatile_key = self.volatile.as_ref().map(|v| {
            let sender = self.from.session.as_deref().or(self.from.user.as_deref()).unwrap_or_default();
            match v {
                Volatile::Key(k) => format!("{room}\0{sender}\0\0{k}").into(),
                Volatile::Flag(_) => format!("{room}\0{sender}\0{}", self.kind).into(),
            }
        });
        let frame = OutFrame {
            json: text.into(),
            payload: self.payload,
            position,
            counted: self.volatile.is_none(),
            volatile: self.volatile.is_some(),
            slots: Default::default(),
        };
        Event {
            room: room.clone(),
            id: self.id.into(),
            offset,
            epoch: epoch.clone(),
            ts: ts_unix_ms,
            exclude: if self.echo { None } else { self.from.session.map(String::into_boxed_str) },
            volatile_key,
            frame: Arc::new(frame),
        }
    }
}

impl Event {
    /// Its position; `None` where the room has no history.
    pub fn position(&self) -> Option<&Position> {
        self.frame.position()
    }
}
