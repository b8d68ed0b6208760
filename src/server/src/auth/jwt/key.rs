//! Keys that verify.

use super::Alg;
use ring::signature::{RsaParameters, RsaPublicKeyComponents, UnparsedPublicKey, VerificationAlgorithm};
use ring::{hmac, signature};

/// RSA moduli, in bytes: smaller ones can be broken, larger ones take too long.
const RSA_BYTES: std::ops::RangeInclusive<usize> = 256..=1024;
/// An uncompressed point (SEC 1 §2.3.3) on P-256 and P-384, bytes.
const P256_POINT_BYTES: usize = 65;
const P384_POINT_BYTES: usize = 97;

/// Why this is no key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// A secret is too short.
    #[error("a secret for {0} has at least {1} bytes, and this one {2}")]
    Short(Alg, usize, usize),
    /// An RSA key is of another size.
    #[error("an RSA key has 2048 to 8192 bits, and this one {0}")]
    RsaSize(usize),
    /// Bytes that are no key.
    #[error("it is no public key on P-256, P-384 or Ed25519")]
    Point,
    /// An algorithm for other keys.
    #[error("{0} does not go with this kind of key")]
    Alg(Alg),
    /// No algorithm.
    #[error("it has no algorithm")]
    NoAlg,
    /// A file or a set that can't be read.
    #[error("{0}")]
    Form(String),
}

/// What verifies. Its kind decides which algorithms it can be used with, and nothing in a token can change that.
#[derive(Clone)]
pub(crate) enum Material {
    Secret(Vec<u8>),
    Rsa(RsaPublicKeyComponents<Vec<u8>>),
    P256(Vec<u8>),
    P384(Vec<u8>),
    Ed25519(Vec<u8>),
}

impl Material {
    /// Modulus and exponent, big-endian.
    pub(crate) fn rsa(n: &[u8], e: &[u8]) -> Result<Material, KeyError> {
        let (n, e) = (trim(n), trim(e));
        let bits = (n.len() * 8).saturating_sub(n.first().map_or(0, |b| b.leading_zeros() as usize));
        if !RSA_BYTES.contains(&n.len()) || bits < 2048 || e.is_empty() || e.len() > 8 {
            return Err(KeyError::RsaSize(bits));
        }
        Ok(Material::Rsa(RsaPublicKeyComponents { n: n.to_vec(), e: e.to_vec() }))
    }

    /// An uncompressed point of 65 or 97 bytes.
    pub(crate) fn point(point: &[u8]) -> Result<Material, KeyError> {
        match (point.len(), point.first()) {
            (P256_POINT_BYTES, Some(4)) => Ok(Material::P256(point.to_vec())),
            (P384_POINT_BYTES, Some(4)) => Ok(Material::P384(point.to_vec())),
            _ => Err(KeyError::Point),
        }
    }

    pub(crate) fn ed25519(key: &[u8]) -> Result<Material, KeyError> {
        if key.len() == 32 { Ok(Material::Ed25519(key.to_vec())) } else { Err(KeyError::Point) }
    }

    /// All that it can be used with.
    pub(crate) fn algs(&self) -> &'static [Alg] {
        match self {
            Material::Secret(_) => &Alg::SECRET,
            Material::Rsa(_) => &Alg::RSA,
            Material::P256(_) => &[Alg::Es256],
            Material::P384(_) => &[Alg::Es384],
            Material::Ed25519(_) => &[Alg::EdDsa],
        }
    }
}

fn trim(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|b| **b == 0).count();
    number.get(zeros..).unwrap_or_default()
}

/// A key, with the algorithms that it is for.
#[derive(Clone)]
pub(crate) struct Key {
    kid: Option<String>,
    algs: Vec<Alg>,
    material: Material,
}

impl Key {
    /// Without `algs`: for all that its kind can be used with, but secrets for HS256 only.
    pub(crate) fn new(material: Material, kid: Option<String>, algs: &[Alg]) -> Result<Key, KeyError> {
        let algs = match (algs, &material) {
            ([], Material::Secret(_)) => vec![Alg::Hs256],
            ([], other) => other.algs().to_vec(),
            (named, _) => named.to_vec(),
        };
        if let Some(alg) = algs.iter().find(|alg| !material.algs().contains(alg)) {
            return Err(KeyError::Alg(*alg));
        }
        if let Material::Secret(secret) = &material
            && let Some(alg) = algs.iter().find(|alg| secret.len() < alg.secret_bytes_min())
        {
            return Err(KeyError::Short(*alg, alg.secret_bytes_min(), secret.len()));
        }
        Ok(Key { kid, algs, material })
    }

    /// The same for these algorithms only, where there are any; `None`: none of them is left.
    pub(crate) fn only(mut self, algs: &[Alg]) -> Option<Key> {
        if !algs.is_empty() {
            self.algs.retain(|alg| algs.contains(alg));
        }
        (!self.algs.is_empty()).then_some(self)
    }

    pub(crate) fn with_kid(mut self, kid: Option<&String>) -> Key {
        self.kid = kid.cloned().or(self.kid);
        self
    }

    pub(crate) fn is_secret(&self) -> bool {
        matches!(self.material, Material::Secret(_))
    }

    /// Whether a token with this header may be signed with it. A key without a name is looked at whatever the token names.
    pub(crate) fn fits(&self, alg: Alg, kid: Option<&str>) -> bool {
        let named = match (kid, &self.kid) {
            (Some(wanted), Some(own)) => wanted == own,
            _ => true,
        };
        named && self.algs.contains(&alg)
    }

    /// Whether the signature is one of this key over `signed`. Key and algorithm that don't belong together never meet.
    pub(crate) fn verifies(&self, alg: Alg, signed: &[u8], sig: &[u8]) -> bool {
        if !self.algs.contains(&alg) {
            return false;
        }
        match (&self.material, alg) {
            (Material::Secret(secret), Alg::Hs256) => mac(hmac::HMAC_SHA256, secret, signed, sig),
            (Material::Secret(secret), Alg::Hs384) => mac(hmac::HMAC_SHA384, secret, signed, sig),
            (Material::Secret(secret), Alg::Hs512) => mac(hmac::HMAC_SHA512, secret, signed, sig),
            (Material::Rsa(key), alg) => rsa(alg).is_some_and(|how| key.verify(how, signed, sig).is_ok()),
            (Material::P256(key), Alg::Es256) => plain(&signature::ECDSA_P256_SHA256_FIXED, key, signed, sig),
            (Material::P384(key), Alg::Es384) => plain(&signature::ECDSA_P384_SHA384_FIXED, key, signed, sig),
            (Material::Ed25519(key), Alg::EdDsa) => plain(&signature::ED25519, key, signed, sig),
            _ => false,
        }
    }
}

fn mac(how: hmac::Algorithm, secret: &[u8], signed: &[u8], tag: &[u8]) -> bool {
    hmac::verify(&hmac::Key::new(how, secret), signed, tag).is_ok()
}

fn plain(how: &'static dyn VerificationAlgorithm, key: &[u8], signed: &[u8], sig: &[u8]) -> bool {
    UnparsedPublicKey::new(how, key).verify(signed, sig).is_ok()
}

fn rsa(alg: Alg) -> Option<&'static RsaParameters> {
    match alg {
        Alg::Rs256 => Some(&signature::RSA_PKCS1_2048_8192_SHA256),
        Alg::Rs384 => Some(&signature::RSA_PKCS1_2048_8192_SHA384),
        Alg::Rs512 => Some(&signature::RSA_PKCS1_2048_8192_SHA512),
        Alg::Ps256 => Some(&signature::RSA_PSS_2048_8192_SHA256),
        Alg::Ps384 => Some(&signature::RSA_PSS_2048_8192_SHA384),
        Alg::Ps512 => Some(&signature::RSA_PSS_2048_8192_SHA512),
        _ => None,
    }
}
