//! The certificate in force: an operator's files, or ones of our own that live so short that browsers take them by hash.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};
use wtransport::Identity;
use wtransport::tls::self_signed::time::OffsetDateTime;
use wtransport::tls::{CertificateChain, PrivateKey};

/// Where the certificate comes from.
#[derive(Debug, Clone)]
pub enum Certificate {
    /// PEM files; read again when one of them changes.
    Files {
        /// The certificate chain, the host's own first.
        chain: PathBuf,
        /// Its private key.
        key: PathBuf,
    },
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
    /// A file can't be used.
    #[error("{path} cannot be used: {problem}; give a PEM file")]
    File {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// A name can't be in a certificate.
    #[error("`{0}` is no name for a certificate")]
    Name(String),
    /// Chain and key don't go together, or are of a kind that QUIC doesn't take.
    #[error("the certificate cannot be used: {0}")]
    Pair(String),
}

/// How often files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// A new certificate is valid since this part of its life: clocks differ.
const SKEW: u32 = 8;

/// The certificate in force and what comes after it.
pub(crate) struct Keeper {
    of: Certificate,
    current: Identity,
    next: Option<Identity>,
    stamp: Stamp,
}

/// What changes when a file does.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Stamp(Vec<Option<(SystemTime, u64)>>);

impl Keeper {
    pub(crate) async fn new(of: Certificate, now: SystemTime) -> Result<Keeper, CertificateError> {
        let stamp = Stamp::of(&of).await;
        let (current, next) = match &of {
            Certificate::Files { chain, key } => (read(chain, key).await?, None),
            Certificate::SelfSigned { names, validity } => {
                (make(names, *validity, now)?, Some(make(names, *validity, now + *validity / 2)?))
            }
        };
        Ok(Keeper { of, current, next, stamp })
    }

    pub(crate) fn current(&self) -> Identity {
        self.current.clone_identity()
    }

    /// SHA-256 of the certificates that clients are to trust: this one and the next; none where authorities vouch for it.
    pub(crate) fn hashes(&self) -> Vec<[u8; 32]> {
        let Some(next) = &self.next else { return vec![] };
        let leaf =
            |of: &Identity| of.certificate_chain().as_slice().first().map(|leaf| *leaf.hash().as_ref());
        [&self.current, next].into_iter().filter_map(leaf).collect()
    }

    /// When to ask [`Keeper::change`] again.
    pub(crate) fn look_in(&self) -> Duration {
        match &self.of {
            Certificate::Files { .. } => LOOK_EVERY,
            Certificate::SelfSigned { validity, .. } => *validity / 2,
        }
    }

    /// Goes on to the next certificate where it is time. `false`: nothing changed.
    pub(crate) async fn change(&mut self, now: SystemTime) -> Result<bool, CertificateError> {
        match &self.of {
            Certificate::Files { chain, key } => {
                let stamp = Stamp::of(&self.of).await;
                if stamp == self.stamp {
                    return Ok(false);
                }
                // A pair that is only half written fails here, or in its use, and is tried once more when the rest comes.
                self.stamp = stamp;
                self.current = read(chain, key).await?;
            }
            Certificate::SelfSigned { names, validity } => {
                let following = make(names, *validity, now + *validity / 2)?;
                if let Some(next) = self.next.replace(following) {
                    self.current = next;
                }
            }
        }
        Ok(true)
    }
}

impl Stamp {
    async fn of(certificate: &Certificate) -> Stamp {
        let Certificate::Files { chain, key } = certificate else { return Stamp::default() };
        let mut stamps = vec![];
        for path in [chain, key] {
            let about = tokio::fs::metadata(path).await.ok();
            stamps.push(about.and_then(|about| Some((about.modified().ok()?, about.len()))));
        }
        Stamp(stamps)
    }
}

async fn read(chain: &Path, key: &Path) -> Result<Identity, CertificateError> {
    let wrong = |path: &Path, problem: String| CertificateError::File { path: path.into(), problem };
    let certificates =
        CertificateChain::load_pemfile(chain).await.map_err(|e| wrong(chain, e.to_string()))?;
    if certificates.as_slice().is_empty() {
        return Err(wrong(chain, "it has no certificate".into()));
    }
    let private = PrivateKey::load_pemfile(key).await.map_err(|e| wrong(key, e.to_string()))?;
    Ok(Identity::new(certificates, private))
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

    #[tokio::test]
    async fn a_hash_is_known_before_its_certificate_is_in_force() {
        let names = vec!["localhost".into()];
        let start = SystemTime::now();
        let of = Certificate::SelfSigned { names, validity: 13 * DAY };
        let mut keeper = Keeper::new(of, start).await.unwrap();
        assert_eq!(keeper.look_in(), 13 * DAY / 2);
        let mut now = start;
        for _ in 0..5 {
            let before = keeper.hashes();
            assert_eq!(before.len(), 2);
            assert_ne!(before[0], before[1]);
            now += keeper.look_in();
            assert!(keeper.change(now).await.unwrap());
            let after = keeper.hashes();
            assert_eq!(after[0], before[1], "what was announced as the next one is in force");
            assert_eq!(hash(&keeper.current()), after[0]);
        }
    }

    fn hash(of: &Identity) -> [u8; 32] {
        *of.certificate_chain().as_slice()[0].hash().as_ref()
    }

    #[tokio::test]
    async fn names_that_no_certificate_can_have_are_told() {
        let of = Certificate::SelfSigned { names: vec!["ä".into()], validity: DAY };
        let wrong = Keeper::new(of, SystemTime::now()).await.err();
        assert!(matches!(wrong, Some(CertificateError::Name(name)) if name == "ä"));
    }
}
