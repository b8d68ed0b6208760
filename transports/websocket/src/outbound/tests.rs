use super::*;
use crosspoint_core::{OutFrame, Wire};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::task::Waker;

/// A connection with room for so many bytes; `KEEPS` as in [`Conn::KEEPS_REFUSED`].
#[derive(Default)]
struct Pipe<const KEEPS: bool> {
    room: AtomicUsize,
    written: Mutex<Vec<u8>>,
    writes: AtomicUsize,
}

impl<const KEEPS: bool> Conn for Pipe<KEEPS> {
    const KEEPS_REFUSED: bool = KEEPS;

    fn try_write(&self, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.writes.fetch_add(1, Relaxed);
        let n = bytes.len().min(self.room.load(Relaxed));
        if n == 0 {
            return Poll::Pending;
        }
        self.room.fetch_sub(n, Relaxed);
        self.written.lock().unwrap().extend_from_slice(&bytes[..n]);
        Poll::Ready(Ok(n))
    }

    fn try_flush(&self) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_read(&self, _: &mut Context<'_>, _: &mut [u8]) -> Poll<io::Result<usize>> {
        Poll::Pending
    }

    fn poll_write(&self, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.try_write(bytes)
    }

    fn poll_room(&self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        if KEEPS || self.room.load(Relaxed) > 0 { Poll::Ready(Ok(())) } else { Poll::Pending }
    }

    fn poll_shutdown(&self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn abandon(&self) {}
}

fn frame(n: usize, len: usize) -> SharedFrame {
    let frame = OutFrame::with("test", &());
    frame.wire(Wire::WebSocket, |_| crate::message(false, format!("{n:0len$}").as_bytes()));
    frame
}

fn poll(outbound: &mut Outbound, conn: &impl Conn) -> Standing {
    outbound.poll(conn, &mut Context::from_waker(Waker::noop()))
}

#[test]
fn a_refusal_of_any_kind_ends_with_room() {
    for (room, frames, taken) in [(0, 1, 0), (5, 1, 1), (0, 3, 0), (12, 3, 1), (17, 3, 2), (29, 3, 3)] {
        let conn = Pipe::<false> { room: AtomicUsize::new(room), ..Pipe::default() };
        let mut outbound = Outbound::default();
        let batch: Vec<_> = (0..frames).map(|n| frame(n, 10)).collect();
        assert_eq!(outbound.send(&conn, &mut batch.iter()), taken, "{room} bytes of room");
        assert!(outbound.stuck());
        assert_eq!(poll(&mut outbound, &conn), Standing::Open, "still no room");
        conn.room.store(1000, Relaxed);
        let expected = if taken < frames { Standing::Room } else { Standing::Open };
        assert_eq!(poll(&mut outbound, &conn), expected, "{room} bytes of room");
        assert_eq!(poll(&mut outbound, &conn), Standing::Open, "said once");
        assert_eq!(outbound.send(&conn, &mut batch[taken..].iter()), frames - taken);
        let bytes: Vec<u8> = batch.iter().flat_map(|f| wire(f).to_vec()).collect();
        assert_eq!(*conn.written.lock().unwrap(), bytes);
    }
}

#[test]
fn an_offer_to_a_blocked_link_is_remembered() {
    let conn = Pipe::<false> { room: AtomicUsize::new(5), ..Pipe::default() };
    let mut outbound = Outbound::default();
    assert_eq!(outbound.send(&conn, &mut [frame(0, 10)].iter()), 1);
    assert_eq!(outbound.send(&conn, &mut [frame(1, 10)].iter()), 0);
    assert_eq!(conn.writes.load(Relaxed), 1, "a blocked link costs no system call");
    conn.room.store(1000, Relaxed);
    assert_eq!(poll(&mut outbound, &conn), Standing::Room);
}

/// Whatever the room: the bytes are those of the frames that were taken, whole and in order.
fn any_room<const KEEPS: bool>(seed: u64) {
    let mut state = seed;
    let mut random = |below: usize| {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 33) as usize % below
    };
    let conn = Pipe::<KEEPS>::default();
    let mut outbound = Outbound::default();
    let (mut queue, mut expected, mut made) = (std::collections::VecDeque::new(), Vec::new(), 0);
    let mut waits = false;
    while made < 200 || !queue.is_empty() {
        conn.room.fetch_add([0, random(20), random(500)][random(3)], Relaxed);
        if made < 200 && random(2) == 0 {
            for _ in 0..=random(5) {
                queue.push_back(frame(made, 1 + random(200)));
                made += 1;
            }
        }
        let room = poll(&mut outbound, &conn) == Standing::Room;
        assert!(waits || !room, "room is announced to those who wait");
        if room || !waits {
            let taken = outbound.send(&conn, &mut queue.iter());
            waits = taken < queue.len();
            expected.extend(queue.drain(..taken).flat_map(|f: SharedFrame| wire(&f).to_vec()));
        }
    }
    conn.room.store(1000, Relaxed);
    poll(&mut outbound, &conn);
    assert!(!outbound.stuck() && *conn.written.lock().unwrap() == expected, "seed {seed}");
}

#[test]
fn nothing_is_lost_doubled_or_swapped_whatever_the_room() {
    for seed in 0..200 {
        any_room::<false>(seed);
        any_room::<true>(seed);
    }
}

#[test]
fn the_close_frame_is_the_last_and_the_first_close_wins() {
    let conn = Pipe::<false> { room: AtomicUsize::new(5), ..Pipe::default() };
    let mut outbound = Outbound::default();
    let begun = frame(0, 10);
    outbound.send(&conn, &mut [begun.clone()].iter());
    outbound.ping(&conn);
    outbound.pong(&conn, Bytes::from_static(b"\x8a\x01a\x8a\x01b"), 3);
    outbound.close(&conn, || Bytes::from_static(b"\x88\x02\x03\xe8"));
    outbound.close(&conn, || Bytes::from_static(b"\x88\x00"));
    outbound.ping(&conn);
    assert_eq!(outbound.send(&conn, &mut [frame(1, 10)].iter()), 0);
    assert_eq!(poll(&mut outbound, &conn), Standing::Closing { sent: false });
    conn.room.store(1000, Relaxed);
    assert_eq!(poll(&mut outbound, &conn), Standing::Closing { sent: true });
    let expected = [wire(&begun), &b"\x8a\x01b\x89\x00\x88\x02\x03\xe8"[..]].concat();
    assert_eq!(*conn.written.lock().unwrap(), expected);
    outbound.end();
    assert_eq!(poll(&mut outbound, &conn), Standing::Over);
}
