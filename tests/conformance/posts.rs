//! What only an uplink of POSTs can do: come twice, come late, come with the wrong key. Over each kind of SSE.

use crate::support::*;
use crosspoint_core::Code;
use http::Method;
use serde_json::{Value, json};
use tokio::runtime::Builder;
use tokio::task::spawn_blocking;

fn events(range: std::ops::Range<u64>) -> Vec<Value> {
    range.map(|n| json!({"type": "n", "room": CHAT, "data": n})).collect()
}

pub(crate) async fn posts_in_any_order_have_one_effect(by: Adapter) {
    let hub = open().await;
    let mut link = by.joined(&hub, "alice", CHAT).await;
    let posts = link.posts();
    // The join was number 1.
    assert_eq!(posts.send(5, &events(3..6)).await.unwrap(), 1, "early");
    assert_eq!(posts.send(5, &events(3..6)).await.unwrap(), 1, "and again");
    assert_eq!(posts.send(2, &events(0..2)).await.unwrap(), 3);
    assert_eq!(posts.send(2, &events(0..3)).await.unwrap(), 7, "an overlap fills the hole");
    assert_eq!(posts.send(2, &events(0..6)).await.unwrap(), 7);
    let (a, b, c) = (events(6..8), events(8..10), events(10..12));
    let (a, b, c) = tokio::join!(posts.send(12, &c), posts.send(8, &a), posts.send(10, &b));
    assert_eq!([a.unwrap(), b.unwrap(), c.unwrap()].into_iter().max(), Some(13));
    for n in 0..12 {
        let got = link.next().await;
        assert_eq!((got.number(), &got["offset"]), (n, &json!(n + 1)));
    }
}

pub(crate) async fn what_a_long_post_causes_needs_no_further_one(by: Adapter) {
    // With one thread nothing can be left behind on another.
    let threads = Builder::new_multi_thread().worker_threads(4).enable_all().build().unwrap();
    spawn_blocking(move || threads.block_on(long_posts(by))).await.unwrap();
}

async fn long_posts(by: Adapter) {
    let hub = open().await;
    let mut link = by.joined(&hub, "alice", CHAT).await;
    for round in 0..30u64 {
        let sent = round * 100..(round + 1) * 100;
        assert_eq!(link.posts().send(2 + sent.start, &events(sent.clone())).await.unwrap(), 1 + sent.end);
        for n in sent {
            assert_eq!(link.next().await.number(), n);
        }
    }
}

pub(crate) async fn frames_too_far_ahead_are_not_taken(by: Adapter) {
    let hub = start(|c| c.limits.reorder_frames_max = 4).await;
    let mut link = by.joined(&hub, "alice", CHAT).await;
    let posts = link.posts();
    let body = json!({"key": posts.key, "start": 4, "frames": events(0..5)});
    let answer = posts.http.post(&posts.path, &body).await;
    let status = answer.status;
    let said = answer.json().await;
    assert_eq!((status, &said["error"]["code"], &said["received"]), (409, &json!("out_of_order"), &json!(1)));
    assert_eq!(posts.send(4, &events(2..5)).await.unwrap(), 1);
    assert_eq!(posts.send(2, &events(0..2)).await.unwrap(), 6);
    for n in 0..5 {
        assert_eq!(link.next().await.number(), n);
    }
}

pub(crate) async fn a_post_needs_the_links_key(by: Adapter) {
    let hub = open().await;
    let one = by.joined(&hub, "alice", CHAT).await;
    let two = by.joined(&hub, "bob", CHAT).await;
    for key in ["", "wrong", &two.posts().key, &"0".repeat(32)] {
        let body = json!({"key": key, "frames": [{"type": "hub:bye"}]});
        let answer = one.posts().http.post(&one.posts().path, &body).await;
        assert_eq!(answer.status, 401);
        assert_eq!(answer.json().await["error"]["code"], "unauthorized");
    }
    for path in ["/sse/none", &format!("/sse/{}", "0".repeat(32))] {
        let answer = one.posts().http.post(path, &json!({"key": one.posts().key})).await;
        assert_eq!(answer.status, 404);
    }
    assert_eq!(hub.hub().stats().sessions, 2);
}

pub(crate) async fn a_link_that_ended_is_not_found(by: Adapter) {
    let hub = open().await;
    let mut link = by.user(&hub, "alice").await;
    link.send(json!({"type": "hub:bye"})).await;
    link.ends_with(Code::Bye).await;
    let refused = link.try_send_all(&[json!({"type": "hub:ping"})]).await.expect_err("refused");
    assert_eq!((refused.status, &refused.fault["code"]), (404, &json!("not_found")));
}

pub(crate) async fn bodies_that_are_wrong_say_so(by: Adapter) {
    let hub = start(|c| c.limits.post_bytes_max = 4_000).await;
    let mut link = by.joined(&hub, "alice", CHAT).await;
    let posts = link.posts();
    let key = &posts.key;
    let counted = json!({"type": "n", "room": CHAT});
    let wrong: Vec<(Vec<u8>, u16, &str)> = vec![
        (b"".to_vec(), 400, "bad_request"),
        (b"nonsense".to_vec(), 400, "bad_request"),
        (b"[]".to_vec(), 400, "bad_request"),
        (json!({"frames": []}).to_string().into(), 400, "bad_request"),
        (json!({"key": key, "frames": {}}).to_string().into(), 400, "bad_request"),
        (json!({"key": key, "frames": [counted]}).to_string().into(), 400, "bad_request"),
        (json!({"key": key, "start": 0, "frames": [counted]}).to_string().into(), 400, "bad_request"),
        (json!({"key": key, "start": -2, "frames": [counted]}).to_string().into(), 400, "bad_request"),
        (json!({"key": key, "start": u64::MAX, "frames": [counted]}).to_string().into(), 400, "bad_request"),
        ([b"{\"key\":\"".as_slice(), &[0xff, 0xfe], b"\"}"].concat(), 400, "bad_request"),
        (vec![b' '; 4_001], 413, "frame_too_large"),
        (json!({"key": key, "poll": {"batch": 77}}).to_string().into(), 400, "bad_request"),
    ];
    for (body, status, code) in wrong {
        let text = String::from_utf8_lossy(&body[..body.len().min(80)]).into_owned();
        let answer =
            posts.http.send(Method::POST, &posts.path, &[("content-type", "text/plain")], body).await;
        assert_eq!(answer.status, status, "{text}");
        assert_eq!(answer.json().await["error"]["code"], code, "{text}");
    }
    link.send(json!({"type": "n", "room": CHAT, "data": 1})).await;
    assert_eq!(link.next().await.number(), 1, "nothing of it was counted");
}

pub(crate) async fn a_welcome_and_more_fit_into_one_answer(by: Adapter) {
    let hub = open().await;
    publish(&hub, CHAT, 1).await;
    let join = json!({"type": "hub:join", "room": CHAT, "id": "j", "data": {"history": 1}});
    let (mut link, _) = by.try_hello_with(&hub, &[], hello("alice"), vec![join]).await.expect("a welcome");
    assert_eq!(link.next().await["id"], "j");
    assert_eq!(link.next().await.number(), 1);
}
