//! The certificate that new connections are shown.

use parking_lot::RwLock;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio_rustls::rustls::server::{ClientHello, ResolvesServerCert};
use tokio_rustls::rustls::sign::CertifiedKey;

/// A certificate that can be changed. Connections that are there go on with what they have seen.
#[derive(Default)]
pub(crate) struct Keys {
    current: RwLock<Option<Arc<CertifiedKey>>>,
    changes: AtomicU64,
}

impl Keys {
    pub(super) fn set(&self, key: CertifiedKey) {
        if self.current.write().replace(Arc::new(key)).is_some() {
            self.changes.fetch_add(1, Ordering::Relaxed);
        }
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
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.current.read().clone()
    }
}
