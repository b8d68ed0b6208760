//! Poll mode: batches, repetitions, waits, the end.

use crate::everywhere;
use crate::support::*;
use crosspoint_core::Code;
use crosspoint_sse::Config;
use serde_json::{Value, json};

fn hello() -> Value {
    json!([{"type": "hub:hello", "data": {"version": 1}}])
}

const LONG_MS: u64 = 19_000;

everywhere! {
    async fn the_opening_is_the_first_batch(client, server) {
        let opening = client.open_poll(&hello()).await;
        assert_eq!(opening.batch(), (1, vec!["hub:welcome"]));
        assert_eq!(opening.body["received"], 0);
        assert_eq!(opening.headers["content-type"], "application/json");
        assert_eq!(opening.headers["cache-control"], "no-store, no-transform");
        assert!(opening.headers.contains_key("content-length"), "the answer's end is known");
        assert_eq!(server.hub.peer(0).await.info.mode, "poll");
        assert_eq!(client.open_poll(&json!([])).await.batch(), (1, vec![]));
    }

    async fn a_poll_waits_for_a_frame(client, server) {
        let opening = client.open_poll(&hello()).await;
        let peer = server.hub.peer(0).await;
        let (answer, ()) = tokio::join!(client.poll(&opening, 1, LONG_MS), async { peer.say("m", &json!("\n")) });
        assert_eq!(answer.batch(), (2, vec!["m"]));
        assert_eq!(answer.body["frames"][0], json!({"type": "m", "data": "\n"}));
        assert_eq!(client.poll(&opening, 2, 1).await.batch(), (2, vec![]), "the wait is over: nothing new");
        peer.say("a", &json!(1));
        peer.say("b", &json!(2));
        assert_eq!(client.poll(&opening, 2, LONG_MS).await.batch(), (3, vec!["a", "b"]));
    }

    async fn a_lost_answer_comes_again_until_it_is_named(client, server) {
        let opening = client.open_poll(&hello()).await;
        let peer = server.hub.peer(0).await;
        assert_eq!(client.poll(&opening, 0, LONG_MS).await.batch(), (1, vec!["hub:welcome"]));
        peer.say("a", &json!(1));
        let first = client.poll(&opening, 1, LONG_MS).await;
        peer.say("b", &json!(2));
        let again = client.poll(&opening, 1, LONG_MS).await;
        assert_eq!((first.batch(), &first.body["frames"]), (again.batch(), &again.body["frames"]));
        assert_eq!(client.poll(&opening, 2, LONG_MS).await.batch(), (3, vec!["b"]));
        for wrong in [0, 1, 5, u64::MAX] {
            assert_eq!(client.poll(&opening, wrong, 0).await.code(), "bad_request");
        }
        assert_eq!(client.poll(&opening, 2, LONG_MS).await.batch(), (3, vec!["b"]));
    }

    async fn one_poll_waits_at_a_time(client, server) {
        let opening = client.open_poll(&hello()).await;
        let (one, two) = (client.poll(&opening, 1, LONG_MS), client.poll(&opening, 1, LONG_MS));
        tokio::pin!(one, two);
        let one_lost = tokio::select! {
            answer = &mut one => (answer.batch() == (1, vec![])).then_some(true),
            answer = &mut two => (answer.batch() == (1, vec![])).then_some(false),
        };
        let one_lost = one_lost.expect("the poll that was superseded is empty");
        server.hub.peer(0).await.say("m", &json!(1));
        let answer = if one_lost { two.await } else { one.await };
        assert_eq!(answer.batch(), (2, vec!["m"]));
    }

    async fn a_poll_that_was_given_up_takes_nothing_along(client, server) {
        let opening = client.open_poll(&hello()).await;
        let peer = server.hub.peer(0).await;
        let asked = peer.alive.load(std::sync::atomic::Ordering::SeqCst);
        tokio::select! {
            answer = client.poll(&opening, 1, LONG_MS) => panic!("nothing to say: {answer:?}"),
            () = async {
                while peer.alive.load(std::sync::atomic::Ordering::SeqCst) == asked {
                    tokio::task::yield_now().await;
                }
            } => {}
        }
        peer.say("m", &json!(1));
        assert_eq!(client.poll(&opening, 1, LONG_MS).await.batch(), (2, vec!["m"]));
    }

    async fn frames_go_up_beside_a_poll_and_with_it(client, server) {
        let opening = client.open_poll(&hello()).await;
        let link = format!("/sse/{}", opening.body["link"].as_str().expect("a link"));
        let key = &opening.body["key"];
        let peer = server.hub.peer(0).await;
        let (answer, ()) = tokio::join!(client.poll(&opening, 1, LONG_MS), async {
            let post = json!({"key": key, "start": 1, "frames": [{"type": "m1", "room": "r"}]});
            assert_eq!(client.post(&link, &post).await.body, json!({"received": 1}));
            peer.say("reply", &json!(1));
        });
        assert_eq!((answer.batch(), &answer.body["received"]), ((2, vec!["reply"]), &json!(1)));
        let post = json!({"key": key, "start": 2, "frames": [{"type": "m2", "room": "r"}], "poll": {"batch": 2}});
        let answer = client.post(&link, &post).await;
        assert_eq!((answer.batch(), &answer.body["received"]), ((2, vec![]), &json!(2)));
        assert_eq!(*peer.acted.lock(), ["m1", "m2"]);
    }

    async fn a_backlog_comes_in_bounded_batches(client, server) {
        let opening = client.open_poll(&hello()).await;
        let peer = server.hub.peer(0).await;
        for n in 0..2_500 {
            peer.say(&format!("m{n}"), &json!(null));
        }
        let (mut batch, mut seen) = (1, Vec::new());
        while seen.len() < 2_500 {
            let answer = client.poll(&opening, batch, LONG_MS).await;
            let (number, types) = answer.batch();
            assert!(number == batch + 1 && types.len() <= 1_000);
            batch = number;
            seen.extend(types.iter().map(|t| (*t).to_owned()));
        }
        assert!(seen.iter().enumerate().all(|(n, kind)| *kind == format!("m{n}")));
    }

    async fn the_last_batch_holds_the_close(client, server) {
        let opening = client.open_poll(&hello()).await;
        let peer = server.hub.peer(0).await;
        let (answer, ()) = tokio::join!(client.poll(&opening, 1, LONG_MS), async { peer.close(Code::Shutdown) });
        assert_eq!(answer.batch(), (2, vec!["hub:close"]));
        assert_eq!(answer.body["frames"][0]["data"]["code"], "shutdown");
        peer.gone().await;
        assert_eq!(client.poll(&opening, 1, LONG_MS).await.batch(), (2, vec!["hub:close"]), "in case it got lost");
        let after = client.poll(&opening, 2, LONG_MS).await;
        assert_eq!((after.status, after.code()), (404, "not_found"));
        let link = format!("/sse/{}", opening.body["link"].as_str().expect("a link"));
        assert_eq!(client.post(&link, &json!({"key": opening.body["key"], "frames": []})).await.status, 404);
        assert_eq!(*peer.downs.borrow(), 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_that_is_not_polled_is_gone() {
    let server = serve_with(Driver::Http1, Config { poll_idle_ms: 20, ..config() }).await;
    let client = Client::http1(server.addr);
    let opening = client.open_poll(&hello()).await;
    let peer = server.hub.peer(0).await;
    peer.gone().await;
    assert_eq!(client.poll(&opening, 1, 0).await.status, 404);
    assert_eq!((*peer.downs.borrow(), server.sse.links()), (1, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_waiting_poll_is_no_silence() {
    let server = serve_with(Driver::Http1, Config { poll_idle_ms: 1_500, ..config() }).await;
    let client = Client::http1(server.addr);
    let opening = client.open_poll(&hello()).await;
    assert_eq!(client.poll(&opening, 1, 3_200).await.batch(), (1, vec![]));
    assert_eq!(client.poll(&opening, 1, 0).await.batch(), (1, vec![]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_closed_link_that_is_not_polled_is_gone() {
    let server = serve_with(Driver::Http1, Config { close_ms: 20, ..config() }).await;
    let client = Client::http1(server.addr);
    client.open_poll(&hello()).await;
    let peer = server.hub.peer(0).await;
    peer.close(Code::Shutdown);
    peer.gone().await;
    assert_eq!(*peer.downs.borrow(), 1);
}
