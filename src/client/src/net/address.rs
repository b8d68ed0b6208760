//! Where the hub is, and where its endpoints are.

use crosspoint_core::{Code, Fault};
use http::Uri;

/// A host, how to talk to it, and a path there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Address {
    pub(crate) tls: bool,
    /// A name or an address, without brackets.
    pub(crate) host: String,
    pub(crate) port: u16,
    /// With query, beginning with a slash.
    pub(crate) path: String,
}

impl Address {
    /// Reads `http:`, `https:`, `ws:` and `wss:` URLs.
    pub(crate) fn parse(url: &str) -> Result<Address, Fault> {
        let bad =
            |why: &str| Fault::new(Code::BadRequest, format!("`{url}` is not the address of a hub: {why}"));
        let uri: Uri = url.parse().map_err(|_| bad("not a URL"))?;
        let tls = match uri.scheme_str() {
            Some("http" | "ws") => false,
            Some("https" | "wss") => true,
            _ => return Err(bad("it begins with http://, https://, ws:// or wss://")),
        };
        let host = uri.host().filter(|h| !h.is_empty()).ok_or_else(|| bad("no host"))?;
        if uri.authority().is_some_and(|a| a.as_str().contains('@')) {
            return Err(bad("no secrets in URLs, please"));
        }
        Ok(Address {
            tls,
            host: host.trim_start_matches('[').trim_end_matches(']').into(),
            port: uri.port_u16().unwrap_or(if tls { 443 } else { 80 }),
            path: uri.path_and_query().map_or("/", |p| p.as_str()).into(),
        })
    }

    /// As in the `Host` header.
    pub(crate) fn authority(&self) -> String {
        let Address { host, port, tls, .. } = self;
        let host = if host.contains(':') { format!("[{host}]") } else { host.clone() };
        if *port == if *tls { 443 } else { 80 } { host } else { format!("{host}:{port}") }
    }

    /// Another path there.
    pub(crate) fn at(&self, path: impl Into<String>) -> Address {
        Address { path: path.into(), ..self.clone() }
    }
}

/// The hub's own address; its endpoints lie below.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Base(Address);

impl Base {
    pub(crate) fn parse(url: &str) -> Result<Base, Fault> {
        let mut address = Address::parse(url)?;
        let path = address.path.split('?').next().unwrap_or_default();
        address.path = path.trim_end_matches('/').into();
        Ok(Base(address))
    }

    /// Whether it may be gone to from there: nobody is led out of an encrypted connection.
    pub(crate) fn is_as_safe_as(&self, other: &Base) -> bool {
        self.0.tls || !other.0.tls
    }

    /// An endpoint: a path below the hub's, or a whole URL.
    pub(crate) fn endpoint(&self, url: &str) -> Result<Address, Fault> {
        if url.contains("://") {
            return Address::parse(url);
        }
        let slash = if url.starts_with('/') { "" } else { "/" };
        Ok(self.0.at(format!("{}{slash}{url}", self.0.path)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_of_all_schemes_are_read() {
        let a = Address::parse("wss://hub.example/x?y=1").unwrap();
        assert_eq!((a.tls, a.host.as_str(), a.port, a.path.as_str()), (true, "hub.example", 443, "/x?y=1"));
        let a = Address::parse("http://[::1]:3001").unwrap();
        assert_eq!((a.host.as_str(), a.authority().as_str(), a.path.as_str()), ("::1", "[::1]:3001", "/"));
        for bad in ["", "hub", "ftp://hub", "http://", "http://u:p@hub/", "localhost:3001"] {
            assert_eq!(Address::parse(bad).unwrap_err().code, Code::BadRequest, "{bad}");
        }
    }

    #[test]
    fn endpoints_lie_below_the_hub() {
        let base = Base::parse("http://h:1/hub/?x").unwrap();
        assert_eq!(base.endpoint("/ws").unwrap().path, "/hub/ws");
        assert_eq!(base.endpoint("sse").unwrap().path, "/hub/sse");
        assert_eq!(Base::parse("ws://h").unwrap().endpoint("/ws").unwrap().path, "/ws");
        assert_eq!(base.endpoint("wss://other/ws").unwrap().host, "other");
    }
}
