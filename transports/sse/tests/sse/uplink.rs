//! POSTs up: numbers, repetitions, order, keys.

use crate::everywhere;
use crate::support::*;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::atomic::Ordering::SeqCst;

async fn session(client: &Client) -> Events {
    let mut events = client.open(&json!([{"type": "hub:hello"}])).await;
    events.expect("hub:welcome").await;
    events
}

fn frames(numbers: impl IntoIterator<Item = u64>) -> Value {
    numbers.into_iter().map(|n| json!({"type": format!("m{n}"), "room": "r"})).collect()
}

fn types(numbers: impl IntoIterator<Item = u64>) -> Vec<String> {
    numbers.into_iter().map(|n| format!("m{n}")).collect()
}

everywhere! {
    async fn lost_repeated_and_reordered_posts_take_effect_once_and_in_order(client, server) {
        let events = session(&client).await;
        let peer = server.hub.peer(0).await;
        let received = |answer: Answer| (answer.status, answer.body["received"].as_u64());
        assert_eq!(received(client.up(&events, 1, &frames(1..4)).await), (200, Some(3)));
        assert_eq!(received(client.up(&events, 1, &frames(1..4)).await), (200, Some(3)), "the answer was lost");
        assert_eq!(received(client.up(&events, 6, &frames(6..9)).await), (200, Some(3)), "too early");
        assert_eq!(received(client.up(&events, 3, &frames(3..6)).await), (200, Some(8)), "overlaps");
        assert_eq!(received(client.up(&events, 9, &frames([])).await), (200, Some(8)));
        assert_eq!(*peer.acted.lock(), types(1..9));
        assert!(peer.alive.load(SeqCst) >= 5);
    }

    async fn concurrent_posts_take_effect_once_and_in_order(client, server) {
        let events = std::sync::Arc::new(session(&client).await);
        // Six uplinks share the batches among them; each carries its neighbour's too.
        let uplinks = (0..6).map(|uplink| {
            let (client, events) = (client.clone(), events.clone());
            tokio::spawn(async move {
                for start in (1..=400).filter(|n| n % 4 == 1 && (n / 4) % 6 / 2 == uplink / 2) {
                    loop {
                        let answer = client.up(&events, start, &frames(start..start + 4)).await;
                        match answer.status {
                            200 => break,
                            409 => tokio::task::yield_now().await,
                            other => panic!("{other}: {:?}", answer.body),
                        }
                    }
                }
            })
        });
        for uplink in uplinks.collect::<Vec<_>>() {
            soon(uplink).await.expect("an uplink");
        }
        assert_eq!(*server.hub.peer(0).await.acted.lock(), types(1..401));
    }

    async fn frames_too_far_ahead_are_refused_and_not_taken(client, server) {
        let events = session(&client).await;
        client.up(&events, 1, &frames(1..3)).await;
        for (start, end) in [(12, 13), (5, 13), (1 << 40, (1 << 40) + 1)] {
            let answer = client.up(&events, start, &frames(start..end)).await;
            assert_eq!((answer.status, answer.code()), (409, "out_of_order"));
            assert_eq!((&answer.body["received"], &answer.body["error"]["retry"]), (&json!(2), &json!("now")));
        }
        assert_eq!(client.up(&events, 4, &frames(4..12)).await.body, json!({"received": 2}), "the furthest that wait");
        assert_eq!(client.up(&events, 3, &frames(3..4)).await.body, json!({"received": 11}));
        assert_eq!(*server.hub.peer(0).await.acted.lock(), types(1..12));
    }

    async fn a_wrong_key_and_an_unknown_link_are_told_apart(client, server) {
        let events = session(&client).await;
        let path = format!("/sse/{}", events.link);
        for key in ["", "00", &events.link, &events.key.replace('a', "b")] {
            let answer = client.post(&path, &json!({"key": key, "start": 1, "frames": frames(1..2)})).await;
            assert_eq!((answer.status, answer.code()), (401, "unauthorized"));
        }
        for path in ["/sse/nothing".to_owned(), format!("/sse/{}", events.key)] {
            let answer = client.post(&path, &json!({"key": events.key, "frames": []})).await;
            assert_eq!((answer.status, answer.code()), (404, "not_found"));
        }
        let peer = server.hub.peer(0).await;
        assert_eq!((peer.acted.lock().len(), peer.alive.load(SeqCst)), (0, 0));
    }

    async fn what_is_no_frame_counts_as_one(client, server) {
        let events = session(&client).await;
        let sent = json!([{"type": "m1", "room": "r"}, 5, [], {"type": "m4", "room": "r"}, {"type": "hub:ack"},
            {"type": "v", "room": "r", "volatile": true}, {"type": "m5", "room": "r"}]);
        assert_eq!(client.up(&events, 1, &sent).await.body, json!({"received": 5}));
        assert_eq!(*server.hub.peer(0).await.acted.lock(), ["m1", "!", "!", "m4", "v", "m5"]);
    }

    async fn bodies_of_the_wrong_shape_are_refused(client, server) {
        let events = session(&client).await;
        let path = format!("/sse/{}", events.link);
        let key = &events.key;
        for body in [
            "", "{", "[]", "{\"key\":7}", "{\"frames\":[]}", "{\"key\":\"\\ud800\"}",
            &json!({"key": key, "frames": 5}).to_string(),
            &json!({"key": key, "frames": frames(1..2)}).to_string(),
            &json!({"key": key, "start": 0, "frames": frames(1..2)}).to_string(),
            &json!({"key": key, "start": -1, "frames": frames(1..2)}).to_string(),
            &json!({"key": key, "start": u64::MAX, "frames": frames(1..3)}).to_string(),
            &json!({"key": key, "poll": {"batch": 0}}).to_string(),
        ] {
            let answer = client.post_text(&path, body.to_owned()).await;
            assert_eq!((answer.status, answer.code()), (400, "bad_request"), "{body}");
        }
        for body in ["", "[", "{\"mode\":\"carrier pigeon\"}", "{\"frames\":{}}"] {
            let answer = client.post_text("/sse", body.to_owned()).await;
            assert_eq!((answer.status, answer.code()), (400, "bad_request"), "{body}");
        }
        assert_eq!(server.sse.links(), 1);
        assert_eq!(client.up(&events, 1, &frames(1..2)).await.body, json!({"received": 1}), "the link is unharmed");
    }

    async fn a_full_inbox_holds_the_post_until_the_session_is_ready(client, server) {
        let events = session(&client).await;
        let peer = server.hub.peer(0).await;
        let sent = json!([{"type": "m1", "room": "r"}, {"type": "fill", "room": "r"}, {"type": "m3", "room": "r"}]);
        let (post, ()) = tokio::join!(client.up(&events, 1, &sent), async {
            assert_eq!(peer.acted_until(2).await, ["m1", "fill"]);
            peer.full.send_replace(false);
        });
        assert_eq!(post.body, json!({"received": 3}));
        // A full inbox after the last frame makes the next POST wait.
        assert_eq!(client.up(&events, 4, &json!([{"type": "fill", "room": "r"}])).await.body, json!({"received": 4}));
        let fifth = frames([5]);
        let (post, ()) = tokio::join!(client.up(&events, 5, &fifth), async {
            peer.full.send_replace(false);
        });
        assert_eq!(post.body, json!({"received": 5}));
    }

    async fn a_post_of_thousands_of_frames_lets_others_run_and_leaves_nothing_behind_then(client, server) {
        let events = session(&client).await;
        let peer = server.hub.peer(0).await;
        let before = peer.turns.load(SeqCst);
        assert_eq!(client.up(&events, 1, &frames(1..5001)).await.body, json!({"received": 5000}));
        // One turn each time it makes way.
        assert_eq!(peer.turns.load(SeqCst), before + 5000u64.div_ceil(64) as usize);
        assert_eq!(peer.acted.lock().iter().collect::<BTreeSet<_>>().len(), 5000);
    }
}

everywhere! {
    async fn a_goodbye_that_comes_after_the_stream_is_heard_and_nothing_else(client, server) {
        let mut events = session(&client).await;
        let peer = server.hub.peer(0).await;
        let (link, key) = (format!("/sse/{}", events.link), std::mem::take(&mut events.key));
        drop(events);
        peer.gone().await;
        let post = async |key: &str, frames: Value| {
            let answer = client.post(&link, &json!({"key": key, "start": 1, "frames": frames})).await;
            (answer.status, answer.body["received"].as_u64())
        };
        assert_eq!(post("00112233445566778899aabbccddeeff", json!([{"type": "hub:bye"}])).await, (401, None));
        assert_eq!(post(&key, frames(1..3)).await, (404, None));
        assert!(peer.acted.lock().is_empty());
        assert_eq!(post(&key, json!([{"type": "m1", "room": "r"}, {"type": "hub:bye"}])).await, (200, Some(0)));
        assert_eq!(*peer.acted.lock(), ["late bye"]);
        assert_eq!(post(&key, json!([{"type": "hub:bye"}])).await, (404, None), "once");
        assert_eq!(server.sse.links(), 0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_that_ended_is_forgotten_in_time() {
    let server = serve_with(Driver::Http1, crosspoint_sse::Config { late_ms: 50, ..config() }).await;
    let client = Client::http1(server.addr);
    let events = session(&client).await;
    let path = format!("/sse/{}", events.link);
    drop(events);
    let peer = server.hub.peer(0).await;
    peer.gone().await;
    let stranger = json!({"key": "00112233445566778899aabbccddeeff", "frames": [{"type": "hub:bye"}]});
    soon(async { while client.post(&path, &stranger).await.status != 404 {} }).await;
    let others = std::sync::Arc::strong_count(&peer);
    assert!(others <= 2, "the peer is let go: {others} hold it");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_that_stays_busy_answers_timeout() {
    let server = serve_with(Driver::Http1, crosspoint_sse::Config { inbox_ms: 20, ..config() }).await;
    let client = Client::http1(server.addr);
    let events = session(&client).await;
    let sent = json!([{"type": "fill", "room": "r"}, {"type": "m2", "room": "r"}]);
    let answer = client.up(&events, 1, &sent).await;
    assert_eq!((answer.status, answer.code()), (504, "timeout"));
    server.hub.peer(0).await.full.send_replace(false);
    assert_eq!(client.up(&events, 1, &sent).await.body, json!({"received": 2}));
}
