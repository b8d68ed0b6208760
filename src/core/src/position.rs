//! A place in a room's history that survives rewritten histories: it names the event, not just a number.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// `<epoch>.<offset>.<event id>`. Good only if the epoch is the room's and the event at the offset has the id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    /// One life of a room's history; letters and digits.
    pub epoch: Arc<str>,
    /// The event's offset; 0 is the beginning, before the first event.
    pub offset: u64,
    /// The event's id; empty at offset 0.
    pub id: Arc<str>,
}

/// The text is not a position.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a position: expected <epoch>.<offset>.<event id>")]
pub struct BadPosition;

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.epoch, self.offset, self.id)
    }
}

impl FromStr for Position {
    type Err = BadPosition;

    fn from_str(s: &str) -> Result<Position, BadPosition> {
        let mut parts = s.splitn(3, '.');
        let (Some(epoch), Some(offset), Some(id)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(BadPosition);
        };
        let offset: u64 = offset.parse().map_err(|_| BadPosition)?;
        if epoch.is_empty() || epoch.len() > 32 || id.len() > 64 || (offset == 0) != id.is_empty() {
            return Err(BadPosition);
        }
        Ok(Position { epoch: epoch.into(), offset, id: id.into() })
    }
}

impl serde::Serialize for Position {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trip_and_refusals() {
        for good in ["e1.0.", "e1.42.m7", "e1.42.a.b.c"] {
            assert_eq!(good.parse::<Position>().unwrap().to_string(), good);
        }
        for bad in ["", "e1", "e1.1", ".1.a", "e1.x.a", "e1.0.a", "e1.1.", "e1.-1.a"] {
            assert!(bad.parse::<Position>().is_err(), "{bad}");
        }
    }
}
