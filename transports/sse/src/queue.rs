//! What waits for its way down: bounded, so that a slow reader's backpressure reaches its session.

use crate::block;
use crate::poll::Batches;
use bytes::{Buf, Bytes, BytesMut};
use crosspoint_core::Fault;
use std::collections::VecDeque;
use std::io::{ErrorKind, IoSlice};
use std::sync::Arc;
use std::task::Waker;
use tokio::net::TcpStream;

/// Nothing more is taken beyond these, except into an empty queue.
const BYTES_MAX: usize = 256 << 10;
const BLOCKS_MAX: usize = 1_000;
/// Blocks are joined up to this size.
const JOINED_BYTES: usize = 64 << 10;
/// Blocks in one system call.
const JOINED_BLOCKS: usize = 64;

#[derive(Default)]
pub(crate) struct Queue {
    blocks: VecDeque<Bytes>,
    bytes: usize,
    /// The session was offered no room and waits to be told of it.
    refused: bool,
    /// The link is given up; nothing more comes in.
    gone: bool,
    /// Why the hub closed the link; what is queued still leaves.
    pub(crate) fault: Option<Box<Fault>>,
    /// The opening is answered: a close from now on needs a time limit.
    pub(crate) answered: bool,
    pub(crate) waker: Option<Waker>,
    /// Of a poll link.
    pub(crate) batches: Option<Box<Batches>>,
    /// Where blocks are written at once.
    socket: Option<Arc<TcpStream>>,
    /// The socket's HTTP knows no chunks: the stream ends with the connection.
    bare: bool,
    /// The socket is full; its task waits for room.
    pub(crate) blocked: bool,
}

impl Queue {
    pub(crate) fn has_room(&self) -> bool {
        self.blocks.is_empty() || (self.bytes < BYTES_MAX && self.blocks.len() < BLOCKS_MAX)
    }

    /// Whether more may come in.
    pub(crate) fn is_open(&self) -> bool {
        self.fault.is_none() && !self.gone
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.blocks.is_empty()
    }

    /// Whether all that will ever come was taken out.
    pub(crate) fn is_over(&self) -> bool {
        self.gone || (self.blocks.is_empty() && self.fault.is_some())
    }

    pub(crate) fn is_gone(&self) -> bool {
        self.gone
    }

    pub(crate) fn push(&mut self, block: Bytes) {
        let block = if self.bare { block::unwrapped(&block) } else { block };
        self.bytes += block.len();
        self.blocks.push_back(block);
    }

    pub(crate) fn refuse(&mut self) {
        self.refused = true;
    }

    /// Whether the session is to be told that there is room; said once.
    pub(crate) fn regained_room(&mut self) -> bool {
        let room = self.bytes <= BYTES_MAX / 2 && self.blocks.len() <= BLOCKS_MAX / 2;
        room && std::mem::take(&mut self.refused)
    }

    /// The hub closed the link; `last` is the last block.
    pub(crate) fn close(&mut self, fault: &Fault, last: Option<Bytes>) {
        self.fault = Some(Box::new(fault.clone()));
        if let Some(last) = last {
            self.push(last);
        }
        self.end_body();
    }

    fn end_body(&mut self) {
        if self.socket.is_some() && self.fault.is_some() && !self.bare {
            self.push(block::END);
        }
    }

    /// From now on blocks go to this socket, as chunks or `bare`.
    pub(crate) fn connect(&mut self, socket: Arc<TcpStream>, bare: bool) {
        self.socket = Some(socket);
        self.bare = bare;
        for block in self.pop_all() {
            self.push(block);
        }
        self.end_body();
        self.flush();
    }

    /// Writes what the socket takes, as far as there is one. The caller wakes its task if it is blocked or the link gone then.
    pub(crate) fn flush(&mut self) {
        let Some(socket) = &self.socket else { return };
        self.blocked = false;
        while let Some(first) = self.blocks.front() {
            let written = if self.blocks.len() == 1 {
                socket.try_write(first)
            } else {
                let mut slices = [IoSlice::new(&[]); JOINED_BLOCKS];
                let filled = slices.iter_mut().zip(&self.blocks).map(|(s, b)| *s = IoSlice::new(b)).count();
                socket.try_write_vectored(&slices[..filled])
            };
            match written {
                Ok(n) if n > 0 => advance(&mut self.blocks, &mut self.bytes, n),
                Err(e) if e.kind() == ErrorKind::WouldBlock => {
                    self.blocked = true;
                    return;
                }
                _ => {
                    self.gone = true;
                    break;
                }
            }
        }
        // An idle link holds no buffer.
        self.pop_all();
    }

    /// The task that takes blocks out, if it has to act.
    pub(crate) fn wanted(&mut self) -> Option<Waker> {
        if self.is_empty() && !self.gone { None } else { self.waker.take() }
    }

    /// The content of the blocks at the head, joined; a single one is not copied.
    pub(crate) fn pop_joined(&mut self) -> Option<Bytes> {
        let first = self.pop()?;
        let (mut more, mut size) = (0, first.len());
        while let Some(next) = self.blocks.get(more).filter(|b| size + b.len() <= JOINED_BYTES) {
            size += next.len();
            more += 1;
        }
        let first = block::unwrapped(&first);
        if more == 0 {
            return Some(first);
        }
        let mut joined = BytesMut::with_capacity(size);
        joined.extend_from_slice(&first);
        for _ in 0..more {
            joined.extend_from_slice(&block::unwrapped(&self.pop().unwrap_or_default()));
        }
        Some(joined.freeze())
    }

    /// All blocks.
    pub(crate) fn pop_all(&mut self) -> VecDeque<Bytes> {
        self.bytes = 0;
        std::mem::take(&mut self.blocks)
    }

    fn pop(&mut self) -> Option<Bytes> {
        let block = self.blocks.pop_front()?;
        self.bytes -= block.len();
        if self.blocks.is_empty() {
            self.blocks = VecDeque::new();
        }
        Some(block)
    }

    /// The link is given up, with what it holds.
    pub(crate) fn give_up(&mut self) -> Option<Waker> {
        self.gone = true;
        self.pop_all();
        self.batches = None;
        self.socket = None;
        self.waker.take()
    }
}

/// Takes so many bytes off the head.
fn advance(blocks: &mut VecDeque<Bytes>, bytes: &mut usize, mut n: usize) {
    *bytes -= n;
    while let Some(first) = blocks.front_mut() {
        if n < first.len() {
            return first.advance(n);
        }
        n -= first.len();
        blocks.pop_front();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(size: usize) -> Bytes {
        Bytes::from(format!("{size:x}\r\n{}\r\n", "x".repeat(size)))
    }

    #[test]
    fn single_blocks_are_not_copied_and_several_are_joined() {
        let mut q = Queue::default();
        let block = chunk(10);
        q.push(block.clone());
        let popped = q.pop_joined().unwrap();
        assert_eq!((popped.len(), popped.as_ptr()), (10, block[3..].as_ptr()));
        for _ in 0..3 {
            q.push(chunk(30 << 10));
        }
        assert_eq!((q.pop_joined().unwrap().len(), q.pop_joined().unwrap().len()), (60 << 10, 30 << 10));
        assert!(q.pop_joined().is_none() && q.bytes == 0 && q.blocks.capacity() == 0);
    }

    #[test]
    fn room_ends_at_either_bound_and_comes_back_at_half_of_it() {
        let mut q = Queue::default();
        q.push(chunk(2 * BYTES_MAX));
        assert!(!q.has_room(), "the first block may be larger than the bound");
        q.refuse();
        assert!(!q.regained_room());
        q.pop_joined();
        assert!(q.has_room() && q.regained_room() && !q.regained_room());
        for _ in 0..BLOCKS_MAX {
            assert!(q.has_room());
            q.push(chunk(1));
        }
        assert!(!q.has_room());
    }

    #[test]
    fn a_write_ends_anywhere() {
        let mut blocks: VecDeque<Bytes> = ["abc", "de", "f"].into_iter().map(Bytes::from).collect();
        let mut bytes = 6;
        advance(&mut blocks, &mut bytes, 1);
        assert_eq!((&blocks[0][..], bytes), (&b"bc"[..], 5));
        advance(&mut blocks, &mut bytes, 3);
        assert_eq!((&blocks[0][..], blocks.len(), bytes), (&b"e"[..], 2, 2));
        advance(&mut blocks, &mut bytes, 2);
        assert_eq!((blocks.len(), bytes), (0, 0));
    }
}
