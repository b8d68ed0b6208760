//! Whom to believe on `https` and `wss`.

use crosspoint_core::{Code, Fault};
use std::sync::Arc;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto};

/// The TLS side of a client; read from the system at first need, once.
#[derive(Default)]
pub(crate) struct Tls {
    roots_pem: Vec<u8>,
    connector: tokio::sync::OnceCell<TlsConnector>,
}

impl Tls {
    pub(crate) fn new(roots_pem: Vec<u8>) -> Arc<Tls> {
        Arc::new(Tls { roots_pem, ..Tls::default() })
    }

    pub(crate) async fn connector(&self) -> Result<&TlsConnector, Fault> {
        self.connector
            .get_or_try_init(|| async {
                let pem = self.roots_pem.clone();
                // Reading the system's certificates means files.
                let made = tokio::task::spawn_blocking(move || connector(&pem)).await;
                made.unwrap_or_else(|_| Err(Fault::new(Code::Internal, "the certificates can't be read")))
            })
            .await
    }
}

fn connector(roots_pem: &[u8]) -> Result<TlsConnector, Fault> {
    let bad = |e: &dyn std::fmt::Display| Fault::new(Code::BadRequest, format!("certificates: {e}"));
    let mut roots = RootCertStore::empty();
    // Single certificates that can't be read are no reason to give up; having none shows in the handshake.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    for certificate in CertificateDer::pem_slice_iter(roots_pem) {
        roots.add(certificate.map_err(|e| bad(&e))?).map_err(|e| bad(&e))?;
    }
    let config = ClientConfig::builder_with_provider(Arc::new(crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|e| bad(&e))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}
