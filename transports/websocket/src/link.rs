//! The send half that the hub holds.

use crate::conn::Conn;
use crate::encode;
use crate::outbound::{Outbound, Standing};
use bytes::Bytes;
use crosspoint_core::{Fault, LinkSender, SharedFrame};
use futures_util::task::AtomicWaker;
use parking_lot::Mutex;
use std::task::Context;

/// One link's sending half, shared by the hub and the link's task.
pub(crate) struct Link<C> {
    conn: C,
    outbound: Mutex<Outbound>,
    task: AtomicWaker,
}

impl<C: Conn> Link<C> {
    pub(crate) fn new(conn: C) -> Link<C> {
        Link { conn, outbound: Mutex::default(), task: AtomicWaker::new() }
    }

    pub(crate) fn conn(&self) -> &C {
        &self.conn
    }

    /// Runs `f` under the lock, then wakes the link's task if that is what got the link stuck: a link that was stuck before
    /// has its task waiting for room already.
    fn change<R>(&self, f: impl FnOnce(&mut Outbound, &C) -> R) -> R {
        let (result, wake) = {
            let mut outbound = self.outbound.lock();
            let before = outbound.stuck();
            (f(&mut outbound, &self.conn), !before && outbound.stuck())
        };
        if wake {
            self.task.wake();
        }
        result
    }

    /// Sends what waits. The task's waker is in place before anything is looked at, so that no change is missed.
    pub(crate) fn poll(&self, cx: &mut Context<'_>) -> Standing {
        self.task.register(cx.waker());
        self.outbound.lock().poll(&self.conn, cx)
    }

    /// Answers pings with whole pong frames, the last of which starts at `newest`.
    pub(crate) fn pong(&self, pongs: Bytes, newest: usize) {
        self.change(|o, conn| o.pong(conn, pongs, newest));
    }

    /// Says the last frame, if there is one, and a close frame.
    pub(crate) fn say_close(&self, last: Option<&SharedFrame>, code: Option<u16>, reason: &str) {
        self.outbound.lock().close(&self.conn, || {
            let mut words = last.map(|f| encode::wire(f).to_vec()).unwrap_or_default();
            encode::close(code, reason, &mut words);
            words.into()
        });
        self.task.wake();
    }

    /// Gives the connection up: the hub may hold this half for longer.
    pub(crate) fn end(&self) {
        self.outbound.lock().end();
        self.conn.abandon();
        // The waker keeps the finished task's memory.
        self.task.take();
    }
}

impl<C: Conn> LinkSender for Link<C> {
    fn try_send(&self, frames: &mut dyn Iterator<Item = &SharedFrame>) -> usize {
        self.change(|o, conn| o.send(conn, frames))
    }

    fn probe(&self) {
        self.change(|o, conn| o.ping(conn));
    }

    fn close(&self, fault: &Fault, last: Option<&SharedFrame>) {
        self.say_close(last, Some(fault.code.close()), fault.code.name());
    }
}
