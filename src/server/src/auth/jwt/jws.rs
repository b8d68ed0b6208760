//! The compact form of signed tokens (RFC 7515 §7.1).

use super::{Alg, Refusal, TOKEN_BYTES_MAX};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL};
use serde::Deserialize;

/// The longest `kid` that is looked for, bytes.
const KID_BYTES_MAX: usize = 512;

/// A token, taken apart; nothing of it is verified.
pub(crate) struct Jws<'a> {
    pub(crate) alg: Alg,
    pub(crate) kid: Option<String>,
    pub(crate) payload: Vec<u8>,
    /// What the signature is of.
    pub(crate) signed: &'a [u8],
    pub(crate) signature: Vec<u8>,
}

/// Keys and where to get them (`jwk`, `jku`, `x5c`, `x5u`) are not even read: who signs doesn't say who may.
#[derive(Deserialize)]
struct Header {
    alg: String,
    #[serde(default)]
    kid: Option<String>,
    /// Extensions that must be understood (RFC 7515 §4.1.11); we understand none.
    #[serde(default)]
    crit: Option<serde_json::Value>,
}

impl<'a> Jws<'a> {
    pub(crate) fn parse(token: &'a str) -> Result<Jws<'a>, Refusal> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(Refusal::TooLong);
        }
        let (signed, signature) = token.rsplit_once('.').ok_or(Refusal::Form)?;
        let (header, payload) = signed.split_once('.').ok_or(Refusal::Form)?;
        let decode = |part: &str| BASE64URL.decode(part).map_err(|_| Refusal::Form);
        let header: Header = serde_json::from_slice(&decode(header)?).map_err(|_| Refusal::Form)?;
        if header.crit.is_some() {
            return Err(Refusal::Critical);
        }
        if header.kid.as_ref().is_some_and(|kid| kid.len() > KID_BYTES_MAX) {
            return Err(Refusal::Form);
        }
        let alg = Alg::named(&header.alg).ok_or_else(|| Refusal::alg(&header.alg))?;
        Ok(Jws {
            alg,
            kid: header.kid,
            payload: decode(payload)?,
            signed: signed.as_bytes(),
            signature: decode(signature)?,
        })
    }
}
