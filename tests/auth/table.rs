//! Every way × every transport × every condition.

use crate::credentials::{By, Condition, Kind, token};
use crate::doors::Door;
use crate::hub::all_ways;
use crate::support::{Adapter, Offered};
use futures_util::{StreamExt as _, stream};
use serde_json::json;

/// Cells that are tried at once.
const AT_ONCE: usize = 8;

/// What a credential in this condition is told before anything else comes of it; `None`: it is good.
fn fault(condition: Condition) -> Option<&'static str> {
    match condition {
        Condition::Valid | Condition::ValidRs256 | Condition::MissingCapability => None,
        Condition::Expired => Some("401 token_expired"),
        Condition::Revoked => Some("401 token_revoked"),
        Condition::NotForClients => Some("403 forbidden"),
        Condition::WrongKey | Condition::AlgNone | Condition::HsWithPublicKey | Condition::WrongAudience => {
            Some("401 unauthorized")
        }
    }
}

fn expected(by: By, door: Door, condition: Condition) -> String {
    if door == Door::Api {
        return match (by.kind(), condition) {
            (Kind::Key, Condition::Valid | Condition::NotForClients) => "in",
            (Kind::Key, Condition::MissingCapability) => "403 forbidden",
            (Kind::Key, Condition::Revoked) => "401 token_revoked",
            // A user's token is no key; and keys that are over are none.
            _ => "401 unauthorized",
        }
        .into();
    }
    let fault = match (by, condition) {
        // Keys that are over are none; and a key that stands for a token must be one of clients.
        (By::BearerKey | By::ApiKey | By::QueryApiKey, Condition::Expired) => Some("401 unauthorized"),
        (By::BearerKey, Condition::NotForClients) => Some("401 unauthorized"),
        (_, condition) => fault(condition),
    };
    match (fault, door) {
        (None, Door::Negotiate | Door::WebRtc) => "in".into(),
        (None, _) if condition == Condition::MissingCapability => "in, join forbidden".into(),
        (None, _) => "in".into(),
        // The library has no 401.
        (Some(_), Door::WebTransport) => "refused".into(),
        // A cookie is sent unasked, and the hello may say something better.
        (Some(_), Door::WebRtc) if by == By::Cookie => "in".into(),
        (Some(fault), Door::WebSocket) if by == By::Cookie => format!("close {}", &fault[4..]),
        (Some("403 forbidden"), Door::EventStream) => "in, join forbidden".into(),
        (Some(fault), _) => fault.into(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_way_by_every_transport_has_the_right_outcome() {
    let hub = all_ways().await;
    let offer = Offered::new().await;
    let mut cells = vec![];
    for door in Door::ALL {
        for by in By::ALL {
            cells.extend(by.conditions().iter().map(|condition| (door, by, *condition)));
        }
    }
    assert!(cells.len() > 500);
    let tried = stream::iter(cells).map(|(door, by, condition)| {
        let (hub, offer) = (&hub, &offer);
        async move {
            let (headers, query) = by.show(condition);
            let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
            let query = if query.is_empty() { query } else { format!("?{query}") };
            let outcome = door.try_with(hub, offer, by, &headers, &query).await;
            (door, by, condition, outcome)
        }
    });
    let outcomes: Vec<_> = tried.buffer_unordered(AT_ONCE).collect().await;
    let row = |(door, by, condition, outcome): &(Door, By, Condition, String)| {
        let expected = expected(*by, *door, *condition);
        let mark = if *outcome == expected { ' ' } else { '!' };
        let text = format!("{mark} {door:?} | {by:?} | {condition:?} | {outcome}");
        if mark == '!' { format!("{text} instead of {expected}") } else { text }
    };
    let mut rows: Vec<String> = outcomes.iter().map(row).collect();
    rows.sort();
    let wrong = rows.iter().filter(|row| row.starts_with('!')).count();
    assert_eq!(wrong, 0, "of {} cells:\n{}", rows.len(), rows.join("\n"));
    hub.shutdown().await;
}

/// The hello's own token, which comes after the upgrade.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hellos_token_has_the_right_outcome_on_every_transport() {
    let hub = all_ways().await;
    let mut wrong = vec![];
    for adapter in Adapter::ALL {
        for condition in By::Bearer.conditions() {
            let data = json!({"version": 1, "token": token(*condition)});
            let outcome = match adapter.try_hello(&hub, data).await {
                Err(refused) => refused.fault["code"].as_str().unwrap_or("refused").to_owned(),
                Ok((mut link, welcome)) => {
                    assert_eq!(welcome["user"], "alice");
                    let join = json!({"type": "hub:join", "room": "r", "id": "j"});
                    link.send(join).await;
                    let answer = link.next().await;
                    if answer.kind() == "hub:reply" { "in".into() } else { "in, join forbidden".into() }
                }
            };
            let expected = match (fault(*condition), condition) {
                (Some(fault), _) => &fault[4..],
                (None, Condition::MissingCapability) => "in, join forbidden",
                (None, _) => "in",
            };
            if outcome != expected {
                wrong.push(format!("{adapter:?} | {condition:?} | {outcome} instead of {expected}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    hub.shutdown().await;
}
