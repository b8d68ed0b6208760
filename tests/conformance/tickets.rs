//! Tickets of the negotiation.

use crate::support::*;
use crosspoint::Running;
use crosspoint_core::Code;
use serde_json::{Value, json};

async fn ticket(hub: &Running) -> Value {
    let answer = negotiate(hub, "alice").await;
    assert_eq!(answer["transports"][0]["name"], "websocket");
    json!({"version": 1, "ticket": answer["ticket"]})
}

pub(crate) async fn a_ticket_opens_a_session(by: Adapter) {
    let hub = open().await;
    let (_link, welcome) = by.hello(&hub, ticket(&hub).await).await;
    assert_eq!(welcome["user"], "alice");
}

pub(crate) async fn a_ticket_whose_welcome_got_lost_opens_the_same_session(by: Adapter) {
    let hub = open().await;
    let ticket = ticket(&hub).await;
    let (first, one) = by.hello(&hub, ticket.clone()).await;
    let (second, two) = by.hello(&hub, ticket.clone()).await;
    assert_eq!((&one["session"], &one["resume"]), (&two["session"], &two["resume"]));
    assert_eq!((two["resumed"].clone(), two["start"].clone()), (json!(false), json!(1)));
    drop((first, second));
    for other in Adapter::ALL {
        let (_link, again) = other.hello(&hub, ticket.clone()).await;
        assert_eq!(one["session"], again["session"]);
    }
    assert_eq!(hub.hub().stats().sessions_opened, 1);
}

pub(crate) async fn a_used_ticket_is_none(by: Adapter) {
    let hub = open().await;
    let ticket = ticket(&hub).await;
    let (mut link, _) = by.hello(&hub, ticket.clone()).await;
    link.join(CHAT, json!({})).await;
    for other in Adapter::ALL {
        let refused = other.try_hello(&hub, ticket.clone()).await;
        refused.err().expect("refused").assert(other, Code::Unauthorized);
    }
    link.join(LOBBY, json!({})).await;
}

pub(crate) async fn an_old_or_invented_ticket_is_none(by: Adapter) {
    let hub = start(|c| c.limits.ticket_ms = 0).await;
    for data in [ticket(&hub).await, json!({"version": 1, "ticket": "0123456789abcdef"})] {
        let refused = by.try_hello(&hub, data).await;
        refused.err().expect("refused").assert(by, Code::Unauthorized);
    }
}
