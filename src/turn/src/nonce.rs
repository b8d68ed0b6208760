//! Nonces (RFC 8489 §9.2) that need no memory: each says until when it is good, and is signed for the address that it was given to.

use ring::hmac;
use std::net::SocketAddr;

/// How long one is good, s (RFC 8656 §5 wants an hour at most).
const LIFE_S: u64 = 3600;
/// Bytes of the signature.
const TAG_BYTES: usize = 12;

pub(crate) struct Nonces(hmac::Key);

impl Nonces {
    pub(crate) fn new(key: &[u8; 32]) -> Nonces {
        Nonces(hmac::Key::new(hmac::HMAC_SHA256, key))
    }

    pub(crate) fn make(&self, address: SocketAddr, now_unix_s: u64) -> String {
        let ends = now_unix_s + LIFE_S;
        format!("{ends:x}-{}", self.tag(ends, address))
    }

    pub(crate) fn is_good(&self, nonce: &str, address: SocketAddr, now_unix_s: u64) -> bool {
        let Some((ends, tag)) = nonce.split_once('-') else { return false };
        let Ok(ends) = u64::from_str_radix(ends, 16) else { return false };
        // It proves nothing about who asks, so time tells nobody anything.
        ends > now_unix_s && *tag == *self.tag(ends, address)
    }

    fn tag(&self, ends: u64, address: SocketAddr) -> String {
        let tag = hmac::sign(&self.0, format!("{ends} {address}").as_bytes());
        tag.as_ref()[..TAG_BYTES].iter().map(|b| format!("{b:02x}")).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nonce_is_good_for_its_address_and_its_hour() {
        let nonces = Nonces::new(&[7; 32]);
        let (a, b): (SocketAddr, SocketAddr) =
            ("192.0.2.1:5".parse().unwrap(), "192.0.2.1:6".parse().unwrap());
        let nonce = nonces.make(a, 1000);
        assert!(nonces.is_good(&nonce, a, 1000) && nonces.is_good(&nonce, a, 1000 + LIFE_S - 1));
        assert!(!nonces.is_good(&nonce, a, 1000 + LIFE_S) && !nonces.is_good(&nonce, b, 1000));
        assert!(!Nonces::new(&[8; 32]).is_good(&nonce, a, 1000));
        for bad in ["", "-", "zz-00", &nonce[1..], &nonce[..nonce.len() - 1]] {
            assert!(!nonces.is_good(bad, a, 1000), "{bad}");
        }
    }
}
