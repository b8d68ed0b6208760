//! Hosts with their ports, and origins (RFC 6454 §4), read strictly: what browsers send, and nothing that only looks like it.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The longest host name (RFC 1035 §2.3.4), with a dot at its end.
const HOST_BYTES_MAX: usize = 254;

/// A host and perhaps a port, as in the header `Host`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Site {
    /// In lower case; an IPv6 address in brackets and its shortest form.
    host: String,
    port: Option<u16>,
}

/// Scheme, host and port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    is_https: bool,
    host: String,
    port: u16,
}

impl Site {
    /// Reads one; `None` for whatever has more than a host and a port, or a host that no browser would send.
    pub fn parse(text: &str) -> Option<Site> {
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
            _ => (text, None),
        };
        let port = match port {
            Some(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => {
                Some(digits.parse().ok().filter(|port| *port > 0)?)
            }
            Some(_) => return None,
            None => None,
        };
        if let Some(inner) = host.strip_prefix('[') {
            let ip: Ipv6Addr = inner.strip_suffix(']')?.parse().ok()?;
            return Some(Site { host: format!("[{ip}]"), port });
        }
        let is_label = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
        let name = host.strip_suffix('.').unwrap_or(host);
        let fits = host.len() <= HOST_BYTES_MAX
            && name.split('.').all(|label| !label.is_empty() && label.bytes().all(is_label));
        fits.then(|| Site { host: host.to_ascii_lowercase(), port })
    }

    /// The host: lower case, an IPv6 address in brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port, if one was given.
    pub fn port(&self) -> Option<u16> {
        self.port
    }

    /// The same host with this port.
    pub fn at(&self, port: Option<u16>) -> Site {
        Site { host: self.host.clone(), port }
    }

    /// The address, if the host is one.
    pub fn ip(&self) -> Option<IpAddr> {
        ip(&self.host)
    }

    /// The origin of pages that come from here by this scheme.
    pub fn origin(&self, is_https: bool) -> Origin {
        Origin { is_https, host: self.host.clone(), port: self.port.unwrap_or(default_port(is_https)) }
    }
}

impl Origin {
    /// Reads one of HTTP or HTTPS, as browsers write them.
    pub fn parse(text: &str) -> Option<Origin> {
        let (scheme, rest) = text.split_once("://")?;
        let is_https = match scheme {
            _ if scheme.eq_ignore_ascii_case("https") => true,
            _ if scheme.eq_ignore_ascii_case("http") => false,
            _ => return None,
        };
        Site::parse(rest).map(|site| site.origin(is_https))
    }

    /// Whether it is of HTTPS.
    pub fn is_https(&self) -> bool {
        self.is_https
    }

    /// The host: lower case, an IPv6 address in brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port, also where it is the scheme's usual one.
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Origin { is_https, host, port } = self;
        let scheme = if *is_https { "https" } else { "http" };
        match *port == default_port(*is_https) {
            true => write!(f, "{scheme}://{host}"),
            false => write!(f, "{scheme}://{host}:{port}"),
        }
    }
}

/// Whether this host is the machine that asks, whatever DNS says (RFC 6761 §6.3).
pub fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.ends_with(".localhost") || ip(host).is_some_and(|ip| ip.is_loopback())
}

fn default_port(is_https: bool) -> u16 {
    if is_https { 443 } else { 80 }
}

fn ip(host: &str) -> Option<IpAddr> {
    match host.strip_prefix('[') {
        Some(inner) => inner.strip_suffix(']')?.parse::<Ipv6Addr>().ok().map(|ip| ip.to_canonical()),
        None => host.parse::<Ipv4Addr>().ok().map(IpAddr::V4),
    }
}
