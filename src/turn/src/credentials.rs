//! Credentials that end by themselves, as coturn has them (`use-auth-secret`; draft-uberti-behave-turn-rest-00): the name says when they end, the
//! password is a keyed hash of the name.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::hmac;

/// The longest name a request may give (RFC 8489 §14.3).
const USERNAME_BYTES_MAX: usize = 508;
/// Bytes of a user's hash in the name.
const HASH_BYTES: usize = 12;

/// What makes and knows credentials.
#[derive(Clone)]
pub struct Credentials {
    passwords: hmac::Key,
    users: hmac::Key,
}

/// Credentials of one user.
#[derive(Clone, PartialEq, Eq)]
pub struct Issued {
    /// `<seconds since 1970 at which it ends>:<user>`; the user as a keyed hash, for this travels in the clear.
    pub username: String,
    /// The password.
    pub credential: String,
}

impl Credentials {
    /// Those of this secret.
    pub fn new(secret: &[u8]) -> Credentials {
        let users = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), b"crosspoint users");
        Credentials {
            passwords: hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret),
            users: hmac::Key::new(hmac::HMAC_SHA256, users.as_ref()),
        }
    }

    /// Credentials of this user, until then.
    pub fn issue(&self, user: &str, ends_unix_s: u64) -> Issued {
        let hash = hmac::sign(&self.users, user.as_bytes());
        let name = URL_SAFE_NO_PAD.encode(&hash.as_ref()[..HASH_BYTES]);
        let username = format!("{ends_unix_s}:{name}");
        Issued { credential: self.password(&username), username }
    }

    /// The password that belongs to a name.
    pub(crate) fn password(&self, username: &str) -> String {
        STANDARD.encode(hmac::sign(&self.passwords, username.as_bytes()))
    }
}

/// A name as a request gives it: when it ends, and whose it is. `None` if it isn't of this form.
pub(crate) fn parse(username: &str) -> Option<(u64, &str)> {
    let (ends, user) = username.split_once(':')?;
    let fits = username.len() <= USERNAME_BYTES_MAX && !user.is_empty();
    let digits = ends.bytes().all(|b| b.is_ascii_digit());
    ends.parse().ok().filter(|_| fits && digits).map(|ends| (ends, user))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_password_is_what_coturn_computes() {
        // printf 1800000000:alice | openssl dgst -sha1 -hmac north -binary | base64
        assert_eq!(Credentials::new(b"north").password("1800000000:alice"), "sIm7pn/teO7y3AyXGeXl/xAQR6Q=");
    }

    #[test]
    fn a_user_has_one_name_that_does_not_tell_who() {
        let all = Credentials::new(b"secret");
        let (a, b) = (all.issue("alice", 1_800_000_000), all.issue("alice", 1_800_000_060));
        let user = |i: &Issued| parse(&i.username).unwrap().1.to_string();
        assert_eq!((user(&a), a.credential == b.credential), (user(&b), false));
        assert!(user(&a) != user(&all.issue("bob", 1)) && !a.username.contains("alice"));
        assert!(user(&a) != user(&Credentials::new(b"other").issue("alice", 1)));
        assert!(a.username.starts_with("1800000000:") && a.username.len() <= USERNAME_BYTES_MAX);
    }

    #[test]
    fn other_names_are_none() {
        assert_eq!(parse("12:a:b"), Some((12, "a:b")));
        for bad in ["", ":", "12", "12:", ":a", "+12:a", " 12:a", "x:a", "99999999999999999999:a"] {
            assert_eq!(parse(bad), None, "{bad}");
        }
        assert_eq!(parse(&format!("1:{}", "a".repeat(USERNAME_BYTES_MAX))), None);
    }
}
