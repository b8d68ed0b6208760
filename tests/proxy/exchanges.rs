//! Faults of single HTTP exchanges.

use crosspoint_tests::proxy::{Action, End, Event, Match, Rules};

use crate::client::Ended;
use crate::{connect, logged, start};

#[tokio::test]
async fn every_third_answer_is_dropped_though_the_hub_gave_it() {
    for (with, ended) in [(End::Reset, Ended::Reset), (End::Close, Ended::Closed)] {
        let (upstream, proxy) = start().await;
        proxy.set(Rules::http(Match::post("/sse/").every(3), Action::DropResponse { with })).await.unwrap();
        let mut client = connect(&proxy).await;
        client.post("/other", "no").await;
        assert_eq!(client.answer().await.0, 200);
        for number in 1..=6 {
            client.post("/sse/x", &format!("{number}")).await;
            if number % 3 == 0 {
                assert_eq!(client.end().await, (String::new(), ended));
                client = connect(&proxy).await;
            } else {
                assert_eq!(client.answer().await.1, format!("{}:{number}", number + 1));
            }
        }
        assert_eq!(upstream.bodies(), ["no", "1", "2", "3", "4", "5", "6"]);
        assert_eq!(proxy.log().count(|event| *event == Event::ResponseDropped { status: 200 }), 2);
        assert_eq!(proxy.counters().faults, 2);
    }
}

#[tokio::test]
async fn an_event_streams_answer_is_dropped_once_it_begins() {
    let (_upstream, proxy) = start().await;
    proxy.set(Rules::http(Match::path("/stream"), Action::DropResponse { with: End::Reset })).await.unwrap();
    let mut client = connect(&proxy).await;
    client.get("/stream").await;
    assert_eq!(client.end().await, (String::new(), Ended::Reset));
}

#[tokio::test]
async fn a_held_stream_arrives_only_when_it_ends() {
    let (upstream, proxy) = start().await;
    proxy.set(Rules::http(Match::any(), Action::BufferResponse)).await.unwrap();
    let mut client = connect(&proxy).await;
    client.get("/stream").await;
    upstream.stream(1, "first").await;
    logged(&proxy, |event| *event == Event::Response { status: 200 }).await;
    // A short answer passes through the same rule in the meantime.
    let mut other = connect(&proxy).await;
    other.post("/", "x").await;
    assert_eq!(other.answer().await.1, "1:x");
    assert!(client.is_silent());
    upstream.stream(1, "second").await;
    upstream.end_streams();
    let answer = client.until("0\r\n\r\n").await;
    assert!(answer.contains("first") && answer.contains("second"), "{answer}");
    client.get("/").await;
    assert_eq!(client.answer().await.1, "plain", "the connection goes on");
}

#[tokio::test]
async fn a_stream_passes_piece_by_piece_and_its_reader_may_leave() {
    let (upstream, proxy) = start().await;
    let mut client = connect(&proxy).await;
    client.get("/stream").await;
    upstream.stream(1, "first").await;
    client.until("first\r\n").await;
    upstream.stream(1, "second").await;
    client.until("second\r\n").await;
    drop(client);
    upstream.stream_left().await;
}

#[tokio::test]
async fn an_answer_is_cut_after_so_many_body_bytes() {
    let (_upstream, proxy) = start().await;
    proxy
        .set(Rules::http(Match::post("/"), Action::CutResponse { bytes: 3, with: End::Reset }))
        .await
        .unwrap();
    let mut client = connect(&proxy).await;
    client.post("/", "hello").await;
    let (seen, ended) = client.end().await;
    assert_eq!((seen.split_once("\r\n\r\n").unwrap().1, ended), ("1:h", Ended::Reset));
}

#[tokio::test]
async fn a_doubled_post_is_answered_once_with_the_second_answer() {
    let (upstream, proxy) = start().await;
    proxy.set(Rules::http(Match::post("/").times(1), Action::Duplicate)).await.unwrap();
    let mut client = connect(&proxy).await;
    client.post("/", "a").await;
    assert_eq!(client.answer().await.1, "2:a");
    client.post("/", "b").await;
    assert_eq!(client.answer().await.1, "3:b");
    assert_eq!(upstream.bodies(), ["a", "a", "b"]);
}

#[tokio::test]
async fn a_held_post_is_overtaken() {
    let (upstream, proxy) = start().await;
    let hold = Action::Hold { overtaken_by: 2, at_most_ms: 60_000 };
    proxy.set(Rules::http(Match::post("/").times(1), hold)).await.unwrap();
    let mut first = connect(&proxy).await;
    first.post("/", "first").await;
    logged(&proxy, |event| *event == Event::Held).await;
    let mut others = connect(&proxy).await;
    for body in ["second", "third"] {
        others.post("/", body).await;
        others.answer().await;
    }
    assert_eq!(first.answer().await.1, "3:first");
    assert_eq!(upstream.bodies(), ["second", "third", "first"]);
    logged(&proxy, |event| *event == Event::Released { overtaken: true }).await;
}

#[tokio::test]
async fn a_held_post_goes_on_when_nobody_overtakes_it_even_without_its_client() {
    let (upstream, proxy) = start().await;
    let hold = Action::Hold { overtaken_by: 1, at_most_ms: 60_000 };
    proxy.set(Rules::http(Match::post("/"), hold)).await.unwrap();
    let mut client = connect(&proxy).await;
    client.post("/", "late").await;
    logged(&proxy, |event| *event == Event::Held).await;
    drop(client);
    logged(&proxy, |event| *event == Event::ClientClosed).await;
    assert!(upstream.bodies().is_empty());
    proxy.set(Rules::default()).await.unwrap();
    assert_eq!(upstream.wait_bodies(1).await, ["late"]);
    logged(&proxy, |event| *event == Event::Released { overtaken: false }).await;
}

#[tokio::test]
async fn a_delayed_post_arrives() {
    let (upstream, proxy) = start().await;
    proxy.set(Rules::http(Match::post("/"), Action::Delay { ms: 20 })).await.unwrap();
    let mut client = connect(&proxy).await;
    client.post("/", "x").await;
    assert_eq!(client.answer().await.1, "1:x");
    assert_eq!(upstream.bodies(), ["x"]);
}

#[tokio::test]
async fn hung_and_refused_requests_never_reach_the_hub() {
    let (upstream, proxy) = start().await;
    let rules = Rules::http(Match::post("/hang"), Action::Hang);
    proxy.set(rules.and_http(Match::post("/refuse"), Action::Refuse { with: End::Reset })).await.unwrap();
    let mut hung = connect(&proxy).await;
    hung.post("/hang", "a").await;
    let mut refused = connect(&proxy).await;
    refused.post("/refuse", "b").await;
    assert_eq!(refused.end().await, (String::new(), Ended::Reset));
    logged(&proxy, |event| matches!(event, Event::Request { action: Action::Hang, .. })).await;
    assert!(hung.is_silent());
    hung.close_write().await;
    assert_eq!(hung.end().await, (String::new(), Ended::Closed));
    assert!(upstream.bodies().is_empty());
}

#[tokio::test]
async fn the_first_rule_that_selects_holds() {
    let (_upstream, proxy) = start().await;
    let rules = Rules::http(Match::post("/keep"), Action::Pass);
    proxy.set(rules.and_http(Match::any(), Action::Respond { status: 503 })).await.unwrap();
    let mut client = connect(&proxy).await;
    client.post("/keep", "x").await;
    assert_eq!(client.answer().await.0, 200);
    client.post("/else", "x").await;
    assert_eq!(client.answer().await.0, 503);
}

#[tokio::test]
async fn a_client_that_waits_for_100_continue_gets_it() {
    let (_upstream, proxy) = start().await;
    let mut client = connect(&proxy).await;
    client.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n").await;
    assert!(client.until("\r\n\r\n").await.starts_with("HTTP/1.1 100"));
    client.send("ab").await;
    let mut answer = client.until("\r\n\r\n").await;
    if answer.starts_with("HTTP/1.1 100") {
        answer = client.until("\r\n\r\n").await;
    }
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}
