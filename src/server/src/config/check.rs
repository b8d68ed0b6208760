//! What must hold between values.

use super::error::{ConfigError, Source};
use super::transports::SELF_SIGNED_S_MAX;
use super::{Config, Mode, SERVICE_BYTES_MAX, Service};
use crate::auth::jwt::is_user;
use std::collections::{BTreeMap, BTreeSet};

/// hyper's smallest read buffer.
const HEADER_BYTES_MIN: usize = 8192;

/// Takes a key, what is wrong with its value, and what to do.
pub(super) type Report<'a> = dyn FnMut(&str, String, &str) + 'a;

pub(super) fn check(config: &Config, sources: &BTreeMap<String, Source>, errors: &mut Vec<ConfigError>) {
    let mut fault = |key: &str, problem: String, fix: &str| {
        let place = sources.get(key).cloned().unwrap_or(Source::Default);
        errors.push(ConfigError { key: key.into(), place, problem, fix: fix.into() });
    };

    let Config { listen, auth, http, limits, .. } = config;
    match (&listen.tls_cert, &listen.tls_key) {
        (Some(_), None) => {
            fault("listen.tls_key", "is missing".into(), "a certificate needs its key: set both or none")
        }
        (None, Some(_)) => {
            fault("listen.tls_cert", "is missing".into(), "a key needs its certificate: set both or none")
        }
        _ => {}
    }
    super::listen::check(listen, &mut fault);
    if listen.proxy_protocol && config.trusted_proxies.is_empty() {
        let fix = "list the proxies' addresses in trusted_proxies: headers of anybody else are not believed";
        fault("listen.proxy_protocol", "is on, and no proxy is trusted".into(), fix);
    }
    super::tokens::check(auth, &mut fault);
    for (setting, problem, fix) in super::key::check(&auth.api_keys, &auth.services) {
        fault(setting, problem, fix);
    }
    for Service { name, .. } in &auth.services {
        if !is_user(name) || name.len() > SERVICE_BYTES_MAX {
            let problem = format!("`{name:.200}` is no name");
            fault("auth.services", problem, "give 1 to 128 bytes without control characters");
        }
    }
    super::ways::check(config, &mut fault);
    if !listen.addr.ip().to_canonical().is_loopback() {
        match config.mode() {
            Mode::ImplicitDev => fault(
                "listen.addr",
                format!("{} is reachable from other machines, and nothing says who may connect", listen.addr),
                "set auth.jwt_secret (or auth.keys, auth.issuers), or listen on 127.0.0.1, or open the hub to everybody with --dev --dev-insecure-listen",
            ),
            Mode::Dev if !config.dev_insecure_listen => fault(
                "listen.addr",
                format!(
                    "{} is reachable from other machines, and dev mode lets everybody do everything",
                    listen.addr
                ),
                "listen on 127.0.0.1, or accept that with --dev-insecure-listen",
            ),
            _ => {}
        }
    }

    let webtransport = &config.transports.webtransport;
    if webtransport.tls_cert.is_some() != webtransport.tls_key.is_some() {
        let (key, fix) = ("transports.webtransport.tls_key", "set certificate and key, or none");
        fault(key, "certificate and key do not come together".into(), fix);
    }
    if !(1..=SELF_SIGNED_S_MAX).contains(&webtransport.self_signed_s) {
        fault(
            "transports.webtransport.self_signed_s",
            format!("is not between 1 and {SELF_SIGNED_S_MAX}"),
            "browsers take no certificate by hash that is valid for more than 14 days",
        );
    }
    if webtransport.rollout_percent > 100 {
        fault("transports.webtransport.rollout_percent", "is above 100".into(), "give 0 to 100");
    }
    if webtransport.url.as_ref().is_some_and(|url| !url.starts_with("https://")) {
        let fix = "give the address that clients use, like https://hub.example.com:3001/webtransport";
        fault("transports.webtransport.url", "does not begin with https://".into(), fix);
    }

    super::ice::check(config, &mut fault);
    super::rates::check(config, &mut fault);
    super::hooks::check(config, &mut fault);

    let webrtc = &config.transports.webrtc;
    if webrtc.rollout_percent > 100 {
        fault("transports.webrtc.rollout_percent", "is above 100".into(), "give 0 to 100");
    }
    if webrtc.public_addresses.iter().any(|ip| ip.is_unspecified() || ip.is_multicast()) {
        let fix = "give the addresses that clients reach the hub's UDP port at";
        fault("transports.webrtc.public_addresses", "one is no host's address".into(), fix);
    }

    let mut prefixes = BTreeSet::new();
    if let Some(twice) = config.namespaces.iter().find(|n| !prefixes.insert(&n.prefix)) {
        fault("namespaces", format!("two have the prefix `{}`", twice.prefix), "keep one of them");
    }
    if let Err(problem) = crate::schemas::Schemas::read(&config.namespaces) {
        fault("namespaces", problem, "name a file with a JSON Schema that refers to nothing outside it");
    }
    if http.header_bytes_max < HEADER_BYTES_MIN {
        fault(
            "http.header_bytes_max",
            format!("is below {HEADER_BYTES_MIN}"),
            "leave browsers room for their headers",
        );
    }
    if limits.post_bytes_max < limits.frame_bytes_max {
        fault(
            "limits.post_bytes_max",
            "is below limits.frame_bytes_max".into(),
            "a POST must be able to carry the largest frame",
        );
    }
    if limits.outbox_bytes_max < limits.frame_bytes_max {
        fault(
            "limits.outbox_bytes_max",
            "is below limits.frame_bytes_max".into(),
            "an outbox must be able to hold the largest frame",
        );
    }
    if limits.bulk_bytes_max < limits.frame_bytes_max {
        fault(
            "limits.bulk_bytes_max",
            "is below limits.frame_bytes_max".into(),
            "a bulk session must be able to hold the largest frame",
        );
    }
    let positive = [
        ("http.connections_max", http.connections_max as u64),
        ("http.header_ms", http.header_ms),
        ("http.request_ms", http.request_ms),
        ("transports.webtransport.sessions_max", webtransport.sessions_max as u64),
        ("transports.webtransport.address_sessions_max", webtransport.address_sessions_max as u64),
        ("transports.webrtc.peers_max", webrtc.peers_max as u64),
        ("transports.webrtc.address_peers_max", webrtc.address_peers_max as u64),
        ("transports.webrtc.address_offers_per_s", webrtc.address_offers_per_s.into()),
        ("limits.frame_bytes_max", limits.frame_bytes_max as u64),
        ("limits.bulk_frames_max", limits.bulk_frames_max as u64),
        ("limits.rooms_max", limits.rooms_max as u64),
        ("limits.hub_rooms_max", limits.hub_rooms_max as u64),
        ("limits.sessions_max", limits.sessions_max as u64),
        ("limits.links_waiting_max", limits.links_waiting_max as u64),
        ("limits.inbox_frames_max", limits.inbox_frames_max as u64),
        ("limits.history_page_max", limits.history_page_max as u64),
        ("limits.heartbeat_ms", limits.heartbeat_ms),
        ("limits.hello_ms", limits.hello_ms),
        ("limits.ack_every", limits.ack_every),
        ("limits.ticket_ms", limits.ticket_ms),
    ];
    for (key, _) in positive.iter().filter(|(_, value)| *value == 0) {
        fault(key, "is 0".into(), "give at least 1");
    }
}
