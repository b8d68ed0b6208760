//! The roster of peers, and signals between the members of a room.

use crate::support::*;
use crosspoint::Running;
use crosspoint::auth::jwt::Claims;
use crosspoint_core::Code;
use serde_json::{Value, json};

/// Somebody in the lobby, and their session's name.
async fn member(by: Adapter, hub: &Running, user: &str) -> (Link, String) {
    let (mut link, welcome) = by.hello(hub, hello(user)).await;
    link.join(LOBBY, json!({})).await;
    (link, welcome["session"].as_str().unwrap().to_string())
}

fn peers(data: Value) -> Value {
    json!({"type": "hub:peers", "room": LOBBY, "data": data})
}

fn signal(to: &str, data: impl Into<Value>) -> Value {
    json!({"type": "hub:signal", "room": LOBBY, "to": format!("session:{to}"), "data": data.into()})
}

/// The sessions of a roster.
fn names(reply: &Value) -> Vec<&str> {
    reply["peers"].as_array().unwrap().iter().map(|p| p["session"].as_str().unwrap()).collect()
}

/// The next change that somebody on the roster is told of.
async fn news(link: &mut Link) -> Value {
    let got = link.next().await;
    assert_eq!((got.kind(), &got["room"], got.counted()), ("hub:peers", &json!(LOBBY), true), "{}", got.json);
    got["data"].clone()
}

pub(crate) async fn the_roster_says_who_comes_changes_and_goes(by: Adapter) {
    let hub = open().await;
    let (mut bystander, _) = member(by, &hub, "eve").await;
    let (mut alice, alices) = member(by, &hub, "alice").await;
    let roster = alice.ask(peers(json!({"state": {"mic": 1.50}}))).await["data"].clone();
    assert_eq!((names(&roster), &roster["max"]), (vec![alices.as_str()], &json!(64)));
    for to in Adapter::ALL {
        let data = json!({"version": 1, "user": "bob", "info": {"name": "Bob"}});
        let (mut bob, welcome) = to.hello(&hub, data).await;
        let bobs = welcome["session"].as_str().unwrap();
        bob.fails(peers(json!({})), Code::NotJoined).await;
        bob.join(LOBBY, json!({})).await;
        let roster = bob.ask(peers(Value::Null)).await["data"].clone();
        assert_eq!(names(&roster), [alices.as_str(), bobs], "who is longest on it comes first");
        assert_eq!(
            (&roster["peers"][0]["user"], &roster["peers"][0]["state"]),
            (&json!("alice"), &json!({"mic": 1.5}))
        );
        let joined = news(&mut alice).await;
        let bob_is = &joined["join"][0];
        assert_eq!(
            (&bob_is["session"], &bob_is["user"], &bob_is["info"]),
            (&json!(bobs), &json!("bob"), &json!({"name": "Bob"}))
        );
        assert!(bob_is["since"].as_u64().unwrap() > 1_600_000_000_000 && bob_is.get("state").is_none());

        // Said again it changes nothing, and a new state is told.
        assert_eq!(names(&bob.ask(peers(json!({}))).await["data"]).len(), 2);
        for _ in 0..2 {
            bob.ask(peers(json!({"state": {"mic": false}}))).await;
        }
        let update = json!({"update": [{"session": bobs, "state": {"mic": false}}]});
        assert_eq!(news(&mut alice).await, update);

        assert_eq!(bob.ask(peers(json!({"leave": true}))).await["data"], json!({}));
        assert_eq!(news(&mut alice).await, json!({"leave": [{"session": bobs}]}));
        assert_eq!(bob.ask(peers(json!({"leave": true}))).await["data"], json!({}));
        bob.ask(peers(json!({}))).await;
        bob.ask(json!({"type": "hub:leave", "room": LOBBY})).await;
        bob.join(LOBBY, json!({})).await;
        bob.ask(peers(json!({}))).await;
        bob.send(json!({"type": "hub:bye"})).await;
        for left in [json!({"session": bobs}), json!({"session": bobs, "code": "bye"})] {
            assert_eq!(news(&mut alice).await["join"][0]["session"], bobs);
            assert_eq!(news(&mut alice).await, json!({"leave": [left]}));
        }
    }
    // Who isn't on it hears nothing.
    bystander.send(json!({"type": "n", "room": LOBBY, "data": 7})).await;
    assert_eq!(bystander.next().await.number(), 7);
}

/// Alice and Bob, both on the roster, and Bob's welcome.
async fn two_peers(by: Adapter, hub: &Running) -> (Link, Link, Value) {
    let (mut alice, _) = member(Adapter::WebSocket, hub, "alice").await;
    alice.ask(peers(json!({}))).await;
    let (mut bob, welcome) = by.hello(hub, hello("bob")).await;
    bob.join(LOBBY, json!({})).await;
    bob.ask(peers(json!({}))).await;
    assert_eq!(news(&mut alice).await["join"][0]["session"], welcome["session"]);
    (alice, bob, welcome)
}

pub(crate) async fn a_peer_stays_one_without_a_link_and_on_another(by: Adapter) {
    let hub = open().await;
    let (mut alice, bob, welcome) = two_peers(by, &hub).await;
    let bobs = welcome["session"].as_str().unwrap();
    // Cut, signalled meanwhile, resumed; then moved everywhere.
    let received = bob.received;
    drop(bob);
    by.cut(&hub, 1).await;
    alice.ask(signal(bobs, 1)).await;
    let (mut bob, _) = by.hello(&hub, again(&welcome, received)).await;
    assert_eq!(bob.next().await.number(), 1);
    for to in Adapter::ALL {
        let (moved, next) = to.hello(&hub, again(&welcome, bob.received)).await;
        assert_eq!(next["resumed"], true);
        bob = moved;
        alice.send(signal(bobs, 2)).await;
        assert_eq!(bob.next().await.number(), 2);
    }
    // Told of nothing, and both are there.
    alice.send(json!({"type": "n", "room": LOBBY, "data": 3})).await;
    assert_eq!(alice.next().await.number(), 3);
    assert_eq!(names(&alice.ask(peers(json!({}))).await["data"]).len(), 2);
}

pub(crate) async fn a_peer_goes_with_its_session(by: Adapter) {
    let hub = start(|c| (c.limits.resume_ms, c.limits.heartbeat_ms) = (150, 1_000)).await;
    let (mut alice, bob, welcome) = two_peers(by, &hub).await;
    let bobs = welcome["session"].as_str().unwrap();
    drop(bob);
    assert_eq!(news(&mut alice).await, json!({"leave": [{"session": bobs, "code": "session_expired"}]}));
    alice.fails(signal(bobs, 3), Code::NotFound).await;
    // The session that follows is another peer.
    let data = json!({"version": 1, "user": "bob", "session": bobs, "resume": welcome["resume"]});
    let (mut bob, next) = by.hello(&hub, data).await;
    assert_eq!(next["resumed"], false);
    bob.fails(peers(json!({})), Code::NotJoined).await;
    bob.join(LOBBY, json!({})).await;
    bob.ask(peers(json!({}))).await;
    assert_eq!(news(&mut alice).await["join"][0]["session"], next["session"]);
}

pub(crate) async fn signals_pass_between_members_only(by: Adapter) {
    let hub = open().await;
    let (mut alice, alices) = member(by, &hub, "alice").await;
    let (mut eve, welcome) = by.hello(&hub, hello("eve")).await;
    let eves = welcome["session"].as_str().unwrap();
    eve.join(CHAT, json!({})).await;
    for to in Adapter::ALL {
        let (mut bob, bobs) = member(to, &hub, "bob").await;
        assert_eq!(alice.ask(signal(&bobs, json!({"sdp": "v=0"}))).await["data"], json!({}));
        let got = bob.next().await;
        assert!(got.counted());
        let from = json!({"user": "alice", "session": alices});
        assert_eq!(
            got.json,
            json!({"type": "hub:signal", "room": LOBBY, "from": from, "data": {"sdp": "v=0"}})
        );
        // Not by who isn't in the room, nor to.
        eve.fails(signal(&bobs, 1), Code::NotJoined).await;
        alice.fails(signal(eves, 1), Code::NotFound).await;
        alice.fails(signal("nobody", 1), Code::NotFound).await;
        bob.ask(json!({"type": "hub:leave", "room": LOBBY})).await;
        alice.fails(signal(&bobs, 1), Code::NotFound).await;
        alice.send(signal(&bobs, 1)).await;
        let error = alice.next().await;
        assert_eq!(
            (&error["data"]["code"], &error["data"]["of"]),
            (&json!("not_found"), &json!("hub:signal"))
        );
        bob.fails(signal(&alices, 1), Code::NotJoined).await;
        bob.send(json!({"type": "hub:bye"})).await;
    }
    for to in ["user:alice", "service:x", "session", "lobby"] {
        alice.fails(json!({"type": "hub:signal", "room": LOBBY, "to": to}), Code::BadRequest).await;
    }
    alice.fails(json!({"type": "hub:signal", "room": LOBBY}), Code::BadRequest).await;
    alice.fails(json!({"type": "hub:signal", "to": "session:x"}), Code::BadRequest).await;
    eve.send(json!({"type": "n", "room": CHAT, "data": 9})).await;
    assert_eq!(eve.next().await.number(), 9, "and nothing else came");
    assert_eq!(hub.hub().stats().signals, Adapter::ALL.len() as u64);
}

pub(crate) async fn signals_keep_their_order_and_bytes(by: Adapter) {
    let hub = open().await;
    let (mut alice, _) = member(by, &hub, "alice").await;
    let (mut bob, bobs) = member(Adapter::WebSocket, &hub, "bob").await;
    let mut frames = vec![];
    for n in 0..50 {
        frames.push(signal(&bobs, n));
        frames.push(json!({"type": "n", "room": LOBBY, "data": n, "echo": false}));
    }
    assert!(alice.try_send_all(&frames).await.is_ok());
    for n in 0..50 {
        let (signal, event) = (bob.next().await, bob.next().await);
        assert_eq!((signal.kind(), signal.number(), event.kind(), event.number()), ("hub:signal", n, "n", n));
    }
    let frame = json!({"type": "hub:signal", "room": LOBBY, "to": format!("session:{bobs}")});
    alice.send_bytes(frame, &[0, 255, 7]).await;
    let got = bob.next().await;
    assert_eq!((got.kind(), got.bytes.as_deref()), ("hub:signal", Some(&[0, 255, 7][..])));
    // As large as any frame.
    let large = "x".repeat(60_000);
    alice.ask(signal(&bobs, large.clone())).await;
    assert_eq!(bob.next().await["data"], large);
}

pub(crate) async fn a_roster_has_an_end(by: Adapter) {
    let hub = start(|c| c.namespaces.iter_mut().for_each(|n| n.peers_max = 2)).await;
    let mut links = vec![];
    for n in 0..3 {
        links.push(member(by, &hub, &format!("u{n}")).await.0);
    }
    for link in &mut links[..2] {
        assert_eq!(link.ask(peers(json!({}))).await["data"]["max"], 2);
    }
    links[2].fails(peers(json!({})), Code::LimitExceeded).await;
    // Those who are on it may change; one who goes makes room.
    links[0].ask(peers(json!({"state": {}}))).await;
    links[1].ask(peers(json!({"leave": true}))).await;
    assert_eq!(links[2].ask(peers(json!({}))).await["data"]["peers"].as_array().unwrap().len(), 2);
    let state = json!({"a": "x".repeat(1024)});
    links[2].fails(peers(json!({"state": state})), Code::LimitExceeded).await;
    for wrong in [json!({"state": 7}), json!({"leave": 1}), json!([]), json!("x")] {
        links[2].fails(peers(wrong), Code::BadRequest).await;
    }
    links[2].fails(json!({"type": "hub:peers"}), Code::BadRequest).await;
}

pub(crate) async fn signaling_can_be_forbidden(by: Adapter) {
    let hub = start(|c| {
        c.auth.jwt_secret = Some(SECRET.into());
        c.namespaces[1].signal = false;
    })
    .await;
    let mute = Claims { sub: "mute".into(), direct: Some(false), ..Claims::default() };
    for (claims, room, allowed) in [
        (Claims { sub: "alice".into(), ..Claims::default() }, LOBBY, true),
        (Claims { sub: "alice".into(), ..Claims::default() }, CHAT, false),
        (mute, LOBBY, false),
    ] {
        let (mut link, welcome) = by.hello(&hub, json!({"version": 1, "token": sign(&claims)})).await;
        let me = format!("session:{}", welcome["session"].as_str().unwrap());
        link.join(room, json!({})).await;
        for frame in [
            json!({"type": "hub:peers", "room": room}),
            json!({"type": "hub:peers", "room": room, "data": {"leave": true}}),
            json!({"type": "hub:signal", "room": room, "to": me}),
        ] {
            match allowed {
                true => drop(link.ask(frame).await),
                false => link.fails(frame, Code::Forbidden).await,
            }
        }
    }
}
