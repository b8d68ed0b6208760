use super::*;
use crate::wire::Event;
use serde_json::json;

fn limits() -> Arc<Limits> {
    Arc::new(Limits {
        outbox_bytes_max: 1_000,
        heartbeat_ms: 1_000,
        resume_ms: 5_000,
        drain_ms: 200,
        ack_every: 4,
        ack_delay_ms: 100,
        reorder_frames_max: 4,
        ..Limits::default()
    })
}

fn session(kind: Kind) -> Session {
    let mut s = Session::new(0, limits(), kind);
    s.link_up(0, 1, 0).unwrap();
    s
}

fn event(offset: u64, bytes: usize) -> Arc<Event> {
    let frame = OutFrame::with("m", &json!({"n": offset, "pad": "x".repeat(bytes)}));
    Arc::new(Event {
        room: "r".into(),
        id: format!("m{offset}").into(),
        offset,
        epoch: "e".into(),
        ts: 0,
        exclude: None,
        volatile_key: None,
        frame,
    })
}

/// Gives the link room for `n` frames; returns what it took.
fn take(s: &mut Session, now: u64, n: usize) -> Vec<String> {
    let mut taken = vec![];
    s.transmit(now, |_, frames| {
        taken.extend(frames.take(n).map(|f| String::from_utf8_lossy(f.json()).into_owned()));
        taken.len()
    });
    taken
}

fn numbered(n: u64) -> SharedFrame {
    OutFrame::with("n", &n)
}

fn frame(text: &str) -> Frame {
    Frame::decode_text(text.as_bytes()).unwrap()
}

#[test]
fn an_ack_that_overtakes_a_hello_loses_nothing() {
    let mut s = session(Kind::Resumable);
    (1..=3).for_each(|n| s.send(numbered(n)).unwrap());
    assert_eq!(take(&mut s, 0, 9).len(), 3);
    s.receive(1, 1, None, frame(r#"{"type":"hub:ack","data":{"received":2}}"#));
    s.link_up(2, 2, 0).unwrap();
    assert_eq!(s.start(), 3, "the client has received 2, though its hello doesn't know");
    assert_eq!(take(&mut s, 2, 9), [r#"{"type":"n","data":3}"#]);
    assert_eq!(s.link_up(3, 3, 4), Err(Code::SessionExpired), "frame 4 was never sent");
}

#[test]
fn only_the_current_link_counts() {
    let mut s = session(Kind::Resumable);
    assert!(matches!(s.receive(0, 1, None, frame(r#"{"type":"a"}"#)), Taken::Act(_)));
    s.link_up(1, 2, 0).unwrap();
    assert_eq!(s.receive(1, 1, None, frame(r#"{"type":"b"}"#)), Taken::Nothing);
    assert_eq!(s.received(), 1);
    assert!(matches!(s.receive(1, 1, None, frame(r#"{"type":"v","volatile":true}"#)), Taken::Act(_)));
    assert_eq!(s.receive(1, 2, None, frame(r#"{"type":"b"}"#)), Taken::Act(frame(r#"{"type":"b"}"#)));
    assert_eq!(s.receive(1, 3, None, frame(r#"{"type":"c"}"#)), Taken::Fault(Code::Replaced));
}

#[test]
fn numbered_frames_are_put_in_order_within_a_bound() {
    let mut s = session(Kind::Resumable);
    let mut take = |seq, kind: &str| s.receive(0, 1, Some(seq), Frame::new(kind));
    assert_eq!(take(2, "b"), Taken::Nothing);
    assert_eq!(take(6, "f"), Taken::Refused, "as far ahead as the buffer is long");
    assert_eq!(take(1, "a"), Taken::Act(Frame::new("a")));
    assert_eq!(s.take_early(0), Some(Frame::new("b")));
    assert_eq!((s.take_early(0), s.received()), (None, 2));
}

#[test]
fn a_blocked_link_leaves_no_deadline_in_the_past() {
    let mut s = session(Kind::Resumable);
    s.receive(10, 1, None, Frame::new("a"));
    assert_eq!(s.deadline(), 110, "an acknowledgement is due");
    s.send(numbered(1)).unwrap();
    take(&mut s, 10, 0);
    s.tick(110);
    assert_eq!(s.deadline(), 10 + 1_500, "only silence can end this");
    s.writable(1);
    assert_eq!(take(&mut s, 120, 9).len(), 2, "the acknowledgement and the frame");
}

#[test]
fn links_that_are_not_needed_are_closed() {
    let mut s = session(Kind::Resumable);
    s.link_up(0, 2, 0).unwrap();
    assert_eq!(s.deadline(), 200);
    assert_eq!(s.poll_action(199), None);
    assert_eq!(s.poll_action(200), Some(Action::Close(1, Code::Replaced)));
    s.link_up(300, 3, 0).unwrap();
    assert_eq!(s.link_up(301, 4, 0), Ok(Some(2)), "there is room for one old link");
    s.link_down(302, 4);
    assert_eq!(s.poll_action(302), Some(Action::Close(3, Code::Replaced)), "whoever uses it must come again");
    s.link_up(303, 5, 0).unwrap();
    s.link_up(304, 6, 0).unwrap();
    s.end(Code::Forbidden);
    assert_eq!(s.poll_action(304), Some(Action::Close(5, Code::Replaced)));
    assert_eq!(s.poll_action(304), Some(Action::End(Code::Forbidden)));
    assert_eq!((s.poll_action(304), s.deadline()), (None, u64::MAX));
    assert_eq!(s.receive(305, 6, None, Frame::new("a")), Taken::Nothing, "nothing is taken after the end");
}

#[test]
fn pongs_that_nobody_reads_are_bounded() {
    let mut s = session(Kind::Resumable);
    s.send(numbered(1)).unwrap();
    take(&mut s, 0, 0);
    for _ in 0..100 {
        s.receive(0, 1, None, frame(r#"{"type":"hub:ping","data":{"t":1.5}}"#));
    }
    s.writable(1);
    let taken = take(&mut s, 0, 1_000);
    assert_eq!(taken.len(), 17, "16 link frames and the one that is counted");
    assert_eq!(taken[0], r#"{"type":"hub:pong","data":{"received":0,"t":1.5}}"#);
}

#[test]
fn a_half_full_outbox_asks_for_one_acknowledgement() {
    let mut s = session(Kind::Resumable);
    let ping = r#"{"type":"hub:ping","data":{"received":0}}"#;
    (1..=6).for_each(|n| s.send(numbered(n)).unwrap());
    assert!(s.outbox_bytes() > 500);
    assert_eq!(take(&mut s, 0, 9).last().map(String::as_str), Some(ping));
    s.send(numbered(7)).unwrap();
    assert_eq!(take(&mut s, 0, 9).len(), 1, "one question at a time");
    s.receive(1, 1, None, frame(r#"{"type":"hub:pong","data":{"received":6}}"#));
    (8..=15).for_each(|n| s.send(numbered(n)).unwrap());
    assert_eq!(take(&mut s, 1, 99).last().map(String::as_str), Some(ping));
}

#[test]
fn direct_frames_end_the_session_at_twice_the_limit() {
    let mut s = session(Kind::Resumable);
    let sent = (1..).take_while(|n| s.send(numbered(*n)).is_ok()).count();
    assert!(s.outbox_bytes() <= 2_000 && sent > 20);
    assert_eq!(s.poll_action(0), Some(Action::End(Code::SlowConsumer)));
}

#[test]
fn an_overflowing_room_comes_later_out_of_its_history() {
    let mut s = session(Kind::Resumable);
    let events: Vec<_> = (1..=6).map(|n| event(n, 150)).collect();
    events[..5].iter().for_each(|e| s.deliver(e));
    assert_eq!(take(&mut s, 0, 99).len(), 5, "four events and a ping");
    assert!(s.is_lagging());
    assert_eq!(s.poll_action(0), None, "there is no room for what comes next");
    s.receive(1, 1, None, frame(r#"{"type":"hub:ack","data":{"received":4}}"#));
    let Some(Action::CatchUp(room, Some(4), read)) = s.poll_action(1) else { panic!("event 5 is due") };
    s.caught_up(&room, read + 7, None, &events[4..], 6, false);
    assert!(take(&mut s, 1, 99).is_empty(), "a reading that nobody waits for");
    s.caught_up(&room, read, None, &events[4..], 6, false);
    s.deliver(&events[5]);
    assert_eq!(take(&mut s, 1, 99).len(), 2, "event 6 was read before it came live");
    assert!(!s.is_lagging());
    s.deliver(&event(7, 1));
    assert!(take(&mut s, 1, 99)[0].contains(r#""n":7"#), "it is live again");
}

#[test]
fn a_reading_without_progress_is_not_repeated_until_there_is_room() {
    let mut s = session(Kind::Resumable);
    s.send(numbered(1)).unwrap();
    let read = s.begin_join("r".into());
    s.caught_up("r", read, None, &[event(1, 900)], 1, false);
    assert_eq!(s.poll_action(0), None, "the event is too large while anything waits");
    take(&mut s, 0, 9);
    s.receive(1, 1, None, frame(r#"{"type":"hub:ack","data":{"received":1}}"#));
    assert!(matches!(s.poll_action(1), Some(Action::CatchUp(_, Some(0), _))));
}

#[test]
fn a_client_without_hello_has_one_link_and_nothing_is_kept_for_it() {
    let mut s = session(Kind::Plain);
    s.send(numbered(1)).unwrap();
    take(&mut s, 0, 9);
    assert_eq!(s.outbox_bytes(), 0);
    assert_eq!(s.poll_action(1_000), Some(Action::Probe(1)));
    assert_eq!(s.poll_action(1_000), None);
    s.alive(1_100, 1);
    assert_eq!(s.poll_action(1_600), None, "it answered");
    assert_eq!(s.link_up(1_700, 2, 0), Err(Code::SessionExpired));
    s.link_down(1_800, 1);
    assert_eq!(s.poll_action(1_800), Some(Action::End(Code::Bye)));
}

#[test]
fn a_listener_may_be_silent_for_ever() {
    let mut s = session(Kind::Listener);
    let mut probes = 0;
    for now in (0..100_000).step_by(500) {
        s.tick(now);
        match s.poll_action(now) {
            Some(Action::Probe(1)) => probes += 1,
            other => assert_eq!(other, None),
        }
        assert!(s.deadline() > now);
    }
    assert!(probes > 90, "its path is kept open");
}

#[test]
fn silence_parks_the_session_and_time_ends_it() {
    let mut s = session(Kind::Resumable);
    s.tick(1_000);
    assert_eq!(take(&mut s, 1_000, 9), [r#"{"type":"hub:ping","data":{"received":0}}"#]);
    assert_eq!(s.poll_action(1_500), Some(Action::Close(1, Code::HeartbeatTimeout)));
    assert_eq!((s.link(), s.deadline()), (None, 6_500));
    s.tick(6_499);
    assert_eq!(s.ended(), None);
    s.tick(6_500);
    assert_eq!(s.poll_action(6_500), Some(Action::End(Code::SessionExpired)));
    assert_eq!(s.link_up(6_501, 2, 0), Err(Code::SessionExpired));
}

const BEAT: &str = "{}";

#[test]
fn a_clients_beat_is_answered_and_nothing_else_is_said_for_it() {
    let mut s = session(Kind::Resumable);
    assert_eq!(s.pace(10, false), 2_500, "not quicker than the hub allows");
    assert_eq!(s.pace(9_000, false), 9_000);
    s.beat(900, 1);
    assert_eq!(take(&mut s, 900, 9), [BEAT]);
    s.beat(1_800, 1);
    s.send(numbered(1)).unwrap();
    assert_eq!(take(&mut s, 1_800, 9), [BEAT, r#"{"type":"n","data":1}"#]);
    assert_eq!(s.poll_action(2_600), None, "a beat is a sign of life");
    s.link_up(2_600, 2, 1).unwrap();
    s.beat(2_600, 1);
    assert!(take(&mut s, 2_600, 9).is_empty(), "the link before has nobody who waits");
}

#[test]
fn a_one_way_link_beats_by_itself_when_it_has_nothing_else_to_say() {
    let quick = Arc::new(Limits { beat_ms: 300, ..(*limits()).clone() });
    let mut s = Session::new(0, quick, Kind::Resumable);
    s.link_up(0, 1, 0).unwrap();
    assert_eq!(s.pace(200, true), 300);
    assert_eq!(s.deadline(), 300);
    assert!(take(&mut s, 299, 9).is_empty());
    assert_eq!(take(&mut s, 300, 9), [BEAT]);
    s.send(numbered(1)).unwrap();
    assert_eq!(take(&mut s, 500, 9).len(), 1);
    assert_eq!((take(&mut s, 600, 9).len(), s.deadline()), (0, 800), "the frame was a sign as good");
    s.receive(600, 1, None, frame(r#"{"type":"hub:ping","data":{"beat_ms":900,"t":1}}"#));
    let pong = r#"{"type":"hub:pong","data":{"received":0,"t":1,"beat_ms":900}}"#;
    assert_eq!((take(&mut s, 600, 9), s.deadline()), (vec![pong.to_string()], 1_500));
    s.receive(700, 1, None, frame(r#"{"type":"hub:ping","data":{"beat_ms":0}}"#));
    assert!(take(&mut s, 700, 9)[0].contains(r#""beat_ms":0"#));
    assert!(take(&mut s, 1_600, 9).is_empty());
}

#[test]
fn a_blocked_link_owes_no_beat() {
    let mut s = session(Kind::Resumable);
    s.pace(2_500, true);
    s.send(numbered(1)).unwrap();
    take(&mut s, 0, 0);
    assert_eq!(s.deadline(), 1_500);
    s.alive(1_400, 1);
    s.writable(1);
    assert_eq!(take(&mut s, 2_600, 9).len(), 1);
}
