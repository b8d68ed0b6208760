//! How single values are written.

use ipnet::IpNet;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use tracing_subscriber::filter::Targets;

/// What comes before an IPv4 address that is mapped into IPv6 (RFC 4291 §2.5.5.2).
const MAPPED_BITS: u8 = 96;
/// The longest address of a hub.
const HUB_URL_BYTES_MAX: usize = 512;
/// The longest URL of anything else.
const URL_BYTES_MAX: usize = 2048;

/// A secret: readable by the code that needs it, invisible in logs and print-outs.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Secret, D::Error> {
        // serde's own errors quote the value.
        match serde_json::Value::deserialize(d)? {
            serde_json::Value::String(secret) => Ok(Secret(secret)),
            _ => Err(D::Error::custom("a secret is not text")),
        }
    }
}

impl Secret {
    /// The secret's bytes.
    pub fn bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl From<&str> for Secret {
    fn from(secret: &str) -> Secret {
        Secret(secret.into())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str("<secret>")
    }
}

/// Whether it is an absolute `http` or `https` URL of bearable length without user and password, which would be a secret in a URL.
pub(super) fn is_web_url(text: &str) -> bool {
    let Ok(uri) = text.parse::<http::Uri>() else { return false };
    let Some(authority) = uri.authority() else { return false };
    matches!(uri.scheme_str(), Some("http" | "https"))
        && !authority.host().is_empty()
        && !authority.as_str().contains('@')
        && text.len() <= URL_BYTES_MAX
}

/// The address of a hub: an absolute `http` or `https` URL.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HubUrl(String);

impl HubUrl {
    /// Reads one; `None` if it is something else, or holds a secret.
    pub fn parse(text: &str) -> Option<HubUrl> {
        let fits = is_web_url(text) && !text.contains('?') && text.len() <= HUB_URL_BYTES_MAX;
        fits.then(|| HubUrl(text.into()))
    }

    /// As written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for HubUrl {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<HubUrl, D::Error> {
        let text = String::deserialize(d)?;
        HubUrl::parse(&text).ok_or_else(|| {
            // Not quoted: what is wrong with it may be that it holds a password.
            D::Error::custom("is not the address of a hub, like https://hub-2.example.com")
        })
    }
}

/// The address of a STUN or TURN server (RFC 7064, RFC 7065): `stun:host:3478`, `turn:host:3478?transport=udp`, `turns:host:5349`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct IceUrl(String);

impl IceUrl {
    /// Reads one.
    pub fn parse(text: &str) -> Option<IceUrl> {
        let (scheme, rest) = text.split_once(':')?;
        let (host, query) = rest.split_once('?').unwrap_or((rest, ""));
        let relays = matches!(scheme, "turn" | "turns");
        let query_fits = if relays {
            matches!(query, "" | "transport=udp" | "transport=tcp")
        } else {
            !rest.contains('?')
        };
        let fits = (relays || matches!(scheme, "stun" | "stuns"))
            && query_fits
            && host.parse::<http::uri::Authority>().is_ok_and(|a| {
                !a.host().is_empty() && (a.host().len() == a.as_str().len() || a.port_u16().is_some())
            })
            && !host.contains('@')
            && text.len() <= HUB_URL_BYTES_MAX;
        fits.then(|| IceUrl(text.into()))
    }

    /// As written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it needs credentials.
    pub fn is_turn(&self) -> bool {
        self.0.starts_with("turn")
    }
}

impl<'de> Deserialize<'de> for IceUrl {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<IceUrl, D::Error> {
        let text = String::deserialize(d)?;
        IceUrl::parse(&text).ok_or_else(|| {
            D::Error::custom(format_args!(
                "`{text:.200}` is not the address of a STUN or TURN server, like turn:turn.example.com:3478?transport=udp"
            ))
        })
    }
}

/// An address or a network, such as `10.0.0.0/8`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Net(IpNet);

impl Net {
    /// This machine.
    pub fn loopback() -> Vec<Net> {
        let nets = [(IpAddr::from([127, 0, 0, 0]), 8), (Ipv6Addr::LOCALHOST.into(), 128)];
        nets.into_iter().filter_map(|(ip, prefix)| IpNet::new(ip, prefix).ok()).map(Net).collect()
    }

    /// IPv4 that is mapped into IPv6 is IPv4.
    fn new(net: IpNet) -> Net {
        let v4 =
            net.prefix_len().checked_sub(MAPPED_BITS).and_then(|prefix| match net.addr().to_canonical() {
                IpAddr::V4(v4) if net.addr().is_ipv6() => IpNet::new(v4.into(), prefix).ok(),
                _ => None,
            });
        Net(v4.unwrap_or(net))
    }

    /// The same for other crates.
    pub fn net(&self) -> IpNet {
        self.0
    }

    /// Whether the address belongs to it. IPv4 addresses mapped into IPv6 count as IPv4.
    pub fn contains(&self, addr: IpAddr) -> bool {
        self.0.contains(&addr.to_canonical())
    }
}

impl Serialize for Net {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Net {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Net, D::Error> {
        let text = String::deserialize(d)?;
        let single = text.parse::<IpAddr>().map(IpNet::from);
        single.or_else(|_| text.parse::<IpNet>()).map(Net::new).map_err(|_| {
            D::Error::custom(format_args!("`{text}` is neither an address nor a network like 10.0.0.0/8"))
        })
    }
}

/// Which log lines are written: a level, or levels by target.
#[derive(Debug, Clone, PartialEq)]
pub struct LogLevel {
    text: String,
    targets: Targets,
}

impl LogLevel {
    /// The filter.
    pub fn targets(&self) -> Targets {
        self.targets.clone()
    }
}

impl Default for LogLevel {
    fn default() -> LogLevel {
        LogLevel { text: "info".into(), targets: Targets::new().with_default(tracing::Level::INFO) }
    }
}

impl Serialize for LogLevel {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for LogLevel {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<LogLevel, D::Error> {
        let text = String::deserialize(d)?;
        // A lone unknown word would be taken for a target and switch everything else off.
        let levelled = text.split(',').all(|part| {
            let level = part.rsplit('=').next().unwrap_or_default();
            level.trim().parse::<tracing::level_filters::LevelFilter>().is_ok()
        });
        match text.parse::<Targets>() {
            Ok(targets) if levelled => Ok(LogLevel { text, targets }),
            _ => Err(D::Error::custom(format_args!(
                "`{text}` is not off, error, warn, info, debug or trace, nor a list like info,crosspoint_hub=debug"
            ))),
        }
    }
}

/// The headers by which proxies say whose requests they bring.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProxyHeaders {
    /// `X-Forwarded-For` and `X-Forwarded-Proto`.
    #[default]
    XForwarded,
    /// `Forwarded` (RFC 7239).
    Forwarded,
}

/// How log lines are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object per line.
    Json,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_hold_what_they_say_however_it_is_written() {
        let holds = |net: &str, ip: &str| {
            let net: Net = serde_json::from_value(net.into()).unwrap();
            net.contains(ip.parse().unwrap())
        };
        for (net, ip) in [
            ("10.0.0.0/8", "10.1.2.3"),
            ("10.0.0.0/8", "::ffff:10.1.2.3"),
            ("::ffff:10.0.0.0/104", "10.1.2.3"),
            ("::ffff:10.1.2.3", "10.1.2.3"),
            ("2001:db8::/32", "2001:db8::1"),
            ("0.0.0.0/0", "::ffff:10.1.2.3"),
        ] {
            assert!(holds(net, ip), "{net} {ip}");
        }
        for (net, ip) in [
            ("10.0.0.0/8", "11.0.0.1"),
            ("::ffff:10.0.0.0/104", "11.0.0.1"),
            ("2001:db8::/32", "2001:db9::1"),
            ("0.0.0.0/0", "2001:db8::1"),
            ("::1", "127.0.0.1"),
        ] {
            assert!(!holds(net, ip), "{net} {ip}");
        }
    }

    #[test]
    fn addresses_of_ice_servers_are_those_of_the_rfcs() {
        for good in [
            "stun:stun.example.com",
            "stun:192.0.2.1:3478",
            "stuns:h:5349",
            "turn:h",
            "turn:[2001:db8::1]:3478",
            "turn:h:3478?transport=udp",
            "turns:h:443?transport=tcp",
        ] {
            assert!(IceUrl::parse(good).is_some(), "{good}");
        }
        for bad in [
            "",
            "turn:",
            "turn",
            "stun:h?transport=udp",
            "turn:h?transport=sctp",
            "turn:h?x",
            "turn://h",
            "turn:u@h",
            "turn:h:port",
            "turn:a b",
            "https://h",
            "turn:h/path",
            "TURN:h",
        ] {
            assert!(IceUrl::parse(bad).is_none(), "{bad}");
        }
    }
}
