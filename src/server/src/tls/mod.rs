//! Certificates of the front and of WebTransport: read from [`files`] or got by [`acme`], and changed while connections run ([`keys`]).

mod acme;
mod error;
mod files;
mod keys;

pub(crate) use acme::PROOF_ALPN;
pub use error::TlsError;
pub(crate) use keys::Keys;

use crate::config::Config;
use acme::Acme;
use files::Files;
use std::sync::Arc;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring::default_provider;

/// The certificates in force, and where they come from.
pub(crate) struct Certificates {
    front: Option<Arc<Keys>>,
    webtransport: Option<Arc<Keys>>,
    files: Vec<(Files, Arc<Keys>)>,
    acme: Option<Acme>,
    look: watch::Sender<()>,
}

/// Looks after the certificates until it is dropped.
pub(crate) struct Care {
    look: watch::Sender<()>,
    _tasks: JoinSet<()>,
}

impl Certificates {
    /// Reads what is configured.
    ///
    /// # Errors
    /// When files can't be used.
    pub(crate) fn load(config: &Config) -> Result<Certificates, TlsError> {
        let look = watch::Sender::new(());
        let mut certificates =
            Certificates { front: None, webtransport: None, files: vec![], acme: None, look };
        let listen = &config.listen;
        if let (Some(cert), Some(key)) = (&listen.tls_cert, &listen.tls_key) {
            let files = Files::new(["listen.tls_cert", "listen.tls_key"], cert, key);
            certificates.front = Some(certificates.read(files)?);
        }
        if listen.acme.is_on() {
            let acme = Acme::open(&listen.acme)?;
            certificates.front = Some(acme.keys());
            certificates.acme = Some(acme);
        }
        let webtransport = &config.transports.webtransport;
        if !webtransport.enabled || webtransport.self_signed {
            return Ok(certificates);
        }
        certificates.webtransport = match (&webtransport.tls_cert, &webtransport.tls_key) {
            (Some(cert), Some(key)) => {
                let names = ["transports.webtransport.tls_cert", "transports.webtransport.tls_key"];
                Some(certificates.read(Files::new(names, cert, key))?)
            }
            _ => certificates.front.clone(),
        };
        Ok(certificates)
    }

    fn read(&mut self, files: Files) -> Result<Arc<Keys>, TlsError> {
        let keys = Arc::new(Keys::default());
        keys.set(files.read()?);
        self.files.push((files, keys.clone()));
        Ok(keys)
    }

    /// HTTP/2 and HTTP/1.1 over TLS 1.3 and 1.2, where the front has a certificate.
    ///
    /// # Errors
    /// Never with the provider that is built in.
    pub(crate) fn acceptor(&self) -> Result<Option<TlsAcceptor>, TlsError> {
        let Some(keys) = &self.front else { return Ok(None) };
        let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(keys.clone());
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        if self.acme.is_some() {
            config.alpn_protocols.push(PROOF_ALPN.to_vec());
        }
        Ok(Some(TlsAcceptor::from(Arc::new(config))))
    }

    /// What WebTransport shows its clients, where it isn't a certificate of its own making.
    pub(crate) fn webtransport(&self) -> Option<Arc<Keys>> {
        self.webtransport.clone()
    }

    /// Looks after them from now on. Call it inside a tokio runtime.
    pub(crate) fn keep(self) -> Care {
        let mut tasks = JoinSet::new();
        for (files, keys) in self.files {
            tasks.spawn(files::keep(files, keys, self.look.subscribe()));
        }
        if let Some(acme) = self.acme {
            tasks.spawn(acme.run(self.look.subscribe()));
        }
        Care { look: self.look, _tasks: tasks }
    }
}

impl Care {
    /// Looks at the files now.
    pub(crate) fn look(&self) {
        self.look.send_replace(());
    }
}
