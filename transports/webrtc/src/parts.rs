//! Messages longer than the channel's: sent in parts, each a binary message of two zero bytes (with which no binary frame
//! begins), one byte of flags, and a piece. Owns memory only while a message is incomplete.

use bytes::{BufMut, Bytes, BytesMut};
use crosspoint_core::Message;

const HEAD: usize = 3;
const LAST: u8 = 1;
const BINARY: u8 = 2;

/// What no link survives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PartsError {
    /// The message is longer than allowed.
    #[error("the message is longer than allowed")]
    TooLarge,
    /// A message stands between the parts of another, or a part is no part.
    #[error("the parts don't fit together")]
    Malformed,
}

/// One message as the channel carries it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// Whether it is a text message.
    pub text: bool,
    /// Its bytes.
    pub bytes: BytesMut,
}

/// A message as the channel carries it, in messages of at most `max` bytes.
pub fn split(binary: bool, message: &[u8], max: usize) -> Vec<Piece> {
    if message.len() <= max {
        return vec![Piece { text: !binary, bytes: message.into() }];
    }
    let piece_max = max.saturating_sub(HEAD).max(1);
    let pieces = message.chunks(piece_max);
    let count = pieces.len();
    let kind = if binary { BINARY } else { 0 };
    let part = |(n, piece): (usize, &[u8])| {
        let mut bytes = BytesMut::with_capacity(HEAD + piece.len());
        bytes.put_slice(&[0, 0, kind | if n + 1 == count { LAST } else { 0 }]);
        bytes.put_slice(piece);
        Piece { text: false, bytes }
    };
    pieces.enumerate().map(part).collect()
}

/// Puts one channel's messages together.
#[derive(Debug)]
pub struct Joiner {
    /// The pieces so far, and what the whole is.
    held: Option<(BytesMut, u8)>,
    message_bytes_max: usize,
}

impl Joiner {
    /// `message_bytes_max` bounds a whole message, in bytes.
    pub fn new(message_bytes_max: usize) -> Joiner {
        Joiner { held: None, message_bytes_max }
    }

    /// Takes what the channel delivered. `None`: more parts follow.
    ///
    /// # Errors
    /// Nothing that follows can be understood.
    pub fn next(&mut self, text: bool, bytes: BytesMut) -> Result<Option<Message>, PartsError> {
        if text || !bytes.starts_with(&[0, 0]) {
            return match (&self.held, bytes.len() > self.message_bytes_max) {
                (Some(_), _) => Err(PartsError::Malformed),
                (None, true) => Err(PartsError::TooLarge),
                (None, false) if text => Ok(Some(Message::Text(own(bytes)))),
                (None, false) => Ok(Some(Message::Binary(own(bytes)))),
            };
        }
        let flags =
            *bytes.get(2).filter(|flags| **flags & !(LAST | BINARY) == 0).ok_or(PartsError::Malformed)?;
        let piece = &bytes[HEAD..];
        let (held, kind) = self.held.get_or_insert_with(|| (BytesMut::new(), flags & BINARY));
        if *kind != flags & BINARY {
            return Err(PartsError::Malformed);
        }
        if held.len() + piece.len() > self.message_bytes_max {
            return Err(PartsError::TooLarge);
        }
        held.extend_from_slice(piece);
        if flags & LAST == 0 {
            return Ok(None);
        }
        let whole = self.held.take().map(|(held, _)| held.freeze()).unwrap_or_default();
        Ok(Some(if flags & BINARY == 0 { Message::Text(whole) } else { Message::Binary(whole) }))
    }
}

/// What is kept for long must not keep a larger buffer.
fn own(bytes: BytesMut) -> Bytes {
    if bytes.capacity() > 2 * bytes.len() { Bytes::copy_from_slice(&bytes) } else { bytes.freeze() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn join(joiner: &mut Joiner, pieces: Vec<Piece>) -> Result<Vec<Message>, PartsError> {
        let mut out = vec![];
        for piece in pieces {
            out.extend(joiner.next(piece.text, piece.bytes)?);
        }
        Ok(out)
    }

    fn bytes_of(message: &Message) -> (bool, &[u8]) {
        match message {
            Message::Text(text) => (false, text),
            Message::Binary(bytes) => (true, bytes),
        }
    }

    #[test]
    fn whatever_is_split_comes_together() {
        let mut joiner = Joiner::new(1_000);
        for len in (0..300).chain([999, 1_000]) {
            let message: Vec<u8> = (0..len).map(|n| (n % 251) as u8 + 1).collect();
            for (binary, max) in [(false, 64), (true, 64), (true, 100), (false, 1_000)] {
                let pieces = split(binary, &message, max);
                assert!(pieces.iter().all(|piece| piece.bytes.len() <= max), "{len} {max}");
                let got = join(&mut joiner, pieces).unwrap();
                assert_eq!(got.iter().map(bytes_of).collect::<Vec<_>>(), [(binary, &message[..])]);
            }
        }
    }

    #[test]
    fn what_is_too_large_is_found_out_before_it_is_whole() {
        let mut joiner = Joiner::new(100);
        assert_eq!(joiner.next(true, BytesMut::from(&[b' '; 101][..])).err(), Some(PartsError::TooLarge));
        let mut pieces = split(true, &[7; 500], 64).into_iter();
        let mut got = || joiner.next(false, pieces.next().unwrap().bytes);
        assert!(matches!(got(), Ok(None)));
        assert_eq!(got().err(), Some(PartsError::TooLarge));
    }

    #[test]
    fn parts_that_do_not_fit_are_refused() {
        let refused = |messages: &[(bool, &[u8])]| {
            let mut joiner = Joiner::new(100);
            let mut last = Ok(None);
            for (text, bytes) in messages {
                last = joiner.next(*text, BytesMut::from(*bytes));
            }
            last.err() == Some(PartsError::Malformed)
        };
        assert!(refused(&[(false, &[0, 0])]));
        assert!(refused(&[(false, &[0, 0, 4, 1])]));
        assert!(refused(&[(false, &[0, 0, 0, 1]), (true, b"{}")]));
        assert!(refused(&[(false, &[0, 0, 0, 1]), (false, &[0, 0, 3, 1])]));
        assert!(!refused(&[(false, &[0, 0, 0, 1]), (false, &[0, 0, 1])]));
    }
}
