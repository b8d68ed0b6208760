//! Keys in files.

use super::common::start;
use super::*;
use crosspoint::config::Config;
use crosspoint::{Server, StartError};

#[tokio::test]
async fn a_file_is_read_again_when_it_changes() {
    let (old, new) = (Maker::new("old"), Maker::new("new"));
    let path = std::env::temp_dir().join(format!("crosspoint-keys-{}.json", std::process::id()));
    std::fs::write(&path, set(&[&old])).unwrap();
    let keys = serde_json::from_value(json!([{"file": path}])).unwrap();
    let hub = start(|c| c.auth.keys = keys).await;
    assert_eq!(negotiate(&hub, &old.token()).await.0, 200);
    assert_eq!(negotiate(&hub, &new.token()).await.0, 401);
    // What can't be used changes nothing; then both, one after the other, as keys are changed.
    std::fs::write(&path, "{\"keys\":").unwrap();
    let written = path.with_extension("new");
    std::fs::write(&written, set(&[&old, &new])).unwrap();
    assert_eq!(negotiate(&hub, &old.token()).await.0, 200);
    std::fs::rename(&written, &path).unwrap();
    until(&hub, &new.token(), 200).await;
    assert_eq!(negotiate(&hub, &old.token()).await.0, 200);
    std::fs::write(&path, new.pair.public_key_pem()).unwrap();
    until(&hub, &old.token(), 401).await;
    assert_eq!(negotiate(&hub, &new.token()).await.0, 200);
    std::fs::remove_file(&path).unwrap();
}

#[tokio::test]
async fn a_hub_does_not_start_with_keys_that_it_cannot_read() {
    let mut config = Config::default();
    config.listen.addr = "127.0.0.1:0".parse().unwrap();
    config.auth.keys = serde_json::from_value(json!([{"file": "/nowhere/key.pem"}])).unwrap();
    let error = Server::start(config).await.err().unwrap();
    assert!(
        matches!(&error, StartError::Auth(_)) && error.to_string().contains("/nowhere/key.pem"),
        "{error}"
    );
}
