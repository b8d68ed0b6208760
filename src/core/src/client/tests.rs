use super::*;
use serde_json::{Value, json};

struct Driver {
    client: Client,
    out: Vec<Output>,
}

impl Driver {
    fn new(config: ClientConfig) -> Driver {
        Driver { client: Client::new(config), out: vec![] }
    }

    /// With session `s1` on link 1 since time 0.
    fn connected() -> Driver {
        let mut d = Driver::new(ClientConfig::default());
        d.hello(0, 1);
        d.welcome(0, 1, "s1", json!({}));
        d
    }

    fn input(&mut self, now: u64, input: Input) -> bool {
        let taken = self.client.handle(now, input).is_ok();
        self.out = std::iter::from_fn(|| self.client.poll()).collect();
        taken
    }

    fn hello(&mut self, now: u64, link: LinkId) {
        self.input(now, Input::Hello { link, cause: "lost".into(), auth: serde_json::Map::new() });
    }

    fn frame(&mut self, now: u64, link: LinkId, frame: Value) {
        let frame = Frame::decode_text(frame.to_string().as_bytes()).unwrap();
        self.input(now, Input::Frame { link, frame, bytes: 0 });
    }

    fn welcome(&mut self, now: u64, link: LinkId, session: &str, with: Value) {
        let mut data = json!({"version": 1, "session": session, "resume": "x", "resumed": false, "received": 0,
            "start": 1, "heartbeat_ms": 1000, "resume_ms": 9000, "ack_every": 3, "ack_delay_ms": 100});
        with.as_object().unwrap().iter().for_each(|(k, v)| data[k] = v.clone());
        self.frame(now, link, json!({"type": "hub:welcome", "data": data}));
    }

    fn send(&mut self, frame: Value) -> bool {
        self.input(0, Input::Send { frame: Frame::decode_text(frame.to_string().as_bytes()).unwrap() })
    }

    /// What was put on links: the number, the type and the room or id.
    fn sent(&self) -> Vec<String> {
        let name = |f: &Frame| f.id.clone().or(f.room.clone()).unwrap_or_default();
        let line = |o: &Output| match o {
            Output::Transmit { seq: Some(n), frame, .. } => {
                Some(format!("{n} {} {}", frame.kind, name(frame)))
            }
            Output::Transmit { frame, .. } => Some(frame.kind.clone()),
            _ => None,
        };
        self.out.iter().filter_map(line).collect()
    }

    /// Sends a join and answers it.
    fn join(&mut self, room: &str, options: Value, reply: Value) {
        self.send(json!({"type": "hub:join", "room": room, "id": "j", "data": options}));
        self.frame(0, 1, json!({"type": "hub:reply", "id": "j", "data": reply}));
    }

    /// The data of the join that the machine sends in session `s2` on link 2.
    fn rejoin(&mut self) -> Value {
        self.input(0, Input::Closed { link: 1 });
        self.hello(0, 2);
        self.welcome(0, 2, "s2", json!({}));
        let join = |o: &Output| match o {
            Output::Transmit { frame, .. } if frame.kind == "hub:join" => frame.parse().ok(),
            _ => None,
        };
        self.out.iter().find_map(join).unwrap_or_default()
    }

    fn gives_up(&self, link: LinkId, code: Code) -> bool {
        self.out.contains(&Output::Close { link, code })
    }

    fn events(&self) -> Vec<Value> {
        let event = |o: &Output| match o {
            Output::Event { frame } => serde_json::to_value(frame).ok(),
            _ => None,
        };
        self.out.iter().filter_map(event).collect()
    }
}

#[test]
fn what_was_not_received_goes_again_under_its_number() {
    let mut d = Driver::connected();
    ["a", "b", "c"].iter().for_each(|t| assert!(d.send(json!({"type": t}))));
    d.frame(1, 1, json!({"type": "hub:ack", "data": {"received": 1}}));
    d.input(2, Input::Closed { link: 1 });
    d.send(json!({"type": "d"}));
    d.hello(3, 2);
    d.welcome(4, 2, "s1", json!({"resumed": true, "received": 2}));
    assert_eq!(d.sent(), ["3 c ", "4 d "]);
}

#[test]
fn an_answer_before_the_ack_keeps_the_number() {
    let mut d = Driver::connected();
    d.send(json!({"type": "a", "room": "r", "id": "1"}));
    d.send(json!({"type": "b"}));
    d.frame(0, 1, json!({"type": "hub:reply", "id": "1", "data": {}}));
    assert_eq!(d.client.waiting(), 2);
    d.input(0, Input::Closed { link: 1 });
    d.hello(0, 2);
    d.welcome(0, 2, "s1", json!({"resumed": true, "received": 1, "start": 2}));
    assert_eq!((d.sent(), d.client.waiting()), (vec![String::from("2 b ")], 1));
}

#[test]
fn acks_come_by_count_by_time_and_with_pings() {
    let mut d = Driver::connected();
    d.frame(10, 1, json!({"type": "m"}));
    d.frame(20, 1, json!({"type": "m"}));
    assert_eq!((d.sent().len(), d.client.deadline()), (0, 110));
    d.frame(30, 1, json!({"type": "m"}));
    assert_eq!(d.sent(), ["hub:ack"], "every three");
    d.frame(40, 1, json!({"type": "m"}));
    d.input(140, Input::Tick);
    assert_eq!(d.sent(), ["hub:ack"], "after 100 ms");
    d.frame(150, 1, json!({"type": "m"}));
    d.frame(151, 1, json!({"type": "hub:ping", "data": {"received": 0, "t": 7}}));
    assert_eq!(d.sent(), ["hub:pong"]);
    assert!(d.client.deadline() > 1_000, "the pong said it");
}

#[test]
fn a_link_is_kept_alive_or_given_up() {
    let mut d = Driver::connected();
    d.input(1_000, Input::Tick);
    assert_eq!(d.sent(), ["hub:ping"]);
    d.frame(1_020, 1, json!({"type": "hub:pong", "data": {"received": 0, "t": 1000}}));
    assert!(d.out.contains(&Output::Rtt { link: 1, ms: 20 }));
    d.input(2_520, Input::Tick);
    assert!(d.gives_up(1, Code::HeartbeatTimeout));
    d.hello(3_000, 2);
    d.input(8_000, Input::Tick);
    assert!(d.gives_up(2, Code::HelloTimeout));
    assert_eq!(d.client.deadline(), u64::MAX);
}

#[test]
fn answers_to_posts_do_not_show_that_the_way_down_lives() {
    let mut d = Driver::connected();
    d.input(1_400, Input::Acked { link: 1, received: 0 });
    assert_eq!(d.client.deadline(), 1_000);
    d.input(1_500, Input::Tick);
    assert!(d.gives_up(1, Code::HeartbeatTimeout));
    let mut d = Driver::connected();
    d.input(1_400, Input::Heard { link: 1 });
    d.input(2_800, Input::Tick);
    assert!(!d.gives_up(1, Code::HeartbeatTimeout));
}

#[test]
fn one_hello_at_a_time() {
    let mut d = Driver::connected();
    d.hello(1, 2);
    d.hello(2, 3);
    assert!(d.gives_up(2, Code::Replaced));
    d.welcome(3, 2, "s1", json!({"resumed": true}));
    assert_eq!((d.out.len(), d.client.link()), (0, Some(1)));
    d.welcome(4, 3, "s1", json!({"resumed": true}));
    assert!(d.gives_up(1, Code::Replaced));
    assert_eq!(d.client.link(), Some(3));
}

#[test]
fn a_hub_that_cannot_be_right_loses_its_link() {
    let claims = |with: Value| {
        let mut d = Driver::connected();
        d.send(json!({"type": "a"}));
        d.send(json!({"type": "b"}));
        d.frame(0, 1, json!({"type": "hub:ack", "data": {"received": 1}}));
        d.hello(0, 2);
        d.welcome(0, 2, "s1", with);
        d.gives_up(2, Code::BadFrame)
    };
    assert!(!claims(json!({"resumed": true, "received": 1})));
    assert!(claims(json!({"resumed": true, "received": 0})), "it had acknowledged 1");
    assert!(claims(json!({"resumed": true, "received": 3})), "2 were sent");
    assert!(claims(json!({"resumed": true, "received": 1, "start": 2})), "1 was not received");
    assert!(claims(json!({"resumed": true, "received": 1, "start": 0})));
    assert!(claims(json!({"resumed": false, "received": 1})), "it is the same session");
    let mut d = Driver::connected();
    d.welcome(0, 1, "s1", json!({"resumed": true}));
    assert!(d.gives_up(1, Code::Replaced), "no hello was said");
    let mut d = Driver::connected();
    d.frame(0, 1, json!({"type": "hub:ack", "data": {"received": 1}}));
    assert!(d.gives_up(1, Code::BadFrame), "nothing was sent");
    d.hello(0, 2);
    d.frame(0, 2, json!({"type": "m"}));
    assert!(d.gives_up(2, Code::BadFrame), "it counts from the welcome");
}

#[test]
fn a_new_session_restores_what_was_answered_and_repeats_the_rest() {
    let mut d = Driver::connected();
    d.join("r", json!({"presence": true, "history": 5}), json!({"position": "e.0."}));
    d.frame(0, 1, json!({"type": "m", "room": "r", "id": "x", "offset": 1}));
    d.join("gone", json!({}), json!({}));
    d.send(json!({"type": "m", "room": "r", "id": "p"}));
    d.send(json!({"type": "m", "room": "r"}));
    d.send(json!({"type": "hub:leave", "room": "gone", "id": "l"}));
    assert_eq!(d.client.position("r").as_deref(), Some("e.1.x"));
    assert_eq!(d.rejoin(), json!({}), "`gone` comes first, and has no history");
    let data = json!({"presence": true, "since": "e.1.x"});
    let frame = Frame::with("hub:join", &data).room("r").id("hub~2");
    assert!(d.out.contains(&Output::Transmit { link: 2, seq: Some(2), frame }));
    assert_eq!(d.sent(), ["1 hub:join hub~1", "2 hub:join hub~2", "3 m p", "4 hub:leave l"]);
    assert!(d.out.contains(&Output::Lost { frames: 1 }));
    d.frame(0, 2, json!({"type": "hub:reply", "id": "hub~1", "data": {"room": "gone"}}));
    assert_eq!(d.events(), [json!({"type": "hub:gap", "room": "gone", "data": {"reason": "new_session"}})]);
    let reply = json!({"room": "r", "position": "e.3.y", "recovered": true});
    d.frame(0, 2, json!({"type": "hub:reply", "id": "hub~2", "data": reply}));
    assert_eq!(d.out, [Output::Rejoined { room: "r".into(), data: reply }]);
    d.frame(0, 2, json!({"type": "hub:reply", "id": "l", "data": {}}));
    d.input(0, Input::Closed { link: 2 });
    d.hello(0, 3);
    d.welcome(0, 3, "s3", json!({}));
    assert_eq!(d.sent(), ["1 hub:join hub~3", "2 m p"]);
}

#[test]
fn a_replay_that_got_lost_is_a_gap() {
    let mut d = Driver::connected();
    d.join("r", json!({"history": 5}), json!({"position": "e.9.x"}));
    assert_eq!(d.client.position("r"), None, "the replay hasn't begun");
    assert_eq!(d.rejoin(), json!({"since": "e.9.x"}));
    let reply = json!({"position": "e.9.x", "recovered": true});
    d.frame(0, 2, json!({"type": "hub:reply", "id": "hub~1", "data": reply}));
    let gap = json!({"position": "e.9.x", "reason": "new_session"});
    assert_eq!(d.events(), [json!({"type": "hub:gap", "room": "r", "data": gap})]);
    let mut d = Driver::connected();
    d.join("r", json!({"history": 5}), json!({"position": "e.0."}));
    assert_eq!(d.rejoin(), json!({"since": "e.0."}), "there was nothing to replay");
}

#[test]
fn positions_follow_gaps_and_failed_joins_leave() {
    let mut d = Driver::connected();
    d.join("r", json!({"since": "e.2.b"}), json!({"position": "f.7.y", "recovered": false}));
    d.frame(0, 1, json!({"type": "hub:gap", "room": "r", "data": {"position": "f.5.x"}}));
    d.frame(0, 1, json!({"type": "m", "room": "r", "id": "z", "offset": 6}));
    assert_eq!(d.rejoin(), json!({"since": "f.6.z"}));
    let error = json!({"code": "forbidden", "message": "", "retry": "never"});
    d.frame(0, 2, json!({"type": "hub:error", "id": "hub~1", "data": error}));
    assert_eq!(d.out, [Output::RejoinFailed { room: "r".into(), code: Code::Forbidden }]);
    assert_eq!(d.client.position("r").as_deref(), Some("f.6.z"), "for a later join");
}

#[test]
fn replies_are_awaited_in_a_window_and_frames_in_a_queue() {
    let mut d = Driver::new(ClientConfig { window: 1, queue_max: 4, ..ClientConfig::default() });
    assert!(d.send(json!({"type": "hub:join", "room": "r"})), "a join without an id gets one");
    assert!(d.send(json!({"type": "m", "room": "r", "id": "p"})));
    assert!(d.send(json!({"type": "q", "to": "session:s", "id": "q"})));
    assert!(d.send(json!({"type": "n"})));
    assert!(!d.send(json!({"type": "o"})), "four wait");
    d.hello(0, 1);
    d.welcome(0, 1, "s1", json!({}));
    assert_eq!(d.sent(), ["1 hub:join hub~1"]);
    d.frame(0, 1, json!({"type": "hub:reply", "id": "hub~1", "data": {}}));
    assert_eq!(d.sent(), ["2 m p"]);
    d.frame(0, 1, json!({"type": "hub:reply", "id": "p", "data": {}}));
    assert_eq!(d.sent(), ["3 q q", "4 n "], "a request's answer may take its time");
}

#[test]
fn goodbye_forgets_everything() {
    let mut d = Driver::connected();
    d.join("r", json!({}), json!({}));
    d.send(json!({"type": "m", "room": "r", "id": "p"}));
    d.input(0, Input::Bye);
    assert!(d.sent() == ["hub:bye"] && d.gives_up(1, Code::Bye));
    assert_eq!((d.client.session(), d.client.waiting(), d.client.deadline()), (None, 0, u64::MAX));
    d.hello(0, 2);
    d.welcome(0, 2, "s2", json!({}));
    assert_eq!(d.sent().len(), 0);
}

#[test]
fn the_hub_may_refuse_and_ask_to_move() {
    let mut d = Driver::connected();
    d.frame(0, 1, json!({"type": "hub:move", "data": {"reason": "shutdown", "within_ms": 500}}));
    assert_eq!(d.out, [Output::Move { to: None, within_ms: 500, reason: "shutdown".into() }]);
    let close = json!({"code": "replaced", "message": "m", "retry": "never"});
    d.frame(0, 1, json!({"type": "hub:close", "data": close}));
    assert!(matches!(&d.out[..], [Output::Refused { link: 1, fault }] if fault.code == Code::Replaced));
    assert_eq!(d.client.link(), None);
}

/// With session `s1` on link 1 since time 0, with beats every 2.5 s and the usual heartbeat.
fn beating() -> Driver {
    let mut d = Driver::new(ClientConfig::default());
    d.hello(0, 1);
    d.welcome(0, 1, "s1", json!({"heartbeat_ms": 10_000, "beat_ms": 2_500, "ack_delay_ms": 60_000}));
    d
}

#[test]
fn a_quiet_link_is_asked_by_beats_and_a_dead_one_left_in_time() {
    let mut d = beating();
    assert_eq!((d.client.deadline(), d.client.beat_ms()), (2_500, 2_500));
    d.input(2_500, Input::Tick);
    assert_eq!(d.out, [Output::Beat { link: 1 }]);
    d.input(2_530, Input::Beat { link: 1 });
    assert_eq!(d.out, [Output::Rtt { link: 1, ms: 30 }]);
    d.input(5_030, Input::Tick);
    // The way down lives, the way up doesn't.
    d.frame(6_000, 1, json!({"type": "m"}));
    d.frame(6_500, 1, json!({"type": "hub:ack", "data": {"received": 0}}));
    assert_eq!(d.client.deadline(), 7_030);
    d.input(7_030, Input::Tick);
    assert!(d.gives_up(1, Code::HeartbeatTimeout));
}

#[test]
fn where_the_way_up_is_another_each_direction_is_judged_by_itself() {
    let mut d = beating();
    for now in [2_000, 4_000] {
        d.input(now, Input::Acked { link: 1, received: 0 });
    }
    d.input(4_500, Input::Tick);
    assert!(d.gives_up(1, Code::HeartbeatTimeout), "nothing came down");
    let mut d = beating();
    d.input(2_000, Input::Heard { link: 1 });
    d.input(2_500, Input::Tick);
    assert_eq!(d.out, [Output::Beat { link: 1 }]);
    d.input(4_400, Input::Heard { link: 1 });
    d.input(4_500, Input::Tick);
    assert!(d.gives_up(1, Code::HeartbeatTimeout), "nothing went up");
}

#[test]
fn a_late_tick_judges_nobody() {
    let mut d = beating();
    d.input(600_000, Input::Tick);
    assert_eq!(d.sent(), ["hub:ping"]);
    assert_eq!((d.client.link(), d.client.deadline()), (Some(1), 602_000));
    d.frame(600_040, 1, json!({"type": "hub:pong", "data": {"received": 0, "t": 600_000}}));
    assert_eq!(d.client.deadline(), 602_540);
    d.hello(602_000, 2);
    d.input(700_000, Input::Tick);
    assert!(!d.gives_up(2, Code::HelloTimeout), "nor who was about to welcome");
    d.input(702_000, Input::Tick);
    assert!(d.gives_up(1, Code::HeartbeatTimeout) && d.gives_up(2, Code::HelloTimeout));
}

#[test]
fn the_pace_changes_with_the_hubs_consent_and_asks_at_once() {
    let mut d = beating();
    d.input(100, Input::Pace { beat_ms: 10_000 });
    assert_eq!((d.sent().join(" "), d.client.beat_ms()), ("hub:ping".into(), 2_500));
    assert_eq!(d.client.deadline(), 2_100, "an answer is due");
    d.frame(150, 1, json!({"type": "hub:pong", "data": {"received": 0, "t": 100, "beat_ms": 10_000}}));
    assert_eq!((d.client.deadline(), d.client.beat_ms()), (10_100, 10_000), "the heartbeat comes first");
    d.input(200, Input::Closed { link: 1 });
    d.hello(200, 2);
    let hello = d.out.iter().find_map(|o| match o {
        Output::Transmit { frame, .. } => frame.parse::<Hello>().ok(),
        _ => None,
    });
    assert_eq!(hello.unwrap().beat_ms, 10_000);
}

#[test]
fn who_did_not_read_judges_nobody() {
    let mut d = beating();
    d.input(2_500, Input::Tick);
    d.input(4_499, Input::Unread { link: 1 });
    d.input(4_500, Input::Tick);
    assert_eq!((d.out.len(), d.client.deadline()), (0, 6_999));
}

#[test]
fn a_room_that_the_hub_took_the_session_out_of_is_not_joined_again_and_its_position_is_known() {
    let mut d = Driver::connected();
    d.join("r", json!({"presence": true}), json!({"position": "e.3.c"}));
    d.frame(
        0,
        1,
        json!({"type": "hub:removed", "room": "r", "data": {"reason": "kicked", "code": "forbidden"}}),
    );
    assert!(matches!(&d.out[..], [Output::Event { frame }] if frame.kind == "hub:removed"));
    assert_eq!(d.client.position("r").as_deref(), Some("e.3.c"));
    assert_eq!(d.rejoin(), Value::Null);
}

#[test]
fn a_room_that_a_backend_put_the_session_into_is_one_of_its_rooms() {
    let mut d = Driver::connected();
    let added =
        json!({"type": "hub:added", "room": "r", "data": {"room": "r", "position": "e.7.g", "members": []}});
    d.frame(0, 1, added);
    d.frame(0, 1, json!({"type": "m", "room": "r", "id": "h", "offset": 8}));
    assert_eq!(d.client.position("r").as_deref(), Some("e.8.h"));
    assert_eq!(d.rejoin(), json!({"presence": true, "since": "e.8.h"}));
}
