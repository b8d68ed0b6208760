//! The one HTTP client for what the hub asks of others: key sets, and hooks.

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use std::error::Error;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::{self, ClientConfig, RootCertStore};

/// Idle connections are closed after so long; others close theirs after a minute or so.
const IDLE: Duration = Duration::from_secs(30);
/// Idle connections that are kept for one host.
const IDLE_MAX: usize = 32;
/// The longest text of a cause that is passed on, in characters.
const CAUSE_CHARS_MAX: usize = 200;

/// Why there was no answer. Holds no part of request or response.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HttpError {
    #[error("no answer within {0:?}")]
    TimedOut(Duration),
    #[error("the answer is larger than {0} bytes")]
    TooLarge(usize),
    #[error("{0}")]
    Broken(String),
}

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The file of further authorities can't be used.
    #[error("{path} cannot be used: {problem}; give a PEM file of certificates")]
    Authorities {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// TLS can't be set up.
    #[error("TLS cannot be set up: {0}")]
    Tls(#[from] rustls::Error),
}

/// An answer, whole.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// HTTP/1.1 and HTTP/2, with and without TLS; keeps connections; follows no redirects; uses no proxy.
#[derive(Clone)]
pub(crate) struct HttpClient {
    inner: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
}

impl HttpClient {
    /// One that trusts the system's authorities, and those of this PEM file.
    pub(crate) fn new(authorities: Option<&Path>) -> Result<HttpClient, ClientError> {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if let Some(path) = authorities {
            let wrong = |problem: String| ClientError::Authorities { path: path.into(), problem };
            let certificates: Vec<_> = CertificateDer::pem_file_iter(path)
                .and_then(Iterator::collect)
                .map_err(|e| wrong(e.to_string()))?;
            if certificates.is_empty() {
                return Err(wrong("it has no certificate".into()));
            }
            for certificate in certificates {
                roots.add(certificate).map_err(|e| wrong(e.to_string()))?;
            }
        }
        let tls = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let connector =
            HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_all_versions();
        let inner = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(IDLE_MAX)
            .build(connector.build());
        Ok(HttpClient { inner })
    }

    /// Sends a request, and reads the answer to its end: at most so many bytes, within this time. Whatever the status is, it is the answer.
    pub(crate) async fn send(
        &self,
        request: Request<Full<Bytes>>,
        bytes_max: usize,
        within: Duration,
    ) -> Result<Answer, HttpError> {
        let exchange = async {
            let (head, body) = self.inner.request(request).await.map_err(|e| broken(&e))?.into_parts();
            let body = Limited::new(body, bytes_max).collect().await.map_err(|e| {
                if e.is::<LengthLimitError>() { HttpError::TooLarge(bytes_max) } else { broken(&*e) }
            })?;
            Ok(Answer { status: head.status, headers: head.headers, body: body.to_bytes() })
        };
        tokio::time::timeout(within, exchange).await.unwrap_or(Err(HttpError::TimedOut(within)))
    }
}

/// The innermost cause: the outer ones are "client error (Connect)" and the like.
fn broken(e: &(dyn Error + 'static)) -> HttpError {
    let mut cause = e;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    HttpError::Broken(cause.to_string().chars().take(CAUSE_CHARS_MAX).collect())
}

/// Whether nobody on the way can read or change what goes there: TLS, or this machine.
pub(crate) fn is_confidential(url: &Uri) -> bool {
    let host = url.host().unwrap_or_default();
    let ip = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    match url.scheme_str() {
        Some("https") => true,
        Some("http") => host == "localhost" || ip.is_ok_and(|ip| ip.to_canonical().is_loopback()),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_tls_and_this_machine_are_confidential() {
        for url in ["https://a.example/x", "http://localhost:1/", "http://127.0.0.9/", "http://[::1]:80/"] {
            assert!(is_confidential(&url.parse().unwrap()), "{url}");
        }
        for url in
            ["http://a.example/", "http://localhost.example/", "http://10.0.0.1/", "ftp://localhost/", "/x"]
        {
            assert!(!is_confidential(&url.parse().unwrap()), "{url}");
        }
    }
}
