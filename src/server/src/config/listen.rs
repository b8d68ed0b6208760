//! `[listen]`: where the hub listens, and how connections begin.

use super::check::Report;
use super::site::Site;
use serde::{Deserialize, Serialize};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

/// Names in one certificate.
const DOMAINS_MAX: usize = 100;

/// `[listen]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Listen {
    /// Address and port; port 0 takes any free one.
    pub addr: SocketAddr,
    /// PEM file of the certificate chain; with it the hub speaks TLS only.
    pub tls_cert: Option<PathBuf>,
    /// PEM file of the certificate's private key.
    pub tls_key: Option<PathBuf>,
    /// Certificates by ACME.
    pub acme: Acme,
    /// How long browsers are to come by HTTPS only, s; 0: they aren't told.
    pub hsts_s: u64,
    /// Connections of trusted proxies begin with a header of the PROXY protocol, version 1 or 2.
    pub proxy_protocol: bool,
}

/// `[listen.acme]` (RFC 8555)
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Acme {
    /// Names that the certificate is for; none: there is no ACME.
    pub domains: Vec<String>,
    /// Where the authority may write to: `mailto:…`.
    pub contact: Vec<String>,
    /// Where the authority's directory is.
    pub directory: String,
    /// PEM file of further certificates that may vouch for the authority's server.
    pub ca_file: Option<PathBuf>,
    /// The directory of what was got.
    pub cache_dir: PathBuf,
}

impl Acme {
    /// Whether certificates come so.
    pub(crate) fn is_on(&self) -> bool {
        !self.domains.is_empty()
    }
}

impl Default for Acme {
    fn default() -> Acme {
        Acme {
            domains: vec![],
            contact: vec![],
            directory: "https://acme-v02.api.letsencrypt.org/directory".into(),
            ca_file: None,
            cache_dir: "acme".into(),
        }
    }
}

impl Listen {
    /// Whether clients come by TLS that ends here.
    pub(crate) fn is_tls(&self) -> bool {
        self.tls_cert.is_some() || self.acme.is_on()
    }
}

impl Default for Listen {
    fn default() -> Listen {
        Listen {
            addr: SocketAddr::from((Ipv4Addr::LOCALHOST, 3001)),
            tls_cert: None,
            tls_key: None,
            acme: Acme::default(),
            hsts_s: 0,
            proxy_protocol: false,
        }
    }
}

/// What must hold between the values.
pub(super) fn check(listen: &Listen, fault: &mut Report<'_>) {
    let acme = &listen.acme;
    if !acme.is_on() {
        return;
    }
    if listen.tls_cert.is_some() {
        fault(
            "listen.acme.domains",
            "there is a certificate from files as well".into(),
            "choose one of both",
        );
    }
    let is_name = |name: &String| {
        Site::parse(name)
            .is_some_and(|site| site.port().is_none() && site.ip().is_none() && site.host() == name)
    };
    if let Some(wrong) = acme.domains.iter().find(|name| !is_name(name)) {
        let problem = format!("`{wrong:.200}` is no name that can be proved by TLS");
        fault(
            "listen.acme.domains",
            problem,
            "give names in lower case, without `*` and port, like hub.example.com",
        );
    }
    if acme.domains.len() > DOMAINS_MAX {
        fault("listen.acme.domains", format!("has more than {DOMAINS_MAX} names"), "give fewer");
    }
    if acme.contact.iter().any(|contact| !contact.starts_with("mailto:")) {
        fault("listen.acme.contact", "one does not begin with mailto:".into(), "give mailto:you@example.com");
    }
    if !acme.directory.starts_with("https://") {
        fault(
            "listen.acme.directory",
            "does not begin with https://".into(),
            "give the address that the authority names",
        );
    }
}
