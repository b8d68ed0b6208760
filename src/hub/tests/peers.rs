//! The roster of peers while sessions come and end on several threads.

#![allow(clippy::expect_used, clippy::panic)]

mod support;

use crosspoint_core::{Code, Fault};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use support::{Link, config, data, hub};

const ROOM: &str = "call:1";
const ROUNDS: usize = 200;

fn peers() -> Value {
    json!({"type": "hub:peers", "room": ROOM, "data": {"state": {"mic": true}}})
}

/// Who is on the roster, as one who watched every change knows it.
fn view(watcher: &Link) -> BTreeSet<String> {
    let mut there = BTreeSet::new();
    for change in watcher.data_of("hub:peers") {
        for peer in change["join"].as_array().into_iter().flatten() {
            assert!(
                there.insert(peer["session"].as_str().expect("a name").to_string()),
                "joined twice: {change}"
            );
        }
        for peer in change["leave"].as_array().into_iter().flatten() {
            assert!(
                there.remove(peer["session"].as_str().expect("a name")),
                "left without having joined: {change}"
            );
        }
    }
    there
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn who_ends_while_coming_is_not_left_on_it() {
    let hub = hub(config());
    let (watcher, welcome) = Link::hello(&hub, "watcher").await;
    watcher.join(ROOM).await;
    watcher.ask(peers()).await;
    let mut runs = vec![];
    for who in 0..4 {
        let hub = hub.clone();
        runs.push(tokio::spawn(async move {
            for round in 0..ROUNDS / 4 {
                let (link, welcome) = Link::hello(&hub, &format!("u{who}")).await;
                link.join(ROOM).await;
                let session = welcome["session"].as_str().expect("a name").to_string();
                let ends = {
                    let hub = hub.clone();
                    tokio::spawn(
                        async move { hub.end_session(&session, &Fault::new(Code::Forbidden, "enough")) },
                    )
                };
                if round % 2 == 0 {
                    tokio::task::yield_now().await;
                }
                link.send(peers());
                ends.await.expect("it ends");
            }
        }));
    }
    for run in runs {
        run.await.expect("all came and ended");
    }
    let roster = data(&watcher.ask(peers()).await);
    let only = roster["peers"].as_array().expect("peers");
    assert_eq!((only.len(), &only[0]["session"]), (1, &welcome["session"]));
    assert!(view(&watcher).is_empty());
    assert_eq!(hub.stats().sessions, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn all_see_the_changes_in_one_order() {
    let hub = hub(config());
    let mut links = vec![];
    for n in 0..8 {
        let (link, _) = Link::hello(&hub, &format!("u{n}")).await;
        link.join(ROOM).await;
        links.push(std::sync::Arc::new(link));
    }
    let (watchers, actors) = links.split_at(2);
    for watcher in watchers {
        watcher.ask(peers()).await;
    }
    let mut runs = vec![];
    for actor in actors {
        let actor = actor.clone();
        runs.push(tokio::spawn(async move {
            for n in 0..30 {
                let state = json!({"type": "hub:peers", "room": ROOM, "data": {"state": {"n": n}}});
                actor.ask(state).await;
                if n % 10 == 9 {
                    actor.ask(json!({"type": "hub:peers", "room": ROOM, "data": {"leave": true}})).await;
                }
            }
        }));
    }
    for run in runs {
        run.await.expect("all is answered");
    }
    for watcher in watchers {
        // What came before this reply is all there is.
        watcher.ask(peers()).await;
    }
    assert_eq!(watchers.iter().map(|w| view(w).len()).collect::<Vec<_>>(), [1, 0]);
    let seen: Vec<_> = watchers.iter().map(|w| w.data_of("hub:peers")).collect();
    // The first one was told of the second one's coming, too.
    assert_eq!(seen[0][1..], seen[1][..]);
    assert_eq!(seen[1].len(), 6 * (30 + 3), "each change once");
}
