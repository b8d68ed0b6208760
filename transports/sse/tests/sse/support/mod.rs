//! A hub of one session per link (core's own state machine), a server in front of it, and clients that see bytes.
#![allow(unreachable_pub)]

mod client;
mod peer;
mod server;

pub use client::{Answer, Client, Events, connect};
pub use peer::TestHub;
pub use server::{Driver, Server, config, serve, serve_with};

use std::future::Future;
use std::time::Duration;

/// Fails the test instead of hanging it.
pub async fn soon<F: Future>(what: F) -> F::Output {
    tokio::time::timeout(Duration::from_secs(20), what).await.expect("this takes too long")
}

/// Runs a test over each way that a connection can be driven.
#[macro_export]
macro_rules! everywhere {
    ($(async fn $name:ident($client:ident, $server:ident) $body:block)*) => {$(
        mod $name {
            use super::*;
            async fn run($client: Client, $server: Server) $body
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn http1() {
                let server = serve(Driver::Http1).await;
                run(Client::http1(server.addr), server).await;
            }
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn hyper1() {
                let server = serve(Driver::Hyper).await;
                run(Client::http1(server.addr), server).await;
            }
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn h2c() {
                let server = serve(Driver::Hyper).await;
                run(Client::http2(server.addr).await, server).await;
            }
        }
    )*};
}
