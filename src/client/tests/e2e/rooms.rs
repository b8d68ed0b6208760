//! Everything a session can do, by every transport.

use crate::support::*;
use crosspoint_client::{
    AnswerError, Client, Code, Frame, HistoryOptions, JoinOptions, Options, PublishOptions, RequestError,
    Transport,
};
use serde_json::{Map, json};

async fn by_every_transport<F: Future<Output = ()>>(test: impl Fn(crosspoint::Running, Transport) -> F) {
    for transport in Transport::ALL {
        println!("by {transport}");
        within(test(hub().await, transport)).await;
    }
}

#[tokio::test]
async fn publishes_are_answered_and_reach_every_member() {
    by_every_transport(|hub, by| async move {
        let (alice, _a) = joined(options(&hub, "alice", by), CHAT).await;
        let (_bob, mut b) = joined(options(&hub, "bob", by), CHAT).await;
        assert_eq!(alice.status().transport, Some(by));
        let first = alice.publish(CHAT, "msg", "hello", PublishOptions::default()).await.unwrap();
        assert_eq!((first.offset, first.duplicate), (Some(1), false));
        let got = frame(&mut b, "msg").await;
        assert_eq!(
            (text(&got).as_str(), got.offset, got.id.as_deref()),
            ("hello", Some(1), Some(&*first.id))
        );
        let from = got.from.as_ref().unwrap();
        assert_eq!(from.user.as_deref(), Some("alice"));
        assert_eq!(from.session, alice.status().session);
        let again = PublishOptions { id: Some(first.id.clone()), ..PublishOptions::default() };
        let second = alice.publish(CHAT, "msg", "hello", again).await.unwrap();
        assert_eq!((second.offset, second.duplicate), (Some(1), true));
        assert_eq!(alice.leave("elsewhere").await.unwrap_err().code, Code::NotJoined);
        let long = "r".repeat(257);
        assert_eq!(alice.leave(&long).await.unwrap_err().code, Code::BadFrame);
        assert_eq!(alice.send_frame(Frame::new("hub:bye")).unwrap_err().code, Code::BadFrame);
    })
    .await;
}

#[tokio::test]
async fn bytes_arrive_as_bytes() {
    by_every_transport(|hub, by| async move {
        let (alice, _a) = joined(options(&hub, "alice", by), CHAT).await;
        let (_bob, mut b) = joined(options(&hub, "bob", by), CHAT).await;
        let bytes: Vec<u8> = (0..=255).collect();
        alice.publish_bytes(CHAT, "file", bytes.clone(), PublishOptions::default()).await.unwrap();
        assert_eq!(frame(&mut b, "file").await.payload.as_deref(), Some(&bytes[..]));
        let large = alice.publish_bytes(CHAT, "file", vec![0; 100_000], PublishOptions::default()).await;
        assert_eq!(large.unwrap_err().code, Code::FrameTooLarge);
    })
    .await;
}

#[tokio::test]
async fn history_presence_and_state_can_be_read() {
    by_every_transport(|hub, by| async move {
        let (alice, mut a) = connect(options(&hub, "alice", by)).await;
        let state = Map::from_iter([("mood".to_string(), json!("fine"))]);
        let join = JoinOptions { presence: true, state: Some(state.clone()), ..JoinOptions::default() };
        let room = alice.room(CHAT, join).await.unwrap();
        assert_eq!(room.members.unwrap().len(), 1);
        for n in 0..5 {
            alice.send(CHAT, "n", &n).unwrap();
        }
        alice.publish(CHAT, "n", &5, PublishOptions::default()).await.unwrap();
        let page = alice
            .history(CHAT, HistoryOptions { limit: Some(3), ..HistoryOptions::default() })
            .await
            .unwrap();
        assert_eq!(page.events.len(), 3);
        assert_eq!(page.events[0].room.as_deref(), Some(CHAT));

        let (bob, mut b) = connect(options(&hub, "bob", by)).await;
        bob.room(CHAT, JoinOptions { history: Some(2), ..JoinOptions::default() }).await.unwrap();
        let last: Vec<u32> =
            [frame(&mut b, "n").await, frame(&mut b, "n").await].map(|f| f.parse().unwrap()).into();
        assert_eq!(last, [4, 5]);
        presence_of(&mut a, "join", "bob").await;
        let members = bob.presence(CHAT).await.unwrap();
        let seen = members.iter().find(|m| m.user == "alice").unwrap();
        assert_eq!(seen.state, Some(json!({"mood": "fine"})));
        alice.set_state(CHAT, &Map::new()).await.unwrap();
        bob.leave(CHAT).await.unwrap();
        assert_eq!(bob.leave(CHAT).await.unwrap_err().code, Code::NotJoined);
        presence_of(&mut a, "leave", "bob").await;
    })
    .await;
}

#[tokio::test]
async fn volatile_and_direct_messages_arrive() {
    by_every_transport(|hub, by| async move {
        let (alice, _a) = joined(options(&hub, "alice", by), CHAT).await;
        let (bob, mut b) = joined(options(&hub, "bob", by), CHAT).await;
        alice.volatile(CHAT, "typing", &true, Some("alice")).unwrap();
        let typing = frame(&mut b, "typing").await;
        assert!(typing.volatile.is_some() && typing.offset.is_none());
        assert_eq!(alice.send_to_user("bob", "note", "psst").await.unwrap(), 1);
        assert_eq!(text(&*frame(&mut b, "note").await), "psst");
        let session = bob.status().session.unwrap();
        alice.send_to(&format!("session:{session}"), "note", "you").unwrap();
        assert_eq!(text(&*frame(&mut b, "note").await), "you");
        assert_eq!(alice.send_to_user("nobody", "note", "x").await.unwrap_err().code, Code::NotFound);
    })
    .await;
}

#[tokio::test]
async fn requests_are_answered_or_fail_as_the_answerer_says() {
    by_every_transport(|hub, by| async move {
        let (alice, _a) = connect(options(&hub, "alice", by)).await;
        let (bob, mut b) = connect(options(&hub, "bob", by)).await;
        let to = format!("session:{}", bob.status().session.unwrap());
        let answering = tokio::spawn(async move {
            while let Some(asked) = b.next_frame().await {
                let Some(request) = &asked.request else { continue };
                let n: i64 = asked.parse().unwrap();
                let busy = AnswerError { code: "busy".into(), message: "later".into() };
                bob.answer(request, if n > 0 { Ok(n * 2) } else { Err(busy) }).unwrap();
            }
        });
        assert_eq!(alice.request(&to, "double", &21, None).await.unwrap().parse::<i64>().unwrap(), 42);
        match alice.request(&to, "double", &-1, None).await {
            Err(RequestError::Answerer(e)) => assert_eq!((&*e.code, &*e.message), ("busy", "later")),
            other => panic!("{other:?}"),
        }
        match alice.request("session:gone", "double", &1, None).await {
            Err(RequestError::Hub(fault)) => assert_eq!(fault.code, Code::NotFound),
            other => panic!("{other:?}"),
        }
        answering.abort();
    })
    .await;
}

#[tokio::test]
async fn negotiation_finds_the_best_and_direct_needs_none() {
    let hub = hub().await;
    let (client, _e) = connect(any(&hub.url(), "alice")).await;
    assert_eq!(client.status().transport, Some(Transport::WebSocket));
    for transport in Transport::OVER_TCP {
        let direct = Options { negotiate: false, ..options(&hub, "alice", transport) };
        let (client, _e) = connect(direct).await;
        assert_eq!(client.status().transport, Some(transport));
        assert_eq!(client.status().user.as_deref(), Some("alice"));
        client.close().await;
        let refused = client.publish(CHAT, "msg", "late", PublishOptions::default()).await;
        assert_eq!(refused.unwrap_err().code, Code::Bye);
    }
}

#[tokio::test]
async fn a_goodbye_sends_what_waits_and_ends_the_session() {
    by_every_transport(|hub, by| async move {
        let (alice, _a) = joined(options(&hub, "alice", by), CHAT).await;
        let (_bob, mut b) = joined(options(&hub, "bob", by), CHAT).await;
        for n in 0..50 {
            alice.send(CHAT, "n", &n).unwrap();
        }
        alice.close().await;
        for n in 0..50 {
            assert_eq!(frame(&mut b, "n").await.parse::<u32>().unwrap(), n);
        }
        let sessions = async {
            while hub.hub().stats().sessions > 1 {
                tokio::task::yield_now().await;
            }
        };
        within(sessions).await;
    })
    .await;
}

#[tokio::test]
async fn dropping_the_last_handle_ends_the_session() {
    let hub = hub().await;
    let (client, mut events) = connect(options(&hub, "alice", Transport::WebSocket)).await;
    let other: Client = client.clone();
    drop(client);
    assert!(other.presence("lobby").await.is_ok());
    drop(other);
    within(async { while events.next().await.is_some() {} }).await;
}

#[tokio::test]
async fn types_of_the_protocol_are_not_published() {
    let hub = hub().await;
    let (client, _events) = joined(any(&hub.url(), "alice"), CHAT).await;
    let refused = client.publish(CHAT, "hub:leave", &1, PublishOptions::default()).await.unwrap_err();
    assert_eq!(refused.code, Code::BadRequest);
    assert!(client.send(CHAT, "hub:leave", &1).is_err());
    assert!(client.publish_bytes(CHAT, "hub:leave", "x", PublishOptions::default()).await.is_err());
    client.publish(CHAT, "n", &1, PublishOptions::default()).await.unwrap();
}
