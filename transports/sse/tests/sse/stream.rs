//! Streams: the opening, frames down, the end.

use crate::everywhere;
use crate::support::*;
use crosspoint_core::{Code, OutFrame, Transport};
use serde_json::{Value, json};
use std::sync::atomic::Ordering::SeqCst;

fn hello() -> Value {
    json!([{"type": "hub:hello", "data": {"version": 1}}])
}

everywhere! {
    async fn headers_link_and_welcome_come_at_once(client, server) {
        let mut events = client.open(&hello()).await;
        for (name, value) in [
            ("content-type", "text/event-stream"),
            ("cache-control", "no-store, no-transform"),
            ("x-accel-buffering", "no"),
        ] {
            assert_eq!(events.headers[name], value);
        }
        assert_eq!((events.link.len(), events.key.len()), (32, 32));
        events.expect("hub:welcome").await;
        assert_eq!(events.chunks, 1, "the opening and the welcome leave together");
        let peer = server.hub.peer(0).await;
        assert_eq!((peer.info.transport, peer.info.mode), (Some(Transport::Sse), "stream"));
    }

    async fn a_probe_opens_without_hello_and_says_it_later(client, server) {
        let mut events = client.open(&json!([])).await;
        let frames = json!([{"type": "hub:hello"}, {"type": "a", "room": "r"}]);
        for _ in 0..2 {
            let answer = client.up(&events, 1, &frames).await;
            assert_eq!((answer.status, answer.body), (200, json!({"received": 1})), "the answer may get lost");
        }
        events.expect("hub:welcome").await;
        assert_eq!(server.hub.peer(0).await.acted_until(1).await, ["a"]);
    }

    async fn a_refused_hello_is_an_http_error(client, server) {
        for (code, status) in [("unauthorized", 401), ("version_unsupported", 426), ("unavailable", 503)] {
            for mode in ["stream", "poll"] {
                let hello = json!({"type": "hub:hello", "data": {"user": code}});
                let answer = client.post("/sse", &json!({"mode": mode, "frames": [hello]})).await;
                assert_eq!((answer.status, answer.code()), (status, code));
                assert_eq!(answer.headers["content-type"], "application/json");
            }
        }
        for n in 0..6 {
            assert_eq!(*server.hub.peer(n).await.downs.borrow(), 1);
        }
        assert_eq!(server.sse.links(), 0);
    }

    async fn frames_sent_along_with_the_hello_count_from_one(client, server) {
        let frames = json!([{"type": "hub:hello"}, {"type": "a", "room": "r"}, {"type": "b", "room": "r"}]);
        let mut events = client.open(&frames).await;
        events.expect("hub:welcome").await;
        let answer = client.up(&events, 2, &json!([{"type": "b", "room": "r"}, {"type": "c", "room": "r"}])).await;
        assert_eq!(answer.body, json!({"received": 3}));
        assert_eq!(server.hub.peer(0).await.acted_until(3).await, ["a", "b", "c"]);
    }

    async fn json_with_line_ends_arrives_as_it_was(client, server) {
        let mut events = client.open(&hello()).await;
        events.expect("hub:welcome").await;
        let data: Box<serde_json::value::RawValue> =
            serde_json::from_str("{\"a\":\r\n[1,\n2,\r3]\n,\"b\": \"x\\ny\"}").expect("JSON");
        server.hub.peer(0).await.send(OutFrame::with("m", &data));
        let frame = events.next().await.expect("a frame");
        assert_eq!(frame.data, "{\"type\":\"m\",\"data\":{\"a\":\n[1,\n2,\n3]\n,\"b\": \"x\\ny\"}}");
        assert_eq!(frame.json()["data"], json!({"a": [1, 2, 3], "b": "x\ny"}));
    }

    async fn the_close_is_the_last_frame(client, server) {
        let mut events = client.open(&hello()).await;
        events.expect("hub:welcome").await;
        let peer = server.hub.peer(0).await;
        peer.say("m", &json!(1));
        peer.close(Code::Forbidden);
        peer.say("late", &json!(2));
        events.expect("m").await;
        assert_eq!(events.expect("hub:close").await["data"]["code"], "forbidden");
        assert_eq!(events.next().await, None);
        peer.gone().await;
        let answer = client.up(&events, 1, &json!([])).await;
        assert_eq!((answer.status, answer.code()), (404, "not_found"));
        assert_eq!((*peer.downs.borrow(), server.sse.links()), (1, 0));
    }

    async fn a_close_without_a_frame_says_why_all_the_same(client, server) {
        let mut events = client.open(&hello()).await;
        events.expect("hub:welcome").await;
        server.hub.peer(0).await.sender.close(&Code::Replaced.into(), None);
        let close = events.expect("hub:close").await;
        assert_eq!((&close["data"]["code"], &close["data"]["retry"]), (&json!("replaced"), &json!("never")));
        assert_eq!(events.next().await, None);
    }

    async fn a_goodbye_ends_the_stream(client, server) {
        let mut events = client.open(&hello()).await;
        events.expect("hub:welcome").await;
        let answer = client.up(&events, 1, &json!([{"type": "a", "room": "r"}, {"type": "hub:bye"}])).await;
        assert_eq!((answer.status, answer.body), (200, json!({"received": 1})));
        assert_eq!(events.next().await, None);
        server.hub.peer(0).await.gone().await;
    }

    async fn a_client_that_leaves_is_noticed_once(client, server) {
        let mut events = client.open(&hello()).await;
        events.expect("hub:welcome").await;
        let peer = server.hub.peer(0).await;
        let (link, key) = (events.link.clone(), events.key.clone());
        drop(events);
        peer.gone().await;
        let answer = client.post(&format!("/sse/{link}"), &json!({"key": key, "frames": []})).await;
        assert_eq!((answer.status, answer.code()), (404, "not_found"));
        peer.close(Code::Shutdown);
        assert_eq!((*peer.downs.borrow(), server.sse.links()), (1, 0));
    }

    async fn a_sign_of_life_is_a_comment(client, server) {
        let mut events = client.open(&json!([])).await;
        server.hub.peer(0).await.sender.probe();
        assert_eq!(events.block().await.as_deref(), Some(": hb\n\n"));
    }

    async fn a_hub_that_takes_none_says_so(client, server) {
        server.hub.accepting.store(false, SeqCst);
        let answer = client.post("/sse", &json!({"frames": hello()})).await;
        assert_eq!((answer.status, answer.code()), (503, "unavailable"));
        assert_eq!(answer.body["error"]["retry"], "backoff");
        assert!(server.hub.peers.lock().is_empty());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn links_are_bounded() {
    let server = serve_with(Driver::Http1, crosspoint_sse::Config { links_max: 2, ..config() }).await;
    let client = Client::http1(server.addr);
    let first = client.open(&hello()).await;
    let _second = client.get("/rooms/r/events", &[]).await;
    assert_eq!(client.post("/sse", &json!({"frames": hello()})).await.status, 503);
    assert_eq!(client.get_whole("/rooms/r/events").await.code(), "unavailable");
    drop(first);
    server.hub.peer(0).await.gone().await;
    client.open(&hello()).await;
}
