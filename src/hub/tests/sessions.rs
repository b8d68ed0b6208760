//! Sessions over links in memory: hello, resume, moves, slow readers, faults.

mod support;

use crosspoint_core::{Code, Flow};
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use support::{Link, config, data, hub};

#[tokio::test]
async fn a_session_goes_on_where_its_link_broke() {
    let hub = hub(config());
    let (a, welcome) = Link::hello(&hub, "a").await;
    let (b, _) = Link::hello(&hub, "b").await;
    a.join("chat:1").await;
    b.join("chat:1").await;
    for n in 0..3 {
        b.ask(json!({"type": "m", "room": "chat:1", "data": n})).await;
    }
    a.find("m", |f| f.offset == Some(2)).await;
    let received = a.counted() - 1;
    a.cut();
    b.ask(json!({"type": "m", "room": "chat:1", "data": 3})).await;
    let a2 = Link::resume(&hub, &welcome, received);
    let second = a2.until("hub:welcome").await;
    assert_eq!(data(&second)["resumed"], true);
    assert_eq!(data(&second)["start"], received + 1);
    assert_eq!(data(&second)["received"], 1, "the join was counted");
    a2.find("m", |f| f.offset == Some(4)).await;
    assert_eq!(a2.data_of("m"), [2, 3].map(|n| json!(n)));
    let changes = b.data_of("hub:presence");
    assert!(changes.iter().all(|c| c.get("leave").is_none()), "{changes:?}");
}

#[tokio::test]
async fn a_move_replaces_the_link_and_drops_repeated_frames() {
    let mut config = config();
    config.limits.drain_ms = 100;
    let hub = hub(config);
    let (a, welcome) = Link::hello(&hub, "a").await;
    a.join("r").await;
    a.send(json!({"type": "m", "room": "r", "data": "by the old link"}));
    let a2 = Link::resume(&hub, &welcome, a.counted());
    assert_eq!(data(&a2.until("hub:welcome").await)["received"], 2);
    a.send(json!({"type": "m", "room": "r", "data": "late, by the old link"}));
    a2.send(json!({"type": "m", "room": "r", "data": "late, by the old link"}));
    a2.send(json!({"type": "m", "room": "r", "data": "by the new link"}));
    a2.find("the last", |f| f.kind == "m" && data(f) == "by the new link").await;
    assert_eq!(a2.data_of("m"), ["late, by the old link", "by the new link"].map(|m| json!(m)));
    a.until("hub:close").await;
    assert_eq!(a.closed().map(|f| f.code), Some(Code::Replaced));
    assert_eq!(hub.stats().moves, 1);
}

#[tokio::test]
async fn a_faulty_frame_keeps_no_old_link_open() {
    let mut config = config();
    config.limits.drain_ms = 0;
    let hub = hub(config);
    let (a, welcome) = Link::hello(&hub, "a").await;
    let a2 = Link::open(&hub);
    let hello = json!({"version": 1, "session": welcome["session"], "resume": welcome["resume"]});
    let flows = a2.batch(&[json!({"type": "hub:hello", "data": hello}), json!({"type": "hub:welcome"})]);
    assert_eq!(flows, [Flow::Continue, Flow::Stop]);
    assert_eq!(a.closed().map(|f| f.code), Some(Code::Replaced));
    assert_eq!(a2.closed().map(|f| f.code), Some(Code::BadRequest));
}

#[tokio::test]
async fn a_goodbye_after_the_link_ends_the_session_unless_it_went_on() {
    let hub = hub(config());
    let (gone, _) = Link::hello(&hub, "a").await;
    gone.join("r").await;
    gone.cut();
    gone.late_bye();
    assert_eq!((hub.stats().sessions, hub.stats().rooms), (0, 0));
    gone.late_bye();
    let (before, welcome) = Link::hello(&hub, "a").await;
    before.cut();
    let after = Link::resume(&hub, &welcome, 0);
    after.until("hub:welcome").await;
    before.late_bye();
    assert_eq!((hub.stats().sessions, after.closed()), (1, None));
    let waiting = Link::open(&hub);
    waiting.cut();
    waiting.late_bye();
    assert_eq!((hub.stats().links, hub.stats().links_waiting), (1, 0));
}

#[tokio::test]
async fn who_knows_not_the_secret_gets_no_session() {
    let hub = hub(config());
    let (_a, welcome) = Link::hello(&hub, "a").await;
    for (session, resume) in
        [(&welcome["session"], json!("x")), (&json!("nobody"), welcome["resume"].clone())]
    {
        let link = Link::open(&hub);
        link.send(json!({"type": "hub:hello", "data": {"version": 1, "session": session, "resume": resume}}));
        assert_eq!(link.closed().map(|f| f.code), Some(Code::SessionExpired));
    }
    let link = Link::open(&hub);
    link.send(json!({"type": "hub:hello", "data": {"version": 1, "token": "bad"}}));
    let fault = link.closed().expect("refused");
    assert_eq!(
        (fault.code, fault.message.as_str()),
        (Code::Unauthorized, "Authentication error: Invalid token")
    );
    let link = Link::open(&hub);
    link.send(json!({"type": "hub:hello", "data": {"version": 9, "user": "a"}}));
    assert_eq!(link.closed().map(|f| f.code), Some(Code::VersionUnsupported));
}

#[tokio::test]
async fn grants_end_in_time_whatever_they_say() {
    let hub = hub(config());
    let hello = |token: &str| json!({"type": "hub:hello", "data": {"version": 1, "token": token}});
    let late = Link::open(&hub);
    late.send(hello("t:a:-1"));
    assert_eq!(late.closed().map(|f| f.code), Some(Code::TokenExpired));
    let ages = Link::open(&hub);
    ages.send(hello(&format!("t:a:{}", i64::MAX)));
    ages.until("hub:welcome").await;
    let soon = Link::open(&hub);
    soon.send(hello("t:a:1"));
    soon.until("hub:welcome").await;
    let reply = ages.ask(json!({"type": "hub:refresh", "data": {"token": "t:b"}})).await;
    assert_eq!(data(&reply)["code"], "forbidden");
    soon.until("hub:close").await;
    assert_eq!(soon.closed().map(|f| f.code), Some(Code::TokenExpired));
    assert_eq!((hub.stats().sessions, ages.closed()), (1, None));
    for n in 1..100 {
        let token = format!("t:a:{}", 1000 * n);
        let reply = ages.ask(json!({"type": "hub:refresh", "data": {"token": token}})).await;
        assert!(data(&reply)["expires_ms"].as_u64() > Some(0));
    }
    assert!(hub.stats().timers < 10, "a refresh sets no timer of its own: {}", hub.stats().timers);
}

#[tokio::test]
async fn a_session_whose_token_ended_while_it_had_no_link_goes_on_with_a_new_one() {
    let hub = hub(config());
    let first = Link::open(&hub);
    first.send(json!({"type": "hub:hello", "data": {"version": 1, "token": "t:a:1"}}));
    let welcome = data(&first.until("hub:welcome").await);
    first.cut();
    let resume = |token: Option<&str>| {
        let link = Link::open(&hub);
        let data =
            json!({"version": 1, "session": welcome["session"], "resume": welcome["resume"], "token": token});
        link.send(json!({"type": "hub:hello", "data": data}));
        link
    };
    let expired = async {
        loop {
            let link = resume(None);
            if let Some(fault) = link.closed() {
                break fault.code;
            }
            link.cut();
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    assert_eq!(tokio::time::timeout(Duration::from_secs(10), expired).await, Ok(Code::TokenExpired));
    assert_eq!(resume(Some("bad")).closed().map(|f| f.code), Some(Code::Unauthorized));
    let other = data(&resume(Some("t:b:60")).until("hub:welcome").await);
    assert_eq!((&other["resumed"], &other["user"]), (&json!(false), &json!("b")));
    let again = data(&resume(Some("t:a:60")).until("hub:welcome").await);
    assert_eq!((&again["resumed"], &again["session"]), (&json!(true), &welcome["session"]));
}

#[tokio::test]
async fn users_and_info_have_a_size() {
    let hub = hub(config());
    for (user, info) in [
        ("x".repeat(296), json!({})),
        ("a\nb".into(), json!({})),
        ("a".into(), json!([1])),
        ("a".into(), json!({"x": "y".repeat(1024)})),
    ] {
        let link = Link::open(&hub);
        link.send(json!({"type": "hub:hello", "data": {"version": 1, "user": user, "info": info}}));
        assert_eq!(link.closed().map(|f| f.code), Some(Code::BadRequest));
    }
    assert_eq!(hub.stats().sessions, 0);
}

#[tokio::test]
async fn a_ticket_makes_one_session_even_if_the_welcome_is_lost() {
    let hub = hub(config());
    let ticket = hub.ticket(crosspoint_core::Grant::user("a")).expect("ticket");
    let hello = json!({"type": "hub:hello", "data": {"version": 1, "ticket": ticket}});
    let first = Link::open(&hub);
    first.send(hello.clone());
    let one = data(&first.until("hub:welcome").await);
    let second = Link::open(&hub);
    second.send(hello.clone());
    let two = data(&second.until("hub:welcome").await);
    assert_eq!((&one["session"], &two["resumed"]), (&two["session"], &json!(false)));
    second.join("r").await;
    let third = Link::open(&hub);
    third.send(hello);
    assert_eq!(third.closed().map(|f| f.code), Some(Code::Unauthorized), "the session is in use");
    assert_eq!(hub.stats().sessions, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_ticket_makes_one_session_whoever_comes_with_it_at_once() {
    let hub = hub(config());
    for _ in 0..50 {
        let ticket = hub.ticket(crosspoint_core::Grant::user("a")).expect("ticket");
        let barrier = Arc::new(std::sync::Barrier::new(3));
        let come = || {
            let (hub, ticket, barrier) = (hub.clone(), ticket.clone(), barrier.clone());
            std::thread::spawn(move || {
                barrier.wait();
                let link = Link::open(&hub);
                link.send(json!({"type": "hub:hello", "data": {"version": 1, "ticket": ticket}}));
            })
        };
        let threads = [come(), come(), come()];
        threads.into_iter().for_each(|t| t.join().expect("a thread"));
    }
    assert_eq!(hub.stats().sessions, 50);
}

#[tokio::test]
async fn a_slow_reader_reads_history_and_misses_nothing() {
    let mut config = config();
    config.limits.outbox_bytes_max = 4096;
    let hub = hub(config);
    let (slow, _) = Link::hello(&hub, "slow").await;
    let (b, _) = Link::hello(&hub, "b").await;
    slow.join("chat:1").await;
    b.join("chat:1").await;
    slow.takes(Some(2));
    for n in 0..90 {
        b.ask(json!({"type": "m", "room": "chat:1", "data": [n, "x".repeat(100)]})).await;
    }
    assert!(slow.data_of("m").len() <= 2);
    slow.takes(None);
    while slow.data_of("m").len() < 90 {
        let have = slow.data_of("m").len() as u64 + 1;
        slow.ack();
        slow.find("more", |f| f.kind == "m" && data(f)[0].as_u64() >= Some(have - 1)).await;
    }
    let numbers: Vec<_> = slow.data_of("m").iter().map(|d| d[0].as_u64().expect("number")).collect();
    assert_eq!(numbers, (0..90).collect::<Vec<_>>());
    assert_eq!(hub.stats().gaps, 0);
}

#[tokio::test]
async fn without_history_a_slow_reader_gets_one_gap() {
    let mut config = config();
    config.limits.outbox_bytes_max = 4096;
    let hub = hub(config);
    let (slow, _) = Link::hello(&hub, "slow").await;
    let (b, _) = Link::hello(&hub, "b").await;
    slow.join("r").await;
    b.join("r").await;
    slow.takes(Some(0));
    for n in 0..60 {
        b.ask(json!({"type": "m", "room": "r", "data": [n, "x".repeat(100)]})).await;
    }
    slow.takes(None);
    slow.ack();
    let gap = slow.until("hub:gap").await;
    assert_eq!(gap.room.as_deref(), Some("r"));
    b.ask(json!({"type": "m", "room": "r", "data": ["after"]})).await;
    slow.find("live again", |f| f.kind == "m" && data(f)[0] == "after").await;
    assert_eq!(slow.data_of("hub:gap").len(), 1);
}

#[tokio::test]
async fn plain_clients_need_no_hello_and_bad_frames_no_reconnect() {
    let hub = hub(config());
    let plain = Link::open(&hub);
    plain.send(json!({"type": "hub:join", "room": "r", "id": "1"}));
    plain.send(json!({"type": "hi", "room": "r", "data": "test"}));
    plain.find("own event", |f| f.kind == "hi").await;
    assert_eq!(plain.text("not json"), Flow::Continue);
    assert_eq!(plain.text("[1]"), Flow::Continue);
    plain.send(json!({"type": "nothing to do with it"}));
    plain.send(json!({"type": "hub:nonsense", "id": "2"}));
    plain.send(json!({"type": "hub:bad", "data": {"code": "bad_frame", "message": "of the client"}}));
    let codes: Vec<_> = plain.data_of("hub:error").iter().map(|e| e["code"].clone()).collect();
    assert_eq!(codes, ["bad_frame", "bad_frame", "bad_request", "unknown_type", "unknown_type"]);
    for _ in 0..30 {
        if plain.text("{") == Flow::Stop {
            break;
        }
    }
    assert_eq!(plain.closed().map(|f| f.code), Some(Code::BadFrame));
    plain.cut();
    assert_eq!((hub.stats().sessions, hub.stats().rooms), (0, 0));
}

#[tokio::test]
async fn too_many_rooms_are_refused_and_memory_returns() {
    let mut config = config();
    config.limits.rooms_max = 10;
    let hub = hub(config);
    let (a, _) = Link::hello(&hub, "a").await;
    let mut refused = 0;
    for n in 0..100_000 {
        a.send(json!({"type": "hub:join", "room": format!("r{n}")}));
        if n % 32 == 31 {
            a.ack();
            for error in a.take().iter().filter(|f| f.kind == "hub:error").map(data) {
                assert_eq!((&error["code"], &error["of"]), (&json!("limit_exceeded"), &json!("hub:join")));
                refused += 1;
            }
        }
    }
    assert_eq!((hub.stats().rooms, refused), (10, 99_990));
    a.send(json!({"type": "hub:bye"}));
    assert_eq!((hub.stats().rooms, hub.stats().sessions, hub.stats().users), (0, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_busy_session_sets_no_more_timers_than_an_idle_one() {
    let hub = hub(config());
    let (a, _) = Link::hello(&hub, "a").await;
    a.join("r").await;
    for n in 0..200 {
        a.send(json!({"type": "m", "room": "r", "data": n}));
        a.ack();
        tokio::time::advance(Duration::from_millis(1_500)).await;
        tokio::task::yield_now().await;
    }
    assert_eq!(a.closed(), None);
    // Two of the session and one of its link's hello.
    assert!(hub.stats().timers <= 3, "{}", hub.stats().timers);
}

#[tokio::test(start_paused = true)]
async fn silent_links_and_parked_sessions_end_in_time() {
    let mut config = config();
    config.limits.hello_ms = 1_000;
    config.limits.resume_ms = 5_000;
    let hub = hub(config);
    let (mute, welcome) = Link::hello(&hub, "mute").await;
    mute.join("r").await;
    let (watcher, _) = Link::hello(&hub, "w").await;
    watcher.join("r").await;
    let waiting = Link::open(&hub);
    waiting.until("hub:close").await;
    assert_eq!(waiting.closed().map(|f| f.code), Some(Code::HelloTimeout));
    mute.cut();
    let gone = |f: &crosspoint_core::Frame| f.kind == "hub:presence" && data(f)["leave"] == json!(["mute"]);
    watcher.find("mute is gone", gone).await;
    let late = Link::resume(&hub, &welcome, 1);
    late.until("hub:close").await;
    assert_eq!(late.closed().map(|f| f.code), Some(Code::SessionExpired));
    watcher.until("hub:ping").await;
    watcher.find("silence is noticed", |f| f.kind == "hub:close").await;
    assert_eq!(watcher.closed().map(|f| f.code), Some(Code::HeartbeatTimeout));
}
