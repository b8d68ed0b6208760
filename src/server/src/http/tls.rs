//! TLS with the configured certificate.

use std::path::Path;
use std::sync::Arc;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{self, ServerConfig};

/// Why there can be no TLS.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file can't be read, or isn't PEM.
    #[error("`{key}`: {path} cannot be used: {problem}; give a PEM file")]
    File {
        /// The configuration's key.
        key: &'static str,
        /// The file.
        path: String,
        /// What is wrong.
        problem: String,
    },
    /// Certificate and key don't go together, or are of no known kind.
    #[error("`listen.tls_cert` and `listen.tls_key` do not go together: {0}")]
    Pair(#[from] rustls::Error),
}

/// HTTP/2 and HTTP/1.1 over TLS 1.3 and 1.2.
///
/// # Errors
/// When files can't be used.
pub(crate) fn acceptor(cert: &Path, key: &Path) -> Result<TlsAcceptor, TlsError> {
    let wrong = |key: &'static str, path: &Path, problem: String| TlsError::File {
        key,
        path: path.display().to_string(),
        problem,
    };
    let chain: Vec<_> = CertificateDer::pem_file_iter(cert)
        .and_then(Iterator::collect)
        .map_err(|e| wrong("listen.tls_cert", cert, e.to_string()))?;
    if chain.is_empty() {
        return Err(wrong("listen.tls_cert", cert, "it has no certificate".into()));
    }
    let private =
        PrivateKeyDer::from_pem_file(key).map_err(|e| wrong("listen.tls_key", key, e.to_string()))?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, private)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}
