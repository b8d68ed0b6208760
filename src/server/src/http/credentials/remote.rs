//! Where a request comes from.

use crate::config::Net;
use http::header::HeaderMap;
use std::net::IpAddr;

/// The client's address: the peer's, or what trusted proxies say it is. Each proxy appends its peer to `X-Forwarded-For`, so the
/// list is read from its end, as long as those who wrote it are trusted.
pub(crate) fn remote(peer: IpAddr, headers: &HeaderMap, trusted: &[Net]) -> IpAddr {
    let is_trusted = |ip: IpAddr| trusted.iter().any(|net| net.contains(ip));
    let mut remote = peer.to_canonical();
    if !is_trusted(remote) {
        return remote;
    }
    let lines: Vec<&str> =
        headers.get_all("x-forwarded-for").iter().filter_map(|v| v.to_str().ok()).collect();
    for entry in lines.iter().rev().flat_map(|line| line.rsplit(',')) {
        let Some(ip) = address(entry.trim()) else { break };
        remote = ip;
        if !is_trusted(ip) {
            break;
        }
    }
    remote
}

/// An address, perhaps with a port.
fn address(text: &str) -> Option<IpAddr> {
    let ip = text.parse().ok();
    ip.or_else(|| text.parse::<std::net::SocketAddr>().ok().map(|a| a.ip())).map(|ip| ip.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forwarded_addresses_are_believed_as_far_as_proxies_are_trusted() {
        let trusted: Vec<Net> = serde_json::from_str(r#"["10.0.0.0/8", "127.0.0.1"]"#).unwrap();
        let of = |peer: &str, line: &str| {
            let headers = [(http::HeaderName::from_static("x-forwarded-for"), line.parse().unwrap())];
            remote(peer.parse().unwrap(), &headers.into_iter().collect(), &trusted).to_string()
        };
        assert_eq!(of("203.0.113.9", "198.51.100.1"), "203.0.113.9");
        assert_eq!(of("127.0.0.1", "198.51.100.1"), "198.51.100.1");
        assert_eq!(of("::ffff:10.1.1.1", "192.0.2.66, 198.51.100.1, 10.2.2.2"), "198.51.100.1");
        assert_eq!(of("10.1.1.1", "198.51.100.1:4711"), "198.51.100.1");
        assert_eq!(of("10.1.1.1", "unknown"), "10.1.1.1");
    }
}
