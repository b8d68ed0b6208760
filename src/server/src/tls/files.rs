//! A certificate in PEM files, read again when one of them changes.

use super::error::TlsError;
use super::keys::Keys;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::sign::CertifiedKey;

/// How often files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Certificate chain and private key.
pub(super) struct Files {
    /// The configuration's keys.
    names: [&'static str; 2],
    cert: PathBuf,
    key: PathBuf,
    /// As they were before they were read first.
    seen: Stamp,
}

/// What changes when a file does, also when another one takes its name.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Stamp([Option<[i64; 5]>; 2]);

impl Stamp {
    fn of(files: [&Path; 2]) -> Stamp {
        let about = |m: Metadata| [m.mtime(), m.mtime_nsec(), m.ino() as i64, m.len() as i64, m.ctime_nsec()];
        Stamp(files.map(|path| std::fs::metadata(path).ok().map(about)))
    }
}

impl Files {
    pub(super) fn new(names: [&'static str; 2], cert: &Path, key: &Path) -> Files {
        Files { names, cert: cert.into(), key: key.into(), seen: Stamp::of([cert, key]) }
    }

    pub(super) fn read(&self) -> Result<CertifiedKey, TlsError> {
        let [cert, key] = self.names;
        let wrong_cert = |problem: String| TlsError::file(cert, &self.cert, problem);
        let chain: Vec<_> = CertificateDer::pem_file_iter(&self.cert)
            .and_then(Iterator::collect)
            .map_err(|e| wrong_cert(e.to_string()))?;
        if chain.is_empty() {
            return Err(wrong_cert("it has no certificate".into()));
        }
        let private =
            PrivateKeyDer::from_pem_file(&self.key).map_err(|e| TlsError::file(key, &self.key, e))?;
        CertifiedKey::from_der(chain, private, &default_provider()).map_err(|problem| TlsError::Pair {
            cert,
            key,
            problem,
        })
    }

    fn stamp(&self) -> Stamp {
        Stamp::of([&self.cert, &self.key])
    }
}

/// Looks at the files now and then, and at once when told to. What can't be used changes nothing; it is complained about when it has
/// stood so for a look, as both files are hardly ever written at the same moment.
pub(super) async fn keep(files: Files, keys: Arc<Keys>, mut look: watch::Receiver<()>) {
    let files = Arc::new(files);
    let (mut used, mut failed, mut told) = (files.seen.clone(), None, None);
    loop {
        let hurried = tokio::select! {
            () = tokio::time::sleep(LOOK_EVERY) => false,
            changed = look.changed() => match changed {
                Ok(()) => true,
                Err(_) => return,
            },
        };
        let (looked, known) = (files.clone(), used.clone());
        let look_there = move || {
            let stamp = looked.stamp();
            (stamp != known).then(|| (stamp, looked.read()))
        };
        let Ok(seen) = tokio::task::spawn_blocking(look_there).await else { return };
        match seen {
            None => {}
            Some((stamp, Ok(key))) => {
                keys.set(key);
                tracing::info!(file = %files.cert.display(), "a new certificate is in force");
                (used, failed) = (stamp, None);
            }
            Some((stamp, Err(error))) => {
                let stands = hurried || failed.as_ref() == Some(&stamp);
                if stands && told.as_ref() != Some(&stamp) {
                    tracing::error!(%error, "the certificate stays as it is");
                    told = Some(stamp.clone());
                }
                failed = Some(stamp);
            }
        }
    }
}
