//! The certificate in force: one that is given, or ones of our own that live so short that browsers take them by hash.

use std::sync::Arc;
use std::time::{Duration, SystemTime};
use wtransport::Identity;
use wtransport::tls::rustls::server::ResolvesServerCert;
use wtransport::tls::self_signed::time::OffsetDateTime;

/// Where the certificate comes from.
#[derive(Debug, Clone)]
pub enum Certificate {
    /// Whatever this gives each new connection; an authority vouches for it.
    Given(Arc<dyn ResolvesServerCert>),
    /// Made here: ECDSA P-256, changed after half its life, the next one known from the start.
    SelfSigned {
        /// Names and addresses it is for.
        names: Vec<String>,
        /// How long one is valid. Browsers take at most 14 days.
        validity: Duration,
    },
}

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// A name can't be in a certificate.
    #[error("`{0}` is no name for a certificate")]
    Name(String),
    /// It is of a kind that QUIC doesn't take.
    #[error("the certificate cannot be used: {0}")]
    Unusable(String),
}

/// A new certificate is valid since this part of its life: clocks differ.
const SKEW: u32 = 8;

/// The certificate in force and what comes after it.
pub(crate) enum Keeper {
    Given(Arc<dyn ResolvesServerCert>),
    Own(Own),
}

/// Certificates of our own.
pub(crate) struct Own {
    names: Vec<String>,
    validity: Duration,
    current: Identity,
    next: Identity,
}

impl Keeper {
    pub(crate) fn new(of: Certificate, now: SystemTime) -> Result<Keeper, CertificateError> {
        Ok(match of {
            Certificate::Given(resolver) => Keeper::Given(resolver),
            Certificate::SelfSigned { names, validity } => {
                let current = make(&names, validity, now)?;
                let next = make(&names, validity, now + validity / 2)?;
                Keeper::Own(Own { names, validity, current, next })
            }
        })
    }

    /// SHA-256 of the certificates that clients are to trust: this one and the next; none where authorities vouch for it.
    pub(crate) fn hashes(&self) -> Vec<[u8; 32]> {
        let Keeper::Own(own) = self else { return vec![] };
        let leaf =
            |of: &Identity| of.certificate_chain().as_slice().first().map(|leaf| *leaf.hash().as_ref());
        [&own.current, &own.next].into_iter().filter_map(leaf).collect()
    }

    /// When to call [`Keeper::change`] again; never, if it isn't ours to change.
    pub(crate) fn due_in(&self) -> Option<Duration> {
        match self {
            Keeper::Given(_) => None,
            Keeper::Own(own) => Some(own.validity / 2),
        }
    }

    /// Goes on to the next certificate.
    pub(crate) fn change(&mut self, now: SystemTime) -> Result<(), CertificateError> {
        if let Keeper::Own(own) = self {
            let following = make(&own.names, own.validity, now + own.validity / 2)?;
            own.current = std::mem::replace(&mut own.next, following);
        }
        Ok(())
    }
}

impl Own {
    pub(crate) fn current(&self) -> &Identity {
        &self.current
    }
}

/// A certificate that is to be used from `from` on.
fn make(names: &[String], validity: Duration, from: SystemTime) -> Result<Identity, CertificateError> {
    let begin = OffsetDateTime::from(from - validity / SKEW);
    Identity::self_signed_builder()
        .subject_alt_names(names)
        .validity_period(begin, begin + validity)
        .build()
        .map_err(|_| CertificateError::Name(names.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(86_400);

    #[test]
    fn a_hash_is_known_before_its_certificate_is_in_force() {
        let names = vec!["localhost".into()];
        let start = SystemTime::now();
        let of = Certificate::SelfSigned { names, validity: 13 * DAY };
        let mut keeper = Keeper::new(of, start).unwrap();
        assert_eq!(keeper.due_in(), Some(13 * DAY / 2));
        let mut now = start;
        for _ in 0..5 {
            let before = keeper.hashes();
            assert_eq!(before.len(), 2);
            assert_ne!(before[0], before[1]);
            now += 13 * DAY / 2;
            keeper.change(now).unwrap();
            let after = keeper.hashes();
            assert_eq!(after[0], before[1], "what was announced as the next one is in force");
            let Keeper::Own(own) = &keeper else { panic!("it is the hub's own") };
            assert_eq!(*own.current().certificate_chain().as_slice()[0].hash().as_ref(), after[0]);
        }
    }

    #[test]
    fn names_that_no_certificate_can_have_are_told() {
        let of = Certificate::SelfSigned { names: vec!["ä".into()], validity: DAY };
        let wrong = Keeper::new(of, SystemTime::now()).err();
        assert!(matches!(wrong, Some(CertificateError::Name(name)) if name == "ä"));
    }
}
