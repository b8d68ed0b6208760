//! Frames as blocks of an event stream (WHATWG HTML §9.2), each wrapped as a chunk of HTTP/1.1 (RFC 9112 §7.1): so the bytes that
//! all receivers share go to a socket as they are. Where hyper frames the body the wrapping is left out.

use bytes::Bytes;
use crosspoint_core::{Fault, Frame, OutFrame, Position, Wire};
use serde::Deserialize;
use std::fmt::Display;

/// Keeps the path open, and nothing else.
pub(crate) const COMMENT: Bytes = Bytes::from_static(b"6\r\n: hb\n\n\r\n");
/// A sign of life.
const BEAT: Bytes = Bytes::from_static(b"3\r\n:\n\n\r\n");
/// How long a browser waits before it opens a plain stream again.
pub(crate) const RETRY: Bytes = Bytes::from_static(b"d\r\nretry: 2000\n\n\r\n");
/// The end of a chunked body.
pub(crate) const END: Bytes = Bytes::from_static(b"0\r\n\r\n");

/// The block of a frame, which all streams share.
pub(crate) fn shared(frame: &OutFrame) -> Bytes {
    let encode = |f: &OutFrame| if f.is_beat() { BEAT } else { block(None, f.position(), &f.text()) };
    frame.wire(Wire::Sse, encode).clone()
}

/// The block that tells a client its link and the link's key.
pub(crate) fn opening(link: &str, key: &str) -> Bytes {
    let text = format!("{{\"link\":\"{link}\",\"key\":\"{key}\"}}");
    block(Some("open"), None::<&str>, text.as_bytes())
}

/// The block of a frame on a plain stream, where gaps and the close have names of their own and the rest of the protocol
/// is not shown.
pub(crate) fn plain(frame: &OutFrame) -> Option<Bytes> {
    match hub_kind(frame.json()) {
        None => Some(shared(frame)),
        Some(b"gap") => Some(block(Some("gap"), gap_position(frame).as_deref(), &frame.text())),
        Some(b"close") => Some(closing(frame)),
        Some(_) => None,
    }
}

/// What follows `hub:` in the type; core's encoder writes the type first.
fn hub_kind(json: &[u8]) -> Option<&[u8]> {
    json.strip_prefix(b"{\"type\":\"hub:")?.split(|b| *b == b'"').next()
}

/// Where the stream goes on after the gap, so that a browser that reconnects is not told of it again.
fn gap_position(frame: &OutFrame) -> Option<String> {
    #[derive(Deserialize)]
    struct Gap {
        position: Option<String>,
    }
    let gap: Gap = Frame::decode_text(frame.json()).ok()?.parse().ok()?;
    gap.position.filter(|p| p.parse::<Position>().is_ok())
}

/// The end of a plain stream, with the time after which a browser is to open it again.
fn closing(frame: &OutFrame) -> Bytes {
    let fault: Option<Fault> = Frame::decode_text(frame.json()).ok().and_then(|f| f.parse().ok());
    let text = frame.text();
    let mut out = begin(&text);
    if let Some(ms) = fault.and_then(|f| f.retry_after_ms) {
        line(&mut out, b"retry: ", ms.to_string().as_bytes());
    }
    finish(out, Some("close"), &text)
}

fn block(event: Option<&str>, id: Option<impl Display>, text: &[u8]) -> Bytes {
    let mut out = begin(text);
    // An id with a line end or a NUL would be cut or ignored by the reader: better none.
    if let Some(id) = id.map(|id| id.to_string()).filter(|id| !id.contains(['\n', '\r', '\0'])) {
        line(&mut out, b"id: ", id.as_bytes());
    }
    finish(out, event, text)
}

fn begin(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() + 96 + HEAD);
    out.resize(HEAD, 0);
    out
}

fn finish(mut out: Vec<u8>, event: Option<&str>, text: &[u8]) -> Bytes {
    if let Some(event) = event {
        line(&mut out, b"event: ", event.as_bytes());
    }
    let mut rest = text;
    while let Some(at) = rest.iter().position(|b| matches!(b, b'\n' | b'\r')) {
        line(&mut out, b"data: ", &rest[..at]);
        let end = if rest[at..].starts_with(b"\r\n") { 2 } else { 1 };
        rest = &rest[at + end..];
    }
    line(&mut out, b"data: ", rest);
    out.push(b'\n');
    chunk(out)
}

/// Room for the size of a chunk: eight digits and a line end.
const HEAD: usize = 10;

/// Makes a chunk of what follows the first `HEAD` bytes.
fn chunk(mut out: Vec<u8>) -> Bytes {
    let size = format!("{:x}\r\n", out.len() - HEAD);
    let start = HEAD.saturating_sub(size.len());
    out[start..start + size.len()].copy_from_slice(size.as_bytes());
    out.extend_from_slice(b"\r\n");
    Bytes::from(out).slice(start..)
}

/// What the chunk holds.
pub(crate) fn unwrapped(chunk: &Bytes) -> Bytes {
    let head = chunk.iter().take(HEAD).position(|b| *b == b'\n').map_or(0, |at| at + 1);
    chunk.slice(head..chunk.len().saturating_sub(2).max(head))
}

fn line(out: &mut Vec<u8>, field: &[u8], value: &[u8]) {
    out.extend_from_slice(field);
    out.extend_from_slice(value);
    out.push(b'\n');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crosspoint_core::Fault;
    use serde_json::json;

    fn text(block: Option<Bytes>) -> String {
        String::from_utf8(unwrapped(&block.unwrap()).to_vec()).unwrap()
    }

    #[test]
    fn blocks_are_chunks() {
        assert_eq!(block(None, None::<&str>, b"12"), "a\r\ndata: 12\n\n\r\n");
        let long = block(None, None::<&str>, &[b'x'; 0x12345]);
        assert!(long.starts_with(b"1234d\r\ndata: x"));
        assert_eq!(unwrapped(&long).len(), 0x1234d);
        for (of, holds) in
            [(COMMENT, ": hb\n\n"), (shared(&OutFrame::beat()), ":\n\n"), (RETRY, "retry: 2000\n\n")]
        {
            let size = format!("{:x}\r\n{holds}\r\n", holds.len());
            assert_eq!((&of, unwrapped(&of)), (&Bytes::from(size), Bytes::from(holds)));
        }
    }

    #[test]
    fn every_line_end_in_the_json_starts_a_data_line() {
        let b = block(None, Some("e.1.a"), b"{\"a\":\r\n1,\n\"b\":\r2}");
        assert_eq!(text(Some(b)), "id: e.1.a\ndata: {\"a\":\ndata: 1,\ndata: \"b\":\ndata: 2}\n\n");
        let b = block(None, Some("e.1.a\nevent: open"), b"{}");
        assert_eq!(text(Some(b)), "data: {}\n\n");
    }

    #[test]
    fn one_block_for_all_receivers() {
        let frame = OutFrame::with("m", &1);
        assert_eq!(text(Some(shared(&frame))), "data: {\"type\":\"m\",\"data\":1}\n\n");
        assert_eq!(shared(&frame).as_ptr(), plain(&frame).unwrap().as_ptr());
    }

    #[test]
    fn plain_streams_name_gaps_and_the_close_and_hide_the_rest() {
        let gap = Frame::with("hub:gap", &json!({"position": "e1.4.m", "reason": "trimmed"})).room("r");
        assert_eq!(
            text(plain(&OutFrame::new(&gap))),
            "id: e1.4.m\nevent: gap\ndata: {\"type\":\"hub:gap\",\"room\":\"r\",\"data\":\
             {\"position\":\"e1.4.m\",\"reason\":\"trimmed\"}}\n\n"
        );
        let close = OutFrame::with("hub:close", &Fault::from(crosspoint_core::Code::Shutdown));
        assert!(text(plain(&close)).starts_with("event: close\ndata: {\"type\":\"hub:close\",\"data\":{"));
        assert!(plain(&OutFrame::with("hub:reply", &json!({}))).is_none());
        assert!(plain(&OutFrame::with("hub:presence", &json!({}))).is_none());
    }
}
