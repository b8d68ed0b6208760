//! Certificates by ACME (RFC 8555), proved by TLS (TLS-ALPN-01, RFC 8737) on the port that they are for.

mod http;
mod order;
mod store;

use super::error::TlsError;
use super::keys::Keys;
use crate::config::Acme as Settings;
use crate::http_client::HttpClient;
use order::order;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use store::{Held, Store};
use tokio::sync::watch;
use tokio::time::sleep;

/// What a client says that asks for a proof (RFC 8737 §6.2).
pub(crate) const PROOF_ALPN: &[u8] = b"acme-tls/1";
/// The wait after a first failure, and after many: authorities count how often names could not be proved.
const RETRY: Duration = Duration::from_secs(120);
const RETRY_MAX: Duration = Duration::from_secs(6 * 3600);
/// How long a certificate may take.
const ORDER_WITHIN: Duration = Duration::from_secs(300);
/// Clocks are looked at so often at least; machines sleep.
const LOOK_EVERY: Duration = Duration::from_secs(3600);

/// Gets certificates, and keeps what it got.
pub(super) struct Acme {
    settings: Settings,
    store: Store,
    client: HttpClient,
    keys: Arc<Keys>,
    held: Option<Held>,
}

/// Why there is no certificate. Holds nothing that is secret.
#[derive(Debug, thiserror::Error)]
enum AcmeError {
    #[error(transparent)]
    Acme(#[from] instant_acme::Error),
    #[error("the proof cannot be made: {0}")]
    Proof(#[from] rcgen::Error),
    #[error("the authority offers no proof by TLS-ALPN-01 for {0}")]
    NoProof(String),
    #[error("the order ended as {0:?}")]
    Order(instant_acme::OrderStatus),
    #[error("the certificate cannot be used: {0}")]
    Unusable(String),
    #[error("{0}")]
    Store(#[from] store::StoreError),
    #[error("no certificate within {ORDER_WITHIN:?}")]
    TimedOut,
    #[error("the new certificate is due for renewal already; this machine's clock may be wrong")]
    Due,
}

impl Acme {
    /// With the certificate of an earlier life, if there is one.
    ///
    /// # Errors
    /// When the directory of what was got, or the file of authorities, can't be used.
    pub(super) fn open(settings: &Settings) -> Result<Acme, TlsError> {
        let store = Store::open(settings).map_err(TlsError::Acme)?;
        let client = HttpClient::new(settings.ca_file.as_deref());
        let client = client.map_err(|e| TlsError::Acme(format!("`listen.acme.ca_file`: {e}")))?;
        let held = store.certificate().unwrap_or_else(|error| {
            tracing::warn!(%error, "the certificate of an earlier life cannot be used");
            None
        });
        let keys = Arc::new(Keys::default());
        if let Some(held) = &held {
            keys.set_shared(held.key.clone());
        }
        Ok(Acme { settings: settings.clone(), store, client, keys, held })
    }

    pub(super) fn keys(&self) -> Arc<Keys> {
        self.keys.clone()
    }

    /// Gets certificates when it is time. A look skips the wait after a failure.
    pub(super) async fn run(mut self, mut look: watch::Receiver<()>) {
        let mut retry = RETRY;
        loop {
            let wait = self.due_in();
            if !wait.is_zero() {
                sleep(wait.min(LOOK_EVERY)).await;
                continue;
            }
            match self.renew().await {
                Ok(()) => retry = RETRY,
                Err(error) => {
                    tracing::error!(%error, wait_s = retry.as_secs(), "no good certificate by ACME; tried again later");
                    tokio::select! {
                        () = sleep(retry) => {}
                        changed = look.changed() => if changed.is_err() { return },
                    }
                    retry = (retry * 2).min(RETRY_MAX);
                }
            }
        }
    }

    fn due_in(&self) -> Duration {
        self.held.as_ref().map_or(Duration::ZERO, |held| held.due_in(SystemTime::now()))
    }

    async fn renew(&mut self) -> Result<(), AcmeError> {
        let ordered = order(&self.settings, &self.store, &self.client, &self.keys);
        let ordered = tokio::time::timeout(ORDER_WITHIN, ordered).await;
        self.keys.end_proofs();
        let pem = ordered.map_err(|_| AcmeError::TimedOut)??;
        let held = Held::read(&pem).map_err(AcmeError::Unusable)?;
        self.keys.set_shared(held.key.clone());
        tracing::info!(domains = ?self.settings.domains, "a certificate by ACME is in force");
        self.held = Some(held);
        self.store.keep_certificate(&pem)?;
        if self.due_in().is_zero() { Err(AcmeError::Due) } else { Ok(()) }
    }
}
