use crate::raw::{Raw, build, code, udp};
use crate::support::{SECRET, client, issue, now, server, soon, turn};
use crosspoint_turn::{Credentials, Issued};
use std::sync::atomic::Ordering::Relaxed;
use stun::message::*;

#[tokio::test]
async fn stun_is_for_everybody_and_allocations_for_none_where_there_is_no_relay() {
    let server = server(None);
    let client = client(&server, &issue("alice")).await;
    let mapped = soon(client.send_binding_request()).await.unwrap();
    assert!(mapped.ip().is_loopback() && mapped.port() != 0);
    assert!(soon(client.allocate()).await.is_err());
    assert_eq!(server.counters().bindings.load(Relaxed), 1);
}

#[tokio::test]
async fn good_credentials_allocate() {
    let server = server(Some(turn()));
    let client = client(&server, &issue("alice")).await;
    let relayed = soon(client.allocate()).await.unwrap();
    assert!(webrtc_util::Conn::local_addr(&relayed).unwrap().ip().is_loopback());
    assert_eq!(server.counters().allocations.load(Relaxed), 1);
}

#[tokio::test]
async fn expired_wrong_and_foreign_ones_do_not() {
    let server = server(Some(turn()));
    let good = issue("alice");
    let later = good.username.replacen(char::is_numeric, "9", 1);
    let bad = [
        Credentials::new(SECRET).issue("alice", now()),
        Credentials::new(SECRET).issue("alice", now() - 3600),
        Credentials::new(b"another secret").issue("alice", now() + 3600),
        Issued { credential: "guess".into(), ..good.clone() },
        Issued { credential: String::new(), ..good.clone() },
        Issued { username: later, ..good.clone() },
        Issued { username: "alice".into(), ..good.clone() },
        Issued { username: String::new(), ..good.clone() },
    ];
    let count = bad.len() as u64;
    for who in bad {
        let name = who.username.clone();
        let raw = Raw::new(&server, who).await;
        assert_eq!(raw.allocate().await, 401, "{name}");
    }
    assert_eq!(server.counters().unauthorized.load(Relaxed), count);
    assert_eq!(server.counters().allocated.load(Relaxed), 0);
    // The crate's client, which does as browsers do, comes to the same.
    let expired = Credentials::new(SECRET).issue("alice", now() - 1);
    assert!(soon(client(&server, &expired).await.allocate()).await.is_err());
}

#[tokio::test]
async fn missing_parts_are_asked_for_or_refused() {
    let server = server(Some(turn()));
    let mut raw = Raw::new(&server, issue("alice")).await;
    for method in [METHOD_ALLOCATE, METHOD_REFRESH, METHOD_CREATE_PERMISSION, METHOD_CHANNEL_BIND] {
        let answer = raw.exchange(&build(method, CLASS_REQUEST, vec![udp()])).await;
        assert_eq!(code(&answer), 401);
    }
    // Signed, but without name, realm and nonce.
    let integrity = || Box::new(stun::integrity::MessageIntegrity(b"key".to_vec()));
    assert_eq!(
        code(&raw.exchange(&build(METHOD_ALLOCATE, CLASS_REQUEST, vec![udp(), integrity()])).await),
        400
    );
    // A nonce of somebody else's address.
    let other = Raw::new(&server, issue("alice")).await;
    let own = std::mem::replace(&mut raw.nonce, other.nonce.clone());
    let answer = raw.ask(METHOD_ALLOCATE, vec![udp()]).await;
    assert_eq!(code(&answer), 438);
    raw.learn(&answer);
    raw.realm = "elsewhere".into();
    assert_eq!(raw.allocate().await, 401);
    (raw.nonce, raw.realm) = (own, other.realm.clone());
    assert_eq!(raw.allocate().await, 0);
}

#[tokio::test]
async fn an_allocation_is_its_users_and_outlives_the_credentials_that_began_it() {
    let server = server(Some(turn()));
    let soon_over = Credentials::new(SECRET).issue("alice", now() + 2);
    let mut raw = Raw::new(&server, soon_over.clone()).await;
    assert_eq!(raw.allocate().await, 0);
    raw.who = issue("mallory");
    assert_eq!(code(&raw.ask(METHOD_REFRESH, vec![]).await), 441);
    raw.who = soon_over.clone();
    while now() < soon_over.username.split(':').next().unwrap().parse().unwrap() {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert_eq!(code(&raw.ask(METHOD_REFRESH, vec![]).await), 0);
    assert_eq!(Raw::new(&server, soon_over).await.allocate().await, 401);
}
