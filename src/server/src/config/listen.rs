//! `[listen]`: where the hub listens, and how connections begin.

use serde::{Deserialize, Serialize};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

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
    /// How long browsers are to come by HTTPS only, s; 0: they aren't told.
    pub hsts_s: u64,
    /// Connections of trusted proxies begin with a header of the PROXY protocol, version 1 or 2.
    pub proxy_protocol: bool,
}

impl Listen {
    /// Whether clients come by TLS that ends here.
    pub(crate) fn is_tls(&self) -> bool {
        self.tls_cert.is_some()
    }
}

impl Default for Listen {
    fn default() -> Listen {
        Listen {
            addr: SocketAddr::from((Ipv4Addr::LOCALHOST, 3001)),
            tls_cert: None,
            tls_key: None,
            hsts_s: 0,
            proxy_protocol: false,
        }
    }
}
