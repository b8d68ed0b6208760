//! Who asks: which API key, and what it allows.

use super::place::Operation;
use crate::auth::Key;
use crate::http::app::App;
use crosspoint_core::{Code, Fault};
use http::HeaderMap;
use std::sync::Arc;

/// Whoever asks.
#[derive(Clone)]
pub(super) struct Caller {
    /// `None` where nobody needs one.
    key: Option<Key>,
    /// Names the key in what is kept for it.
    pub(super) who: Arc<str>,
}

impl Caller {
    /// By the request's credentials.
    ///
    /// # Errors
    /// `unauthorized`.
    pub(super) fn of(app: &App, headers: &HeaderMap, query: Option<&str>) -> Result<Caller, Fault> {
        if app.keyless {
            return Ok(Caller { key: None, who: "".into() });
        }
        let key = app.door.backend_key(headers, query)?;
        Ok(Caller { key: Some(key.clone()), who: key.id.clone() })
    }

    /// Whether the key is for this operation.
    ///
    /// # Errors
    /// `forbidden`.
    pub(super) fn may(&self, operation: Operation) -> Result<(), Fault> {
        let Some((key, scope)) = self.key.as_ref().zip(operation.scope()) else { return Ok(()) };
        if !key.has(scope) {
            return Err(Fault::new(Code::Forbidden, format!("The API key lacks the scope `{scope}`")));
        }
        if key.rooms.is_some() && !operation.is_of_rooms() {
            return Err(Fault::new(Code::Forbidden, "The API key is for rooms only"));
        }
        Ok(())
    }

    /// Whether the key is for this room.
    pub(super) fn reaches(&self, room: &str) -> bool {
        self.key.as_ref().is_none_or(|key| key.reaches(room))
    }

    /// This room, if the key is for it.
    ///
    /// # Errors
    /// `forbidden`.
    pub(super) fn room<'a>(&self, room: &'a str) -> Result<&'a str, Fault> {
        match self.reaches(room) {
            true => Ok(room),
            false => Err(Fault::new(Code::Forbidden, "The API key is not for this room")),
        }
    }
}
