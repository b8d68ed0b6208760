//! What an API key may do (docs/api.md, Keys and scopes).

use serde::{Deserialize, Serialize};
use std::fmt;

/// A part of the API for backends. Each operation needs one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// Publish to rooms, and send to users and sessions.
    Publish,
    /// List rooms, and read who is in them and their history.
    Read,
    /// Put users into rooms and out of them.
    Members,
    /// End sessions, and give them other grants.
    Sessions,
    /// Revoke tokens, and undo it.
    Revoke,
    /// Issue tickets, which open sessions.
    Tickets,
    /// Mute, kick and ban.
    Moderate,
    /// Read counters and how clients get here.
    Stats,
    /// Send all clients elsewhere.
    Operate,
}

impl Scope {
    /// All of them.
    pub const ALL: [Scope; 9] = [
        Scope::Publish,
        Scope::Read,
        Scope::Members,
        Scope::Sessions,
        Scope::Revoke,
        Scope::Tickets,
        Scope::Moderate,
        Scope::Stats,
        Scope::Operate,
    ];

    /// The name in configuration.
    pub const fn name(self) -> &'static str {
        match self {
            Scope::Publish => "publish",
            Scope::Read => "read",
            Scope::Members => "members",
            Scope::Sessions => "sessions",
            Scope::Revoke => "revoke",
            Scope::Tickets => "tickets",
            Scope::Moderate => "moderate",
            Scope::Stats => "stats",
            Scope::Operate => "operate",
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A set of scopes; in configuration a list of names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Vec<Scope>", into = "Vec<Scope>")]
pub struct Scopes(u16);

impl Scopes {
    /// Every scope.
    pub const ALL: Scopes = Scopes((1 << Scope::ALL.len()) - 1);
    /// None.
    pub const NONE: Scopes = Scopes(0);

    /// Whether this one is among them.
    pub const fn has(self, scope: Scope) -> bool {
        self.0 & (1 << scope as u16) != 0
    }
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Scopes {
        Scopes(scopes.into_iter().fold(0, |bits, scope| bits | 1 << scope as u16))
    }
}

impl From<Vec<Scope>> for Scopes {
    fn from(scopes: Vec<Scope>) -> Scopes {
        scopes.into_iter().collect()
    }
}

impl From<Scopes> for Vec<Scope> {
    fn from(scopes: Scopes) -> Vec<Scope> {
        Scope::ALL.into_iter().filter(|scope| scopes.has(*scope)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_are_written_as_lists_of_names() {
        let two: Scopes = serde_json::from_str(r#"["stats", "publish", "stats"]"#).unwrap();
        assert!(two.has(Scope::Publish) && two.has(Scope::Stats) && !two.has(Scope::Operate));
        assert_eq!(serde_json::to_string(&two).unwrap(), r#"["publish","stats"]"#);
        assert!(serde_json::from_str::<Scopes>(r#"["everything"]"#).is_err());
        for scope in Scope::ALL {
            assert!(Scopes::ALL.has(scope) && !Scopes::NONE.has(scope));
            assert_eq!(serde_json::to_value(scope).unwrap(), scope.name());
        }
    }
}
