//! Frames on their way down: see [`crate::decode`] for the format.

use bytes::{BufMut, Bytes, BytesMut};
use crosspoint_core::OutFrame;

const BINARY: u32 = 1 << 31;

/// A whole message.
pub fn message(binary: bool, payload: &[u8]) -> Bytes {
    let mut out = BytesMut::with_capacity(4 + payload.len());
    head(binary, payload.len(), &mut out);
    out.extend_from_slice(payload);
    out.freeze()
}

fn head(binary: bool, len: usize, out: &mut BytesMut) {
    // No frame comes near 2 GiB: limits bound them long before.
    let len = u32::try_from(len).unwrap_or(0) & !BINARY;
    out.put_u32(if binary { BINARY | len } else { len });
}

/// Bytes that a frame takes on the stream.
pub(crate) fn size(frame: &OutFrame) -> usize {
    let payload = frame.payload().map_or(0, |p| 2 + p.len());
    4 + frame.json().len() + payload
}

/// Appends a frame: text, or where it has a payload the binary form.
pub(crate) fn frame(frame: &OutFrame, out: &mut BytesMut) {
    match frame.binary() {
        Some(bytes) => {
            head(true, bytes.len(), out);
            out.extend_from_slice(&bytes);
        }
        None => {
            head(false, frame.json().len(), out);
            out.extend_from_slice(frame.json());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crosspoint_core::Frame;

    #[test]
    fn frames_take_what_they_are_said_to() {
        let mut with_payload = Frame::with("t", &());
        with_payload.payload = Some(Bytes::from_static(b"raw"));
        for (of, binary) in [(Frame::with("t", &1), false), (with_payload, true)] {
            let of = OutFrame::new(&of);
            let mut out = BytesMut::new();
            frame(&of, &mut out);
            assert_eq!((out.len(), out[0] >> 7 == 1), (size(&of), binary));
            assert_eq!(u32::from_be_bytes([out[0] & 0x7f, out[1], out[2], out[3]]) as usize, out.len() - 4);
        }
    }
}
