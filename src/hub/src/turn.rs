//! A turn: what one batch of input causes to be sent, joined per session and written once.
//!
//! Whoever queues something on a thread ends the turn on that thread before its next await, so that nothing is left behind.

use crate::cell::Cell;
use crate::hub::Hub;
use crate::room::Room;
use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::Ordering;

#[derive(Default)]
struct Turn {
    rooms: Vec<Arc<Room>>,
    cells: Vec<Arc<Cell>>,
}

thread_local! {
    static TURN: RefCell<Turn> = RefCell::default();
}

/// Sessions that the turn writes to itself; the rest of a large room goes to a task of its own, so that no reader of a
/// socket waits longer than these writes take (about 2 ms).
const INLINE: usize = 512;
/// Sessions between two yields of that task.
const CHUNK: usize = 128;
/// Sessions that may wait for such tasks before publishers are made to wait.
pub(crate) const BACKLOG_MAX: usize = 100_000;

pub(crate) fn room(room: Arc<Room>) {
    TURN.with_borrow_mut(|t| t.rooms.push(room));
}

/// Events that the hub took before a direct message to this session go before it.
pub(crate) fn events_first(hub: &Hub, cell: &Arc<Cell>) {
    let waiting = cell.state.lock().rooms.waiting();
    for room in waiting {
        let deliveries = TURN.with_borrow_mut(|t| room.distribute(&mut t.cells));
        hub.stats.deliveries.fetch_add(deliveries, Ordering::Relaxed);
    }
}

pub(crate) fn cell(cell: &Arc<Cell>) {
    if cell.mark_dirty() {
        TURN.with_borrow_mut(|t| t.cells.push(cell.clone()));
    }
}

impl Hub {
    /// Ends this thread's turn: everything it caused leaves now.
    pub(crate) fn end_turn(self: &Arc<Hub>) {
        // What a session wants done may queue more; it is bounded by what its client asked for.
        loop {
            let Turn { rooms, mut cells } = TURN.take();
            if rooms.is_empty() && cells.is_empty() {
                return;
            }
            let mut deliveries = 0;
            for room in &rooms {
                deliveries += room.distribute(&mut cells);
            }
            self.stats.deliveries.fetch_add(deliveries, Ordering::Relaxed);
            let now = self.clock.now();
            if cells.len() > INLINE {
                let rest = cells.split_off(INLINE);
                self.flush_later(rest);
            }
            for cell in &cells {
                let actions = cell.flush(now);
                self.perform(cell, actions);
            }
        }
    }

    fn flush_later(self: &Arc<Hub>, cells: Vec<Arc<Cell>>) {
        let hub = self.clone();
        self.backlog.fetch_add(cells.len(), Ordering::Relaxed);
        tokio::spawn(async move {
            for chunk in cells.chunks(CHUNK) {
                let now = hub.clock.now();
                for cell in chunk {
                    let actions = cell.flush(now);
                    hub.perform(cell, actions);
                }
                hub.end_turn();
                hub.backlog.fetch_sub(chunk.len(), Ordering::Relaxed);
                hub.backlog_sank.notify_waiters();
                tokio::task::yield_now().await;
            }
        });
    }
}
