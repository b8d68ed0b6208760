//! What a token names and allows.

use crate::support::*;
use crosspoint::auth::jwt::{Claims, Hs256};
use crosspoint_client::{Client, Code, Options, RequestError, Token, Transport};

pub(crate) fn claims(user: &str) -> Claims {
    Claims {
        sub: user.into(),
        exp: None,
        nbf: None,
        info: None,
        join: None,
        publish: None,
        publish_unjoined: None,
        direct: None,
        services: None,
    }
}

pub(crate) fn sign(claims: &Claims) -> String {
    Hs256::new(SECRET.as_bytes(), 0).sign(claims).unwrap()
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
