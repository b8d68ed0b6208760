//! What a verified token allows, and until when.

use crate::code::{Code, Fault};
use crate::frame::TO_BYTES_MAX;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// The longest user name, in bytes: what `to: "user:…"` has room for.
pub const USER_BYTES_MAX: usize = TO_BYTES_MAX - "user:".len();
/// The largest `info`, in bytes of JSON.
pub const INFO_BYTES_MAX: usize = 1024;

/// What may be done in a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Cap {
    /// Join it and read its events.
    Join,
    /// Publish to it.
    Publish,
    /// See who is in it, and be seen.
    Presence,
    /// Read its history.
    History,
    /// Be on its roster of peers, and signal them.
    Signal,
    /// Send files through the hub.
    Files,
    /// Take part in its calls.
    Call,
    /// Mute, kick and ban.
    Moderate,
}

impl Cap {
    /// All of them.
    pub const ALL: [Cap; 8] = [
        Cap::Join,
        Cap::Publish,
        Cap::Presence,
        Cap::History,
        Cap::Signal,
        Cap::Files,
        Cap::Call,
        Cap::Moderate,
    ];

    /// The name in tokens and configuration.
    pub const fn name(self) -> &'static str {
        match self {
            Cap::Join => "join",
            Cap::Publish => "publish",
            Cap::Presence => "presence",
            Cap::History => "history",
            Cap::Signal => "signal",
            Cap::Files => "files",
            Cap::Call => "call",
            Cap::Moderate => "moderate",
        }
    }
}

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
    /// Rooms that may be published to, in the same form; `None`, here and below: those of `join`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub publish: Option<Vec<String>>,
    /// Rooms whose members may be seen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub presence: Option<Vec<String>>,
    /// Rooms whose history may be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub history: Option<Vec<String>>,
    /// Rooms whose peers may be signaled. Where it is `None`, the hub wants [`direct`](Grant::direct) as well.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signal: Option<Vec<String>>,
    /// Rooms in which files may be sent through the hub.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub files: Option<Vec<String>>,
    /// Rooms whose calls may be joined.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub call: Option<Vec<String>>,
    /// Rooms whose members may be muted, kicked and banned.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub moderate: Vec<String>,
    /// Rooms that may be published to without having joined.
    pub publish_unjoined: bool,
    /// Whether direct messages and requests may be sent.
    pub direct: bool,
    /// Services this session may attach as, in the same form.
    pub services: Vec<String>,
    /// When it ends, seconds since 1970 (RFC 7519 `exp`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_unix_s: Option<u64>,
    /// The token's name (RFC 7519 `jti`), by which it can be revoked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_id: Option<String>,
    /// When the token was made, seconds since 1970 (`iat`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub issued_unix_s: Option<u64>,
}

impl Default for Grant {
    /// Nobody, who may do nothing.
    fn default() -> Grant {
        Grant {
            user: String::new(),
            info: None,
            join: vec![],
            publish: None,
            presence: None,
            history: None,
            signal: None,
            files: None,
            call: None,
            moderate: vec![],
            publish_unjoined: false,
            direct: false,
            services: vec![],
            expires_unix_s: None,
            token_id: None,
            issued_unix_s: None,
        }
    }
}

impl Grant {
    /// All rooms, direct messages, no end, no services: what a plain token means.
    pub fn user(user: impl Into<String>) -> Grant {
        Grant { user: user.into(), join: vec!["*".into()], direct: true, ..Grant::default() }
    }

    /// When it ends, in ms since 1970; `None` for never.
    pub fn expires_unix_ms(&self) -> Option<u64> {
        self.expires_unix_s.map(|s| s.saturating_mul(1000))
    }

    /// Whether it has ended at this time.
    pub fn has_ended(&self, now_unix_ms: u64) -> bool {
        self.expires_unix_ms().is_some_and(|end| end <= now_unix_ms)
    }

    /// Whether the hub can hold it. An empty user is nobody in particular.
    ///
    /// # Errors
    /// `bad_request`: the user's name is too long or has control characters; `info` is too large or no object.
    pub fn check(&self) -> Result<(), Fault> {
        if self.user.len() > USER_BYTES_MAX || self.user.bytes().any(|b| b.is_ascii_control()) {
            let text = format!("A user's name has at most {USER_BYTES_MAX} bytes and no control characters");
            return Err(Fault::new(Code::BadRequest, text));
        }
        let fits = |i: &RawValue| i.get().len() <= INFO_BYTES_MAX && i.get().starts_with('{');
        if self.info.as_ref().is_some_and(|i| !fits(i)) {
            let text = format!("`info` is an object of at most {INFO_BYTES_MAX} bytes");
            return Err(Fault::new(Code::BadRequest, text));
        }
        Ok(())
    }

    /// Whether this may be done in the room.
    pub fn may(&self, cap: Cap, room: &str) -> bool {
        matches(self.rooms(cap), room)
    }

    /// The rooms in which this may be done.
    pub fn rooms(&self, cap: Cap) -> &[String] {
        let own = match cap {
            Cap::Join => None,
            Cap::Moderate => Some(&self.moderate),
            Cap::Publish => self.publish.as_ref(),
            Cap::Presence => self.presence.as_ref(),
            Cap::History => self.history.as_ref(),
            Cap::Signal => self.signal.as_ref(),
            Cap::Files => self.files.as_ref(),
            Cap::Call => self.call.as_ref(),
        };
        own.unwrap_or(&self.join)
    }

    /// Whether the room may be joined and read.
    pub fn may_join(&self, room: &str) -> bool {
        self.may(Cap::Join, room)
    }

    /// Whether the room may be published to.
    pub fn may_publish(&self, room: &str) -> bool {
        self.may(Cap::Publish, room)
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
    fn names_info_and_ends_have_bounds() {
        let user = |n: usize| Grant::user("u".repeat(n)).check().is_ok();
        assert!(user(0) && user(USER_BYTES_MAX) && !user(USER_BYTES_MAX + 1));
        assert!(Grant::user("a\nb").check().is_err());
        let info = |text: String| {
            let info = RawValue::from_string(text).ok();
            Grant { info, ..Grant::default() }.check().is_ok()
        };
        assert!(info("{}".into()) && !info("[]".into()) && !info("null".into()));
        assert!(!info(format!("{{\"a\":\"{}\"}}", "x".repeat(INFO_BYTES_MAX))));
        let ends = |s| Grant { expires_unix_s: Some(s), ..Grant::default() };
        assert!(ends(5).has_ended(5000) && !ends(5).has_ended(4999) && !ends(u64::MAX).has_ended(1 << 60));
    }

    #[test]
    fn patterns_are_names_or_prefixes() {
        let g = Grant { join: vec!["chat:*".into(), "lobby".into()], ..Grant::default() };
        assert!(g.may_join("chat:1") && g.may_join("lobby"));
        assert!(!g.may_join("lobby2") && !g.may_join("call:1") && g.may_publish("lobby"));
        assert!(!Grant::default().may_join(""));
    }

    #[test]
    fn what_is_not_said_of_a_room_is_as_with_joining_but_for_moderation() {
        let join = vec!["chat:*".to_string()];
        let g = Grant {
            join: join.clone(),
            publish: Some(vec![]),
            moderate: vec!["chat:1".into()],
            ..Grant::default()
        };
        for cap in Cap::ALL {
            let expected = !matches!(cap, Cap::Publish | Cap::Moderate);
            assert_eq!((g.may(cap, "chat:2"), g.may(cap, "call:1")), (expected, false), "{}", cap.name());
        }
        assert!(g.may(Cap::Moderate, "chat:1") && !Grant::user("u").may(Cap::Moderate, "chat:1"));
    }
}
