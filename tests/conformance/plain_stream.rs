//! `GET /rooms/{room}/events`: event streams without a session, over both versions of HTTP.

use crate::support::*;
use crosspoint::Running;
use http::Method;
use serde_json::{Value, json};

async fn stream(hub: &Running, version: Version, path: &str, headers: &[(&str, &str)]) -> Blocks {
    let mut all = vec![("accept", "text/event-stream")];
    all.extend_from_slice(headers);
    let answer = Http::new(hub.addr(), version).await;
    let answer = answer.send(Method::GET, path, &all, "").await;
    assert_eq!(answer.status, 200);
    let mut blocks = Blocks::new(answer);
    assert!(within(blocks.next()).await.unwrap().retry.unwrap().parse::<u64>().unwrap() > 0);
    blocks
}

/// The next event: its position and the frame.
async fn event(blocks: &mut Blocks) -> (String, Value) {
    let block = within(blocks.next()).await.expect("an event");
    assert_eq!(block.event, None, "{block:?}");
    (block.id.unwrap(), serde_json::from_str(&block.data.unwrap()).unwrap())
}

pub(crate) async fn events_have_their_positions(version: Version) {
    let hub = open().await;
    let mut blocks = stream(&hub, version, "/rooms/chat:1/events", &[]).await;
    for n in 1..=3 {
        let published = publish(&hub, CHAT, n).await;
        let (id, frame) = event(&mut blocks).await;
        assert_eq!((Value::from(id), &frame["data"]), (published["position"].clone(), &json!(n)));
        assert_eq!((&frame["type"], &frame["offset"]), (&json!("n"), &json!(n)));
    }
}

pub(crate) async fn the_last_event_id_recovers(version: Version) {
    let hub = open().await;
    let mut positions = vec![];
    for n in 1..=4 {
        positions.push(publish(&hub, CHAT, n).await["position"].as_str().unwrap().to_string());
    }
    let by_header = [("last-event-id", &*positions[1])];
    let since = format!("/rooms/chat%3A1/events?since={}", positions[1]);
    for (path, headers) in [("/rooms/chat:1/events", &by_header[..]), (&since, &[])] {
        let mut blocks = stream(&hub, version, path, headers).await;
        for n in 3..=4 {
            assert_eq!(event(&mut blocks).await.1["data"], n);
        }
    }
    let mut blocks = stream(&hub, version, "/rooms/chat:1/events?history=1", &[]).await;
    assert_eq!(event(&mut blocks).await.1["data"], 4);
}

pub(crate) async fn what_is_gone_is_an_event_of_its_own(version: Version) {
    let hub = open().await;
    let first = publish(&hub, "short:1", 1).await["position"].clone();
    let mut positions = vec![];
    for n in 2..=6 {
        positions.push(publish(&hub, "short:1", n).await["position"].clone());
    }
    let last = [("last-event-id", first.as_str().unwrap())];
    let mut blocks = stream(&hub, version, "/rooms/short:1/events", &last).await;
    let gap = within(blocks.next()).await.unwrap();
    assert_eq!((gap.event.as_deref(), gap.id.as_deref()), (Some("gap"), positions[1].as_str()));
    let frame: Value = serde_json::from_str(&gap.data.unwrap()).unwrap();
    assert_eq!((&frame["type"], &frame["data"]["position"]), (&json!("hub:gap"), &positions[1]));
    for n in 4..=6 {
        assert_eq!(event(&mut blocks).await.1["data"], n);
    }
}

pub(crate) async fn a_stream_needs_a_token_where_the_room_is_not_public(version: Version) {
    let hub = secured().await;
    let http = Http::new(hub.addr(), version).await;
    for headers in [&[][..], &[("authorization", "Bearer nonsense")]] {
        let answer = http.send(Method::GET, "/rooms/chat:1/events", headers, "").await;
        assert_eq!(answer.status, 401);
        assert_eq!(answer.json().await["error"]["code"], "unauthorized");
    }
    let bearer = format!("Bearer {}", token("alice"));
    stream(&hub, version, "/rooms/chat:1/events", &[("authorization", &bearer)]).await;
    let cookie = format!("a=b; crosspoint_token={}", token("alice"));
    stream(&hub, version, "/rooms/chat:1/events", &[("cookie", &cookie)]).await;
    stream(&hub, version, "/rooms/public:1/events", &[]).await;
    let query =
        http.send(Method::GET, &format!("/rooms/chat:1/events?token={}", token("alice")), &[], "").await;
    assert_eq!(query.status, 401, "no secret in any URL");
    stats(&hub, |s| s.sessions == 0 && s.links == 0).await;
}

pub(crate) async fn a_stream_says_why_it_ends(version: Version) {
    let hub = open().await;
    let mut blocks = stream(&hub, version, "/rooms/chat:1/events", &[]).await;
    let ((), end) = tokio::join!(hub.drain(), async {
        let close = within(blocks.next()).await.unwrap();
        assert!(within(blocks.next()).await.is_none());
        close
    });
    let frame: Value = serde_json::from_str(&end.data.unwrap()).unwrap();
    assert_eq!((end.event.as_deref(), &frame["data"]["code"]), (Some("close"), &json!("shutdown")));
}

pub(crate) async fn a_reader_that_leaves_is_forgotten(version: Version) {
    let hub = open().await;
    for _ in 0..3 {
        let blocks = stream(&hub, version, "/rooms/chat:1/events", &[]).await;
        assert_eq!(hub.hub().stats().sessions, 1);
        drop(blocks);
        stats(&hub, |s| s.sessions == 0 && s.links == 0 && s.rooms == 0).await;
    }
}

pub(crate) async fn wrong_requests_are_refused(version: Version) {
    let hub = open().await;
    let http = Http::new(hub.addr(), version).await;
    for (path, status) in [
        ("/rooms/chat:1/events?since=nonsense", 400),
        ("/rooms/chat:1/events?history=x", 400),
        ("/rooms/%00/events", 400),
        ("/rooms//events", 404),
    ] {
        assert_eq!(http.send(Method::GET, path, &[], "").await.status, status, "{path}");
    }
    stats(&hub, |s| s.sessions == 0 && s.links == 0 && s.rooms == 0).await;
}
