//! JSON Web Tokens (RFC 7519) in compact form (RFC 7515 §7.1), signed with a secret or by somebody whose public key is known here.
//!
//! Signatures are ring's, which is here for TLS already: crates for JWT bring a second set of cryptography, or check claims too kindly.
//! A key is bound to its algorithms when it is read ([`key`]); a token only chooses among keys, never how one is used.

mod alg;
mod claims;
mod file;
mod jwk;
mod jws;
mod key;
mod pem;
mod refusal;
mod remote;
mod set;
mod sign;
mod verifier;

#[cfg(test)]
mod tests;

pub use alg::Alg;
pub use claims::{Audience, Claims, is_info, is_user};
pub use key::KeyError;
pub use refusal::Refusal;
pub use sign::{SignError, Signer};
pub(crate) use verifier::Verdict;
pub use verifier::{Verifier, VerifierError};

/// The longest token, in bytes: what fits beside other headers.
pub const TOKEN_BYTES_MAX: usize = 8192;
