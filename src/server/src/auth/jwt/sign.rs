//! Keys that sign: for `crosspoint token`, and for tests.

use super::{Alg, Claims, KeyError};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL};
use ring::rand::SystemRandom;
use ring::signature::{EcdsaKeyPair, Ed25519KeyPair, RsaKeyPair};
use ring::{hmac, signature};
use serde::Serialize;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use tokio_rustls::rustls::pki_types::pem::PemObject;

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
pub enum SignError {
    /// The key is none, or not for this algorithm.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// A number isn't finite.
    #[error("the claims cannot be written: {0}")]
    Claims(#[from] serde_json::Error),
    /// ring could not sign.
    #[error("the key does not sign")]
    Failed,
}

enum With {
    Secret(hmac::Key),
    Rsa(Box<RsaKeyPair>, &'static dyn signature::RsaEncoding),
    Ec(EcdsaKeyPair),
    Ed(Ed25519KeyPair),
}

/// Signs with one key and one algorithm.
pub struct Signer {
    alg: Alg,
    kid: Option<String>,
    with: With,
}

#[derive(Serialize)]
struct Header<'a> {
    alg: Alg,
    typ: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    kid: Option<&'a str>,
}

impl Signer {
    /// Signs with HS256 and this secret.
    pub fn hs256(secret: &[u8]) -> Signer {
        Signer { alg: Alg::Hs256, kid: None, with: With::Secret(hmac::Key::new(hmac::HMAC_SHA256, secret)) }
    }

    /// Signs with a secret.
    ///
    /// # Errors
    /// When the algorithm is for other keys, or wants a longer secret.
    pub fn secret(alg: Alg, secret: &[u8]) -> Result<Signer, KeyError> {
        let how = match alg {
            Alg::Hs256 => hmac::HMAC_SHA256,
            Alg::Hs384 => hmac::HMAC_SHA384,
            Alg::Hs512 => hmac::HMAC_SHA512,
            other => return Err(KeyError::Alg(other)),
        };
        if secret.len() < alg.secret_bytes_min() {
            return Err(KeyError::Short(alg, alg.secret_bytes_min(), secret.len()));
        }
        Ok(Signer { alg, kid: None, with: With::Secret(hmac::Key::new(how, secret)) })
    }

    /// Signs with a private key in PEM: PKCS#8, and for RSA also PKCS#1. Without `alg`: RS256, or what the key is for.
    ///
    /// # Errors
    /// When the key can't be used, or the algorithm is for other keys.
    pub fn pem(alg: Option<Alg>, pem: &[u8]) -> Result<Signer, KeyError> {
        let form = |text: &str| KeyError::Form(text.into());
        let der = PrivateKeyDer::from_pem_slice(pem).map_err(|_| form("it has no private key in PEM"))?;
        let signer = |alg, with| Ok(Signer { alg, kid: None, with });
        let pkcs8 = match &der {
            PrivateKeyDer::Pkcs1(key) => {
                let key = RsaKeyPair::from_der(key.secret_pkcs1_der()).map_err(|e| form(&e.to_string()))?;
                return rsa(alg.unwrap_or(Alg::Rs256), key);
            }
            PrivateKeyDer::Pkcs8(key) => key.secret_pkcs8_der(),
            _ => return Err(form("write it as PKCS#8: `openssl pkcs8 -topk8 -nodes -in key.pem`")),
        };
        if let Ok(key) = RsaKeyPair::from_pkcs8(pkcs8) {
            return rsa(alg.unwrap_or(Alg::Rs256), key);
        }
        let random = SystemRandom::new();
        let curves = [
            (Alg::Es256, &signature::ECDSA_P256_SHA256_FIXED_SIGNING),
            (Alg::Es384, &signature::ECDSA_P384_SHA384_FIXED_SIGNING),
        ];
        for (own, how) in curves {
            if let Ok(key) = EcdsaKeyPair::from_pkcs8(how, pkcs8, &random) {
                return signer(only(alg, own)?, With::Ec(key));
            }
        }
        match Ed25519KeyPair::from_pkcs8_maybe_unchecked(pkcs8) {
            Ok(key) => signer(only(alg, Alg::EdDsa)?, With::Ed(key)),
            Err(_) => Err(form("it is no key for RSA, P-256, P-384 or Ed25519")),
        }
    }

    /// The same, with its name in the header.
    pub fn with_kid(self, kid: Option<String>) -> Signer {
        Signer { kid, ..self }
    }

    /// A token of these claims.
    ///
    /// # Errors
    /// When a number isn't finite.
    pub fn sign(&self, claims: &Claims) -> Result<String, SignError> {
        self.sign_json(claims)
    }

    /// A token of any claims.
    ///
    /// # Errors
    /// As [`Signer::sign`].
    pub fn sign_json<C: Serialize>(&self, claims: &C) -> Result<String, SignError> {
        let header = Header { alg: self.alg, typ: "JWT", kid: self.kid.as_deref() };
        let part = |json: Vec<u8>| BASE64URL.encode(json);
        let signed = format!("{}.{}", part(serde_json::to_vec(&header)?), part(serde_json::to_vec(claims)?));
        Ok(format!("{signed}.{}", BASE64URL.encode(self.signature(signed.as_bytes())?)))
    }

    fn signature(&self, signed: &[u8]) -> Result<Vec<u8>, SignError> {
        let random = SystemRandom::new();
        Ok(match &self.with {
            With::Secret(key) => hmac::sign(key, signed).as_ref().to_vec(),
            With::Ed(key) => key.sign(signed).as_ref().to_vec(),
            With::Ec(key) => key.sign(&random, signed).map_err(|_| SignError::Failed)?.as_ref().to_vec(),
            With::Rsa(key, how) => {
                let mut out = vec![0; key.public().modulus_len()];
                key.sign(*how, &random, signed, &mut out).map_err(|_| SignError::Failed)?;
                out
            }
        })
    }
}

fn only(wanted: Option<Alg>, own: Alg) -> Result<Alg, KeyError> {
    match wanted {
        Some(other) if other != own => Err(KeyError::Alg(other)),
        _ => Ok(own),
    }
}

fn rsa(alg: Alg, key: RsaKeyPair) -> Result<Signer, KeyError> {
    let how: &'static dyn signature::RsaEncoding = match alg {
        Alg::Rs256 => &signature::RSA_PKCS1_SHA256,
        Alg::Rs384 => &signature::RSA_PKCS1_SHA384,
        Alg::Rs512 => &signature::RSA_PKCS1_SHA512,
        Alg::Ps256 => &signature::RSA_PSS_SHA256,
        Alg::Ps384 => &signature::RSA_PSS_SHA384,
        Alg::Ps512 => &signature::RSA_PSS_SHA512,
        other => return Err(KeyError::Alg(other)),
    };
    Ok(Signer { alg, kid: None, with: With::Rsa(Box::new(key), how) })
}
