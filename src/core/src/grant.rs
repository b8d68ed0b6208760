//! What a verified token allows, and until when.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// The permissions of one session or backend.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
pub struct Grant {
    /// Who it is; names the member in presence and the target of `user:…`.
    pub user: String,
    /// Shown to others in presence; any JSON object, at most 1 KiB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub info: Option<Box<RawValue>>,
    /// Rooms that may be joined and read: names, or prefixes ending in `*`.
    pub join: Vec<String>,
    /// Rooms that may be published to, in the same form.
    pub publish: Vec<String>,
    /// Rooms that may be published to without having joined.
    pub publish_unjoined: bool,
    /// Whether direct messages and requests may be sent.
    pub direct: bool,
    /// Services this session may attach as, in the same form.
    pub services: Vec<String>,
    /// When it ends, seconds since 1970 (RFC 7519 `exp`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_unix_s: Option<u64>,
}

impl Default for Grant {
    /// Nobody, who may do nothing.
    fn default() -> Grant {
        Grant {
            user: String::new(),
            info: None,
            join: vec![],
            publish: vec![],
            publish_unjoined: false,
            direct: false,
            services: vec![],
            expires_unix_s: None,
        }
    }
}

impl Grant {
    /// All rooms, direct messages, no end, no services: what a plain token means.
    pub fn user(user: impl Into<String>) -> Grant {
        Grant {
            user: user.into(),
            join: vec!["*".into()],
            publish: vec!["*".into()],
            direct: true,
            ..Grant::default()
        }
    }

    /// Whether the room may be joined and read.
    pub fn may_join(&self, room: &str) -> bool {
        matches(&self.join, room)
    }

    /// Whether the room may be published to.
    pub fn may_publish(&self, room: &str) -> bool {
        matches(&self.publish, room)
    }

    /// Whether the session may attach as this service.
    pub fn may_serve(&self, service: &str) -> bool {
        matches(&self.services, service)
    }
}

fn matches(patterns: &[String], name: &str) -> bool {
    patterns.iter().any(|p| match p.strip_suffix('*') {
        Some(prefix) => name.starts_with(prefix),
        None => p == name,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_names_or_prefixes() {
        let g = Grant { join: vec!["chat:*".into(), "lobby".into()], ..Grant::default() };
        assert!(g.may_join("chat:1") && g.may_join("lobby"));
        assert!(!g.may_join("lobby2") && !g.may_join("call:1") && !g.may_publish("lobby"));
        assert!(!Grant::default().may_join(""));
    }
}
