//! What may be done about others in a room.

use crate::calls::read;
use crate::client::Client;
use crosspoint_core::{Fault, Frame};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::time::Duration;

/// What is done about a user in a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Moderate {
    /// They may not publish there; they go on reading.
    Mute,
    /// They may again.
    Unmute,
    /// Their sessions leave the room, and may come back.
    Kick,
    /// They leave, and can't come back.
    Ban,
    /// They can again.
    Unban,
}

/// Something that was done, and holds: an answer of [`Client::moderation`], or the data of a frame of type `hub:moderated`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Moderated {
    /// To whom.
    pub user: String,
    /// What.
    pub action: Moderate,
    /// Until when, ms since 1970; `None`: until somebody ends it.
    #[serde(default)]
    pub until_ms: Option<u64>,
    /// The moderator; `None`: a backend.
    #[serde(default)]
    pub by: Option<String>,
    /// Why.
    #[serde(default)]
    pub reason: Option<String>,
}

impl Client {
    /// Mutes, kicks or bans a user in a room, or ends that; for who has `moderate` there. It holds `within`, or until it is ended; the
    /// user is shown `reason` (at most 256 bytes). Resolves with the end, in ms since 1970.
    ///
    /// # Errors
    /// As [`Client::call`]; `forbidden`, `banned`, `bad_request`, `limit_exceeded`.
    pub async fn moderate(
        &self,
        room: &str,
        what: Moderate,
        user: &str,
        within: Option<Duration>,
        reason: Option<&str>,
    ) -> Result<Option<u64>, Fault> {
        #[derive(Deserialize)]
        struct Reply {
            until_ms: Option<u64>,
        }
        let mut data = json!({"action": what, "user": user});
        if let Some(within) = within {
            data["for_ms"] = u64::try_from(within.as_millis()).unwrap_or(u64::MAX).into();
        }
        if let Some(reason) = reason {
            data["reason"] = reason.into();
        }
        let reply: Reply = read(self.call(Frame::with("hub:moderate", &data).room(room)).await?)?;
        Ok(reply.until_ms)
    }

    /// Who is muted or banned in a room; for who has `moderate` there.
    ///
    /// # Errors
    /// As [`Client::call`]; `forbidden`.
    pub async fn moderation(&self, room: &str) -> Result<Vec<Moderated>, Fault> {
        #[derive(Deserialize)]
        struct Reply {
            users: Vec<Moderated>,
        }
        let reply: Reply = read(self.call(Frame::new("hub:moderation").room(room)).await?)?;
        Ok(reply.users)
    }
}
