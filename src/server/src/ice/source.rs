//! Who is given which servers and credentials.

use crate::config;
use crosspoint_core::Grant;
use crosspoint_hub::{Ice, IceServer, IceSource};
use crosspoint_turn::Credentials;
use std::net::{IpAddr, SocketAddr};
use std::time::{SystemTime, UNIX_EPOCH};

/// What clients are told of the hub's own server.
pub(super) struct Own {
    pub(super) public: Vec<IpAddr>,
    pub(super) port: u16,
    /// Of its credentials, where it relays.
    pub(super) secret: Option<Vec<u8>>,
    pub(super) tcp: bool,
}

/// Issues what is configured.
pub(super) struct Source {
    /// Those without credentials of ours.
    fixed: Vec<IceServer>,
    relays: Vec<Relay>,
}

/// Servers that share a secret with the hub.
struct Relay {
    urls: Vec<String>,
    credentials: Credentials,
    ttl_s: u64,
}

impl Source {
    pub(super) fn new(ice: &config::Ice, own: Option<Own>) -> Source {
        let (mut fixed, mut relays) = (vec![], vec![]);
        let open = |urls| IceServer { urls, username: None, credential: None };
        if let Some(own) = own {
            let hosts: Vec<SocketAddr> = own.public.iter().map(|ip| SocketAddr::new(*ip, own.port)).collect();
            fixed.push(open(hosts.iter().map(|host| format!("stun:{host}")).collect()));
            if let Some(secret) = own.secret {
                let ways = ["udp", "tcp"].into_iter().filter(|way| *way == "udp" || own.tcp);
                let url = |way| hosts.iter().map(move |host| format!("turn:{host}?transport={way}"));
                let urls = ways.flat_map(url).collect();
                relays.push(Relay { urls, credentials: Credentials::new(&secret), ttl_s: ice.turn.ttl_s });
            }
        }
        let text = |url: &config::IceUrl| url.as_str().to_string();
        if let Some(secret) = &ice.coturn.secret {
            let urls = &ice.coturn.urls;
            let (turn, stun): (Vec<_>, Vec<_>) = urls.iter().partition(|url| url.is_turn());
            if !stun.is_empty() {
                fixed.push(open(stun.into_iter().map(text).collect()));
            }
            if !turn.is_empty() {
                let urls = turn.into_iter().map(text).collect();
                relays.push(Relay {
                    urls,
                    credentials: Credentials::new(secret.bytes()),
                    ttl_s: ice.coturn.ttl_s,
                });
            }
        }
        fixed.extend(ice.servers.iter().map(|server| IceServer {
            urls: server.urls.iter().map(text).collect(),
            username: server.username.clone(),
            credential: server.credential.as_ref().map(|c| String::from_utf8_lossy(c.bytes()).into_owned()),
        }));
        Source { fixed, relays }
    }

    fn at(&self, grant: &Grant, now_unix_s: u64) -> Ice {
        let mut ice = Ice { ice_servers: self.fixed.clone(), ice_ms: None };
        // Credentials end with the token.
        let left = grant.expires_unix_s.map_or(u64::MAX, |end| end.saturating_sub(now_unix_s));
        for relay in self.relays.iter().filter(|_| left > 0) {
            let ttl_s = relay.ttl_s.min(left);
            let issued = relay.credentials.issue(&grant.user, now_unix_s + ttl_s);
            ice.ice_servers.push(IceServer {
                urls: relay.urls.clone(),
                username: Some(issued.username),
                credential: Some(issued.credential),
            });
            let ms = ttl_s * 1000;
            ice.ice_ms = Some(ice.ice_ms.map_or(ms, |least| least.min(ms)));
        }
        ice
    }
}

impl IceSource for Source {
    fn issue(&self, grant: &Grant) -> Ice {
        self.at(grant, SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const NOW: u64 = 1_800_000_000;

    fn own(secret: Option<&[u8]>, tcp: bool) -> Option<Own> {
        let public = vec!["203.0.113.7".parse().unwrap(), "2001:db8::7".parse().unwrap()];
        Some(Own { public, port: 3478, secret: secret.map(Into::into), tcp })
    }

    #[test]
    fn all_kinds_stand_side_by_side() {
        let mut config = config::Ice::default();
        config.coturn.urls =
            ["stun:c", "turns:c:443?transport=tcp"].map(|u| config::IceUrl::parse(u).unwrap()).into();
        config.coturn.secret = Some("north".into());
        config.coturn.ttl_s = 600;
        let urls = vec![config::IceUrl::parse("turn:s").unwrap()];
        let (username, credential) = (Some("u".into()), Some("c".into()));
        config.servers = vec![config::StaticServer { urls, username, credential }];
        let ice = Source::new(&config, own(Some(b"secret"), true)).at(&Grant::user("alice"), NOW);
        let turn = Credentials::new(b"secret").issue("alice", NOW + 3600);
        let coturn = Credentials::new(b"north").issue("alice", NOW + 600);
        let expected = json!({"ice_ms": 600_000, "ice_servers": [
            {"urls": ["stun:203.0.113.7:3478", "stun:[2001:db8::7]:3478"]},
            {"urls": ["stun:c"]},
            {"urls": ["turn:s"], "username": "u", "credential": "c"},
            {"urls": ["turn:203.0.113.7:3478?transport=udp", "turn:[2001:db8::7]:3478?transport=udp",
                "turn:203.0.113.7:3478?transport=tcp", "turn:[2001:db8::7]:3478?transport=tcp"],
                "username": turn.username, "credential": turn.credential},
            {"urls": ["turns:c:443?transport=tcp"], "username": coturn.username, "credential": coturn.credential},
        ]});
        assert_eq!(serde_json::to_value(&ice).unwrap(), expected);
    }

    #[test]
    fn credentials_end_with_the_token() {
        let source = Source::new(&config::Ice::default(), own(Some(b"secret"), false));
        let at = |end: Option<u64>| source.at(&Grant { expires_unix_s: end, ..Grant::user("alice") }, NOW);
        assert_eq!(at(None).ice_ms, Some(3_600_000));
        let short = at(Some(NOW + 60));
        assert_eq!(short.ice_ms, Some(60_000));
        assert!(short.ice_servers[1].username.as_ref().unwrap().starts_with(&format!("{}:", NOW + 60)));
        assert_eq!((at(Some(NOW)).ice_servers.len(), at(Some(NOW)).ice_ms), (1, None));
    }

    #[test]
    fn stun_alone_never_ends_and_nothing_is_nothing() {
        let ice = Source::new(&config::Ice::default(), own(None, false)).at(&Grant::user("alice"), NOW);
        assert_eq!((ice.ice_servers.len(), ice.ice_ms), (1, None));
        let none = Source::new(&config::Ice::default(), None).at(&Grant::user("alice"), NOW);
        assert_eq!(serde_json::to_value(none).unwrap(), json!({"ice_servers": []}));
    }
}
