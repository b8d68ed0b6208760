//! Keys of backends: of the API, and of services.

use crate::config::Secret;
use ring::hmac;
use ring::rand::SystemRandom;

/// The keys that are good.
pub struct ApiKeys {
    /// A random key: comparing MACs under it takes no longer the more of a guess is right.
    mac: hmac::Key,
    tags: Vec<hmac::Tag>,
}

impl ApiKeys {
    /// These keys.
    ///
    /// # Errors
    /// When the system has no randomness.
    pub fn new<'a>(keys: impl IntoIterator<Item = &'a Secret>) -> Result<ApiKeys, ring::error::Unspecified> {
        let mac = hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new())?;
        let tags = keys.into_iter().map(|key| hmac::sign(&mac, key.bytes())).collect();
        Ok(ApiKeys { mac, tags })
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.tags.is_empty()
    }

    /// Which one it is.
    pub fn find(&self, key: &str) -> Option<usize> {
        let mut found = None;
        for (at, tag) in self.tags.iter().enumerate() {
            if hmac::verify(&self.mac, key.as_bytes(), tag.as_ref()).is_ok() {
                found = Some(at);
            }
        }
        found
    }

    /// Whether it is one of them.
    pub fn has(&self, key: &str) -> bool {
        self.find(key).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_keys_are_good() {
        let keys = ApiKeys::new(&["first-key-0123456".into(), "second-key-012345".into()]).unwrap();
        assert!(keys.has("first-key-0123456") && keys.has("second-key-012345"));
        assert!(!keys.has("first-key-012345") && !keys.has("") && !keys.is_empty());
        assert_eq!(keys.find("second-key-012345"), Some(1));
        assert!(!ApiKeys::new([]).unwrap().has(""));
    }
}
