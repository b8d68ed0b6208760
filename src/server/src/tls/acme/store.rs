//! What was got, in files that only the hub's user can read.

use super::Settings;
use instant_acme::AccountCredentials;
use ring::digest::{SHA256, digest};
use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::sign::CertifiedKey;

/// A file can't be read or written.
#[derive(Debug, thiserror::Error)]
#[error("{path} cannot be used: {problem}")]
pub(super) struct StoreError {
    path: PathBuf,
    problem: String,
}

/// A certificate, and when it is valid.
pub(super) struct Held {
    pub(super) key: Arc<CertifiedKey>,
    from: SystemTime,
    until: SystemTime,
}

pub(super) struct Store {
    account: PathBuf,
    certificate: PathBuf,
}

impl Store {
    /// Makes the directory where there is none.
    ///
    /// # Errors
    /// When it can't be used.
    pub(super) fn open(settings: &Settings) -> Result<Store, String> {
        let wrong = |e: io::Error| {
            format!(
                "`listen.acme.cache_dir`: {}: {e}; give a directory that the hub may write to",
                settings.cache_dir.display()
            )
        };
        DirBuilder::new().recursive(true).mode(0o700).create(&settings.cache_dir).map_err(wrong)?;
        // Another directory, or other names, have files of their own.
        let of = |parts: &[&str]| {
            let hash = digest(&SHA256, parts.join("\0").as_bytes());
            hash.as_ref().iter().take(8).map(|byte| format!("{byte:02x}")).collect::<String>()
        };
        let mut parts = vec![settings.directory.as_str()];
        let account = settings.cache_dir.join(format!("account-{}.json", of(&parts)));
        parts.extend(settings.domains.iter().map(String::as_str));
        let certificate = settings.cache_dir.join(format!("certificate-{}.pem", of(&parts)));
        Ok(Store { account, certificate })
    }

    pub(super) fn account(&self) -> Result<Option<AccountCredentials>, StoreError> {
        let Some(text) = read(&self.account)? else { return Ok(None) };
        serde_json::from_str(&text).map(Some).map_err(|_| wrong(&self.account, "it holds no account"))
    }

    pub(super) fn keep_account(&self, credentials: &AccountCredentials) -> Result<(), StoreError> {
        let text = serde_json::to_string(credentials).map_err(|e| wrong(&self.account, e))?;
        write(&self.account, &text)
    }

    pub(super) fn forget_account(&self) -> Result<(), StoreError> {
        std::fs::remove_file(&self.account).map_err(|e| wrong(&self.account, e))
    }

    pub(super) fn certificate(&self) -> Result<Option<Held>, StoreError> {
        let Some(pem) = read(&self.certificate)? else { return Ok(None) };
        Held::read(&pem).map(Some).map_err(|e| wrong(&self.certificate, e))
    }

    pub(super) fn keep_certificate(&self, pem: &str) -> Result<(), StoreError> {
        write(&self.certificate, pem)
    }
}

impl Held {
    /// From the private key and the chain, as PEM.
    pub(super) fn read(pem: &str) -> Result<Held, String> {
        let private = PrivateKeyDer::from_pem_slice(pem.as_bytes()).map_err(|e| e.to_string())?;
        let chain = CertificateDer::pem_slice_iter(pem.as_bytes());
        let chain = chain.collect::<Result<Vec<_>, _>>().map_err(|e| e.to_string())?;
        let first = chain.first().ok_or("it has no certificate")?;
        let (_, about) = x509_parser::parse_x509_certificate(first).map_err(|e| e.to_string())?;
        let at =
            |seconds: i64| SystemTime::UNIX_EPOCH + Duration::from_secs(u64::try_from(seconds).unwrap_or(0));
        let validity = about.validity();
        let (from, until) = (at(validity.not_before.timestamp()), at(validity.not_after.timestamp()));
        let key = CertifiedKey::from_der(chain, private, &default_provider()).map_err(|e| e.to_string())?;
        Ok(Held { key: Arc::new(key), from, until })
    }

    /// Until two thirds of its life are over.
    pub(super) fn due_in(&self, now: SystemTime) -> Duration {
        let life = self.until.duration_since(self.from).unwrap_or_default();
        (self.from + life * 2 / 3).duration_since(now).unwrap_or_default()
    }
}

fn wrong(path: &Path, problem: impl ToString) -> StoreError {
    StoreError { path: path.into(), problem: problem.to_string() }
}

fn read(path: &Path) -> Result<Option<String>, StoreError> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(wrong(path, e)),
    }
}

/// All of it or nothing.
fn write(path: &Path, text: &str) -> Result<(), StoreError> {
    let beside = path.with_extension("new");
    let written = || -> io::Result<()> {
        let mut file: File =
            OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
        // One that was there before may have been open to others.
        file.set_permissions(Permissions::from_mode(0o600))?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&beside, path)
    };
    written().map_err(|e| wrong(path, e))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certificates_are_due_after_two_thirds_of_their_lives() {
        let made = rcgen::generate_simple_self_signed(["localhost".to_string()]).unwrap();
        let pem = format!("{}\n{}", made.signing_key.serialize_pem(), made.cert.pem());
        let day = |n: u64| SystemTime::UNIX_EPOCH + Duration::from_secs(n * 86_400);
        let held = Held { from: day(100), until: day(190), ..Held::read(&pem).unwrap() };
        assert_eq!(held.due_in(day(100)), Duration::from_secs(60 * 86_400));
        assert_eq!(held.due_in(day(159)), Duration::from_secs(86_400));
        for over in [160, 189, 1_000] {
            assert_eq!(held.due_in(day(over)), Duration::ZERO);
        }
        let held = Held { from: day(190), until: day(100), ..held };
        assert_eq!(held.due_in(day(200)), Duration::ZERO, "nonsense is due");
        assert!(Held::read("nonsense").is_err() && Held::read(&made.cert.pem()).is_err());
    }
}
