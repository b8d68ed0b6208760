//! Signatures as Standard Webhooks has them: HMAC-SHA256 over `id.timestamp.body`, one per secret.

use crate::config::Secret;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use ring::hmac;

const PREFIX: &str = "whsec_";

/// Signs with all secrets in force, so that a backend may know the new one or the old one.
pub(crate) struct Signer(Vec<hmac::Key>);

impl Signer {
    /// Secrets of another form are left out; the configuration's check has refused them.
    pub(crate) fn new(secrets: &[Secret]) -> Signer {
        let keys = secrets.iter().filter_map(|secret| Signer::key(secret.bytes()));
        Signer(keys.map(|key| hmac::Key::new(hmac::HMAC_SHA256, &key)).collect())
    }

    /// The key in a secret: 24 to 64 bytes.
    pub(crate) fn key(secret: &[u8]) -> Option<Vec<u8>> {
        let text = secret.strip_prefix(PREFIX.as_bytes())?;
        STANDARD.decode(text).ok().filter(|key| (24..=64).contains(&key.len()))
    }

    /// The value of `webhook-signature`.
    pub(crate) fn sign(&self, id: &str, timestamp_s: u64, body: &[u8]) -> String {
        let head = format!("{id}.{timestamp_s}.");
        let sign = |key: &hmac::Key| {
            let mut context = hmac::Context::with_key(key);
            context.update(head.as_bytes());
            context.update(body);
            format!("v1,{}", STANDARD.encode(context.sign()))
        };
        self.0.iter().map(sign).collect::<Vec<_>>().join(" ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_are_those_of_standard_webhooks() {
        // The example of the specification's reference libraries.
        let signer = Signer::new(&["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".into()]);
        let signature =
            signer.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, br#"{"test": 2432232314}"#);
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
        let two = Signer::new(&[
            "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".into(),
            "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=".into(),
        ]);
        let both = two.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, br#"{"test": 2432232314}"#);
        assert!(both.starts_with(&format!("{signature} v1,")));
    }

    #[test]
    fn secrets_have_24_to_64_bytes() {
        let of = |n: usize| format!("{PREFIX}{}", STANDARD.encode(vec![7; n]));
        for (n, fits) in [(0, false), (23, false), (24, true), (64, true), (65, false)] {
            assert_eq!(Signer::key(of(n).as_bytes()).is_some(), fits, "{n}");
        }
        for wrong in ["", "whsec_", "whsec_no base64!", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"] {
            assert!(Signer::key(wrong.as_bytes()).is_none(), "{wrong}");
        }
    }
}
