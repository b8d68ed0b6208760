//! One read and one write buffer per worker thread, so that idle links own none.

use std::cell::Cell;
use std::thread::LocalKey;

/// The size of both buffers in bytes.
pub(crate) const SCRATCH: usize = 64 << 10;

thread_local! {
    static READ: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
    static JOIN: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// Lends this thread's buffer; a nested call, or one while the thread ends, gets a fresh one.
fn lend<R>(key: &'static LocalKey<Cell<Vec<u8>>>, f: impl FnOnce(&mut Vec<u8>) -> R) -> R {
    let mut buffer = key.try_with(Cell::take).unwrap_or_default();
    let result = f(&mut buffer);
    // While the thread ends there is nobody left to lend it to.
    let _ = key.try_with(|cell| cell.set(buffer));
    result
}

/// Lends the read buffer, [`SCRATCH`] bytes long; its contents are left over from other reads.
pub(crate) fn with_read<R>(f: impl FnOnce(&mut [u8]) -> R) -> R {
    lend(&READ, |buffer| {
        buffer.resize(SCRATCH, 0);
        f(buffer)
    })
}

/// Lends the write buffer, empty.
pub(crate) fn with_join<R>(f: impl FnOnce(&mut Vec<u8>) -> R) -> R {
    lend(&JOIN, |buffer| {
        buffer.clear();
        f(buffer)
    })
}
