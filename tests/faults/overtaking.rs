//! POSTs on several connections at once, which overtake each other.

use crate::scene::{ROOM, hub_with};
use crosspoint_client::raw::{self, SseLink};
use crosspoint_client::{Client, Frame, JoinOptions, Options};
use crosspoint_tests::proxy::{self, Action, Event, FaultProxy, Match, Rules};
use serde_json::{Value, json};

const POSTS: u64 = 60;
const FRAMES: u64 = 5;

async fn overtaking(rules: Rules) -> FaultProxy {
    // A held POST is silence, which must not end the link: nobody answers pings here.
    let hub = hub_with(10_000).await;
    let proxy = FaultProxy::start(proxy::Options::new(hub.addr())).await.unwrap();
    let witness = Client::connect(Options::user(hub.url(), "bob"));
    let mut events = witness.events();
    witness.room(ROOM, JoinOptions::default()).await.unwrap();

    let base = format!("http://{}/sse", proxy.address());
    let hello = Frame::with("hub:hello", &json!({"version": 1, "user": "alice"}));
    let mut link = SseLink::open(&base, &[hello]).await.unwrap();
    link.welcome().await.unwrap();
    assert_eq!(link.post(Some(1), &[Frame::new("hub:join").room(ROOM)]).await.unwrap(), 1);
    proxy.set(rules).await.unwrap();

    let url = format!("{base}/{}", link.link);
    // As many at once as their frames may come early.
    for wave in 0..POSTS / 6 {
        let mut under_way = tokio::task::JoinSet::new();
        for post in wave * 6..wave * 6 + 6 {
            let first = post * FRAMES;
            let frames: Vec<Value> =
                (first..first + FRAMES).map(|n| json!({"type": "n", "room": ROOM, "data": n})).collect();
            let body = json!({"key": link.key, "start": first + 2, "frames": frames}).to_string();
            let url = url.clone();
            under_way.spawn(async move { raw::request(http::Method::POST, &url, &[], body).await.unwrap() });
        }
        while let Some(answer) = under_way.join_next().await {
            let answer = answer.unwrap();
            assert_eq!(answer.status, 200, "{}", answer.json());
        }
    }
    assert_eq!(link.post(None, &[]).await.unwrap(), 1 + POSTS * FRAMES);
    for n in 0..POSTS * FRAMES {
        let mut mine = link.recv().await.unwrap();
        while matches!(&*mine.kind, "hub:ack" | "hub:ping") {
            mine = link.recv().await.unwrap();
        }
        let theirs = events.next_frame().await.unwrap();
        for frame in [&mine, &*theirs] {
            assert_eq!((&*frame.kind, frame.parse::<u64>().unwrap(), frame.offset), ("n", n, Some(n + 1)));
        }
    }
    assert_eq!(hub.hub().stats().published, POSTS * FRAMES);
    proxy
}

#[tokio::test]
async fn posts_that_are_overtaken_keep_their_order() {
    let hold = Action::Hold { overtaken_by: 1, at_most_ms: 2_000 };
    let proxy = overtaking(Rules::http(Match::post("/sse/").every(2), hold)).await;
    let overtaken = proxy.log().count(|e| matches!(e, Event::Released { overtaken: true }));
    assert!(overtaken >= 20, "{overtaken}");
}

#[tokio::test]
async fn so_do_those_that_come_twice_besides() {
    let hold = Action::Hold { overtaken_by: 2, at_most_ms: 2_000 };
    let rules = Rules::http(Match::post("/sse/").every(3), hold).and_http(Match::any(), Action::Duplicate);
    let proxy = overtaking(rules).await;
    let overtaken = proxy.log().count(|e| matches!(e, Event::Released { overtaken: true }));
    let twice = proxy.log().count(|e| matches!(e, Event::Duplicated));
    assert!(overtaken >= 10 && twice >= 30, "{overtaken}, {twice}");
}
