//! Frames on their way down: whole and unmasked (RFC 6455 §5.2), so that all receivers share the same bytes.

use bytes::Bytes;
use crosspoint_core::{OutFrame, Wire};

const TEXT: u8 = 0x1;
const BINARY: u8 = 0x2;
const CLOSE: u8 = 0x8;
const PING: u8 = 0x9;
const PONG: u8 = 0xA;

/// The longest payload of a control frame in bytes (RFC 6455 §5.5).
pub(crate) const CONTROL_MAX: usize = 125;

fn frame(opcode: u8, payload: &[u8], out: &mut Vec<u8>) {
    out.push(0x80 | opcode);
    match payload.len() {
        n @ 0..=125 => out.push(n as u8),
        n @ 126..=0xFFFF => {
            out.push(126);
            out.extend_from_slice(&(n as u16).to_be_bytes());
        }
        n => {
            out.push(127);
            out.extend_from_slice(&(n as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(payload);
}

/// One unmasked frame that holds a whole message: binary, or text (which must be UTF-8).
pub fn message(binary: bool, payload: &[u8]) -> Bytes {
    let mut out = Vec::with_capacity(payload.len() + 10);
    frame(if binary { BINARY } else { TEXT }, payload, &mut out);
    out.into()
}

/// The frame's bytes on this transport, encoded for its first receiver.
pub(crate) fn wire(frame: &OutFrame) -> &Bytes {
    frame.wire(Wire::WebSocket, |f| match f.binary() {
        Some(payload) => message(true, &payload),
        None => message(false, f.json()),
    })
}

/// A ping without payload.
pub(crate) fn ping() -> Bytes {
    Bytes::from_static(&[0x80 | PING, 0])
}

/// Appends a pong; `payload` is at most [`CONTROL_MAX`] bytes.
pub(crate) fn pong(payload: &[u8], out: &mut Vec<u8>) {
    frame(PONG, payload, out);
}

/// Appends a close frame; `None` for one without code. A reason that is too long is cut.
pub(crate) fn close(code: Option<u16>, reason: &str, out: &mut Vec<u8>) {
    let Some(code) = code else { return frame(CLOSE, &[], out) };
    let mut end = reason.len().min(CONTROL_MAX - 2);
    while !reason.is_char_boundary(end) {
        end -= 1;
    }
    let mut payload = [0; CONTROL_MAX];
    payload[..2].copy_from_slice(&code.to_be_bytes());
    payload[2..2 + end].copy_from_slice(&reason.as_bytes()[..end]);
    frame(CLOSE, &payload[..2 + end], out);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crosspoint_core::Frame;

    #[test]
    fn lengths_take_their_shortest_form() {
        for (len, header) in [
            (0, vec![0x82, 0]),
            (125, vec![0x82, 125]),
            (126, vec![0x82, 126, 0, 126]),
            (65535, vec![0x82, 126, 0xFF, 0xFF]),
            (65536, vec![0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0]),
        ] {
            let bytes = message(true, &vec![7; len]);
            assert_eq!(bytes[..header.len()], header);
            assert_eq!(bytes.len(), header.len() + len);
        }
    }

    #[test]
    fn a_close_frame_fits_a_control_frame_and_stays_utf8() {
        let mut out = Vec::new();
        close(Some(4400), &"ä".repeat(100), &mut out);
        assert_eq!(out[..4], [0x88, 124, 0x11, 0x30]);
        assert_eq!(std::str::from_utf8(&out[4..]).unwrap(), "ä".repeat(61));
        let mut empty = Vec::new();
        close(None, "", &mut empty);
        assert_eq!(empty, [0x88, 0]);
    }

    #[test]
    fn a_payload_travels_as_one_binary_message() {
        let text = OutFrame::new(&Frame::with("t", &1));
        assert_eq!(wire(&text)[0], 0x81);
        let mut frame = Frame::with("t", &());
        frame.payload = Some(Bytes::from_static(b"raw"));
        let binary = OutFrame::new(&frame);
        assert_eq!(wire(&binary)[0], 0x82);
        assert!(wire(&binary).ends_with(b"raw"));
    }
}
