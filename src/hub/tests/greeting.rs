//! Clients of whom it takes time to find out who they are.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use crosspoint_core::link::Subscribe;
use crosspoint_core::{Code, Flow, Grant, LinkInfo, Transport};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use support::*;

fn info() -> LinkInfo {
    LinkInfo { transport: Some(Transport::WebSocket), ..LinkInfo::default() }
}

fn join(room: &str, id: &str) -> Value {
    json!({"type": "hub:join", "room": room, "id": id})
}

fn publish(n: u64) -> Value {
    json!({"type": "n", "room": "chat:1", "id": format!("p{n}"), "data": n})
}

fn numbers(link: &Link) -> Vec<Value> {
    link.data_of("n")
}

#[tokio::test]
async fn what_comes_while_a_token_is_looked_up_waits_in_order() {
    let (hub, tell) = slow_hub(config());
    let behind = [join("chat:1", "j"), publish(1), json!({"type": 7}), publish(2)];
    let (link, flows) = Link::with_token(&hub, "later:t:alice", &behind);
    assert!(flows.iter().all(|f| *f == Flow::Wait), "{flows:?}");
    assert_eq!((link.kinds(), hub.stats().sessions), (vec![], 0));
    tell.add_permits(1);
    link.ready().await;
    let welcome = data(&link.until("hub:welcome").await);
    assert_eq!(welcome["user"], "alice");
    link.send(publish(3));
    link.find("the last reply", |f| f.id.as_deref() == Some("p3") && f.kind == "hub:reply").await;
    assert_eq!(numbers(&link), [json!(1), json!(2), json!(3)]);
    let replies = ["hub:welcome", "hub:reply", "hub:reply", "hub:error", "hub:reply"];
    assert_eq!(link.kinds()[..5], replies);
}

#[tokio::test]
async fn who_is_refused_is_told_so_and_leaves_nothing() {
    let (hub, tell) = slow_hub(config());
    let (link, _) = Link::with_token(&hub, "later:nonsense", &[join("chat:1", "j")]);
    tell.add_permits(1);
    link.ready().await;
    link.until("hub:close").await;
    assert_eq!(link.closed().unwrap().code, Code::Unauthorized);
    assert_eq!(link.text(r#"{"type":"hub:hello","data":{"version":1}}"#), Flow::Stop);
    assert_eq!(hub.stats().sessions, 0);
}

#[tokio::test]
async fn a_link_that_dies_meanwhile_leaves_nothing() {
    let (hub, tell) = slow_hub(config());
    let (link, _) = Link::with_token(&hub, "later:t:alice", &[join("chat:1", "j")]);
    let ready = tokio::spawn(link.when_ready());
    link.cut();
    tell.add_permits(1);
    ready.await.unwrap();
    let stats = hub.stats();
    assert_eq!((stats.sessions, stats.links, stats.sessions_opened), (0, 0, 0));
    assert_eq!(link.kinds(), Vec::<String>::new());
}

#[tokio::test]
async fn nobody_waits_longer_than_for_a_hello() {
    let mut config = config();
    config.limits.hello_ms = 50;
    let (hub, _tell) = slow_hub(config);
    let (link, _) = Link::with_token(&hub, "later:t:alice", &[]);
    link.until("hub:close").await;
    assert_eq!(link.closed().unwrap().code, Code::Unavailable);
    link.ready().await;
}

#[tokio::test]
async fn too_much_at_once_is_turned_away() {
    let mut config = config();
    config.limits.inbox_frames_max = 4;
    let (hub, _tell) = slow_hub(config);
    let (link, flows) = Link::with_token(&hub, "later:t:alice", &vec![publish(1); 5]);
    assert_eq!(flows[4..], [Flow::Wait, Flow::Stop]);
    assert_eq!(link.closed().unwrap().code, Code::LimitExceeded);
}

/// A hello that resumes with this token.
fn resume(hub: &Arc<crosspoint_hub::Hub>, welcome: &Value, token: &str) -> (Link, Flow) {
    let link = Link::open(hub);
    let (session, secret) = (&welcome["session"], &welcome["resume"]);
    let data = json!({"version": 1, "session": session, "resume": secret, "token": token});
    let flow = link.text(&json!({"type": "hub:hello", "data": data}).to_string());
    (link, flow)
}

#[tokio::test]
async fn a_resume_waits_only_where_the_grant_is_over() {
    let (hub, tell) = slow_hub(config());
    let (first, _) = Link::with_token(&hub, "t:alice:60", &[]);
    let welcome = data(&first.until("hub:welcome").await);
    let (second, flow) = resume(&hub, &welcome, "later:t:alice:600");
    assert_eq!((flow, second.kinds()), (Flow::Continue, vec!["hub:welcome".to_string()]));

    let (short, _) = Link::with_token(&hub, "t:bob:1", &[]);
    let welcome = data(&short.until("hub:welcome").await);
    short.cut();
    // Until its second is over a hello without a token goes on with the session.
    let over = async {
        while !Link::resume(&hub, &welcome, 0).is_refused(Code::TokenExpired) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), over).await.unwrap();
    let (link, flow) = resume(&hub, &welcome, "later:t:bob:60");
    assert_eq!((flow, link.kinds()), (Flow::Wait, vec![]));
    tell.add_permits(2);
    let resumed = data(&link.until("hub:welcome").await);
    assert_eq!((&resumed["resumed"], &resumed["session"]), (&json!(true), &welcome["session"]));
}

#[tokio::test]
async fn a_refresh_that_takes_time_holds_back_only_its_own_session() {
    let (hub, tell) = slow_hub(config());
    let (link, _) = Link::with_token(&hub, "t:alice:60", &[]);
    link.until("hub:welcome").await;
    link.send(json!({"type": "hub:refresh", "id": "r", "data": {"token": "later:t:alice:600"}}));
    link.send(join("chat:1", "j"));
    let (bob, _) = Link::hello(&hub, "bob").await;
    bob.join("chat:1").await;
    assert!(!link.kinds().contains(&"hub:reply".to_string()));
    tell.add_permits(1);
    let replies = |f: &crosspoint_core::Frame| f.kind == "hub:reply" && f.id.as_deref() == Some("j");
    link.find("the join's reply", replies).await;
    assert!(link.data_of("hub:reply")[0]["expires_ms"].is_u64());
}

#[tokio::test]
async fn plain_clients_wait_too() {
    let (hub, tell) = slow_hub(config());
    let token = Some("later:t:alice".to_string());
    let link = Link::open_with(&hub, LinkInfo { token: token.clone(), ..info() });
    assert_eq!(link.batch(&[join("chat:1", "j"), publish(1)]), [Flow::Wait, Flow::Wait]);
    let subscribe = Some(Subscribe { room: "chat:1".into(), ..Subscribe::default() });
    let listener = Link::open_with(&hub, LinkInfo { token, subscribe, ..info() });
    assert_eq!(hub.stats().sessions, 0);
    tell.add_permits(2);
    link.until("n").await;
    listener.ready().await;
    link.send(publish(2));
    listener.find("the second event", |f| f.kind == "n").await;
    assert_eq!(numbers(&link), [json!(1), json!(2)]);
}

#[tokio::test]
async fn what_the_request_brought_counts_where_the_hello_brings_nothing() {
    let (hub, _tell) = slow_hub(config());
    let grant = Some(Arc::new(Grant::user("carol")));
    let link = Link::open_with(&hub, LinkInfo { grant: grant.clone(), ..info() });
    link.send(json!({"type": "hub:hello", "data": {"version": 1, "user": "mallory"}}));
    assert_eq!(data(&link.until("hub:welcome").await)["user"], "carol");
    let link = Link::open_with(&hub, LinkInfo { grant: grant.clone(), ..info() });
    link.send(json!({"type": "hub:hello", "data": {"version": 1, "token": "t:dave"}}));
    assert_eq!(data(&link.until("hub:welcome").await)["user"], "dave");
    let plain = Link::open_with(&hub, LinkInfo { grant, ..info() });
    plain.send(json!({"type": "m", "to": "user:dave", "data": 1}));
    let message = link.until("m").await;
    assert_eq!(message.from.unwrap().user.as_deref(), Some("carol"));
}
