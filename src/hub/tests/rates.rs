//! Limits of rates, by scope: what is refused, how, and what goes on all the same.

mod support;

use crosspoint_core::link::Transport;
use crosspoint_core::{Code, Flow, LinkInfo};
use crosspoint_hub::{Action, HubConfig, Moderation, Rates};
use serde_json::{Value, json};
use std::time::Duration;
use support::{Link, config, data, hub, token};

const ACK: &str = r#"{"type":"hub:ack","data":{"received":0}}"#;

fn limited(change: impl FnOnce(&mut Rates)) -> HubConfig {
    let mut config = config();
    config.rates.burst_ms = 1_000;
    change(&mut config.rates);
    config
}

fn said(n: usize) -> Value {
    json!({"type": "m", "room": "r", "id": format!("m{n}"), "data": n})
}

/// Sends them one after the other and reads how each was answered: the code, or nothing.
async fn answers(link: &Link, frames: impl IntoIterator<Item = Value>) -> Vec<Option<String>> {
    let mut codes = vec![];
    for frame in frames {
        let id = frame["id"].as_str().map(String::from);
        link.send(frame);
        let answer = link.find("an answer", |f| f.id == id && f.kind.starts_with("hub:")).await;
        codes.push(data(&answer)["code"].as_str().map(String::from));
    }
    link.ack();
    codes
}

fn refused(codes: &[Option<String>]) -> usize {
    codes.iter().filter(|c| c.as_deref() == Some("rate_limited")).count()
}

#[tokio::test(start_paused = true)]
async fn a_refused_frame_is_answered_with_the_time_to_wait_and_keeps_its_number() {
    let hub = hub(limited(|r| r.session.publishes_per_s = 10));
    let (a, _) = Link::hello(&hub, "a").await;
    let (b, _) = Link::hello(&hub, "b").await;
    a.join("r").await;
    b.join("r").await;
    let codes = answers(&a, (0..15).map(said)).await;
    assert_eq!(codes.iter().position(Option::is_some), Some(10));
    assert_eq!(refused(&codes), 5);
    let fault = data(&a.find("the refusal", |f| f.id.as_deref() == Some("m14")).await);
    assert_eq!((&fault["retry"], &fault["retry_after_ms"]), (&json!("backoff"), &json!(100)));
    a.send(json!({"type": "hub:ping", "data": {}}));
    assert_eq!(data(&a.until("hub:pong").await)["received"], 16, "the join and all fifteen");
    assert_eq!(b.data_of("m"), (0..10).map(|n| json!(n)).collect::<Vec<_>>());
    tokio::time::advance(Duration::from_millis(100)).await;
    assert_eq!(refused(&answers(&a, [said(15), said(16)]).await), 1, "one came back meanwhile");
    assert_eq!(refused(&answers(&b, (20..25).map(said)).await), 0, "the other has its own");
    let refused = hub.refused();
    assert_eq!((refused[0].scope, refused[0].kind, refused[0].count), ("session", "publishes", 6));
    assert_eq!((refused.len(), hub.stats().rate_limited), (1, 6));
}

#[tokio::test(start_paused = true)]
async fn volatile_frames_over_a_rate_are_dropped_without_a_word() {
    let hub = hub(limited(|r| r.session.frames_per_s = 5));
    let (a, _) = Link::hello(&hub, "a").await;
    a.join("r").await;
    for n in 0..10 {
        a.send(json!({"type": "cursor", "room": "r", "volatile": format!("{n}"), "data": n}));
    }
    assert_eq!(hub.stats().rate_dropped, 6, "the join was a frame as well");
    assert_eq!((hub.stats().rate_limited, a.data_of("hub:error").len()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_user_has_one_measure_for_all_sessions_and_an_address_for_all_users() {
    let hub = hub(limited(|r| (r.user.joins_per_s, r.address.publishes_per_s) = (3, 4)));
    let from = |ip: &str| LinkInfo {
        transport: Some(Transport::WebSocket),
        remote: Some(ip.parse().expect("an address")),
        ..LinkInfo::default()
    };
    let open = async |user: &str, ip: &str| {
        let link = Link::open_with(&hub, from(ip));
        link.send(json!({"type": "hub:hello", "data": {"version": 1, "user": user}}));
        link.until("hub:welcome").await;
        link
    };
    let join = |n: usize| json!({"type": "hub:join", "room": format!("{n}"), "id": format!("j{n}")});
    let (a, a2) = (open("a", "192.0.2.1").await, open("a", "192.0.2.2").await);
    let b = open("b", "2001:db8::1").await;
    let b2 = open("b2", "2001:db8::ffff").await;
    assert_eq!(refused(&answers(&a, (0..2).map(join)).await), 0);
    assert_eq!(refused(&answers(&a2, (0..3).map(join)).await), 2);
    assert_eq!(refused(&answers(&b, (0..3).map(join)).await), 0);
    for link in [&b, &b2] {
        tokio::time::advance(Duration::from_secs(1)).await;
        link.join("r").await;
    }
    assert_eq!(refused(&answers(&b, (0..3).map(said)).await), 0);
    assert_eq!(refused(&answers(&b2, (3..6).map(said)).await), 2, "one network of IPv6");
    let found: Vec<_> = hub.refused().iter().map(|r| (r.scope, r.kind, r.count)).collect();
    assert_eq!(found, [("user", "joins", 2), ("address", "publishes", 2)]);
}

#[tokio::test(start_paused = true)]
async fn a_room_has_its_own_measure_which_its_namespace_may_set() {
    let mut config = limited(|r| r.room.publishes_per_s = 2);
    config.namespaces[0].publishes_per_s = Some(4);
    config.namespaces[0].sessions_max = Some(2);
    let hub = hub(config);
    let (a, _) = Link::hello(&hub, "a").await;
    let (b, _) = Link::hello(&hub, "b").await;
    let (c, _) = Link::hello(&hub, "c").await;
    for link in [&a, &b] {
        link.join("r").await;
        link.join("chat:1").await;
    }
    assert_eq!(refused(&answers(&a, (0..2).map(said)).await), 0);
    assert_eq!(refused(&answers(&b, (2..4).map(said)).await), 2, "others used it up");
    let in_chat = |n: usize| json!({"type": "m", "room": "chat:1", "id": format!("c{n}")});
    assert_eq!(refused(&answers(&b, (0..5).map(in_chat)).await), 1);
    let full = c.ask(json!({"type": "hub:join", "room": "chat:1"})).await;
    assert_eq!(data(&full)["code"], "limit_exceeded");
    let again = a.ask(json!({"type": "hub:join", "room": "chat:1"})).await;
    assert_eq!(again.kind, "hub:reply", "who is in it may begin anew");
}

#[tokio::test(start_paused = true)]
async fn who_may_not_act_in_a_room_takes_nothing_from_its_members() {
    let hub = hub(limited(|r| {
        (r.room.publishes_per_s, r.room.joins_per_s, r.room.states_per_s) = (2, 2, 2);
    }));
    let (a, _) = Link::hello(&hub, "a").await;
    let (muted, _) = Link::hello(&hub, "muted").await;
    let (outside, _) = Link::granted(&hub, json!({"user": "outside", "join": ["lobby"]})).await;
    let (unjoined, _) = Link::hello(&hub, "unjoined").await;
    a.join("r").await;
    muted.join("r").await;
    let mute =
        Moderation { action: Action::Mute, user: "muted".into(), for_ms: None, reason: None, by: None };
    hub.moderate("r", mute).unwrap();
    let join = |grant: Value| json!({"type": "hub:join", "room": "r", "data": {"token": token(grant)}});
    let state = json!({"type": "hub:state", "room": "r", "data": {"typing": true}});
    for n in 0..5 {
        muted.fails(said(n), Code::Muted).await;
        unjoined.fails(said(n), Code::NotJoined).await;
        outside.fails(said(n), Code::Forbidden).await;
        outside.fails(json!({"type": "hub:join", "room": "r"}), Code::Forbidden).await;
        outside.fails(join(json!({"user": "another", "join": ["r"]})), Code::Forbidden).await;
        outside.fails(state.clone(), Code::NotJoined).await;
    }
    assert_eq!(refused(&answers(&a, (10..13).map(said)).await), 1, "the room's members have all of it");
    a.reply(state).await;
    unjoined.join("r").await;
    outside.fails(join(json!({"user": "outside", "join": ["r"]})), Code::RateLimited).await;
    tokio::time::advance(Duration::from_millis(500)).await;
    outside.reply(join(json!({"user": "outside", "join": ["r"]}))).await;
}

#[tokio::test(start_paused = true)]
async fn who_goes_on_is_read_more_slowly_and_then_let_go() {
    let hub = hub(limited(|r| (r.session.frames_per_s, r.refused_max) = (1, 5)));
    let (a, _) = Link::hello(&hub, "a").await;
    let frame = |n: usize| json!({"type": "m", "id": format!("m{n}")}).to_string();
    let mut flows = vec![];
    for n in 0.. {
        match a.text(&frame(n)) {
            Flow::Continue => flows.push(Flow::Continue),
            Flow::Wait => {
                flows.push(Flow::Wait);
                let before = tokio::time::Instant::now();
                a.ready().await;
                assert!(before.elapsed() >= Duration::from_millis(900), "it was not read for a second");
            }
            Flow::Stop => break,
        }
        if a.closed().is_some() {
            break;
        }
        assert!(n < 1_000, "it is let go some time");
    }
    let waits = flows.iter().filter(|f| **f == Flow::Wait).count();
    assert!(flows[..6].iter().all(|f| *f == Flow::Continue), "{flows:?}");
    assert!((4..=15).contains(&waits), "{waits}");
    let fault = a.closed().expect("let go");
    assert_eq!(fault.code, Code::RateLimited);
    assert!(fault.retry_after_ms.is_some());
    assert_eq!(hub.stats().sessions, 0);
    assert!(hub.stats().rate_paused as usize >= waits);
}

#[tokio::test(start_paused = true)]
async fn beats_and_acks_are_free_but_not_without_end() {
    let hub = hub(limited(|r| (r.session.frames_per_s, r.session.reads_per_s) = (1, 10)));
    let (a, _) = Link::hello(&hub, "a").await;
    let flows: Vec<Flow> = (0..20).map(|_| a.text(ACK)).collect();
    assert_eq!(flows.iter().position(|f| *f == Flow::Wait), Some(9), "{flows:?}");
    let before = tokio::time::Instant::now();
    a.ready().await;
    assert!(before.elapsed() >= Duration::from_millis(900), "ten at once, ten a second");
    assert_eq!(a.text(ACK), Flow::Wait);
    assert_eq!((hub.stats().rate_limited, a.closed()), (0, None));
}

#[tokio::test(start_paused = true)]
async fn connects_sessions_and_requests_of_a_user_are_bounded() {
    let hub = hub(limited(|r| {
        (r.user.connects_per_s, r.user.sessions_max, r.user.requests_max) = (4, 3, 2);
    }));
    let mut links = vec![];
    for _ in 0..3 {
        links.push(Link::hello(&hub, "a").await.0);
    }
    let hello = |user: &str| {
        let link = Link::open(&hub);
        link.send(json!({"type": "hub:hello", "data": {"version": 1, "user": user}}));
        link
    };
    assert!(hello("a").is_refused(Code::RateLimited), "three sessions at once");
    assert!(hello("a").is_refused(Code::RateLimited), "four connects a second");
    let kinds: Vec<_> = hub.refused().iter().map(|r| r.kind).collect();
    assert_eq!(kinds, ["connects", "sessions"]);
    let (b, welcome) = Link::hello(&hub, "b").await;
    let asked =
        json!({"type": "ask", "to": format!("session:{}", welcome["session"].as_str().expect("name"))});
    let ask = |id: &str| {
        let mut frame = asked.clone();
        frame["id"] = id.into();
        frame
    };
    links[0].send(ask("q1"));
    links[1].send(ask("q2"));
    assert_eq!(refused(&answers(&links[2], [ask("q3")]).await), 1);
    let request = b.until("ask").await.request.expect("it waits for an answer");
    b.send(json!({"type": "hub:answer", "request": request, "data": 1}));
    links[2].send(ask("q4"));
    b.find("the third", |f| f.kind == "ask" && f.request.as_deref() != Some(&request)).await;
}

#[tokio::test(start_paused = true)]
async fn an_address_has_so_many_connections_links_and_connects() {
    let hub = hub(limited(|r| {
        let a = &mut r.address;
        (a.connects_per_s, a.connections_max, a.handshakes_max, a.links_max) = (5, 3, 2, 1);
    }));
    let ip = "192.0.2.1".parse().expect("an address");
    let one = hub.connection_from(ip).expect("one").expect("is counted");
    let two = hub.connection_from(ip).expect("two");
    assert_eq!(hub.connection_from(ip).expect_err("handshakes").code, Code::RateLimited);
    one.asked();
    let three = hub.connection_from(ip).expect("a handshake less");
    assert!(hub.connection_from(ip).is_err(), "three at once");
    drop((two, three));
    assert!(hub.connection_from(ip).is_err(), "five a second");
    assert!(hub.connection_from("192.0.2.2".parse().expect("another")).is_ok());
    tokio::time::advance(Duration::from_secs(1)).await;
    assert!(hub.connection_from(ip).is_ok());
    hub.connect_from(Some(ip)).expect("no link yet");
    let info = LinkInfo { remote: Some(ip), ..LinkInfo::default() };
    let link = Link::open_with(&hub, info.clone());
    assert_eq!(hub.connect_from(Some(ip)).expect_err("one link at once").code, Code::RateLimited);
    assert!(Link::open_with(&hub, info.clone()).is_refused(Code::RateLimited));
    link.cut();
    assert!(hub.connect_from(Some(ip)).is_ok());
    assert!(Link::open_with(&hub, info).closed().is_none());
}

#[tokio::test(start_paused = true)]
async fn who_shares_limits_is_not_held_by_what_others_hold() {
    let hub = hub(limited(|r| {
        (r.entries_max, r.refused_max, r.user.frames_per_s) = (1, 5, 1);
        let a = &mut r.address;
        (a.connections_max, a.handshakes_max, a.links_max) = (1, 1, 1);
    }));
    let known = "192.0.2.1".parse().expect("an address");
    let _one = hub.connection_from(known).expect("one").expect("is counted");
    assert!(hub.connection_from(known).is_err());
    let new = "192.0.2.2".parse().expect("an address");
    let _held: Vec<_> = (0..3).map(|_| hub.connection_from(new).expect("any number")).collect();
    let info = LinkInfo { remote: Some(new), ..LinkInfo::default() };
    let links: Vec<_> = (0..3).map(|_| Link::open_with(&hub, info.clone())).collect();
    assert!(links.iter().all(|link| link.closed().is_none()));
    assert!(hub.connect_from(Some(new)).is_ok());
    // The first user that acts has the one place.
    let (a, _) = Link::hello(&hub, "a").await;
    a.join("r").await;
    let (b, _) = Link::hello(&hub, "b").await;
    assert_eq!(refused(&answers(&b, (0..50).map(said)).await), 49);
    assert_eq!((b.closed(), hub.stats().rate_paused), (None, 0));
}

#[tokio::test(start_paused = true)]
async fn bulk_beyond_its_pace_waits_and_is_not_refused() {
    let hub = hub(limited(|r| (r.session.bulk_bytes_per_s, r.session.frames_per_s) = (1_000, 100)));
    let (_a, main) = Link::hello_with_bulk(&hub, "a").await;
    let (bulk, _) = Link::bulk(&hub, &main).await;
    let (b, to) = Link::hello(&hub, "b").await;
    let begun = tokio::time::Instant::now();
    for n in 0..3 {
        let to = format!("session:{}", to["session"].as_str().expect("name"));
        let piece = json!({"type": "piece", "to": to, "id": format!("p{n}"), "data": "x".repeat(900)});
        let codes = answers(&bulk, [piece]).await;
        assert_eq!(codes, [None]);
    }
    assert!(
        begun.elapsed() >= Duration::from_millis(1_700),
        "three kilobytes, of which one may come at once"
    );
    assert_eq!((b.data_of("piece").len(), hub.stats().rate_limited), (3, 0));
}
