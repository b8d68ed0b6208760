//! Who comes in, and what negotiation says of the way.

use crate::support::*;
use crosspoint_core::Code;
use serde_json::json;
use wtransport::endpoint::ConnectOptions;
use wtransport::error::ConnectingError;

/// Asks for a session; whether it was accepted.
async fn asks(hub: &crosspoint::Running, path: &str, headers: &[(&str, &str)]) -> bool {
    let (addr, _) = hub.webtransport().unwrap();
    let mut options = ConnectOptions::builder(format!("https://{addr}{path}"));
    for (name, value) in headers {
        options = options.add_header(name, value);
    }
    match within(client(hub).connect(options.build())).await {
        Ok(_) => true,
        Err(ConnectingError::SessionRejected) => false,
        Err(e) => panic!("{e}"),
    }
}

#[tokio::test]
async fn paths_and_origins_are_checked() {
    let hub = start(|c| {
        c.auth.jwt_secret = Some(SECRET.into());
        c.origins.allowed = serde_json::from_value(json!(["https://app.example.com"])).unwrap();
    })
    .await;
    for path in ["/", "/ws", "/webtransport/", "/webtransports", "/WebTransport"] {
        assert!(!asks(&hub, path, &[]).await, "{path}");
    }
    assert!(asks(&hub, "/webtransport?x=1", &[]).await);
    let own = format!("http://{}", hub.addr());
    for origin in ["https://app.example.com", &own] {
        assert!(asks(&hub, "/webtransport", &[("origin", origin)]).await, "{origin}");
    }
    for origin in ["https://evil.example", "null", "http://127.0.0.1:1", "http://localhost:5173"] {
        assert!(!asks(&hub, "/webtransport", &[("origin", origin)]).await, "{origin}");
    }
    assert_eq!(hub.hub().stats().links_opened, 0, "no link without a stream");
    while hub.metric("webtransport_opening").await > 0 {}
}

#[tokio::test]
async fn sessions_have_a_number_for_each_address_and_for_all() {
    for all in [true, false] {
        let hub = start(|c| {
            let settings = &mut c.transports.webtransport;
            *(if all { &mut settings.sessions_max } else { &mut settings.address_sessions_max }) = 2;
        })
        .await;
        let alice = Adapter::WebTransport.user(&hub, "alice").await;
        let _bob = Adapter::WebTransport.user(&hub, "bob").await;
        let (addr, _) = hub.webtransport().unwrap();
        let url = format!("https://{addr}/webtransport");
        assert!(within(client(&hub).connect(&url)).await.is_err(), "one too many");
        drop(alice);
        stats(&hub, |s| s.links == 1).await;
        Adapter::WebTransport.user(&hub, "carol").await;
        assert!(hub.metric("webtransport_refused_total").await > 0);
    }
}

#[tokio::test]
async fn a_session_without_a_stream_is_given_up() {
    let hub = start(|c| c.limits.hello_ms = 100).await;
    let (addr, _) = hub.webtransport().unwrap();
    let endpoint = client(&hub);
    let connection = endpoint.connect(format!("https://{addr}/webtransport")).await.unwrap();
    within(connection.closed()).await;
    let mut link = Adapter::WebTransport.probe(&hub).await;
    link.ends_with(Code::HelloTimeout).await;
    stats(&hub, |s| s.links == 0).await;
}

#[tokio::test]
async fn it_is_negotiated_as_a_way_up() {
    let hub = start(|c| c.transports.webtransport.rollout_percent = 50).await;
    let (addr, hashes) = hub.webtransport().unwrap();
    assert_eq!((addr, hashes.len()), (hub.addr(), 2), "the same number for TCP and UDP");
    let mut offered = 0;
    for n in 0..40 {
        let ask = json!({"version": 1, "transports": ["websocket", "webtransport"], "user": format!("u{n}")});
        let http = Http::new(hub.addr(), Version::H1).await;
        let [answer, again] = [http.post("/negotiate", &ask).await, http.post("/negotiate", &ask).await];
        let (answer, again) = (answer.json().await, again.json().await);
        let first = &answer["transports"][0];
        assert_eq!((first, &answer["left_out"]), (&again["transports"][0], &again["left_out"]));
        if first["name"] == "webtransport" {
            assert_eq!((&first["upgrade"], &first["head_start_ms"]), (&json!(true), &json!(0)));
            assert_eq!(first["url"], format!("https://{addr}/webtransport"));
            assert_eq!(first["certificate_hashes"].as_array().unwrap().len(), 2);
            offered += 1;
        } else {
            let left = answer["left_out"].as_array().unwrap();
            let left = left.iter().find(|l| l["name"] == "webtransport").unwrap();
            assert_eq!(left["reason"], "policy");
        }
    }
    assert!((8..=32).contains(&offered), "{offered} of 40");
    let off = start(|c| c.transports.webtransport.enabled = false).await;
    assert!(off.webtransport().is_none());
}
