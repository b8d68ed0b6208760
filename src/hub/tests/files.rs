//! Pieces of files: signals that go by bulk sessions, between members of a room that allows it, and no faster than it says.

mod support;

use crosspoint_core::Code;
use crosspoint_hub::{HubConfig, Namespace};
use serde_json::{Value, json};
use support::{Link, config, data, hub};

fn piece(room: &str, to: &Value, id: &str, bytes: usize) -> Value {
    let to = format!("session:{}", to["session"].as_str().unwrap_or_default());
    json!({"type": "hub:signal", "room": room, "to": to, "id": id, "data64": "AAAA".repeat(bytes / 3)})
}

async fn code(link: &Link, frame: Value) -> Value {
    data(&link.ask(frame).await)["code"].clone()
}

fn files(prefix: &str, change: impl FnOnce(&mut Namespace)) -> HubConfig {
    let mut config = config();
    let mut namespace = Namespace { prefix: prefix.into(), ..Namespace::default() };
    change(&mut namespace);
    config.namespaces.push(namespace);
    config
}

#[tokio::test]
async fn a_piece_goes_by_bulk_sessions_between_members_of_the_room() {
    let hub = hub(config());
    let (a, a_said) = Link::hello_with_bulk(&hub, "a").await;
    let (b, b_said) = Link::hello_with_bulk(&hub, "b").await;
    let (a_bulk, _) = Link::bulk(&hub, &a_said).await;
    let (b_bulk, _) = Link::bulk(&hub, &b_said).await;
    let to_b = |id| piece("r", &b_said, id, 30);
    assert_eq!(code(&a_bulk, to_b("1")).await, Code::NotJoined.name());
    a.join("r").await;
    assert_eq!(code(&a_bulk, to_b("2")).await, Code::NotFound.name());
    b.join("r").await;
    let reply = a_bulk.ask(to_b("3")).await;
    assert_eq!(data(&reply), json!({"delivered": 1}));
    let got = b_bulk.until("hub:signal").await;
    let from = got.from.clone().unwrap();
    assert_eq!((from.user.as_deref(), from.session.as_deref()), (Some("a"), a_said["session"].as_str()));
    assert_eq!((got.room.as_deref(), got.bulk), (Some("r"), true));
    assert_eq!(got.payload.as_deref(), Some(&[0; 30][..]));
    assert!(b.data_of("hub:signal").is_empty(), "not by the main session");
    b.ask(json!({"type": "hub:leave", "room": "r"})).await;
    assert_eq!(code(&a_bulk, to_b("4")).await, Code::NotFound.name());
    let mut service = to_b("5");
    service["to"] = "service:sfu".into();
    assert_eq!(code(&a_bulk, service).await, Code::BadRequest.name());
    let mut nowhere = to_b("6");
    nowhere.as_object_mut().unwrap().remove("room");
    assert_eq!(code(&a_bulk, nowhere).await, Code::BadRequest.name());
}

#[tokio::test]
async fn a_piece_that_waits_is_not_delivered_to_who_has_left_the_room() {
    let hub = hub(config());
    let (a, a_said) = Link::hello_with_bulk(&hub, "a").await;
    let (b, b_said) = Link::hello_with_bulk(&hub, "b").await;
    let (a_bulk, _) = Link::bulk(&hub, &a_said).await;
    a.join("r").await;
    b.join("r").await;
    a_bulk.send(piece("r", &b_said, "1", 30));
    b.until("hub:bulk").await;
    b.ask(json!({"type": "hub:leave", "room": "r"})).await;
    let (b_bulk, _) = Link::bulk(&hub, &b_said).await;
    let answer = a_bulk.find("the answer", |f| f.id.as_deref() == Some("1")).await;
    assert_eq!(data(&answer)["code"], Code::NotFound.name());
    assert!(b_bulk.data_of("hub:signal").is_empty());
}

#[tokio::test]
async fn where_the_namespace_says_so_no_files_are_relayed_but_signals_are() {
    let hub = hub(files("lean:", |n| n.files = false));
    let (a, a_said) = Link::hello_with_bulk(&hub, "a").await;
    let (b, b_said) = Link::hello_with_bulk(&hub, "b").await;
    let (a_bulk, _) = Link::bulk(&hub, &a_said).await;
    for link in [&a, &b] {
        link.join("lean:1").await;
        link.join("r").await;
    }
    assert_eq!(code(&a_bulk, piece("lean:1", &b_said, "1", 30)).await, Code::Forbidden.name());
    assert_eq!(data(&a.ask(piece("lean:1", &b_said, "2", 30)).await), json!({}));
    assert_eq!(b.until("hub:signal").await.room.as_deref(), Some("lean:1"));
    let (_b_bulk, _) = Link::bulk(&hub, &b_said).await;
    assert_eq!(data(&a_bulk.ask(piece("r", &b_said, "3", 30)).await), json!({"delivered": 1}));
}

#[tokio::test(start_paused = true)]
async fn a_session_sends_no_more_of_files_than_the_namespace_says() {
    let hub = hub(files("slow:", |n| n.files_bytes_per_s = 100_000));
    let (a, a_said) = Link::hello_with_bulk(&hub, "a").await;
    let (b, b_said) = Link::hello_with_bulk(&hub, "b").await;
    let (a_bulk, _) = Link::bulk(&hub, &a_said).await;
    let (b_bulk, _) = Link::bulk(&hub, &b_said).await;
    for link in [&a, &b] {
        link.join("slow:1").await;
        link.join("fast:1").await;
    }
    let timed = async |room: &str| {
        let begun = tokio::time::Instant::now();
        for _ in 0..50 {
            let answer = a_bulk.ask(piece(room, &b_said, "", 9_000)).await;
            assert_eq!(data(&answer), json!({"delivered": 1}));
            b_bulk.ack();
        }
        begun.elapsed().as_millis()
    };
    assert!(timed("fast:1").await < 500);
    // 450 kB and what is around them, of which 100 kB go at once.
    let ms = timed("slow:1").await;
    assert!((3_400..5_000).contains(&ms), "{ms} ms");
    assert!(timed("fast:1").await < 500, "other rooms are not held up by it");
}
