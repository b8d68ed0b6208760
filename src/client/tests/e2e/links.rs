//! Links by hand.

use crate::support::*;
use crosspoint_client::raw::{self, SseLink, WsLink};
use crosspoint_client::{Code, Frame};
use serde_json::{Value, json};

fn hello() -> Frame {
    Frame::with("hub:hello", &json!({"version": 1, "user": "alice"}))
}

fn join(id: &str) -> Frame {
    Frame::new("hub:join").room(CHAT).id(id)
}

#[tokio::test]
async fn a_websocket_by_hand() {
    let hub = hub().await;
    let url = format!("ws://{}/ws", hub.addr());
    let mut link = WsLink::open(&url).await.unwrap();
    let welcome = link.hello(&json!({"version": 1, "user": "alice"})).await.unwrap();
    assert_eq!((welcome.user.as_str(), welcome.resumed, welcome.start), ("alice", false, 1));
    link.send(&join("1")).await.unwrap();
    let reply = within(link.recv()).await.unwrap().unwrap();
    assert_eq!((reply.kind.as_str(), reply.id.as_deref()), ("hub:reply", Some("1")));
    let mut bytes = Frame::new("file").room(CHAT);
    bytes.payload = Some(vec![1, 2].into());
    link.send(&bytes).await.unwrap();
    let event = within(link.recv()).await.unwrap().unwrap();
    assert_eq!(event.payload.as_deref(), Some(&[1, 2][..]));
    link.send_text("no frame").await.unwrap();
    let error: Value = within(link.recv()).await.unwrap().unwrap().parse().unwrap();
    assert_eq!(error["code"], "bad_frame");
    link.close().await.unwrap();

    let mut wrong = WsLink::open(&url).await.unwrap();
    assert_eq!(wrong.hello(&json!({"version": 9})).await.unwrap_err().code, Code::VersionUnsupported);
    let refused = WsLink::open(&format!("ws://{}/nowhere", hub.addr())).await;
    assert_eq!(refused.err().map(|f| f.code), Some(Code::NotFound));
}

#[tokio::test]
async fn a_stream_by_hand() {
    let hub = hub().await;
    let mut link = SseLink::open(&format!("{}sse", hub.url()), &[hello()]).await.unwrap();
    assert_eq!(link.welcome().await.unwrap().user, "alice");
    assert_eq!(link.post(Some(1), &[join("1")]).await.unwrap(), 1);
    assert_eq!(within(link.recv()).await.unwrap().kind, "hub:reply");
    // What comes early waits; what comes again is dropped.
    let event = |n: u32| Frame::with("n", &n).room(CHAT);
    assert_eq!(link.post(Some(3), &[event(3)]).await.unwrap(), 1);
    assert_eq!(link.post(Some(1), &[join("1"), event(2)]).await.unwrap(), 3);
    for n in [2, 3] {
        assert_eq!(within(link.recv()).await.unwrap().parse::<u32>().unwrap(), n);
    }
    link.key = "wrong".into();
    assert_eq!(link.post(None, &[]).await.unwrap_err().code, Code::Unauthorized);
}

#[tokio::test]
async fn polls_by_hand() {
    let hub = hub().await;
    let (mut link, first) = SseLink::open_poll(&format!("{}sse", hub.url()), &[hello()]).await.unwrap();
    assert_eq!(first.batch, 1);
    let mut kinds: Vec<String> = first.frames.iter().map(|f| f.kind.clone()).collect();
    link.post(Some(1), &[join("1")]).await.unwrap();
    let mut batch = 1;
    while kinds.len() < 2 {
        let next = within(link.poll(batch, 5_000)).await.unwrap();
        let again = within(link.poll(batch, 5_000)).await.unwrap();
        assert_eq!((next.batch, &next.frames), (again.batch, &again.frames), "repeated until it is named");
        kinds.extend(next.frames.iter().map(|f| f.kind.clone()));
        batch = next.batch;
    }
    assert_eq!(kinds, ["hub:welcome", "hub:reply"]);
}

#[tokio::test]
async fn single_requests() {
    let hub = hub().await;
    let health = raw::request(http::Method::GET, &format!("{}healthz", hub.url()), &[], "").await.unwrap();
    assert_eq!(health.status, 200);
    let body = json!({"type": "msg", "data": 1}).to_string();
    let url = format!("{}api/v1/rooms/{CHAT}/events", hub.url());
    let answer = raw::request(http::Method::POST, &url, &[], body).await.unwrap();
    assert_eq!(answer.json()["offset"], 1);
}
