//! Event streams that come in pieces (WHATWG HTML §9.2).

use crosspoint_core::{Code, Fault};
use std::collections::VecDeque;

/// An event larger than this ends the stream, in bytes.
const EVENT_BYTES_MAX: usize = 16 << 20;

/// One event of a stream.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SseEvent {
    /// From `event:`; `message` where the stream names none.
    pub event: String,
    /// The `data:` lines, joined by line feeds.
    pub data: String,
    /// The last `id:` so far.
    pub id: Option<String>,
}

/// Reads a `text/event-stream`. Feed it with [`push`](Parser::push), take with [`next`](Parser::next).
#[derive(Debug, Default)]
pub struct Parser {
    line: Vec<u8>,
    data: Option<Vec<u8>>,
    event: Vec<u8>,
    id: Option<String>,
    after_cr: bool,
    /// The stream's first line is over: no byte order mark can come any more.
    begun: bool,
    events: VecDeque<SseEvent>,
}

impl Parser {
    /// A parser at the beginning of a stream.
    pub fn new() -> Parser {
        Parser::default()
    }

    /// Takes the next piece.
    ///
    /// # Errors
    /// `limit_exceeded`: an event has more than 16 MiB.
    pub fn push(&mut self, mut piece: &[u8]) -> Result<(), Fault> {
        while !piece.is_empty() {
            if std::mem::take(&mut self.after_cr) && piece[0] == b'\n' {
                piece = &piece[1..];
                continue;
            }
            let end = piece.iter().position(|b| matches!(b, b'\r' | b'\n'));
            self.line.extend_from_slice(&piece[..end.unwrap_or(piece.len())]);
            if self.line.len() + self.data.as_ref().map_or(0, Vec::len) > EVENT_BYTES_MAX {
                return Err(Fault::new(Code::LimitExceeded, "an event of the stream is larger than 16 MiB"));
            }
            let Some(end) = end else { return Ok(()) };
            self.after_cr = piece[end] == b'\r';
            piece = &piece[end + 1..];
            let line = std::mem::take(&mut self.line);
            self.take_line(&line);
        }
        Ok(())
    }

    /// The next whole event, if there is one.
    #[allow(clippy::should_implement_trait)]
    pub fn next(&mut self) -> Option<SseEvent> {
        self.events.pop_front()
    }

    fn take_line(&mut self, line: &[u8]) {
        let first = !std::mem::replace(&mut self.begun, true);
        let line = if first { line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line) } else { line };
        if line.is_empty() {
            return self.dispatch();
        }
        let (field, value) = match line.iter().position(|b| *b == b':') {
            Some(at) => (&line[..at], line[at + 1..].strip_prefix(b" ").unwrap_or(&line[at + 1..])),
            None => (line, &b""[..]),
        };
        match field {
            b"data" => match &mut self.data {
                Some(data) => {
                    data.push(b'\n');
                    data.extend_from_slice(value);
                }
                None => self.data = Some(value.to_vec()),
            },
            b"event" => self.event = value.to_vec(),
            b"id" if !value.contains(&0) => self.id = Some(String::from_utf8_lossy(value).into()),
            // Comments, `retry` and whatever else there may be.
            _ => {}
        }
    }

    fn dispatch(&mut self) {
        let event = std::mem::take(&mut self.event);
        let Some(data) = self.data.take() else { return };
        let event =
            if event.is_empty() { "message".into() } else { String::from_utf8_lossy(&event).into_owned() };
        let data = String::from_utf8(data).unwrap_or_else(|e| String::from_utf8_lossy(e.as_bytes()).into());
        self.events.push_back(SseEvent { event, data, id: self.id.clone() });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn events(pieces: &[&[u8]]) -> Vec<(String, String)> {
        let mut parser = Parser::new();
        let mut all = vec![];
        for piece in pieces {
            parser.push(piece).unwrap();
            all.extend(std::iter::from_fn(|| parser.next()).map(|e| (e.event, e.data)));
        }
        all
    }

    fn message(data: &str) -> (String, String) {
        ("message".into(), data.into())
    }

    #[test]
    fn every_line_end_and_every_cut_gives_the_same_events() {
        let want = [message("a\nb"), ("open".into(), "{}".into()), message("ü")];
        for end in ["\n", "\r", "\r\n"] {
            let text =
                [": hi", "data: a", "data:b", "", "event: open", "data: {}", "", "data: ü", "", ""].join(end);
            let bytes = text.as_bytes();
            assert_eq!(events(&[bytes]), want, "{end:?}");
            for at in 0..bytes.len() {
                assert_eq!(events(&[&bytes[..at], &bytes[at..]]), want, "{end:?} cut at {at}");
            }
            let single: Vec<&[u8]> = bytes.chunks(1).collect();
            assert_eq!(events(&single), want, "{end:?}");
        }
    }

    #[test]
    fn details_of_the_standard_hold() {
        assert_eq!(events(&[b"\xef\xbb\xbfdata: x\n\n"]), [message("x")]);
        assert_eq!(events(&[b"data\n\n"]), [message("")]);
        assert_eq!(events(&[b"data:  x\n\n"]), [message(" x")]);
        assert_eq!(events(&[b"event: only\n\ndata: x\n\n"]), [message("x")]);
        assert_eq!(events(&[b"data: unfinished\n"]), []);
        assert_eq!(events(&[b"retry: 5\nnonsense\ndata: x:y\n\n"]), [message("x:y")]);
    }

    #[test]
    fn ids_stay_until_the_next_one() {
        let mut parser = Parser::new();
        parser.push(b"id: e.1.a\ndata: 1\n\ndata: 2\n\nid: bad\0\ndata: 3\n\n").unwrap();
        let ids: Vec<_> = std::iter::from_fn(|| parser.next()).map(|e| e.id.unwrap()).collect();
        assert_eq!(ids, ["e.1.a", "e.1.a", "e.1.a"]);
    }

    #[test]
    fn an_endless_event_ends_the_stream() {
        let mut parser = Parser::new();
        let piece = vec![b'x'; 1 << 20];
        assert!((0..16).all(|_| parser.push(&piece).is_ok()));
        assert_eq!(parser.push(&piece).unwrap_err().code, Code::LimitExceeded);
    }
}
