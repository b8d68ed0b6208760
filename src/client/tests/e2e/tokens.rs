//! What a token names and allows.

use crate::support::*;
use crosspoint::auth::jwt::{Claims, Signer};
use crosspoint_client::{Client, Code, Options, RequestError, Token, Transport};

pub(crate) fn claims(user: &str) -> Claims {
    Claims { sub: user.into(), ..Claims::default() }
}

pub(crate) fn sign(claims: &Claims) -> String {
    Signer::hs256(SECRET.as_bytes()).sign(claims).unwrap()
}

pub(crate) fn token(user: &str) -> String {
    sign(&claims(user))
}

async fn client(
    hub: &crosspoint::Running,
    token: String,
    by: Transport,
) -> (Client, crosspoint_client::Events) {
    connect(Options { token: Token::from(token), user: None, ..options(hub, "", by) }).await
}

#[tokio::test]
async fn a_service_answers_requests() {
    let hub = start(secured()).await;
    for by in Transport::ALL {
        println!("by {by}");
        let grant = Claims { services: Some(vec!["sfu".into()]), ..claims("backend") };
        let (service, mut asked) = client(&hub, sign(&grant), by).await;
        service.attach("sfu").await.unwrap();
        assert_eq!(service.attach("other").await.unwrap_err().code, Code::Forbidden);
        let (alice, _a) = client(&hub, token("alice"), by).await;
        let (answer, ()) = tokio::join!(alice.request("service:sfu", "offer", "sdp", None), async {
            let offer = frame(&mut asked, "offer").await;
            service.answer(offer.request.as_deref().unwrap(), Ok("answer")).unwrap();
        });
        assert_eq!(text(&answer.unwrap()), "answer");
        service.detach("sfu").await.unwrap();
        match alice.request("service:sfu", "offer", "sdp", None).await {
            Err(RequestError::Hub(fault)) => assert_eq!(fault.code, Code::NotFound),
            other => panic!("{other:?}"),
        }
        service.close().await;
        alice.close().await;
    }
}

#[tokio::test]
async fn a_session_takes_a_new_token() {
    let hub = start(secured()).await;
    let (alice, _a) = client(&hub, token("alice"), Transport::WebSocket).await;
    assert_eq!(alice.refresh("nonsense").await.unwrap_err().code, Code::Unauthorized);
    alice.refresh(&token("alice")).await.unwrap();
    assert!(alice.presence("lobby").await.is_ok());
}

#[tokio::test]
async fn a_token_is_renewed_before_it_ends() {
    let hub = start(secured()).await;
    let (calls, mut called) = tokio::sync::mpsc::unbounded_channel();
    let since_1970 = || std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
    let fetched = std::sync::atomic::AtomicU64::new(0);
    let provide = move || {
        // The first is over in three seconds; the others are good for long.
        let n = fetched.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let exp = since_1970() + if n == 0 { 3 } else { 3600 };
        calls.send(exp).unwrap();
        let token = sign(&Claims { exp: Some(exp as _), ..claims("alice") });
        async { Ok(token) }
    };
    let options =
        Options { token: Token::provider(provide), user: None, ..options(&hub, "", Transport::WebSocket) };
    let (alice, mut events) = connect(options).await;
    let first = called.recv().await.unwrap();
    let second =
        tokio::time::timeout(std::time::Duration::from_secs(20), called.recv()).await.unwrap().unwrap();
    assert!(since_1970() <= first && first < second, "in time");
    assert!(alice.presence("lobby").await.is_ok());
    assert_eq!(alice.counts().reconnects, 0);
    while let Some(event) = events.try_next() {
        let refused = matches!(&event, crosspoint_client::ClientEvent::Frame(f) if f.kind == "hub:error");
        assert!(!refused, "{event:?}");
    }
}
