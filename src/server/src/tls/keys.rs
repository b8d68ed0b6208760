//! The certificate that new connections are shown.

use super::acme::PROOF_ALPN;
use parking_lot::RwLock;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio_rustls::rustls::server::{ClientHello, ResolvesServerCert};
use tokio_rustls::rustls::sign::CertifiedKey;

/// A certificate that can be changed. Connections that are there go on with what they have seen.
#[derive(Default)]
pub(crate) struct Keys {
    current: RwLock<Option<Arc<CertifiedKey>>>,
    /// By name, for an authority that wants to see who is here.
    proofs: RwLock<HashMap<String, Arc<CertifiedKey>>>,
    changes: AtomicU64,
}

impl Keys {
    pub(super) fn set(&self, key: CertifiedKey) {
        self.set_shared(Arc::new(key));
    }

    pub(super) fn set_shared(&self, key: Arc<CertifiedKey>) {
        if self.current.write().replace(key).is_some() {
            self.changes.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Whether there is one by now.
    pub(crate) fn is_ready(&self) -> bool {
        self.current.read().is_some()
    }

    pub(super) fn prove(&self, name: &str, proof: Arc<CertifiedKey>) {
        self.proofs.write().insert(name.to_ascii_lowercase(), proof);
    }

    pub(super) fn end_proofs(&self) {
        self.proofs.write().clear();
    }

    /// How often one took the place of another.
    pub(crate) fn changes(&self) -> u64 {
        self.changes.load(Ordering::Relaxed)
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keys(…)")
    }
}

impl ResolvesServerCert for Keys {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let wants_proof = hello
            .alpn()
            .is_some_and(|mut offers| offers.next() == Some(PROOF_ALPN) && offers.next().is_none());
        if wants_proof {
            return self.proofs.read().get(&hello.server_name()?.to_ascii_lowercase()).cloned();
        }
        self.current.read().clone()
    }
}
