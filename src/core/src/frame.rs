//! One frame and its codecs (docs/protocol.md, Frames).

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::{BufMut, Bytes, BytesMut};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// JSON text that was checked when it was read and is passed on as it came.
pub type Raw = Box<RawValue>;

/// The longest `type`, in bytes.
pub const TYPE_BYTES_MAX: usize = 128;
/// The longest `room`, in bytes.
pub const ROOM_BYTES_MAX: usize = 256;
/// The longest `id`, `request` or volatile key, in bytes.
pub const ID_BYTES_MAX: usize = 64;
/// The longest `to`, in bytes.
pub const TO_BYTES_MAX: usize = 300;

/// Who sent a frame.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct From {
    /// The user, as the grant names them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The session; absent when a backend sent it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
}

impl From {
    /// A session of a user.
    pub fn session(user: &str, session: &str) -> From {
        From { user: Some(user.to_string()), session: Some(session.to_string()) }
    }
}

/// The `volatile` field: may be dropped; newest wins per key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Volatile {
    /// `true`: one key per sender, room and type. (`false` reads as absent.)
    Flag(bool),
    /// The sender's own key.
    Key(String),
}

/// What the answerer of a request says went wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnswerError {
    /// The application's or the hub's code.
    pub code: String,
    /// For people.
    #[serde(default)]
    pub message: String,
}

/// A frame, in either direction. Field meanings: docs/protocol.md, Frames.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Frame {
    /// `hub:…` belongs to the protocol, all else to the application.
    #[serde(rename = "type")]
    pub kind: String,
    /// The room it is published to, or came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub room: Option<String>,
    /// Asks for a reply and makes the frame idempotent; or names what is answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// `user:…`, `session:…` or `service:…`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// Names a request that waits for an answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<String>,
    /// Present on frames without a sequence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub volatile: Option<Volatile>,
    /// `false`: don't send the event back to its publisher.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub echo: Option<bool>,
    /// How long a request may take, in ms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
    /// The sender.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<From>,
    /// On a direct message that came by the sender's bulk session.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub bulk: bool,
    /// The event's place in the room's history.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offset: Option<u64>,
    /// When the hub took the event, ms since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ts: Option<u64>,
    /// In `hub:answer`: the request failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<AnswerError>,
    /// The payload as JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<Raw>,
    /// The payload as bytes, base64, on text transports.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    data64: Option<String>,
    /// The payload as bytes.
    #[serde(skip)]
    pub payload: Option<Bytes>,
}

/// Why a message is not a frame.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// Not the JSON that a frame is.
    #[error("not a frame: {0}")]
    Json(String),
    /// A field is empty, too long, or holds control characters; with the frame's id, if that is none of it.
    #[error("`{0}` must have 1 to {1} bytes and no control characters")]
    Length(&'static str, usize, Option<Box<str>>),
    /// A binary frame's header doesn't fit into it.
    #[error("a binary frame begins with the length of its header and the header")]
    Header,
    /// `data64` isn't base64.
    #[error("`data64` is not base64 (RFC 4648 section 4)")]
    Base64,
}

impl Frame {
    /// The text message that is no frame but a beat: a sign of life.
    pub const BEAT: &[u8] = b"{}";

    /// A frame of this type and nothing else.
    pub fn new(kind: impl Into<String>) -> Frame {
        Frame { kind: kind.into(), ..Frame::default() }
    }

    /// A frame of this type with `data`. Data that serde can't turn into JSON becomes `null`.
    pub fn with(kind: impl Into<String>, data: &impl Serialize) -> Frame {
        Frame { kind: kind.into(), data: serde_json::value::to_raw_value(data).ok(), ..Frame::default() }
    }

    /// The same frame, for this room.
    pub fn room(mut self, room: impl Into<String>) -> Frame {
        self.room = Some(room.into());
        self
    }

    /// The same frame, with this id.
    pub fn id(mut self, id: impl Into<String>) -> Frame {
        self.id = Some(id.into());
        self
    }

    /// Link frames belong to their link and have no sequence.
    pub fn is_link_kind(kind: &str) -> bool {
        matches!(
            kind.strip_prefix("hub:"),
            Some("hello" | "welcome" | "ping" | "pong" | "ack" | "move" | "close" | "bye" | "report")
        )
    }

    /// Whether the frame has a place in its direction's sequence.
    pub fn counted(&self) -> bool {
        self.volatile.is_none() && !Frame::is_link_kind(&self.kind)
    }

    /// `data` read as `T`; absent data reads as `null`.
    pub fn parse<'a, T: Deserialize<'a>>(&'a self) -> Result<T, serde_json::Error> {
        serde_json::from_str(self.data.as_ref().map_or("null", |d| d.get()))
    }

    /// Reads a text message.
    pub fn decode_text(text: &[u8]) -> Result<Frame, FrameError> {
        let mut frame = Frame::read(text)?;
        if let Some(b64) = frame.data64.take() {
            frame.payload = Some(STANDARD.decode(b64).map_err(|_| FrameError::Base64)?.into());
        }
        frame.check()
    }

    /// Reads a binary message: header length (u16, big-endian), header, payload.
    pub fn decode_binary(message: &Bytes) -> Result<Frame, FrameError> {
        let Some((len, rest)) = message.split_first_chunk::<2>() else { return Err(FrameError::Header) };
        let len = u16::from_be_bytes(*len) as usize;
        let header = rest.get(..len).ok_or(FrameError::Header)?;
        let mut frame = Frame::read(header)?;
        frame.data64 = None;
        frame.data = None;
        frame.payload = Some(message.slice(2 + len..));
        frame.check()
    }

    fn read(json: &[u8]) -> Result<Frame, FrameError> {
        // serde takes an array of the fields, too.
        if json.trim_ascii_start().first() != Some(&b'{') {
            return Err(FrameError::Json("not an object".into()));
        }
        serde_json::from_slice(json).map_err(|e| FrameError::Json(e.to_string()))
    }

    /// The same frame, if its names have the lengths that the protocol allows.
    ///
    /// # Errors
    /// [`FrameError::Length`].
    pub fn check(mut self) -> Result<Frame, FrameError> {
        if let Some((field, max)) = self.misfit() {
            let id = self.id.filter(|_| field != "id");
            return Err(FrameError::Length(field, max, id.map(String::into_boxed_str)));
        }
        if self.volatile == Some(Volatile::Flag(false)) {
            self.volatile = None;
        }
        Ok(self)
    }

    /// The first field that doesn't fit, the id before all others, and what it may have.
    fn misfit(&self) -> Option<(&'static str, usize)> {
        let wrong =
            |v: &str, max: usize| v.is_empty() || v.len() > max || v.bytes().any(|b| b.is_ascii_control());
        let names = [
            ("id", &self.id, ID_BYTES_MAX),
            ("room", &self.room, ROOM_BYTES_MAX),
            ("to", &self.to, TO_BYTES_MAX),
            ("request", &self.request, ID_BYTES_MAX),
        ];
        let name = names.into_iter().find(|(_, v, max)| v.as_ref().is_some_and(|v| wrong(v, *max)));
        if let Some((field, _, max)) = name {
            return Some((field, max));
        }
        if self.kind.is_empty() || self.kind.len() > TYPE_BYTES_MAX {
            return Some(("type", TYPE_BYTES_MAX));
        }
        let key = match &self.volatile {
            Some(Volatile::Key(key)) => key,
            _ => return None,
        };
        (key.is_empty() || key.len() > ID_BYTES_MAX).then_some(("volatile", ID_BYTES_MAX))
    }

    /// The frame as one text message; a binary payload becomes `data64`.
    pub fn encode_text(&self) -> String {
        let json = |f: &Frame| serde_json::to_string(f).unwrap_or_default();
        match &self.payload {
            None => json(self),
            Some(p) => json(&Frame { data64: Some(STANDARD.encode(p)), payload: None, ..self.clone() }),
        }
    }

    /// The frame as one binary message, if it has a payload.
    pub fn encode_binary(&self) -> Option<Bytes> {
        let payload = self.payload.as_ref()?;
        let header = serde_json::to_vec(self).unwrap_or_default();
        Some(binary_message(&header, payload))
    }
}

/// A binary message of this header and payload. Headers of decoded frames are far below the 64 KiB that fit.
pub(crate) fn binary_message(header: &[u8], payload: &[u8]) -> Bytes {
    let mut out = BytesMut::with_capacity(2 + header.len() + payload.len());
    out.put_u16(u16::try_from(header.len()).unwrap_or(u16::MAX));
    out.put_slice(header);
    out.put_slice(payload);
    out.freeze()
}

impl PartialEq for Frame {
    fn eq(&self, other: &Frame) -> bool {
        self.encode_text() == other.encode_text()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_keeps_data_as_it_came() {
        let f = Frame::decode_text(br#"{"type":"m","room":"r","data":{"a": 1.50},"x":1}"#).unwrap();
        assert_eq!(f.data.as_ref().unwrap().get(), r#"{"a": 1.50}"#);
        assert_eq!(f.encode_text(), r#"{"type":"m","room":"r","data":{"a": 1.50}}"#);
        assert!(f.counted());
    }

    #[test]
    fn binary_and_base64_carry_the_same_bytes() {
        let mut f = Frame::new("file").room("r");
        f.payload = Some(Bytes::from_static(&[0, 255, 3]));
        let by_text = Frame::decode_text(f.encode_text().as_bytes()).unwrap();
        let by_binary = Frame::decode_binary(&f.encode_binary().unwrap()).unwrap();
        assert_eq!(by_text.payload, f.payload);
        assert_eq!(by_binary, f);
    }

    #[test]
    fn what_is_not_a_frame_says_why() {
        for bad in [
            &b"hello"[..],
            b"[]",
            b"[\"m\"]",
            b"{}",
            b"{\"type\":1}",
            b"{\"type\":\"\"}",
            b"{\"type\":\"m\",\"id\":7}",
            b"{\"type\":\"m\",\"room\":\"\"}",
            b"{\"type\":\"m\",\"id\":\"a\\nb\"}",
            b"{\"type\":\"m\",\"data64\":\"*\"}",
            b"{\"type\":\"\xff\"}",
        ] {
            assert!(Frame::decode_text(bad).is_err(), "{}", String::from_utf8_lossy(bad));
        }
        assert!(Frame::decode_binary(&Bytes::from_static(b"\0")).is_err());
        assert!(Frame::decode_binary(&Bytes::from_static(b"\xff\xff{}")).is_err());
    }

    #[test]
    fn volatile_and_link_frames_are_not_counted() {
        let volatile = Frame::decode_text(br#"{"type":"typing","room":"r","volatile":true}"#).unwrap();
        let not = Frame::decode_text(br#"{"type":"typing","room":"r","volatile":false}"#).unwrap();
        assert!(!volatile.counted() && not.counted() && !Frame::new("hub:ack").counted());
        assert!(Frame::new("hub:join").counted());
    }
}
