use std::path::Path;
use tokio_rustls::rustls;

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
    #[error("`{cert}` and `{key}` do not go together: {problem}")]
    Pair {
        /// The configuration's key of the certificate.
        cert: &'static str,
        /// The configuration's key of its private key.
        key: &'static str,
        /// What is wrong.
        problem: rustls::Error,
    },
    /// There can be no certificates by ACME.
    #[error("{0}")]
    Acme(String),
    /// TLS can't be set up.
    #[error("TLS: {0}")]
    Setup(#[from] rustls::Error),
}

impl TlsError {
    pub(super) fn file(key: &'static str, path: &Path, problem: impl ToString) -> TlsError {
        TlsError::File { key, path: path.display().to_string(), problem: problem.to_string() }
    }
}
