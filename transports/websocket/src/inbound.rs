//! From bytes to messages: RFC 6455 §5 as the server reads it. Owns memory only while a frame or a fragmented message
//! is incomplete.

use crate::encode::CONTROL_MAX;
use crate::mask::unmask;
use bytes::Bytes;
use crosspoint_core::Message;
use std::io::Cursor;
use std::mem;
use std::str::from_utf8;
use tungstenite::protocol::frame::FrameHeader;
use tungstenite::protocol::frame::coding::{Control, Data, OpCode};

/// What the other end did.
#[derive(Debug)]
pub(crate) enum Event {
    Message(Message),
    Ping(Bytes),
    Pong,
    /// A close frame, with its code where it has one.
    Close(Option<u16>),
}

/// What the other end must not do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Violation {
    /// 1002, with the reason.
    Protocol(&'static str),
    /// 1007.
    Utf8,
    /// 1009.
    TooLarge,
}

use Violation::{Protocol, TooLarge, Utf8};

#[derive(Debug)]
pub(crate) struct Inbound {
    /// The bytes of an incomplete frame, as they came.
    held: Vec<u8>,
    fragments: Option<Box<Fragments>>,
    message_bytes_max: usize,
}

#[derive(Debug)]
struct Fragments {
    binary: bool,
    data: Vec<u8>,
    /// So many bytes of a text are known to be UTF-8.
    checked: usize,
}

#[derive(Clone, Copy)]
struct Head {
    last: bool,
    opcode: OpCode,
    mask: [u8; 4],
    header: usize,
    payload: usize,
}

enum Payload<'a> {
    Borrowed(&'a mut [u8]),
    Owned(Bytes),
}

impl AsRef<[u8]> for Payload<'_> {
    fn as_ref(&self) -> &[u8] {
        match self {
            Payload::Borrowed(p) => p,
            Payload::Owned(p) => p,
        }
    }
}

impl Inbound {
    /// `message_bytes_max` bounds a message, whole or in fragments, in bytes.
    pub(crate) fn new(message_bytes_max: usize) -> Inbound {
        Inbound { held: Vec::new(), fragments: None, message_bytes_max }
    }

    /// Takes bytes off `chunk` up to the end of the next event. `None`: all bytes are taken and the next event is incomplete.
    pub(crate) fn next(&mut self, chunk: &mut &mut [u8]) -> Result<Option<Event>, Violation> {
        loop {
            let event = if self.held.is_empty() { self.direct(chunk)? } else { self.completed(chunk)? };
            match event {
                Step::Incomplete => return Ok(None),
                Step::Fragment => {}
                Step::Event(event) => return Ok(Some(event)),
            }
        }
    }

    /// The frame at the start of `chunk`, where it lies; what is incomplete is held.
    fn direct(&mut self, chunk: &mut &mut [u8]) -> Result<Step, Violation> {
        let head = match self.head(chunk)? {
            Some(head) if chunk.len() >= head.header + head.payload => head,
            _ => {
                self.held.extend_from_slice(&mem::take::<&mut [u8]>(chunk)[..]);
                return Ok(Step::Incomplete);
            }
        };
        let (frame, rest) = mem::take(chunk).split_at_mut(head.header + head.payload);
        *chunk = rest;
        let payload = &mut frame[head.header..];
        unmask(payload, head.mask);
        self.frame(head, Payload::Borrowed(payload))
    }

    /// The held frame with what `chunk` adds to it.
    fn completed(&mut self, chunk: &mut &mut [u8]) -> Result<Step, Violation> {
        let head = loop {
            if let Some(head) = self.head(&self.held)? {
                break head;
            }
            let Some((byte, rest)) = mem::take(chunk).split_first_mut() else { return Ok(Step::Incomplete) };
            self.held.push(*byte);
            *chunk = rest;
        };
        let total = head.header + head.payload;
        let missing = chunk.len().min(total - self.held.len());
        let (more, rest) = mem::take(chunk).split_at_mut(missing);
        *chunk = rest;
        append(&mut self.held, more, total);
        if self.held.len() < total {
            return Ok(Step::Incomplete);
        }
        let mut held = mem::take(&mut self.held);
        unmask(&mut held[head.header..], head.mask);
        self.frame(head, Payload::Owned(Bytes::from(held).slice(head.header..)))
    }

    /// Parses and checks the header at the start of `bytes`, before any of its payload is kept.
    fn head(&self, bytes: &[u8]) -> Result<Option<Head>, Violation> {
        let mut cursor = Cursor::new(bytes);
        let parsed = FrameHeader::parse(&mut cursor).map_err(|_| Protocol("unknown opcode"))?;
        let Some((header, length)) = parsed else { return Ok(None) };
        if header.rsv1 || header.rsv2 || header.rsv3 {
            return Err(Protocol("reserved bits are set"));
        }
        let mask = header.mask.ok_or(Protocol("frame without mask"))?;
        let room = match (header.opcode, &self.fragments) {
            (OpCode::Control(_), _) if !header.is_final => return Err(Protocol("fragmented control frame")),
            (OpCode::Control(_), _) if length > CONTROL_MAX as u64 => {
                return Err(Protocol("control frame too long"));
            }
            (OpCode::Control(_), _) => CONTROL_MAX,
            (OpCode::Data(Data::Continue), None) => return Err(Protocol("nothing to continue")),
            (OpCode::Data(Data::Continue), Some(f)) => self.message_bytes_max.saturating_sub(f.data.len()),
            (OpCode::Data(_), Some(_)) => return Err(Protocol("message inside a message")),
            (OpCode::Data(_), None) => self.message_bytes_max,
        };
        let payload = usize::try_from(length).ok().filter(|n| *n <= room).ok_or(TooLarge)?;
        let header_len = cursor.position() as usize;
        Ok(Some(Head { last: header.is_final, opcode: header.opcode, mask, header: header_len, payload }))
    }

    fn frame(&mut self, head: Head, payload: Payload<'_>) -> Result<Step, Violation> {
        let event = match head.opcode {
            OpCode::Control(Control::Ping) => Event::Ping(payload.into_bytes()),
            OpCode::Control(Control::Pong) => Event::Pong,
            OpCode::Control(_) => Event::Close(close_code(payload.as_ref())?),
            OpCode::Data(Data::Continue) => match self.fragment(payload.as_ref(), head.last)? {
                Some(message) => Event::Message(message),
                None => return Ok(Step::Fragment),
            },
            OpCode::Data(kind) if head.last => {
                let binary = kind == Data::Binary;
                if !binary {
                    from_utf8(payload.as_ref()).map_err(|_| Utf8)?;
                }
                Event::Message(message(binary, payload.into_bytes()))
            }
            OpCode::Data(kind) => {
                let binary = kind == Data::Binary;
                self.fragments = Some(Box::new(Fragments { binary, data: Vec::new(), checked: 0 }));
                self.fragment(payload.as_ref(), false)?;
                return Ok(Step::Fragment);
            }
        };
        Ok(Step::Event(event))
    }

    /// Adds to the fragmented message; returns it when it is whole.
    fn fragment(&mut self, payload: &[u8], last: bool) -> Result<Option<Message>, Violation> {
        let Some(mut fragments) = self.fragments.take() else { return Ok(None) };
        append(&mut fragments.data, payload, self.message_bytes_max);
        if !fragments.binary {
            match from_utf8(&fragments.data[fragments.checked..]) {
                Ok(_) => fragments.checked = fragments.data.len(),
                // A character may go on in the next fragment.
                Err(e) if e.error_len().is_none() && !last => fragments.checked += e.valid_up_to(),
                Err(_) => return Err(Utf8),
            }
        }
        if !last {
            self.fragments = Some(fragments);
            return Ok(None);
        }
        Ok(Some(message(fragments.binary, fragments.data.into_boxed_slice().into())))
    }
}

enum Step {
    Event(Event),
    /// A part of a message was taken.
    Fragment,
    Incomplete,
}

impl Payload<'_> {
    fn into_bytes(self) -> Bytes {
        match self {
            Payload::Borrowed(p) => Bytes::copy_from_slice(p),
            Payload::Owned(p) => p,
        }
    }
}

fn message(binary: bool, payload: Bytes) -> Message {
    if binary { Message::Binary(payload) } else { Message::Text(payload) }
}

/// Appends with a capacity that doubles up to `max`: an announced length alone reserves nothing.
fn append(to: &mut Vec<u8>, bytes: &[u8], max: usize) {
    let len = to.len() + bytes.len();
    if len > to.capacity() {
        to.reserve_exact(len.max(max.min(2 * to.capacity())) - to.len());
    }
    to.extend_from_slice(bytes);
}

/// RFC 6455 §5.5.1 and §7.4: the code of a close frame's payload.
fn close_code(payload: &[u8]) -> Result<Option<u16>, Violation> {
    let (high, low, reason) = match payload {
        [] => return Ok(None),
        [_] => return Err(Protocol("close code cut short")),
        [high, low, reason @ ..] => (*high, *low, reason),
    };
    let code = u16::from_be_bytes([high, low]);
    if !matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999) {
        return Err(Protocol("close code not allowed"));
    }
    from_utf8(reason).map_err(|_| Utf8)?;
    Ok(Some(code))
}

#[cfg(test)]
mod tests;
