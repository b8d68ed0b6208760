//! `[[auth.services]]`: backend processes that come with keys of their own.

use super::Secret;
use crosspoint_core::Grant;
use serde::{Deserialize, Serialize};

/// The longest name: that of a service to which requests can be addressed.
pub const SERVICE_BYTES_MAX: usize = 128;

/// One of them. Several may have the same name, each with its own key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Service {
    /// Who comes with the key is the user `service:<name>`.
    pub name: String,
    /// What it says instead of a token, at least 16 bytes; or `sha256:` and its SHA-256 in hex.
    pub key: Secret,
    /// Services that it may attach as: names, or beginnings with a `*` at the end. Absent: its name.
    #[serde(default)]
    pub attach: Option<Vec<String>>,
    /// Rooms that it may join and read. Absent: all.
    #[serde(default)]
    pub join: Option<Vec<String>>,
    /// Rooms that it may publish to, whether or not it has joined them. Absent: those of `join`.
    #[serde(default)]
    pub publish: Option<Vec<String>>,
}

impl Service {
    /// What its key allows.
    pub fn grant(&self) -> Grant {
        Grant {
            publish: self.publish.clone(),
            join: self.join.clone().unwrap_or_else(|| vec!["*".into()]),
            publish_unjoined: true,
            services: self.attach.clone().unwrap_or_else(|| vec![self.name.clone()]),
            ..Grant::user(format!("service:{}", self.name))
        }
    }
}
