//! The addresses of the API, what is done there, and the scope that takes.

use crate::auth::Scope;
use Operation as Op;

/// What a request does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Operation {
    Publish,
    Broadcast,
    SendToUser,
    SendToSession,
    Batch,
    Rooms,
    Room,
    Members,
    Presence,
    History,
    Join,
    Leave,
    Moderation,
    Moderate,
    User,
    DisconnectUser,
    RefreshUser,
    Session,
    DisconnectSession,
    EndSession,
    RefreshSession,
    Tickets,
    Revocations,
    Revoke,
    Unrevoke,
    Stats,
    Transports,
    DrainState,
    Drain,
    EndDrain,
}

impl Operation {
    /// What a key must allow; `None` for a batch, each of whose operations needs its own.
    pub(super) const fn scope(self) -> Option<Scope> {
        Some(match self {
            Op::Batch => return None,
            Op::Publish | Op::Broadcast | Op::SendToUser | Op::SendToSession => Scope::Publish,
            Op::Rooms | Op::Room | Op::Members | Op::Presence | Op::History | Op::User | Op::Session => {
                Scope::Read
            }
            Op::Join | Op::Leave => Scope::Members,
            Op::Moderation | Op::Moderate => Scope::Moderate,
            Op::DisconnectUser
            | Op::RefreshUser
            | Op::DisconnectSession
            | Op::EndSession
            | Op::RefreshSession => Scope::Sessions,
            Op::Tickets => Scope::Tickets,
            Op::Revocations | Op::Revoke | Op::Unrevoke => Scope::Revoke,
            Op::Stats | Op::Transports => Scope::Stats,
            Op::DrainState | Op::Drain | Op::EndDrain => Scope::Operate,
        })
    }

    /// The query parameters that it takes.
    pub(super) const fn parameters(self) -> &'static [&'static str] {
        match self {
            Op::Rooms => &["prefix", "limit", "cursor"],
            Op::Members | Op::Revocations => &["limit", "cursor"],
            Op::History => &["since", "before", "limit", "reverse"],
            _ => &[],
        }
    }

    /// Whether it is about rooms that it names, so that keys which are restricted to some may be used.
    pub(super) const fn is_of_rooms(self) -> bool {
        matches!(
            self,
            Op::Publish
                | Op::Broadcast
                | Op::Rooms
                | Op::Room
                | Op::Members
                | Op::Presence
                | Op::History
                | Op::Join
                | Op::Leave
                | Op::Moderation
                | Op::Moderate
        )
    }
}

/// An address, its names in braces.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Address {
    pub(super) path: &'static str,
    /// As in an `Allow` header.
    pub(super) allow: &'static str,
    pub(super) operations: &'static [(&'static str, Operation)],
}

const fn address(
    path: &'static str,
    allow: &'static str,
    operations: &'static [(&'static str, Operation)],
) -> Address {
    Address { path, allow, operations }
}

/// All there are, below `/api/v1`.
pub(super) const ADDRESSES: &[Address] = &[
    address("/rooms/{room}/events", "POST", &[("POST", Op::Publish)]),
    address("/broadcast", "POST", &[("POST", Op::Broadcast)]),
    address("/users/{user}/events", "POST", &[("POST", Op::SendToUser)]),
    address("/sessions/{session}/events", "POST", &[("POST", Op::SendToSession)]),
    address("/batch", "POST", &[("POST", Op::Batch)]),
    address("/rooms", "GET, HEAD", &[("GET", Op::Rooms)]),
    address("/rooms/{room}", "GET, HEAD", &[("GET", Op::Room)]),
    address("/rooms/{room}/members", "GET, HEAD", &[("GET", Op::Members)]),
    address("/rooms/{room}/presence", "GET, HEAD", &[("GET", Op::Presence)]),
    address("/rooms/{room}/history", "GET, HEAD", &[("GET", Op::History)]),
    address("/rooms/{room}/join", "POST", &[("POST", Op::Join)]),
    address("/rooms/{room}/leave", "POST", &[("POST", Op::Leave)]),
    address(
        "/rooms/{room}/moderation",
        "GET, HEAD, POST",
        &[("GET", Op::Moderation), ("POST", Op::Moderate)],
    ),
    address("/users/{user}", "GET, HEAD", &[("GET", Op::User)]),
    address("/users/{user}/disconnect", "POST", &[("POST", Op::DisconnectUser)]),
    address("/users/{user}/refresh", "POST", &[("POST", Op::RefreshUser)]),
    address("/sessions/{session}", "GET, HEAD, DELETE", &[("GET", Op::Session), ("DELETE", Op::EndSession)]),
    address("/sessions/{session}/disconnect", "POST", &[("POST", Op::DisconnectSession)]),
    address("/sessions/{session}/refresh", "POST", &[("POST", Op::RefreshSession)]),
    address("/tickets", "POST", &[("POST", Op::Tickets)]),
    address("/revocations", "GET, HEAD, POST", &[("GET", Op::Revocations), ("POST", Op::Revoke)]),
    address("/revocations/{revocation}", "DELETE", &[("DELETE", Op::Unrevoke)]),
    address("/stats", "GET, HEAD", &[("GET", Op::Stats)]),
    address("/transports", "GET, HEAD", &[("GET", Op::Transports)]),
    address(
        "/drain",
        "GET, HEAD, POST, DELETE",
        &[("GET", Op::DrainState), ("POST", Op::Drain), ("DELETE", Op::EndDrain)],
    ),
];

/// Where a request to the API goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    address: Option<&'static Address>,
    names: Vec<String>,
}

impl Place {
    /// The place of a path below `/api/v1`, its parts decoded.
    pub(crate) fn of(parts: &[&str]) -> Place {
        let found = ADDRESSES.iter().find_map(|a| Some((a, names(a.path, parts)?)));
        match found {
            Some((address, names)) => Place { address: Some(address), names },
            None => Place { address: None, names: vec![] },
        }
    }

    /// Whether there is anything.
    pub(crate) fn exists(&self) -> bool {
        self.address.is_some()
    }

    /// The methods it takes, as in an `Allow` header.
    pub(crate) fn methods(&self) -> &'static str {
        self.address.map_or("GET, HEAD", |a| a.allow)
    }

    /// What a request with this method does, and the names in its path.
    pub(super) fn operation(self, method: &str) -> Option<(Operation, Vec<String>)> {
        let method = if method == "HEAD" { "GET" } else { method };
        let (_, operation) = self.address?.operations.iter().find(|(m, _)| *m == method)?;
        Some((*operation, self.names))
    }
}

/// The names in a path of this form.
fn names(form: &str, parts: &[&str]) -> Option<Vec<String>> {
    let mut found = vec![];
    let mut rest = parts.iter();
    for segment in form.split('/').skip(1) {
        let part = rest.next()?;
        match segment.starts_with('{') {
            true if !part.is_empty() => found.push((*part).to_string()),
            false if segment == *part => {}
            _ => return None,
        }
    }
    rest.next().is_none().then_some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_allowed_is_what_is_done() {
        for address in ADDRESSES {
            let mut methods: Vec<&str> = vec![];
            for (method, _) in address.operations {
                methods.push(method);
                if *method == "GET" {
                    methods.push("HEAD");
                }
            }
            assert_eq!(methods.join(", "), address.allow, "{}", address.path);
        }
    }

    #[test]
    fn names_are_what_stands_in_the_braces() {
        let of = |parts: &[&str], method| Place::of(parts).operation(method);
        assert_eq!(of(&["rooms", "a/b", "events"], "POST"), Some((Op::Publish, vec!["a/b".into()])));
        assert_eq!(of(&["sessions", "s"], "HEAD"), Some((Op::Session, vec!["s".into()])));
        assert_eq!(of(&["sessions", "s"], "PUT"), None);
        for nowhere in [&["room"][..], &["rooms", "a", "events", "b"], &["rooms", "", "events"], &[""], &[]] {
            assert!(!Place::of(nowhere).exists(), "{nowhere:?}");
        }
    }
}
