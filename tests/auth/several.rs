//! Several credentials at once, and ways that are off.

use crate::credentials::{Condition, token};
use crate::hub::{AUDIENCE, KEY, all_ways};
use crate::support::{Adapter, Http, SECRET, Version, secured, sign, token as plain_token};
use crosspoint::Running;
use crosspoint::auth::jwt::{Claims, Signer};
use crosspoint::config::CookieHolds;
use http::Method;
use serde_json::{Value, json};

async fn negotiate(hub: &Running, headers: &[(&str, &str)], query: &str) -> (u16, Value, Vec<String>) {
    let ask = json!({"version": 1, "transports": ["websocket"]}).to_string();
    let http = Http::new(hub.addr(), Version::H1).await;
    let answer = http.send(Method::POST, &format!("/negotiate{query}"), headers, ask).await;
    let challenges = answer.headers.get_all("www-authenticate").iter();
    let challenges = challenges.map(|value| value.to_str().unwrap().to_owned()).collect();
    (answer.status, answer.json().await, challenges)
}

async fn code(hub: &Running, headers: &[(&str, &str)], query: &str) -> String {
    let (status, answer, _) = negotiate(hub, headers, query).await;
    if status == 200 { "in".into() } else { answer["error"]["code"].as_str().unwrap().into() }
}

#[tokio::test]
async fn different_ones_are_refused_and_a_cookie_never_decides() {
    let hub = all_ways().await;
    let (good, bad) = (token(Condition::Valid), token(Condition::WrongKey));
    let bearer = format!("Bearer {good}");
    let bearer = ("authorization", bearer.as_str());
    assert_eq!(code(&hub, &[bearer, ("x-api-key", KEY)], "").await, "bad_request");
    assert_eq!(code(&hub, &[bearer], "?sessionId=session-valid").await, "bad_request");
    assert_eq!(code(&hub, &[bearer], &format!("?token={good}")).await, "in");
    let cookie = format!("crosspoint_token={bad}");
    assert_eq!(code(&hub, &[bearer, ("cookie", &cookie)], "").await, "in");
    assert_eq!(code(&hub, &[("cookie", &cookie)], "").await, "unauthorized");
    hub.shutdown().await;
}

#[tokio::test]
async fn a_hellos_own_token_goes_before_what_the_request_shows() {
    let hub = all_ways().await;
    let claims = json!({"sub": "bob", "aud": AUDIENCE});
    let bobs = Signer::hs256(SECRET.as_bytes()).sign_json(&claims).unwrap();
    let bearer = format!("Bearer {}", token(Condition::Valid));
    let old = format!("crosspoint_token={}", token(Condition::Expired));
    for adapter in [Adapter::WebSocket, Adapter::Stream, Adapter::Poll, Adapter::WebTransport] {
        let shown = [("authorization", bearer.as_str())];
        let hello = json!({"version": 1, "token": bobs});
        let (_link, welcome) = adapter.try_hello_with(&hub, &shown, hello.clone(), vec![]).await.unwrap();
        assert_eq!(welcome["user"], "bob", "{adapter:?}");
        let bad = json!({"version": 1, "token": token(Condition::WrongKey)});
        let refused = adapter.try_hello_with(&hub, &shown, bad, vec![]).await.err().expect("it is refused");
        assert_eq!(refused.fault["code"], "unauthorized", "{adapter:?}");
        if adapter != Adapter::WebTransport {
            // An old cookie, which the browser sends whether or not it is wanted.
            let (_link, welcome) =
                adapter.try_hello_with(&hub, &[("cookie", &old)], hello, vec![]).await.unwrap();
            assert_eq!(welcome["user"], "bob", "{adapter:?}");
        }
    }
    hub.shutdown().await;
}

#[tokio::test]
async fn what_is_off_is_as_if_it_were_not_there() {
    let hub = secured().await;
    let good = plain_token("alice");
    assert_eq!(code(&hub, &[], &format!("?token={good}")).await, "unauthorized");
    assert_eq!(
        code(&hub, &[("sec-websocket-protocol", &format!("bearer.{good}"))], "").await,
        "unauthorized"
    );
    let bearer = format!("Bearer {good}");
    let noise = [("authorization", bearer.as_str()), ("x-session-id", "7")];
    assert_eq!(code(&hub, &noise, "?apiKey=whatever&token=x").await, "in");
    let ended = sign(&Claims { sub: "alice".into(), exp: Some(1.0), ..Claims::default() });
    let (status, answer, challenges) =
        negotiate(&hub, &[("authorization", &format!("Bearer {ended}"))], "").await;
    assert_eq!((status, &answer["error"]["code"]), (401, &json!("token_expired")));
    assert_eq!(challenges, ["Bearer realm=\"crosspoint\""]);
    hub.shutdown().await;
}

#[tokio::test]
async fn scripts_of_pages_get_no_challenge_that_asks_their_user() {
    let hub = all_ways().await;
    let asks = |challenges: &[String]| challenges.iter().any(|c| c.starts_with("Basic"));
    let (status, _, challenges) = negotiate(&hub, &[], "").await;
    assert!(status == 401 && asks(&challenges), "{challenges:?}");
    let own = format!("http://{}", hub.addr());
    let (status, _, challenges) = negotiate(&hub, &[("origin", &own)], "").await;
    assert!(status == 401 && !asks(&challenges) && challenges.len() == 2, "{challenges:?}");
    hub.shutdown().await;
}

#[tokio::test]
async fn a_cookie_may_hold_a_session_of_the_backends() {
    let backend = crate::backend::start().await;
    let hub = crate::support::start(|c| {
        crate::hub::configure(c, backend);
        c.auth.cookie_name = "sid".into();
        c.auth.cookie_holds = CookieHolds::SessionId;
    })
    .await;
    for (value, outcome) in
        [("session-valid", "in"), ("session-expired", "token_expired"), ("session-unknown", "unauthorized")]
    {
        assert_eq!(code(&hub, &[("cookie", &format!("sid={value}"))], "").await, outcome);
    }
    let page = [("cookie", "sid=session-valid"), ("sec-fetch-site", "cross-site")];
    assert_ne!(code(&hub, &page, "").await, "in", "another page's request");
    spares(&hub, "sid=session-expired", "token_expired").await;
    hub.shutdown().await;
}

/// A cookie that is no good keeps nobody out whose hello shows something better.
async fn spares(hub: &Running, cookie: &str, fault: &str) {
    let shown = [("cookie", cookie)];
    for adapter in [Adapter::WebSocket, Adapter::Stream, Adapter::Poll] {
        let hello = json!({"version": 1, "token": token(Condition::Valid)});
        let (_link, welcome) = adapter.try_hello_with(hub, &shown, hello, vec![]).await.unwrap();
        assert_eq!(welcome["user"], "alice", "{adapter:?}");
        let hello = json!({"version": 1, "user": "mallory"});
        let refused = adapter.try_hello_with(hub, &shown, hello, vec![]).await.err().expect("it is refused");
        assert_eq!(refused.fault["code"], fault, "{adapter:?}");
    }
}

#[tokio::test]
async fn webtransport_counts_who_shows_bad_credentials() {
    let hub = crate::support::start(|c| {
        c.auth.jwt_secret = Some(SECRET.into());
        (c.rates.burst_ms, c.rates.address.connects_per_s) = (10_000, 1);
    })
    .await;
    for n in 0.. {
        let shown = [("authorization", "Bearer no.good.token")];
        let hello = json!({"version": 1});
        let refused = Adapter::WebTransport.try_hello_with(&hub, &shown, hello, vec![]).await;
        let refused = refused.err().expect("it is refused");
        if hub.hub().refused().iter().any(|r| r.scope == "address" && r.kind == "connects") {
            assert!(n >= 10, "each is counted once");
            break;
        }
        assert!(n < 1_000, "it is refused for that some time: {refused:?}");
    }
    hub.shutdown().await;
}

#[tokio::test]
async fn without_its_backend_nobody_comes_in_that_it_must_check() {
    let hub = crate::support::start(|c| {
        // Nobody listens there.
        crate::hub::configure(c, ([127, 0, 0, 1], 9).into());
        c.hooks.attempts = 1;
        c.auth.cookie_name = "sid".into();
        c.auth.cookie_holds = CookieHolds::SessionId;
    })
    .await;
    assert_eq!(code(&hub, &[("x-session-id", "session-valid")], "").await, "unavailable");
    let bearer = format!("Bearer {}", token(Condition::Valid));
    assert_eq!(code(&hub, &[("authorization", &bearer)], "").await, "in");
    let http = Http::new(hub.addr(), Version::H1).await;
    let shown = [("x-session-id", "session-valid"), ("accept", "text/event-stream")];
    let stream = http.send(Method::GET, "/rooms/r/events", &shown, "").await;
    assert_eq!((stream.status, stream.header("content-type")), (200, "text/event-stream"));
    let text = stream.text().await;
    assert!(
        text.contains("event: close\ndata: {") && text.contains("unavailable"),
        "browsers come again: {text}"
    );
    spares(&hub, "sid=session-valid", "unavailable").await;
    hub.shutdown().await;
}

#[tokio::test]
async fn pages_tell_nobody_the_address_they_were_opened_at() {
    let hub = all_ways().await;
    let http = Http::new(hub.addr(), Version::H1).await;
    let page = http.send(Method::GET, "/?token=a-token-in-a-bookmark", &[], "").await;
    assert_eq!((page.status, page.header("referrer-policy")), (200, "no-referrer"));
    hub.shutdown().await;
}
