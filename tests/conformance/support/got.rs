use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::Value;
use std::ops::Index;

/// A frame as it came.
#[derive(Debug, Clone)]
pub(crate) struct Got {
    pub(crate) json: Value,
    /// The payload, of binary messages and of `data64`.
    pub(crate) bytes: Option<Bytes>,
    /// The event's `id:` on streams.
    pub(crate) id_line: Option<String>,
}

impl Got {
    /// A text message.
    pub(crate) fn text(text: &[u8]) -> Got {
        Got::value(serde_json::from_slice(text).expect("a frame is JSON"))
    }

    pub(crate) fn value(json: Value) -> Got {
        let bytes = json["data64"].as_str().map(|b64| STANDARD.decode(b64).expect("base64").into());
        Got { json, bytes, id_line: None }
    }

    /// A binary message: two bytes of length, the header, the payload.
    pub(crate) fn binary(message: &Bytes) -> Got {
        let len = usize::from(u16::from_be_bytes([message[0], message[1]]));
        let json: Value = serde_json::from_slice(&message[2..2 + len]).expect("a header is JSON");
        assert!(json.get("data").is_none() && json.get("data64").is_none(), "{json}");
        Got { json, bytes: Some(message.slice(2 + len..)), id_line: None }
    }

    /// `{}` for a beat, which is no frame.
    pub(crate) fn kind(&self) -> &str {
        if is_beat(&self.json) {
            return "{}";
        }
        self.json["type"].as_str().expect("a frame has a type")
    }

    pub(crate) fn counted(&self) -> bool {
        counted(&self.json)
    }

    /// `data` as a number.
    pub(crate) fn number(&self) -> u64 {
        self.json["data"].as_u64().unwrap_or_else(|| panic!("no number: {}", self.json))
    }
}

impl Index<&str> for Got {
    type Output = Value;

    fn index(&self, field: &str) -> &Value {
        &self.json[field]
    }
}

fn is_beat(message: &Value) -> bool {
    message.as_object().is_some_and(serde_json::Map::is_empty)
}

/// Every frame counts except link frames and volatile ones.
pub(crate) fn counted(frame: &Value) -> bool {
    const LINK: [&str; 8] =
        ["hub:hello", "hub:welcome", "hub:ping", "hub:pong", "hub:ack", "hub:move", "hub:close", "hub:bye"];
    let volatile = frame.get("volatile").is_some_and(|v| *v != Value::Bool(false));
    !volatile && !is_beat(frame) && !frame["type"].as_str().is_some_and(|kind| LINK.contains(&kind))
}
