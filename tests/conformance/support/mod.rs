//! Links of every adapter, spoken by hand: none of the client's or the hub's own protocol code is used here.

mod adapter;
mod got;
mod http;
mod hub;
mod link;
mod rtc;
mod sse;
mod task;
mod ws;
mod wt;

pub(crate) use adapter::{Adapter, Refused, again, hello};
pub(crate) use http::{Http, Version};
pub(crate) use hub::*;
pub(crate) use link::Link;
pub(crate) use rtc::Offered;
pub(crate) use sse::Blocks;
pub(crate) use task::Task;
pub(crate) use wt::{client, client_that_trusts};

/// Fails the test when something doesn't happen.
pub(crate) async fn within<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(std::time::Duration::from_secs(30), what).await.expect("it never happened")
}
