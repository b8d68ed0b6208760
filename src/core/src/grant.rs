//! What a verified token allows, and until when.

use crate::code::{Code, Fault};
use crate::frame::TO_BYTES_MAX;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// The longest user name, in bytes: what `to: "user:…"` has room for.
pub const USER_BYTES_MAX: usize = TO_BYTES_MAX - "user:".len();
/// The largest `info`, in bytes of JSON.
pub const INFO_BYTES_MAX: usize = 1024;

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
        assert!(!g.may_join("lobby2") && !g.may_join("call:1") && !g.may_publish("lobby"));
        assert!(!Grant::default().may_join(""));
    }
}
