//! Clients that vanish without a word, behind a proxy that keeps their connections to the hub.

use crate::siege::siege;
use crate::wire::Ws;
use crosspoint_client::Frame;
use crosspoint_client::raw::SseLink;
use crosspoint_tests::proxy::{End, FaultProxy, Options, Select};
use serde_json::json;
use std::net::SocketAddr;
use std::sync::Mutex;

/// Proxies live until the hub has given up what they keep.
static KEPT: Mutex<Vec<FaultProxy>> = Mutex::new(vec![]);

async fn vanish(addr: SocketAddr) {
    let proxy = FaultProxy::start(Options::new(addr)).await.unwrap();
    let url = format!("http://{}/sse", proxy.address());
    let hello = Frame::with("hub:hello", &json!({"version": 1, "user": "eve"}));
    let mut links = vec![];
    for _ in 0..60 {
        let (mut ws, mut sse) = (
            Ws::user(proxy.address(), "eve").await,
            SseLink::open(&url, std::slice::from_ref(&hello)).await.unwrap(),
        );
        sse.welcome().await.unwrap();
        let join = br#"{"type":"hub:join","room":"r"}"#;
        ws.send(&crate::wire::frame(1, join)).await;
        sse.post(Some(1), &[Frame::new("hub:join").room("r")]).await.unwrap();
        links.push((ws, sse));
    }
    assert!(proxy.cut(&Select::all(), End::Close, End::Keep).await >= 120);
    KEPT.lock().unwrap().push(proxy);
}

#[tokio::test]
async fn the_vanished_are_noticed() {
    let settings = ["limits.heartbeat_ms=2000", "limits.resume_ms=500", "http.header_ms=1000"];
    let hub = siege(&settings, vanish).await;
    assert_eq!(hub.metrics().await["crosspoint_heartbeat_timeouts_total"], 240);
}
