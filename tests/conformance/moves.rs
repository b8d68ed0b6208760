//! Sessions that change their link while the old one lives.

use crate::support::*;
use crosspoint_core::Code;
use serde_json::{Value, json};

fn event(n: u64) -> Value {
    json!({"type": "n", "room": CHAT, "data": n})
}

pub(crate) async fn a_move_to_any_adapter_loses_and_doubles_nothing(by: Adapter) {
    for to in Adapter::ALL {
        println!("{by:?} → {to:?}");
        let hub = open().await;
        let (mut old, welcome) = by.hello(&hub, hello("alice")).await;
        old.join(CHAT, json!({})).await;
        let mut bob = Adapter::WebSocket.user(&hub, "bob").await;
        bob.join(CHAT, json!({"presence": true})).await;
        while !bob.find("hub:presence").await["data"]["join"].to_string().contains("\"bob\"") {}

        for n in 0..5 {
            old.send(event(n)).await;
        }
        assert_eq!(old.find("n").await.number(), 0);
        let seen = old.received;
        let (mut new, next) = to.hello(&hub, again(&welcome, seen)).await;
        assert_eq!((&next["resumed"], &next["start"]), (&json!(true), &json!(seen + 1)));
        // On the new link everything comes from there on, whatever the old one has delivered since.
        for n in next["received"].as_u64().unwrap() - 1..10 {
            new.send(event(n)).await;
        }
        for n in 1..10 {
            assert_eq!(new.next().await.number(), n);
        }
        old.ends_with(Code::Replaced).await;
        new.send(event(10)).await;
        assert_eq!(new.next().await.number(), 10);
        for n in 0..=10 {
            let got = bob.next().await;
            assert_eq!((got.kind(), &got["data"]), ("n", &json!(n)), "no presence change either");
        }
        let s = hub.hub().stats();
        assert_eq!((s.moves, s.resumes, s.sessions, s.gaps), (1, 0, 2, 0));
    }
}

pub(crate) async fn what_the_old_link_says_after_the_hello_is_not_counted(by: Adapter) {
    let hub = start(|c| c.limits.drain_ms = 10_000).await;
    let (mut old, welcome) = by.hello(&hub, hello("alice")).await;
    old.join(CHAT, json!({})).await;
    let (mut new, next) = by.hello(&hub, again(&welcome, old.received)).await;
    assert_eq!(next["received"], 1);
    let before = hub.hub().stats().messages_in;
    old.send(event(100)).await;
    stats(&hub, |s| s.messages_in > before).await;
    new.send(event(1)).await;
    new.send(event(2)).await;
    assert_eq!((new.next().await.number(), new.next().await.number()), (1, 2));
    assert_eq!(hub.hub().stats().published, 2);
}

pub(crate) async fn back_and_forth_in_haste(by: Adapter) {
    let hub = open().await;
    let (mut link, welcome) = by.hello(&hub, hello("alice")).await;
    link.join(CHAT, json!({})).await;
    let mut old = vec![];
    let mut n = 0;
    for to in Adapter::ALL.into_iter().cycle().take(12) {
        link.send(event(n)).await;
        let (next, said) = to.hello(&hub, again(&welcome, link.received)).await;
        // Each link is left before it has shown anything: every event comes by the one that stays.
        old.push(std::mem::replace(&mut link, next));
        if said["received"].as_u64().unwrap() < n + 2 {
            link.send(event(n)).await;
        }
        n += 1;
    }
    for n in 0..n {
        assert_eq!(link.next().await.number(), n);
    }
    assert_eq!(hub.hub().stats().published, n);
    for mut link in old {
        link.ends_with(Code::Replaced).await;
    }
    stats(&hub, |s| s.links == 1 && s.sessions == 1).await;
}
