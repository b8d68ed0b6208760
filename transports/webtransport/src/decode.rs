//! From bytes to messages: each message behind four bytes, big-endian: the top bit says binary, the others the length.
//! Owns memory only while a message is incomplete.

use bytes::{Buf, Bytes};
use crosspoint_core::Message;

const HEAD: usize = 4;
const BINARY: u32 = 1 << 31;

/// The message is longer than allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the message is longer than allowed")]
pub struct TooLarge;

/// The decoder of one stream.
#[derive(Debug)]
pub struct Decoder {
    /// The bytes of an incomplete message, its head among them.
    held: Vec<u8>,
    message_bytes_max: usize,
}

impl Decoder {
    /// `message_bytes_max` bounds a message, in bytes.
    pub fn new(message_bytes_max: usize) -> Decoder {
        Decoder { held: Vec::new(), message_bytes_max }
    }

    /// Takes bytes off `chunk` up to the end of the next message. `None`: all bytes are taken and the next message is incomplete.
    ///
    /// # Errors
    /// As soon as its length is known to be too large. Nothing that follows can be understood.
    pub fn next(&mut self, chunk: &mut Bytes) -> Result<Option<Message>, TooLarge> {
        if self.held.is_empty() && chunk.len() >= HEAD {
            let (binary, len) = self.head(chunk)?;
            if chunk.len() - HEAD >= len {
                chunk.advance(HEAD);
                let body = chunk.split_to(len);
                // What is kept for long must not keep the packet.
                return Ok(Some(message(binary, if binary { Bytes::copy_from_slice(&body) } else { body })));
            }
        }
        let missing = HEAD.saturating_sub(self.held.len());
        self.take(chunk, missing, HEAD);
        if self.held.len() < HEAD {
            return Ok(None);
        }
        let (binary, len) = self.head(&self.held)?;
        let missing = HEAD + len - self.held.len();
        self.take(chunk, missing, HEAD + len);
        if self.held.len() < HEAD + len {
            return Ok(None);
        }
        let held = std::mem::take(&mut self.held);
        Ok(Some(message(binary, Bytes::from(held).slice(HEAD..))))
    }

    fn head(&self, bytes: &[u8]) -> Result<(bool, usize), TooLarge> {
        let head = bytes.iter().take(HEAD).fold(0, |head: u32, byte| head << 8 | u32::from(*byte));
        let len = usize::try_from(head & !BINARY).map_err(|_| TooLarge)?;
        if len > self.message_bytes_max { Err(TooLarge) } else { Ok((head & BINARY != 0, len)) }
    }

    /// Holds up to `missing` bytes more. The capacity doubles up to `max`: an announced length alone reserves nothing.
    fn take(&mut self, chunk: &mut Bytes, missing: usize, max: usize) {
        let bytes = chunk.split_to(missing.min(chunk.len()));
        let len = self.held.len() + bytes.len();
        if len > self.held.capacity() {
            self.held.reserve_exact(len.max(max.min(2 * self.held.capacity())) - self.held.len());
        }
        self.held.extend_from_slice(&bytes);
    }
}

fn message(binary: bool, body: Bytes) -> Message {
    if binary { Message::Binary(body) } else { Message::Text(body) }
}

#[cfg(test)]
mod tests;
