//! Offers before the library sees them, and answers before clients do.

use crosspoint_core::{Code, Fault};
use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};

/// The largest offer, bytes.
pub const OFFER_BYTES_MAX: usize = 16 << 10;
/// The longest message that goes over a channel in one, bytes: what nobody needs to agree on (RFC 8841 §6.1).
pub(crate) const MESSAGE_BYTES_MAX: usize = 65_536;
/// The least that the other end must take.
const MESSAGE_BYTES_MIN: usize = 16_384;
/// Of a host candidate (RFC 8445 §5.1.2), before what tells several apart.
const HOST_PREFERENCE: u32 = 126 << 24;

/// An offer that may be answered.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Offer {
    /// Without its candidates: the client's checks show where it is, and the hub sends nothing elsewhere.
    pub(crate) sdp: String,
    /// The longest message that its end takes in one, bytes.
    pub(crate) message_bytes_max: usize,
}

/// Looks whether an offer wants channels, and nothing else.
///
/// # Errors
/// `frame_too_large`, or `bad_request` with what is wrong.
pub(crate) fn read(offer: &str) -> Result<Offer, Fault> {
    let wrong = |what: &str| Err(Fault::new(Code::BadRequest, format!("The offer {what}")));
    if offer.len() > OFFER_BYTES_MAX {
        let text = format!("The offer has {} bytes, of {OFFER_BYTES_MAX}", offer.len());
        return Err(Fault::new(Code::FrameTooLarge, text));
    }
    if offer.chars().any(|c| c.is_control() && c != '\r' && c != '\n') {
        return wrong("has control characters");
    }
    let lines = || offer.lines().map(str::trim_end);
    if !offer.starts_with("v=0") {
        return wrong("is no session description");
    }
    let media: Vec<&str> = lines().filter(|line| line.starts_with("m=")).collect();
    match media[..] {
        [one] if one.starts_with("m=application ") && one.ends_with(" webrtc-datachannel") => {}
        _ => return wrong("does not have exactly one media section, for channels"),
    }
    let value =
        |name: &str| lines().find_map(|line| line.strip_prefix("a=")?.strip_prefix(name)?.strip_prefix(':'));
    for (name, len) in [("ice-ufrag", 4..=256), ("ice-pwd", 22..=256), ("mid", 1..=64), ("setup", 1..=16)] {
        if !value(name).is_some_and(|value| len.contains(&value.len())) {
            return wrong(&format!("has no fitting {name}"));
        }
    }
    if !value("fingerprint").is_some_and(|value| value.to_ascii_lowercase().starts_with("sha-")) {
        return wrong("has no fingerprint");
    }
    if lines().any(|line| line == "a=ice-lite") {
        return wrong("is one of an ICE-lite agent, and so is the hub");
    }
    let message_bytes_max = match value("max-message-size").map(str::parse::<u64>) {
        Some(Err(_)) => return wrong("has a max-message-size that is no number"),
        None | Some(Ok(0)) => MESSAGE_BYTES_MAX,
        Some(Ok(max)) => usize::try_from(max).unwrap_or(usize::MAX).min(MESSAGE_BYTES_MAX),
    };
    if message_bytes_max < MESSAGE_BYTES_MIN {
        return wrong(&format!("takes messages of {message_bytes_max} bytes only, of {MESSAGE_BYTES_MIN}"));
    }
    Ok(Offer { sdp: joined(lines()), message_bytes_max })
}

/// The answer with these candidates, and no others.
pub(crate) fn dress(answer: &str, candidates: &[SocketAddr]) -> String {
    let mut sdp = joined(answer.lines().map(str::trim_end));
    for (n, candidate) in candidates.iter().enumerate() {
        let (ip, port) = (candidate.ip(), candidate.port());
        let local = (65_535 - u32::try_from(n).unwrap_or(0).min(65_535)) << 8;
        let priority = HOST_PREFERENCE + local + 255;
        // Writing to a string can't fail.
        let _ = write!(sdp, "a=candidate:{} 1 udp {priority} {ip} {port} typ host\r\n", n + 1);
    }
    sdp.push_str("a=end-of-candidates\r\n");
    sdp
}

fn joined<'a>(lines: impl Iterator<Item = &'a str>) -> String {
    let is_candidate =
        |line: &str| line.starts_with("a=candidate") || line.starts_with("a=end-of-candidates");
    lines
        .filter(|line| !line.is_empty() && !is_candidate(line))
        .fold(String::new(), |sdp, line| sdp + line + "\r\n")
}

/// Where clients are told to look for a socket at `bound`, on a host with these addresses.
pub(crate) fn candidates(bound: SocketAddr, public: &[IpAddr], own: &[IpAddr]) -> Vec<SocketAddr> {
    let fits = |ip: &&IpAddr| ip.is_ipv4() == bound.is_ipv4();
    let at = |ip: &IpAddr| SocketAddr::new(*ip, bound.port());
    if !public.is_empty() {
        return public.iter().filter(fits).map(at).collect();
    }
    if !bound.ip().is_unspecified() {
        return vec![bound];
    }
    let own: Vec<&IpAddr> = own.iter().filter(fits).filter(|ip| !is_link_local(ip)).collect();
    let told: Vec<_> = own.iter().filter(|ip| !ip.is_loopback()).map(|ip| at(ip)).collect();
    // A host without a network talks to itself.
    if told.is_empty() { own.into_iter().map(at).collect() } else { told }
}

/// Addresses that mean nothing without the interface they belong to.
fn is_link_local(ip: &IpAddr) -> bool {
    match ip {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OFFER: &str = "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\n\
        m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 0.0.0.0\r\n\
        a=candidate:1 1 udp 2113937151 169.254.169.254 80 typ host\r\na=ice-ufrag:abcd\r\n\
        a=ice-pwd:0123456789012345678901\r\na=fingerprint:sha-256 AA:BB\r\na=setup:actpass\r\na=mid:0\r\n\
        a=sctp-port:5000\r\na=max-message-size:262144\r\n";

    #[test]
    fn an_offer_loses_its_candidates() {
        let offer = read(OFFER).unwrap();
        assert!(!offer.sdp.contains("candidate") && offer.sdp.contains("a=mid:0\r\n"));
        assert_eq!(offer.message_bytes_max, MESSAGE_BYTES_MAX);
        let max =
            |line: &str| read(&OFFER.replace("a=max-message-size:262144", line)).map(|o| o.message_bytes_max);
        assert_eq!(max("a=max-message-size:20000"), Ok(20_000));
        assert_eq!((max("a=max-message-size:0"), max("a=x")), (Ok(MESSAGE_BYTES_MAX), Ok(MESSAGE_BYTES_MAX)));
        assert!(max("a=max-message-size:1200").is_err() && max("a=max-message-size:-1").is_err());
    }

    #[test]
    fn offers_that_want_something_else_are_refused() {
        let audio = "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\nm=application";
        for (from, to) in [
            ("v=0", "v=1"),
            ("m=application", audio),
            ("m=application", "m=audio"),
            ("a=ice-ufrag:abcd", "a=ice-ufrag:abc"),
            ("a=ice-pwd:0", "a=ice-pwd:"),
            ("a=fingerprint:sha-256", "a=fingerprint:md5"),
            ("a=mid:0", "a=ice-lite\r\na=mid:0"),
            ("a=mid:0", "a=mid:"),
            ("a=setup:actpass", "a=setup:\u{7}"),
        ] {
            let fault = read(&OFFER.replacen(from, to, 1)).unwrap_err();
            assert_eq!(fault.code, Code::BadRequest, "{from} {to}");
        }
        let long = OFFER.to_string() + &"a=x:y\r\n".repeat(3_000);
        assert_eq!(read(&long).unwrap_err().code, Code::FrameTooLarge);
        assert!(read("").is_err());
    }

    #[test]
    fn answers_have_the_hubs_candidates() {
        let sdp =
            dress("v=0\r\na=candidate:1 1 udp 1 127.0.0.9 9 typ host\r\n", &["192.0.2.1:5".parse().unwrap()]);
        assert_eq!(
            sdp,
            "v=0\r\na=candidate:1 1 udp 2130706431 192.0.2.1 5 typ host\r\na=end-of-candidates\r\n"
        );
    }

    #[test]
    fn clients_are_told_addresses_they_can_reach() {
        let ips = |list: &[&str]| list.iter().map(|ip| ip.parse().unwrap()).collect::<Vec<IpAddr>>();
        let own = ips(&["127.0.0.1", "::1", "192.0.2.1", "169.254.1.1", "fe80::1", "2001:db8::1"]);
        let of = |bound: &str, public: &[&str], own: &[IpAddr]| {
            let all = candidates(bound.parse().unwrap(), &ips(public), own);
            all.iter().map(SocketAddr::to_string).collect::<Vec<_>>()
        };
        assert_eq!(of("0.0.0.0:7", &[], &own), ["192.0.2.1:7"]);
        assert_eq!(of("[::]:7", &[], &own), ["[2001:db8::1]:7"]);
        assert_eq!(of("0.0.0.0:7", &[], &own[..2]), ["127.0.0.1:7"]);
        assert_eq!(of("10.0.0.1:7", &[], &own), ["10.0.0.1:7"]);
        assert_eq!(of("10.0.0.1:7", &["203.0.113.5", "2001:db8::5"], &own), ["203.0.113.5:7"]);
    }
}
