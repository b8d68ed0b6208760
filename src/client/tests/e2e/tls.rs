//! https and wss, with a certificate that only this test trusts.

use crate::support::*;
use crosspoint_client::{Client, JoinOptions, Options, PublishOptions, Transport};
use std::time::Duration;

#[tokio::test]
async fn a_given_root_is_trusted_and_nobody_else() {
    let made = rcgen::generate_simple_self_signed(vec!["127.0.0.1".into()]).unwrap();
    let folder = std::env::temp_dir().join(format!("crosspoint-client-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let (cert, key) = (folder.join("cert.pem"), folder.join("key.pem"));
    std::fs::write(&cert, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let mut config = config();
    (config.listen.tls_cert, config.listen.tls_key) = (Some(cert), Some(key));
    let hub = start(config).await;
    std::fs::remove_dir_all(&folder).unwrap();
    assert!(hub.url().starts_with("https://"));
    for by in Transport::ALL {
        let known = Options { roots_pem: made.cert.pem().into_bytes(), ..options(&hub, "alice", by) };
        let (client, mut events) = connect(known).await;
        client.room(CHAT, JoinOptions::default()).await.unwrap();
        client.publish(CHAT, "msg", "sealed", PublishOptions::default()).await.unwrap();
        assert_eq!(text(&*frame(&mut events, "msg").await), "sealed");
        assert_eq!(client.status().transport, Some(by));
    }
    let unknown =
        Options { ready_timeout: Duration::from_millis(500), ..options(&hub, "alice", Transport::WebSocket) };
    let stranger = Client::connect(unknown);
    assert!(stranger.ready().await.is_err());
    assert!(
        stranger.status().fault.unwrap().message.contains("certificate"),
        "{:?}",
        stranger.status().fault
    );
}
