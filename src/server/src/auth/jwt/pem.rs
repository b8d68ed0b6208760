//! Keys in PEM: public keys (RFC 5280 §4.1.2.7) and certificates, of which only the key counts.

use super::key::{Key, KeyError, Material};
use tokio_rustls::rustls::pki_types::pem::{PemObject, SectionKind};
use x509_parser::prelude::FromDer as _;
use x509_parser::public_key::PublicKey;
use x509_parser::x509::SubjectPublicKeyInfo;

/// id-Ed25519 (RFC 8410 §3).
const ED25519: &str = "1.3.101.112";

/// The keys of a file: PEM, or where it begins with a brace a JWK or a set of them.
///
/// # Errors
/// When there is none, or one can't be used.
pub(crate) fn read(bytes: &[u8]) -> Result<Vec<Key>, KeyError> {
    if bytes.trim_ascii_start().starts_with(b"{") {
        return super::jwk::read(bytes);
    }
    let mut keys = vec![];
    for section in <(SectionKind, Vec<u8>)>::pem_slice_iter(bytes) {
        let (kind, der) = section.map_err(|_| KeyError::Form("it is not PEM".into()))?;
        match kind {
            SectionKind::PublicKey => keys.push(spki(&der)?),
            SectionKind::Certificate => {
                let (_, cert) = x509_parser::parse_x509_certificate(&der)
                    .map_err(|_| KeyError::Form("its certificate cannot be read".into()))?;
                keys.push(public(cert.public_key())?);
            }
            SectionKind::PrivateKey | SectionKind::RsaPrivateKey | SectionKind::EcPrivateKey => {
                let text = "it holds a private key, which the hub must not have: give the public one";
                return Err(KeyError::Form(text.into()));
            }
            _ => {}
        }
    }
    if keys.is_empty() {
        let text = "it has no PUBLIC KEY or CERTIFICATE in PEM, and is no JSON Web Key";
        return Err(KeyError::Form(text.into()));
    }
    Ok(keys)
}

fn spki(der: &[u8]) -> Result<Key, KeyError> {
    let (_, info) = SubjectPublicKeyInfo::from_der(der)
        .map_err(|_| KeyError::Form("its public key cannot be read".into()))?;
    public(&info)
}

fn public(info: &SubjectPublicKeyInfo<'_>) -> Result<Key, KeyError> {
    let bits: &[u8] = &info.subject_public_key.data;
    let material = match info.parsed() {
        Ok(PublicKey::RSA(rsa)) => Material::rsa(rsa.modulus, rsa.exponent)?,
        Ok(PublicKey::EC(point)) => Material::point(point.data())?,
        _ if info.algorithm.algorithm.to_id_string() == ED25519 => Material::ed25519(bits)?,
        _ => return Err(KeyError::Point),
    };
    Key::new(material, None, &[])
}
