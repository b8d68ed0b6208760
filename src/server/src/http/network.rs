//! A name for the network a client is in, so that it can remember what worked there, without telling anybody where it is.

use crate::config::Secret;
use ring::hmac;
use ring::rand::SystemRandom;
use std::fmt::Write as _;
use std::net::IpAddr;

/// Bytes of the name, as hex digits.
const NAME_BYTES: usize = 8;
/// Parts this use of the tokens' secret from its use for tokens.
const PURPOSE: &[u8] = b"crosspoint: names of networks, 1";

pub(crate) struct Networks(hmac::Key);

impl Networks {
    /// Names under a key that follows from the secret, so that all nodes give the same ones, also after a restart; without a
    /// secret under one that is forgotten with the process.
    ///
    /// # Errors
    /// When the system has no randomness.
    pub(crate) fn new(secret: Option<&Secret>) -> Result<Networks, ring::error::Unspecified> {
        Ok(Networks(match secret {
            Some(secret) => {
                let derived = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret.bytes()), PURPOSE);
                hmac::Key::new(hmac::HMAC_SHA256, derived.as_ref())
            }
            None => hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new())?,
        }))
    }

    /// The name of the network of this address: its /24, or /48 for IPv6.
    pub(crate) fn name(&self, address: IpAddr) -> String {
        let tag = match address.to_canonical() {
            IpAddr::V4(v4) => hmac::sign(&self.0, &v4.octets()[..3]),
            IpAddr::V6(v6) => hmac::sign(&self.0, &v6.octets()[..6]),
        };
        tag.as_ref().iter().take(NAME_BYTES).fold(String::new(), |mut name, byte| {
            let _ = write!(name, "{byte:02x}");
            name
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_share_a_name_and_nobody_else() {
        let secret = Secret::from("0123456789abcdef0123456789abcdef");
        let networks = Networks::new(Some(&secret)).unwrap();
        let name = |address: &str| networks.name(address.parse().unwrap());
        assert_eq!(name("198.51.100.7"), name("198.51.100.250"));
        assert_eq!(name("::ffff:198.51.100.7"), name("198.51.100.7"));
        assert_ne!(name("198.51.100.7"), name("198.51.101.7"));
        assert_eq!(name("2001:db8:1:2::3"), name("2001:db8:1:ffff::"));
        assert_ne!(name("2001:db8:1::"), name("2001:db8:2::"));
        assert_eq!(name("192.0.2.1").len(), 2 * NAME_BYTES);
        let address = "192.0.2.1".parse().unwrap();
        assert_eq!(Networks::new(Some(&secret)).unwrap().name(address), networks.name(address));
        let (a, b) = (Networks::new(None).unwrap(), Networks::new(None).unwrap());
        assert_ne!(a.name(address), b.name(address), "a restart without a secret forgets");
    }
}
