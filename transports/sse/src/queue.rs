//! What waits for its way down: bounded, so that a slow reader's backpressure reaches its session.

use crate::poll::Batches;
use bytes::{Bytes, BytesMut};
use crosspoint_core::Fault;
use std::collections::VecDeque;
use std::task::Waker;

/// Nothing more is taken beyond these, except into an empty queue.
const BYTES_MAX: usize = 256 << 10;
pub(crate) const BLOCKS_MAX: usize = 1_000;
/// Blocks are joined up to this size.
const CHUNK_BYTES: usize = 64 << 10;

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

    /// The blocks at the head, joined; a single one is not copied.
    pub(crate) fn pop_chunk(&mut self) -> Option<Bytes> {
        let first = self.pop()?;
        let (mut more, mut size) = (0, first.len());
        while let Some(next) = self.blocks.get(more).filter(|b| size + b.len() <= CHUNK_BYTES) {
            size += next.len();
            more += 1;
        }
        if more == 0 {
            return Some(first);
        }
        let mut chunk = BytesMut::with_capacity(size);
        chunk.extend_from_slice(&first);
        for _ in 0..more {
            chunk.extend_from_slice(&self.pop().unwrap_or_default());
        }
        Some(chunk.freeze())
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
            // An idle link holds no buffer.
            self.blocks = VecDeque::new();
        }
        Some(block)
    }

    /// The link is given up, with what it holds.
    pub(crate) fn give_up(&mut self) -> Option<Waker> {
        self.gone = true;
        self.pop_all();
        self.batches = None;
        self.waker.take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn single_blocks_are_not_copied_and_several_are_joined() {
        let mut q = Queue::default();
        let block = Bytes::from(vec![1; 10]);
        q.push(block.clone());
        assert_eq!(q.pop_chunk().unwrap().as_ptr(), block.as_ptr());
        for n in 0..3 {
            q.push(Bytes::from(vec![n; 30 << 10]));
        }
        assert_eq!((q.pop_chunk().unwrap().len(), q.pop_chunk().unwrap().len()), (60 << 10, 30 << 10));
        assert!(q.pop_chunk().is_none() && q.bytes == 0 && q.blocks.capacity() == 0);
    }

    #[test]
    fn room_ends_at_either_bound_and_comes_back_at_half_of_it() {
        let mut q = Queue::default();
        q.push(Bytes::from(vec![0; 2 * BYTES_MAX]));
        assert!(!q.has_room(), "the first block may be larger than the bound");
        q.refuse();
        assert!(!q.regained_room());
        q.pop_chunk();
        assert!(q.has_room() && q.regained_room() && !q.regained_room());
        for _ in 0..BLOCKS_MAX {
            assert!(q.has_room());
            q.push(Bytes::from_static(b"x"));
        }
        assert!(!q.has_room());
    }
}
