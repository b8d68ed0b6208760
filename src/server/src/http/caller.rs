//! Who sent a request: address, token, key.

use super::origin::Standing;
use crate::config::Net;
use http::header::{AUTHORIZATION, COOKIE, HeaderMap};
use std::net::IpAddr;

/// The cookie that may hold a token.
const COOKIE_NAME: &str = "crosspoint_token";

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

/// The credentials of `Authorization: Bearer` (RFC 6750 §2.1).
pub(crate) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, credentials) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| credentials.trim())
}

/// The token of the header, else of the cookie.
pub(crate) fn token(headers: &HeaderMap, standing: &Standing) -> Option<String> {
    let cookie = || cookie(headers).filter(|_| standing.cookies(headers));
    bearer(headers).or_else(cookie).map(String::from)
}

fn cookie(headers: &HeaderMap) -> Option<&str> {
    let pairs = headers.get_all(COOKIE).iter().filter_map(|v| v.to_str().ok()).flat_map(|v| v.split(';'));
    pairs
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(name, _)| *name == COOKIE_NAME)
        .map(|(_, v)| v)
}

/// The API key of `Authorization: Bearer` or `X-API-Key`.
pub(crate) fn api_key(headers: &HeaderMap) -> Option<&str> {
    bearer(headers).or_else(|| headers.get("x-api-key")?.to_str().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(k, v)| (http::HeaderName::from_static(k), v.parse().unwrap())).collect()
    }

    #[test]
    fn forwarded_addresses_are_believed_as_far_as_proxies_are_trusted() {
        let trusted: Vec<Net> = serde_json::from_str(r#"["10.0.0.0/8", "127.0.0.1"]"#).unwrap();
        let of = |peer: &str, line: &str| {
            remote(peer.parse().unwrap(), &headers(&[("x-forwarded-for", line)]), &trusted).to_string()
        };
        assert_eq!(of("203.0.113.9", "198.51.100.1"), "203.0.113.9");
        assert_eq!(of("127.0.0.1", "198.51.100.1"), "198.51.100.1");
        assert_eq!(of("::ffff:10.1.1.1", "192.0.2.66, 198.51.100.1, 10.2.2.2"), "198.51.100.1");
        assert_eq!(of("10.1.1.1", "198.51.100.1:4711"), "198.51.100.1");
        assert_eq!(of("10.1.1.1", "unknown"), "10.1.1.1");
    }

    #[test]
    fn tokens_come_from_the_header_or_an_own_cookie() {
        let both = headers(&[("authorization", "bearer abc"), ("cookie", "x=1; crosspoint_token=def")]);
        let only = headers(&[("cookie", "x=1; crosspoint_token=def"), ("sec-fetch-site", "cross-site")]);
        assert_eq!(token(&both, &Standing::Anybody).as_deref(), Some("abc"));
        assert_eq!(token(&only, &Standing::Anybody), None);
        assert_eq!(token(&only, &Standing::NoOrigin), None);
        assert_eq!(token(&only, &Standing::Known("http://a".parse().unwrap())).as_deref(), Some("def"));
        assert_eq!(api_key(&headers(&[("x-api-key", "k")])), Some("k"));
        assert_eq!(bearer(&headers(&[("authorization", "Basic abc")])), None);
    }
}
