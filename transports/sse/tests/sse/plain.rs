//! Plain event streams: EventSource and curl.

use crate::everywhere;
use crate::support::*;
use crosspoint_core::frame::From;
use crosspoint_core::wire::Draft;
use crosspoint_core::{Code, Frame, OutFrame};
use serde_json::json;
use std::sync::Arc;

fn event(offset: u64) -> crosspoint_core::SharedFrame {
    let (room, epoch): (Arc<str>, Arc<str>) = ("chat:1".into(), "e1".into());
    let draft = Draft {
        kind: "msg".into(),
        data: serde_json::value::to_raw_value(&json!({"n": offset})).ok(),
        payload: None,
        from: From { user: Some("alice".into()), session: None },
        id: format!("m{offset}"),
        named: true,
        echo: true,
        volatile: None,
    };
    draft.place(&room, &epoch, offset, 7).frame
}

everywhere! {
    async fn events_have_positions_and_nothing_of_the_protocol(client, server) {
        let mut events = client.get("/rooms/chat:1/events", &[("last-event-id", "e1.4.m4")]).await;
        assert_eq!(events.headers["content-type"], "text/event-stream");
        assert_eq!(events.headers["x-accel-buffering"], "no");
        assert_eq!(events.block().await.as_deref(), Some("retry: 2000\n\n"));
        let peer = server.hub.peer(0).await;
        let subscribe = peer.info.subscribe.clone().expect("a room");
        assert_eq!((peer.info.mode, subscribe.room.as_str()), ("plain", "chat:1"));
        assert_eq!(subscribe.since.as_deref(), Some("e1.4.m4"));
        peer.say("hub:presence", &json!({}));
        peer.send(event(5));
        let got = events.next().await.expect("an event");
        assert_eq!((got.id.as_str(), got.event.as_str()), ("e1.5.m5", ""));
        let expected = json!({"type": "msg", "room": "chat:1", "id": "m5", "from": {"user": "alice"}, "offset": 5,
            "ts": 7, "data": {"n": 5}});
        assert_eq!(got.json(), expected);
        peer.sender.probe();
        assert_eq!(events.block().await.as_deref(), Some(": hb\n\n"));
    }

    async fn gaps_and_the_close_have_names(client, server) {
        let mut events = client.get("/rooms/chat:1/events", &[]).await;
        let peer = server.hub.peer(0).await;
        let gap = Frame::with("hub:gap", &json!({"position": "e2.9.m9", "reason": "trimmed"})).room("chat:1");
        peer.send(Arc::new(OutFrame::new(&gap)));
        let got = events.next().await.expect("an event");
        assert_eq!((got.event.as_str(), got.id.as_str(), got.kind().as_str()), ("gap", "e2.9.m9", "hub:gap"));
        peer.close(Code::TokenExpired);
        let got = events.next().await.expect("an event");
        assert_eq!((got.event.as_str(), &got.json()["data"]["code"]), ("close", &json!("token_expired")));
        assert_eq!(events.next().await, None);
        peer.gone().await;
        assert_eq!((*peer.downs.borrow(), server.sse.links()), (1, 0));
    }

    async fn a_refusal_is_an_http_error(client, server) {
        for (code, status) in [(Code::Forbidden, 403), (Code::Unauthorized, 401), (Code::NotFound, 404)] {
            *server.hub.refuse.lock() = Some(code);
            let answer = client.get_whole("/rooms/r/events").await;
            assert_eq!((answer.status, answer.code()), (status, code.name()));
        }
        assert_eq!(*server.hub.peer(2).await.downs.borrow(), 1);
        assert_eq!(server.sse.links(), 0);
    }

    async fn a_refusal_that_passes_is_a_stream_that_ends(client, server) {
        // After an error a browser's EventSource would never come back.
        for code in [Code::Unavailable, Code::Shutdown] {
            *server.hub.refuse.lock() = Some(code);
            let mut events = client.get("/rooms/r/events", &[]).await;
            assert_eq!(events.headers["content-type"], "text/event-stream");
            assert_eq!(events.block().await.as_deref(), Some("retry: 2000\n\n"));
            let close = events.next().await.expect("the close");
            assert_eq!((close.event.as_str(), &close.json()["data"]["code"]), ("close", &json!(code.name())));
            assert!(events.next().await.is_none());
        }
        assert_eq!(server.sse.links(), 0);
    }

    async fn a_reader_that_leaves_is_noticed(client, server) {
        let events = client.get("/rooms/r/events", &[]).await;
        drop(events);
        let peer = server.hub.peer(0).await;
        peer.gone().await;
        assert_eq!((*peer.downs.borrow(), server.sse.links()), (1, 0));
    }
}
