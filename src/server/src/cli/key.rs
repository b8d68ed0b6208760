//! `crosspoint key`

use super::{Failure, say};
use crate::auth::api_key::{fresh, hash};
use crate::auth::{Scope, Scopes};
use clap::{Args, Subcommand};
use serde::Serialize;
use std::io::Read as _;

/// The longest key, bytes.
const KEY_BYTES_MAX: u64 = 8192;

#[derive(Debug, Subcommand)]
pub(super) enum KeyCommand {
    /// Make a key, and the entry of `auth.api_keys` by which the hub knows it. The key is shown this once.
    New(NewOptions),
    /// Print the hash of a key that is read from standard input, for `auth.api_keys` and `auth.services`.
    Hash,
}

/// What the key is for. Patterns are names, or beginnings of names with a `*` at the end.
#[derive(Debug, Args)]
pub(super) struct NewOptions {
    /// Its name. Several keys may have the same one.
    #[arg(long)]
    name: String,
    /// What it may do by the API for backends; may be repeated.
    #[arg(long, value_name = "SCOPE", value_parser = scope)]
    scope: Vec<Scope>,
    /// Rooms to which it is restricted; may be repeated. Default: none, all may be reached.
    #[arg(long, value_name = "PATTERN")]
    room: Vec<String>,
    /// Clients may connect with it, as this user.
    #[arg(long)]
    user: Option<String>,
    /// When it ends: 2027-01-31T12:00:00Z.
    #[arg(long, value_name = "TIME")]
    expires: Option<String>,
}

#[derive(Serialize)]
struct Entry<'a> {
    name: &'a str,
    key: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    scopes: Option<Scopes>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    rooms: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires: Option<&'a str>,
}

pub(super) fn key(command: &KeyCommand) -> Result<(), Failure> {
    match command {
        KeyCommand::New(options) => new(options),
        KeyCommand::Hash => {
            let mut text = String::new();
            std::io::stdin().take(KEY_BYTES_MAX).read_to_string(&mut text)?;
            match text.trim() {
                "" => Err("there is no key on standard input".into()),
                key => say(&hash(key)),
            }
        }
    }
}

fn new(options: &NewOptions) -> Result<(), Failure> {
    let NewOptions { name, scope, room, user, expires } = options;
    let key = fresh().map_err(|_| "the system has no randomness")?;
    let scopes = (!scope.is_empty()).then(|| scope.iter().copied().collect());
    let (user, expires) = (user.as_deref(), expires.as_deref());
    let entry = Entry { name, key: hash(&key), scopes, rooms: room, user, expires };
    let text = toml::to_string(&entry)?;
    let wrong = crate::config::wrong_key(&serde_json::to_value(&entry)?);
    if let Some(problem) = wrong {
        return Err(problem.into());
    }
    say(&format!("{key}\n\n[[auth.api_keys]]\n{}", text.trim_end()))
}

fn scope(text: &str) -> Result<Scope, String> {
    let names = Scope::ALL.map(Scope::name).join(", ");
    Scope::ALL.into_iter().find(|scope| scope.name() == text).ok_or_else(|| format!("there are: {names}"))
}
