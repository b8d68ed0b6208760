//! What proxies say of the requests they bring, as far as they are trusted: `X-Forwarded-For` and `X-Forwarded-Proto`, or `Forwarded`
//! (RFC 7239). Each proxy appends, so what stands last was said by who is nearest.

use crate::config::{Config, Net, ProxyHeaders};
use http::header::{FORWARDED, HeaderMap, HeaderValue};
use std::net::{IpAddr, SocketAddr};

/// Who is trusted, and what is read. Of the other headers clients could write what they like: no proxy would replace them.
#[derive(Debug, Clone)]
pub(super) struct Proxies {
    trusted: Vec<Net>,
    headers: ProxyHeaders,
}

impl Proxies {
    pub(super) fn new(config: &Config) -> Proxies {
        Proxies { trusted: config.trusted_proxies.clone(), headers: config.proxy_headers }
    }

    fn trusts(&self, ip: IpAddr) -> bool {
        self.trusted.iter().any(|net| net.contains(ip))
    }

    /// The client's address: the peer's, or what trusted proxies say it is. The list is read from its end, as long as those who wrote it
    /// are trusted.
    pub(super) fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut client = peer.to_canonical();
        if !self.trusts(client) {
            return client;
        }
        let named: Vec<Option<String>> = match self.headers {
            ProxyHeaders::XForwarded => entries(headers, "x-forwarded-for").into_iter().map(Some).collect(),
            ProxyHeaders::Forwarded => elements(headers).iter().map(|e| parameter(e, "for")).collect(),
        };
        for entry in named.into_iter().rev() {
            let Some(ip) = entry.as_deref().and_then(address) else { break };
            client = ip;
            if !self.trusts(ip) {
                break;
            }
        }
        client
    }

    /// Whether the nearest proxy says that it was asked by HTTPS.
    pub(super) fn is_https(&self, peer: IpAddr, headers: &HeaderMap) -> bool {
        let scheme = || match self.headers {
            ProxyHeaders::XForwarded => entries(headers, "x-forwarded-proto").pop(),
            ProxyHeaders::Forwarded => elements(headers).pop().and_then(|e| parameter(&e, "proto")),
        };
        self.trusts(peer) && scheme().is_some_and(|scheme| scheme.eq_ignore_ascii_case("https"))
    }
}

/// An address, perhaps with a port.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let ip = bare.parse().ok().or_else(|| text.parse::<SocketAddr>().ok().map(|addr| addr.ip()));
    ip.map(|ip: IpAddr| ip.to_canonical())
}

/// The entries of all lines of a list.
fn entries(headers: &HeaderMap, name: &str) -> Vec<String> {
    let lines = headers.get_all(name).iter().map(text);
    lines.flat_map(|line| line.split(',')).map(|entry| entry.trim().into()).collect()
}

/// The elements of `Forwarded`.
fn elements(headers: &HeaderMap) -> Vec<String> {
    headers.get_all(FORWARDED).iter().map(text).flat_map(|line| split(line, ',')).collect()
}

/// What isn't text stands for an entry that says nothing.
fn text(line: &HeaderValue) -> &str {
    line.to_str().unwrap_or_default()
}

/// A parameter of an element, without its quotes; none where it is there twice.
fn parameter(element: &str, name: &str) -> Option<String> {
    let pairs = split(element, ';');
    let pairs = pairs.iter().filter_map(|pair| pair.split_once('='));
    let mut found = pairs.filter(|(n, _)| n.eq_ignore_ascii_case(name));
    let (_, value) = found.next().filter(|_| found.next().is_none())?;
    let quoted = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
    Some(quoted.map_or_else(|| value.into(), |value| value.replace('\\', "")))
}

/// The parts between separators that are in no quotes (RFC 9110 §5.6.4). Of a text whose quotes don't end, or that escapes outside of
/// them, nothing is left: a client could have opened what swallows the words of the proxies behind it.
fn split(text: &str, separator: char) -> Vec<String> {
    let (mut parts, mut part) = (vec![], String::new());
    let (mut is_quoted, mut is_escaped) = (false, false);
    for c in text.chars() {
        if c == separator && !is_quoted {
            parts.push(std::mem::take(&mut part).trim().into());
            continue;
        }
        part.push(c);
        (is_quoted, is_escaped) = match c {
            _ if is_escaped => (is_quoted, false),
            '\\' if !is_quoted => return vec![String::new()],
            '\\' => (true, true),
            '"' => (!is_quoted, false),
            _ => (is_quoted, false),
        };
    }
    if is_quoted {
        return vec![String::new()];
    }
    parts.push(part.trim().into());
    parts
}

#[cfg(test)]
#[path = "forwarded/tests.rs"]
mod tests;
