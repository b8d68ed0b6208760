//! Signature algorithms (RFC 7518 §3.1, RFC 8037).

use serde::{Deserialize, Serialize};
use std::fmt;

/// How a token is signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Alg {
    /// HMAC with SHA-256.
    Hs256,
    /// HMAC with SHA-384.
    Hs384,
    /// HMAC with SHA-512.
    Hs512,
    /// RSA PKCS#1 v1.5 with SHA-256.
    Rs256,
    /// RSA PKCS#1 v1.5 with SHA-384.
    Rs384,
    /// RSA PKCS#1 v1.5 with SHA-512.
    Rs512,
    /// RSA PSS with SHA-256.
    Ps256,
    /// RSA PSS with SHA-384.
    Ps384,
    /// RSA PSS with SHA-512.
    Ps512,
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// ECDSA on P-384 with SHA-384.
    Es384,
    /// Ed25519; `Ed25519` (RFC 9864) is another name of it.
    #[serde(rename = "EdDSA", alias = "Ed25519")]
    EdDsa,
}

impl Alg {
    /// Those of a secret.
    pub const SECRET: [Alg; 3] = [Alg::Hs256, Alg::Hs384, Alg::Hs512];
    /// Those of an RSA key.
    pub const RSA: [Alg; 6] = [Alg::Rs256, Alg::Rs384, Alg::Rs512, Alg::Ps256, Alg::Ps384, Alg::Ps512];
    /// All of them.
    pub const ALL: [Alg; 12] = [
        Alg::Hs256,
        Alg::Hs384,
        Alg::Hs512,
        Alg::Rs256,
        Alg::Rs384,
        Alg::Rs512,
        Alg::Ps256,
        Alg::Ps384,
        Alg::Ps512,
        Alg::Es256,
        Alg::Es384,
        Alg::EdDsa,
    ];

    /// The name in headers and configuration.
    pub const fn name(self) -> &'static str {
        match self {
            Alg::Hs256 => "HS256",
            Alg::Hs384 => "HS384",
            Alg::Hs512 => "HS512",
            Alg::Rs256 => "RS256",
            Alg::Rs384 => "RS384",
            Alg::Rs512 => "RS512",
            Alg::Ps256 => "PS256",
            Alg::Ps384 => "PS384",
            Alg::Ps512 => "PS512",
            Alg::Es256 => "ES256",
            Alg::Es384 => "ES384",
            Alg::EdDsa => "EdDSA",
        }
    }

    /// The algorithm of this name.
    pub fn named(name: &str) -> Option<Alg> {
        let name = if name == "Ed25519" { "EdDSA" } else { name };
        Alg::ALL.into_iter().find(|alg| alg.name() == name)
    }

    /// The shortest secret, bytes: as long as the hash (RFC 7518 §3.2). 0 where there is none.
    pub const fn secret_bytes_min(self) -> usize {
        match self {
            Alg::Hs256 => 32,
            Alg::Hs384 => 48,
            Alg::Hs512 => 64,
            _ => 0,
        }
    }
}

impl fmt::Display for Alg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_registry() {
        for alg in Alg::ALL {
            assert_eq!(serde_json::to_value(alg).unwrap(), alg.name());
            assert_eq!(Alg::named(alg.name()), Some(alg));
        }
        assert_eq!(Alg::named("Ed25519"), Some(Alg::EdDsa));
        for no in ["none", "None", "hs256", "ES256K", "ES512", "RSA-OAEP", ""] {
            assert_eq!(Alg::named(no), None);
        }
    }
}
