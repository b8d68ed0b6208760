//! Both ends: a hub that echoes and remembers, a server, and clients.

pub(crate) mod client;
pub(crate) mod peer;
pub(crate) mod server;

use std::future::Future;
use std::time::Duration;

/// Fails instead of hanging.
pub(crate) async fn within<F: Future>(what: F) -> F::Output {
    tokio::time::timeout(Duration::from_secs(20), what).await.expect("in time")
}
