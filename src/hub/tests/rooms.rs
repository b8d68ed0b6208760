//! Rooms, presence, direct messages and requests over links in memory.

mod support;

use serde_json::{Value, json};
use std::sync::Arc;
use support::{Link, config, data, hub};

#[tokio::test]
async fn presence_counts_a_user_once_and_a_reload_does_not_flicker() {
    let hub = hub(config());
    let (watcher, _) = Link::hello(&hub, "w").await;
    watcher.join("chat:1").await;
    let (a1, _) = Link::hello(&hub, "a").await;
    let joined = a1.join("chat:1").await;
    let users: Vec<_> =
        joined["members"].as_array().expect("members").iter().map(|m| m["user"].clone()).collect();
    assert_eq!(users, ["a", "w"]);
    watcher.find("a joins", |f| f.kind == "hub:presence" && data(f)["join"][0]["user"] == "a").await;
    a1.send(json!({"type": "hub:bye"}));
    let (a2, _) = Link::hello(&hub, "a").await;
    a2.join("chat:1").await;
    let one = |f: &Value| f["update"][0]["sessions"] == 1 && f["update"][0]["user"] == "a";
    watcher.find("the old session is gone", |f| f.kind == "hub:presence" && one(&data(f))).await;
    assert!(watcher.data_of("hub:presence").iter().all(|c| c.get("leave").is_none()));
    a2.ask(json!({"type": "hub:state", "room": "chat:1", "data": {"away": true}})).await;
    let away = |f: &Value| f["update"][0]["state"]["away"] == true;
    watcher.find("away", |f| f.kind == "hub:presence" && away(&data(f))).await;
    a2.ask(json!({"type": "hub:leave", "room": "chat:1"})).await;
    watcher.find("a leaves", |f| f.kind == "hub:presence" && data(f)["leave"] == json!(["a"])).await;
    let members = hub.presence("chat:1").await.expect("members");
    assert_eq!(members.len(), 1);
}

#[tokio::test]
async fn publishes_are_idempotent_and_checked() {
    let hub = hub(config());
    let (a, _) = Link::hello(&hub, "a").await;
    let (b, _) = Link::hello(&hub, "b").await;
    let refused = a.ask(json!({"type": "m", "room": "chat:1"})).await;
    assert_eq!(data(&refused)["code"], "not_joined");
    a.join("chat:1").await;
    b.join("chat:1").await;
    a.send(json!({"type": "m", "room": "chat:1", "id": "x", "data": 1}));
    a.send(json!({"type": "m", "room": "chat:1", "id": "x", "data": 1}));
    a.find("second reply", |f| {
        f.id.as_deref() == Some("x") && f.kind == "hub:reply" && data(f)["duplicate"] == true
    })
    .await;
    a.ask(json!({"type": "m", "room": "chat:1", "echo": false, "data": 2})).await;
    b.find("the second", |f| f.offset == Some(2)).await;
    assert_eq!((a.data_of("m"), b.data_of("m")), (vec![json!(1)], vec![json!(1), json!(2)]));
    let page = b.ask(json!({"type": "hub:history", "room": "chat:1", "data": {"limit": 1}})).await;
    assert_eq!(data(&page)["events"][0]["data"], 2);
    assert_eq!(data(&page)["events"][0]["from"]["user"], "a");
}

#[tokio::test]
async fn a_new_session_recovers_from_its_position_or_is_told_of_the_gap() {
    let mut config = config();
    config.namespaces[0].history_events = 5;
    let hub = hub(config);
    let (a, _) = Link::hello(&hub, "a").await;
    a.join("chat:1").await;
    let mut positions = vec![];
    for n in 1..=8 {
        let reply = a.ask(json!({"type": "m", "room": "chat:1", "data": n})).await;
        positions.push(data(&reply)["position"].clone());
    }
    let since = |p: &Value| json!({"type": "hub:join", "room": "chat:1", "data": {"since": p}});
    let (b, _) = Link::hello(&hub, "b").await;
    assert_eq!(data(&b.ask(since(&positions[4])).await)["recovered"], true);
    b.find("the last", |f| f.offset == Some(8)).await;
    assert_eq!(b.data_of("m"), [6, 7, 8].map(|n| json!(n)));
    let (c, _) = Link::hello(&hub, "c").await;
    assert_eq!(data(&c.ask(since(&positions[0])).await)["recovered"], false);
    c.find("the last", |f| f.offset == Some(8)).await;
    assert_eq!(c.kinds()[1..], ["hub:reply", "hub:gap", "m", "m", "m", "m", "m"]);
    assert_eq!(c.data_of("hub:gap")[0]["position"], positions[2]);
    let (d, _) = Link::hello(&hub, "d").await;
    d.ask(json!({"type": "hub:join", "room": "chat:1", "data": {"history": 2}})).await;
    d.find("the last", |f| f.offset == Some(8)).await;
    assert_eq!(d.data_of("m"), [7, 8].map(|n| json!(n)));
}

#[tokio::test]
async fn requests_are_answered_once_and_repeated_ones_not_delivered_again() {
    let hub = hub(config());
    let (asker, welcome) = Link::hello(&hub, "asker").await;
    let sfu = Link::open(&hub);
    sfu.send(json!({"type": "hub:hello", "data": {"version": 1, "token": "t:sfu"}}));
    sfu.until("hub:welcome").await;
    let nobody = asker.ask(json!({"type": "produce", "to": "service:sfu"})).await;
    assert_eq!(data(&nobody)["code"], "not_found");
    assert_eq!(sfu.ask(json!({"type": "hub:attach", "data": {"service": "sfu"}})).await.kind, "hub:reply");
    let produce = json!({"type": "produce", "to": "service:sfu", "id": "q1", "data": {"kind": "video"}});
    asker.send(produce.clone());
    asker.send(produce.clone());
    let request = sfu.until("produce").await;
    assert_eq!(request.from.as_ref().and_then(|f| f.user.as_deref()), Some("asker"));
    sfu.send(json!({"type": "hub:answer", "request": request.request, "data": {"producer": 7}}));
    let answer = asker.find("answer", |f| f.id.as_deref() == Some("q1")).await;
    assert_eq!((answer.kind.as_str(), data(&answer)), ("hub:reply", json!({"producer": 7})));
    asker.cut();
    let again = Link::resume(&hub, &welcome, asker.counted());
    again.send(produce);
    assert_eq!(data(&again.find("answer", |f| f.id.as_deref() == Some("q1")).await), json!({"producer": 7}));
    assert_eq!(sfu.data_of("produce").len(), 1);
    again.send(json!({"type": "slow", "to": "service:sfu", "id": "q2", "timeout_ms": 100}));
    let late = again.find("timeout", |f| f.id.as_deref() == Some("q2")).await;
    assert_eq!(data(&late)["code"], "timeout");
    again.send(json!({"type": "gone", "to": "service:sfu", "id": "q3"}));
    sfu.send(json!({"type": "hub:bye"}));
    let gone = again.find("gone", |f| f.id.as_deref() == Some("q3")).await;
    assert_eq!(data(&gone)["code"], "not_found");
}

#[tokio::test]
async fn a_user_is_reached_on_all_sessions() {
    let hub = hub(config());
    let (a, welcome) = Link::hello(&hub, "a").await;
    let (b1, _) = Link::hello(&hub, "b").await;
    let (b2, _) = Link::hello(&hub, "b").await;
    let reply = a.ask(json!({"type": "notice", "to": "user:b", "data": "hi"})).await;
    assert_eq!(data(&reply), json!({"delivered": 2}));
    for b in [&b1, &b2] {
        let from = b.until("notice").await.from.expect("from");
        assert_eq!(from.session.as_deref(), welcome["session"].as_str());
    }
    let to_session =
        json!({"type": "one", "to": format!("session:{}", welcome["session"].as_str().expect("name"))});
    b1.send(to_session);
    a.until("one").await;
    let missing = a.ask(json!({"type": "notice", "to": "user:nobody"})).await;
    assert_eq!(data(&missing)["code"], "not_found");
}

#[tokio::test]
async fn volatile_events_are_dropped_newest_wins() {
    let hub = hub(config());
    let (a, _) = Link::hello(&hub, "a").await;
    let (b, _) = Link::hello(&hub, "b").await;
    a.join("r").await;
    b.join("r").await;
    b.takes(Some(0));
    for n in 0..5 {
        a.send(json!({"type": "cursor", "room": "r", "volatile": true, "data": n}));
    }
    a.send(json!({"type": "cursor", "room": "r", "volatile": "other", "data": "key"}));
    b.takes(None);
    b.find("the other key", |f| f.kind == "cursor" && data(f) == "key").await;
    assert_eq!(b.data_of("cursor"), [json!(4), json!("key")]);
}

#[tokio::test]
async fn what_a_session_did_not_want_back_does_not_come_out_of_history_either() {
    let mut config = config();
    config.limits.outbox_bytes_max = 4096;
    let hub = hub(config);
    let (a, _) = Link::hello(&hub, "a").await;
    let (b, _) = Link::hello(&hub, "b").await;
    let joined = a.join("chat:1").await;
    b.join("chat:1").await;
    a.takes(Some(0));
    for n in 0..30 {
        b.send(json!({"type": "m", "room": "chat:1", "data": [n, "x".repeat(100)]}));
        b.ack();
        a.send(json!({"type": "own", "room": "chat:1", "echo": false}));
    }
    a.takes(None);
    while a.data_of("m").len() < 30 {
        let have = a.data_of("m").len() as u64;
        a.ack();
        a.find("more", |f| f.kind == "m" && data(f)[0].as_u64() >= Some(have)).await;
    }
    let since = json!({"since": joined["position"]});
    let again = a.ask(json!({"type": "hub:join", "room": "chat:1", "data": since})).await;
    assert_eq!(data(&again)["recovered"], true);
    assert_eq!(a.data_of("own").len(), 0);
    // All but a's own, and those of b that the history of 100 events still has.
    assert_eq!(hub.stats().gaps, 0);
}

#[tokio::test]
async fn replies_fit_into_the_outbox_or_say_so() {
    let mut config = config();
    config.limits.outbox_bytes_max = 16 << 10;
    let hub = hub(config);
    let (a, _) = Link::hello(&hub, "a").await;
    a.join("chat:1").await;
    for n in 0..20 {
        a.ask(json!({"type": "m", "room": "chat:1", "data": [n, "x".repeat(1000)]})).await;
    }
    let page = async |data: Value| {
        let reply = a.ask(json!({"type": "hub:history", "room": "chat:1", "data": data})).await;
        let page: Value = reply.parse().expect("data");
        let numbers = page["events"].as_array().expect("events").iter().map(|e| e["data"][0].as_u64());
        numbers.map(|n| n.expect("number")).collect::<Vec<_>>()
    };
    assert_eq!(page(json!({"limit": 100})).await, (14..20).collect::<Vec<_>>());
    assert_eq!(page(json!({"limit": 100, "before": 15})).await, (8..14).collect::<Vec<_>>());
    let start = data(&a.ask(json!({"type": "hub:history", "room": "chat:1", "data": {"limit": 1}})).await);
    let epoch = start["position"].as_str().and_then(|p| p.split('.').next()).expect("epoch").to_string();
    assert_eq!(page(json!({"limit": 100, "since": format!("{epoch}.0.")})).await, (0..6).collect::<Vec<_>>());
    let info = json!({"x": "y".repeat(1000)});
    for n in 0..20 {
        let b = Link::open(&hub);
        b.send(json!({"type": "hub:hello", "data": {"version": 1, "user": format!("b{n}"), "info": info}}));
        b.send(json!({"type": "hub:join", "room": "full", "id": "j"}));
    }
    for ask in [
        json!({"type": "hub:join", "room": "full", "data": {"presence": true}}),
        json!({"type": "hub:presence", "room": "full"}),
    ] {
        assert_eq!(data(&a.ask(ask).await)["code"], "limit_exceeded");
    }
    let (rooms, _) = hub.rooms("", "", 10, |_| true);
    assert_eq!(rooms.iter().find(|r| &*r.room == "full").map(|r| (r.members, r.sessions)), Some((20, 20)));
    assert!(!hub.presence("full").await.expect("members").iter().any(|m| &*m.user == "a"));
    assert_eq!(a.ask(json!({"type": "hub:join", "room": "full"})).await.kind, "hub:reply");
}

#[tokio::test]
async fn after_a_join_that_failed_the_session_is_not_in_the_room() {
    let hub = hub(config());
    let (a, _) = Link::hello(&hub, "a").await;
    for room in ["r", "chat:1"] {
        a.join(room).await;
        let bad = a.ask(json!({"type": "hub:join", "room": room, "data": {"since": "nonsense"}})).await;
        assert_eq!(data(&bad)["code"], "bad_request");
        let publish = a.ask(json!({"type": "m", "room": room})).await;
        assert_eq!(data(&publish)["code"], "not_joined");
        assert_eq!(hub.presence(room).await.expect("members").len(), 0);
    }
    assert_eq!(hub.stats().rooms, 0);
}

#[tokio::test]
async fn a_direct_message_repeated_in_a_new_session_is_not_delivered_again() {
    let hub = hub(config());
    let (a, _) = Link::hello(&hub, "a").await;
    let (b, _) = Link::hello(&hub, "b").await;
    let notice = json!({"type": "notice", "to": "user:b", "id": "n1"});
    a.send(notice.clone());
    a.find("answer", |f| f.id.as_deref() == Some("n1")).await;
    a.send(json!({"type": "hub:bye"}));
    let (again, _) = Link::hello(&hub, "a").await;
    again.send(notice);
    let reply = again.find("answer", |f| f.id.as_deref() == Some("n1")).await;
    assert_eq!(data(&reply), json!({"delivered": 1}));
    assert_eq!(b.data_of("notice").len(), 1);
}

#[tokio::test]
async fn answers_may_be_bytes() {
    let hub = hub(config());
    let (a, _) = Link::hello(&hub, "a").await;
    let (b, welcome) = Link::hello(&hub, "b").await;
    let to = format!("session:{}", welcome["session"].as_str().expect("name"));
    a.send(json!({"type": "file", "to": to, "id": "f"}));
    let asked = b.until("file").await;
    b.send(json!({"type": "hub:answer", "request": asked.request, "data64": "AAEC"}));
    let reply = a.find("answer", |f| f.id.as_deref() == Some("f")).await;
    assert_eq!(reply.payload.as_deref(), Some(&[0, 1, 2][..]));
    assert_eq!(hub.stats().requests_waiting, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_two_sessions_repeat_at_once_is_asked_once() {
    let mut config = config();
    config.rates.user.requests_max = 100;
    let hub = hub(config);
    let (sfu, _) = Link::granted(&hub, json!({"user": "sfu", "services": ["sfu"]})).await;
    sfu.reply(json!({"type": "hub:attach", "data": {"service": "sfu"}})).await;
    let mut askers = vec![];
    for _ in 0..2 {
        askers.push(Arc::new(Link::hello(&hub, "asker").await.0));
    }
    for round in 0..300 {
        let ask = json!({"type": "ask", "to": "service:sfu", "id": format!("q{round}"), "data": round});
        let start = Arc::new(std::sync::Barrier::new(askers.len()));
        let asking = askers.iter().map(|link| {
            let (link, ask, start) = (link.clone(), ask.clone(), start.clone());
            tokio::task::spawn_blocking(move || {
                start.wait();
                link.send(ask);
            })
        });
        for asked in asking.collect::<Vec<_>>() {
            asked.await.unwrap();
        }
        let request = sfu.until("ask").await;
        assert_eq!(sfu.data_of("ask"), [json!(round)]);
        sfu.take();
        sfu.send(json!({"type": "hub:answer", "request": request.request, "data": {}}));
        sfu.ack();
        for link in &askers {
            link.ack();
        }
    }
}
