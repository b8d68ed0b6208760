//! Bulk sessions over links in memory: who gets what, who waits, and what a slow reader costs.

mod support;

use crosspoint_core::{Code, Flow, Frame, LinkInfo, Transport};
use crosspoint_hub::Hub;
use serde_json::{Value, json};
use std::sync::Arc;
use support::{Link, config, data, hub};

fn to(welcome: &Value) -> String {
    format!("session:{}", welcome["session"].as_str().unwrap_or_default())
}

fn piece(to: &str, n: usize, size: usize) -> Value {
    let bytes = "A".repeat(size / 3 * 4);
    json!({"type": "piece", "to": to, "id": format!("piece-{n}"), "data": {"n": n, "bytes": bytes}})
}

fn numbers(frames: &[Frame]) -> Vec<u64> {
    frames.iter().filter(|f| f.kind == "piece").map(|f| data(f)["n"].as_u64().unwrap_or_default()).collect()
}

async fn answer(link: &Link, id: &str) -> Frame {
    let answers = |f: &Frame| f.id.as_deref() == Some(id) && f.kind.starts_with("hub:");
    link.find(id, answers).await
}

async fn fails(link: &Link, frame: Value, code: Code) {
    let answer = link.ask(frame.clone()).await;
    assert_eq!((answer.kind.as_str(), &data(&answer)["code"]), ("hub:error", &json!(code.name())), "{frame}");
}

/// Two clients with their bulk sessions.
struct Pair {
    main: [Link; 2],
    welcome: [Value; 2],
    bulk: [Link; 2],
    bulk_welcome: [Value; 2],
}

async fn pair(hub: &Arc<Hub>) -> Pair {
    let (a, a_said) = Link::hello_with_bulk(hub, "a").await;
    let (b, b_said) = Link::hello_with_bulk(hub, "b").await;
    let (a_bulk, a_bulk_said) = Link::bulk(hub, &a_said).await;
    let (b_bulk, b_bulk_said) = Link::bulk(hub, &b_said).await;
    Pair {
        main: [a, b],
        welcome: [a_said, b_said],
        bulk: [a_bulk, b_bulk],
        bulk_welcome: [a_bulk_said, b_bulk_said],
    }
}

#[tokio::test]
async fn bulk_comes_by_the_receivers_bulk_session_and_names_the_senders_main_one() {
    let hub = hub(config());
    let Pair { main: [a, b], welcome: [a_said, b_said], bulk: [a_bulk, b_bulk], bulk_welcome } =
        pair(&hub).await;
    assert_eq!((&a_said["bulk"], &bulk_welcome[0]["bulk"]), (&json!(true), &Value::Null));
    let reply = a_bulk.ask(piece(&to(&b_said), 1, 30)).await;
    assert_eq!(data(&reply), json!({"delivered": 1}));
    let got = b_bulk.until("piece").await;
    let from = got.from.unwrap();
    assert_eq!((from.user.as_deref(), from.session.as_deref()), (Some("a"), a_said["session"].as_str()));
    assert!(got.bulk && got.request.is_none());
    assert!(a.data_of("piece").is_empty() && b.data_of("piece").is_empty());
    // Nobody finds the bulk session itself.
    a.send(piece(&to(&bulk_welcome[1]), 2, 30));
    a_bulk.send(piece(&to(&bulk_welcome[1]), 3, 30));
    assert_eq!(data(&answer(&a, "piece-2").await)["code"], "not_found");
    assert_eq!(data(&answer(&a_bulk, "piece-3").await)["code"], "not_found");
    let stats = hub.stats();
    assert_eq!((stats.sessions, stats.users, stats.bulk_sessions, stats.bulk_frames), (2, 2, 2, 1));
    assert_eq!(hub.send_to_user("b", &Frame::new("note")).await.unwrap(), 1);
}

#[tokio::test]
async fn other_frames_have_no_place_on_a_bulk_session() {
    let hub = hub(config());
    let Pair { main: [a, _b], welcome: [_, b_said], bulk: [a_bulk, _b_bulk], .. } = pair(&hub).await;
    let to = to(&b_said);
    for wrong in [
        json!({"type": "hub:join", "room": "r"}),
        json!({"type": "m", "room": "r"}),
        json!({"type": "m", "to": "user:b"}),
        json!({"type": "m", "to": to, "room": "r"}),
        json!({"type": "hub:answer", "to": to}),
    ] {
        fails(&a_bulk, wrong, Code::BadRequest).await;
    }
    a_bulk.send(json!({"type": "m", "to": to}));
    assert_eq!(
        data(&a_bulk.find("without id", |f| f.kind == "hub:error" && f.id.is_none()).await)["of"],
        "m"
    );
    fails(&a_bulk, piece("session:none", 1, 30), Code::NotFound).await;
    a.join("r").await;
}

#[tokio::test]
async fn a_receiver_without_bulk_session_is_asked_and_waited_for() {
    let hub = hub(config());
    let (_a, a_said) = Link::hello_with_bulk(&hub, "a").await;
    let (b, b_said) = Link::hello_with_bulk(&hub, "b").await;
    let (a_bulk, _) = Link::bulk(&hub, &a_said).await;
    for n in 0..3 {
        a_bulk.send(piece(&to(&b_said), n, 30));
    }
    b.until("hub:bulk").await;
    assert!(a_bulk.data_of("hub:reply").is_empty());
    let (b_bulk, b_bulk_said) = Link::bulk(&hub, &b_said).await;
    answer(&a_bulk, "piece-2").await;
    assert_eq!(numbers(&b_bulk.take()), [0, 1, 2]);
    assert_eq!(b.data_of("hub:bulk").len(), 1, "said once");
    // The link goes; what waits behind it makes the hub ask again.
    b_bulk.ack();
    b_bulk.cut();
    b.take();
    a_bulk.ask(piece(&to(&b_said), 3, 30)).await;
    b.until("hub:bulk").await;
    let b_bulk = Link::resume(&hub, &b_bulk_said, 3);
    b_bulk.until("piece").await;
    assert_eq!(numbers(&b_bulk.take()), [3]);
}

#[tokio::test]
async fn a_receiver_that_cannot_bulk_gets_it_by_its_main_session() {
    let hub = hub(config());
    let (_a, a_said) = Link::hello_with_bulk(&hub, "a").await;
    let (a_bulk, _) = Link::bulk(&hub, &a_said).await;
    let (b, b_said) = Link::hello(&hub, "b").await;
    a_bulk.ask(piece(&to(&b_said), 1, 30)).await;
    assert!(b.until("piece").await.bulk);
    let service = Link::open(&hub);
    service.send(json!({"type": "hub:hello", "data": {"version": 1, "token": "t:s"}}));
    service.until("hub:welcome").await;
    service.ask(json!({"type": "hub:attach", "data": {"service": "sfu"}})).await;
    assert_eq!(data(&a_bulk.ask(piece("service:sfu", 1, 30)).await)["delivered"], 1);
    assert!(service.until("piece").await.bulk);
}

#[tokio::test]
async fn who_is_asked_and_does_not_come_costs_a_timeout_and_may_come_later() {
    let mut config = config();
    config.limits.resume_ms = 100;
    let hub = hub(config);
    let (_a, a_said) = Link::hello_with_bulk(&hub, "a").await;
    let (_b, b_said) = Link::hello_with_bulk(&hub, "b").await;
    let (a_bulk, _) = Link::bulk(&hub, &a_said).await;
    for n in 0..3 {
        a_bulk.send(piece(&to(&b_said), n, 30));
    }
    for n in 0..3 {
        assert_eq!(data(&answer(&a_bulk, &format!("piece-{n}")).await)["code"], "timeout");
    }
    let (b_bulk, _) = Link::bulk(&hub, &b_said).await;
    assert_eq!(a_bulk.ask(piece(&to(&b_said), 3, 30)).await.kind, "hub:reply");
    assert_eq!(numbers(&b_bulk.take()), [3]);
}

#[tokio::test]
async fn a_slow_receiver_holds_its_sender_back_and_nothing_else() {
    const SIZE: usize = 12 << 10;
    let hub = hub(config());
    let limits = hub.limits().clone();
    let Pair { main: [a, b], welcome: [_, b_said], bulk: [a_bulk, b_bulk], .. } = pair(&hub).await;
    b_bulk.takes(Some(3));
    let to = to(&b_said);
    let mut sent = 0;
    while a_bulk.text(&piece(&to, sent, SIZE).to_string()) == Flow::Continue {
        sent += 1;
    }
    sent += 1;
    // What fits into the outbox, what may wait for it, and the one under way.
    let size = SIZE / 3 * 4;
    let held = limits.bulk_bytes_max / size + limits.bulk_frames_max + 1;
    assert!((held / 2..=held).contains(&sent), "{sent} frames of {size} bytes were taken, {held} may wait");
    let answered = a_bulk.data_of("hub:reply").len();
    assert!(answered < sent && answered * size <= limits.bulk_bytes_max, "{answered}");
    // Both main sessions go on meanwhile.
    a.ask(json!({"type": "note", "to": "user:b", "data": "quick"})).await;
    b.until("note").await;
    b.join("r").await;
    // It reads on: everything comes, in order, and the sender goes on to its end.
    b_bulk.takes(None);
    let reading = async {
        let mut got = vec![];
        while got.last() != Some(&199) {
            b_bulk.find("more", |f| f.kind == "piece" || f.kind == "hub:ping").await;
            got.extend(numbers(&b_bulk.take()));
            b_bulk.ack();
        }
        got
    };
    let writing = async {
        while sent < 200 {
            a_bulk.ready().await;
            while sent < 200 && a_bulk.text(&piece(&to, sent, SIZE).to_string()) == Flow::Continue {
                sent += 1;
            }
            a_bulk.take();
            a_bulk.ack();
        }
    };
    // A frame that made the hub wait was taken all the same, so it comes twice: once is enough.
    let (mut got, ()) = tokio::join!(reading, writing);
    got.dedup();
    assert_eq!(got, (0..200).collect::<Vec<_>>());
}

#[tokio::test]
async fn two_that_send_to_each_other_do_not_block_each_other() {
    let hub = hub(config());
    let Pair { welcome, bulk, main: _main, .. } = pair(&hub).await;
    let window = hub.limits().bulk_frames_max;
    let side = async |me: usize| {
        let to = to(&welcome[1 - me]);
        let (mut sent, mut answered, mut got) = (0, 0, vec![]);
        while answered < 100 || got.len() < 100 {
            while sent < 100 && sent - answered < window {
                assert_eq!(
                    bulk[me].text(&piece(&to, sent, 20 << 10).to_string()),
                    Flow::Continue,
                    "within its window"
                );
                sent += 1;
            }
            bulk[me].find("more", |f| f.counted()).await;
            let frames = bulk[me].take();
            answered += frames.iter().filter(|f| f.kind == "hub:reply").count();
            got.extend(numbers(&frames));
            bulk[me].ack();
        }
        assert_eq!(got, (0..100).collect::<Vec<_>>());
    };
    tokio::join!(side(0), side(1));
}

#[tokio::test]
async fn links_break_and_nothing_is_lost_or_doubled() {
    let hub = hub(config());
    let Pair { welcome: [a_said, b_said], bulk: [mut a, mut b], bulk_welcome, main: [a_main, _b_main] } =
        pair(&hub).await;
    let to = to(&b_said);
    let (mut got, mut received) = (vec![], [0, 0]);
    for n in 0..60 {
        a.send(piece(&to, n, 300));
        if n % 7 == 3 {
            // The receiver's link breaks; some of what it got it doesn't know of.
            let frames = b.take();
            let keep = frames.iter().filter(|f| f.counted()).count() / 2;
            got.extend(numbers(&frames.into_iter().filter(Frame::counted).take(keep).collect::<Vec<_>>()));
            received[1] += keep as u64;
            b.cut();
            b = Link::resume(&hub, &bulk_welcome[1], received[1]);
        }
        if n % 11 == 5 {
            a.cut();
            a = Link::resume(&hub, &bulk_welcome[0], received[0]);
            let next = data(&a.until("hub:welcome").await)["received"].as_u64().unwrap();
            assert_eq!(next, n as u64 + 1);
        }
        if n == 30 {
            a_main.cut();
        }
    }
    let a_main = Link::resume(&hub, &a_said, 0);
    assert_eq!(data(&a_main.until("hub:welcome").await)["resumed"], true);
    answer(&a, "piece-59").await;
    a.take();
    b.find("the last", |f| f.kind == "piece" && data(f)["n"] == 59).await;
    got.extend(numbers(&b.take()));
    assert_eq!(got, (0..60).collect::<Vec<_>>());
    // Said again, as after a new bulk session: answered, not delivered.
    assert_eq!(hub.stats().bulk_frames, 60);
    a.send(piece(&to, 59, 300));
    answer(&a, "piece-59").await;
    assert_eq!((hub.stats().bulk_frames, b.data_of("piece").len()), (60, 0));
}

#[tokio::test]
async fn a_bulk_session_ends_with_its_main_one_and_not_before() {
    let mut config = config();
    config.limits.resume_ms = 200;
    let hub = hub(config);
    let Pair { main: [a, b], welcome: [_, b_said], bulk: [a_bulk, b_bulk], bulk_welcome } = pair(&hub).await;
    b_bulk.cut();
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    let b_bulk = Link::resume(&hub, &bulk_welcome[1], 0);
    assert_eq!(data(&b_bulk.until("hub:welcome").await)["resumed"], true, "it waits without a link");
    b.send(json!({"type": "hub:bye"}));
    b_bulk.until("hub:close").await;
    assert_eq!(b_bulk.closed().map(|f| f.code), Some(Code::Bye));
    fails(&a_bulk, piece(&to(&b_said), 1, 30), Code::NotFound).await;
    a_bulk.send(json!({"type": "hub:bye"}));
    a.join("r").await;
    assert_eq!((hub.stats().sessions, hub.stats().bulk_sessions), (1, 0), "a goodbye there ends it alone");
}

#[tokio::test]
async fn a_waiting_frame_ends_with_either_session() {
    let hub = hub(config());
    let (_a, a_said) = Link::hello_with_bulk(&hub, "a").await;
    let (b, b_said) = Link::hello_with_bulk(&hub, "b").await;
    let (c, c_said) = Link::hello_with_bulk(&hub, "c").await;
    let (a_bulk, _) = Link::bulk(&hub, &a_said).await;
    let (c_bulk, _) = Link::bulk(&hub, &c_said).await;
    a_bulk.send(piece(&to(&b_said), 1, 30));
    c_bulk.send(piece(&to(&b_said), 1, 30));
    b.until("hub:bulk").await;
    c.send(json!({"type": "hub:bye"}));
    b.send(json!({"type": "hub:bye"}));
    assert_eq!(data(&answer(&a_bulk, "piece-1").await)["code"], "not_found");
    assert!(c_bulk.data_of("hub:error").is_empty());
    assert_eq!(hub.stats().bulk_sessions, 1);
}

#[tokio::test]
async fn one_bulk_session_each_for_who_has_the_secret() {
    let hub = hub(config());
    let (_a, a_said) = Link::hello_with_bulk(&hub, "a").await;
    let wrong = json!({"session": a_said["session"], "resume": "0123"});
    for of in [wrong, json!({"session": "none", "resume": a_said["resume"]})] {
        let link = Link::open(&hub);
        link.send(json!({"type": "hub:hello", "data": {"version": 1, "bulk_for": of}}));
        assert_eq!(data(&link.until("hub:close").await)["code"], "session_expired");
    }
    // Its welcome may have got lost: it is taken over.
    let (first, first_said) = Link::bulk(&hub, &a_said).await;
    let (second, second_said) = Link::bulk(&hub, &a_said).await;
    assert_eq!(first_said["session"], second_said["session"]);
    second.ask(piece("session:none", 1, 30)).await;
    // It has counted: a new one replaces it.
    let (third, third_said) = Link::bulk(&hub, &a_said).await;
    assert_eq!(second.closed().map(|f| f.code), Some(Code::Replaced));
    assert_ne!(third_said["session"], second_said["session"]);
    assert_eq!(hub.stats().bulk_sessions, 1);
    third.cut();
    // A resume of one that is gone brings a new one, if it says for whom.
    let link = Link::open(&hub);
    let of = json!({"session": a_said["session"], "resume": a_said["resume"]});
    let hello = json!({"version": 1, "bulk_for": of, "session": second_said["session"], "resume": second_said["resume"], "received": 1});
    link.send(json!({"type": "hub:hello", "data": hello}));
    let said = data(&link.until("hub:welcome").await);
    assert_eq!((&said["resumed"], &said["reason"]), (&json!(false), &json!("session_expired")));
    drop(first);
}

#[tokio::test]
async fn a_link_beside_another_is_for_bulk_only() {
    let hub = hub(config());
    let (_a, a_said) = Link::hello_with_bulk(&hub, "a").await;
    let beside = || LinkInfo { transport: Some(Transport::WebTransport), bulk: true, ..LinkInfo::default() };
    let resume = json!({"version": 1, "session": a_said["session"], "resume": a_said["resume"]});
    for first in [
        json!({"type": "hub:hello", "data": {"version": 1, "user": "x"}}),
        json!({"type": "hub:hello", "data": resume}),
        json!({"type": "m", "room": "r"}),
    ] {
        let link = Link::open_with(&hub, beside());
        link.send(first);
        assert_eq!(data(&link.until("hub:close").await)["code"], "bad_request");
    }
    let link = Link::open_with(&hub, beside());
    let of = json!({"session": a_said["session"], "resume": a_said["resume"]});
    link.send(json!({"type": "hub:hello", "data": {"version": 1, "bulk_for": of}}));
    link.until("hub:welcome").await;
    assert_eq!(hub.stats().sessions, 1);
}

#[tokio::test]
async fn a_link_that_the_hub_does_not_read_is_not_judged_silent() {
    let mut config = config();
    (config.limits.heartbeat_ms, config.limits.resume_ms) = (100, 700);
    let hub = hub(config);
    let (a, a_said) = Link::hello_with_bulk(&hub, "a").await;
    let (b, b_said) = Link::hello_with_bulk(&hub, "b").await;
    let (a_bulk, _) = Link::bulk(&hub, &a_said).await;
    let mut n = 0;
    while a_bulk.text(&piece(&to(&b_said), n, 30).to_string()) == Flow::Continue {
        n += 1;
    }
    // Nobody reads a pong of it until the receiver's time is over.
    let alive = async {
        loop {
            for link in [&a, &b] {
                link.send(json!({"type": "hub:pong"}));
            }
            tokio::time::sleep(std::time::Duration::from_millis(30)).await;
        }
    };
    tokio::select! {
        () = alive => {}
        answer = answer(&a_bulk, "piece-0") => assert_eq!(data(&answer)["code"], "timeout"),
    }
    assert_eq!(a_bulk.closed(), None);
    assert_eq!(hub.stats().heartbeat_timeouts, 0);
}
