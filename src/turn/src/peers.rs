//! Which addresses the relay exchanges datagrams with: those that anybody on the Internet can reach by themselves, and those that the operator
//! allows. All else would make the relay a way into networks that trust the machine it runs on.

use ipnet::IpNet;
use parking_lot::Mutex;
use std::collections::HashSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::{Duration, Instant};

/// How long the machine's addresses are remembered.
const OWN_LIFE: Duration = Duration::from_secs(10);

/// What is done with a peer's address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Datagrams go and come.
    Allowed,
    /// An address of the relay's own: only its other allocations are there.
    Relay,
    /// None of both.
    Denied,
}

/// The filter.
pub(crate) struct Peers {
    allow: Vec<IpNet>,
    public: Vec<IpAddr>,
    own: Mutex<Own>,
}

#[derive(Default)]
struct Own {
    read: Option<Instant>,
    /// `None`: it can't be found out.
    addresses: Option<HashSet<IpAddr>>,
}

impl Peers {
    /// Lets through what is public, and `allow`; `public` is what the relay itself is known by.
    pub(crate) fn new(allow: Vec<IpNet>, public: Vec<IpAddr>) -> Peers {
        Peers { allow, public, own: Mutex::default() }
    }

    /// What holds for this address.
    pub(crate) fn judge(&self, address: IpAddr, now: Instant) -> Verdict {
        if self.allow.iter().any(|net| net.contains(&address)) {
            return Verdict::Allowed;
        }
        if self.public.contains(&address) {
            return Verdict::Relay;
        }
        match is_public(address) && !self.is_own(address, now) {
            true => Verdict::Allowed,
            false => Verdict::Denied,
        }
    }

    /// Whether it is an address of this machine; yes if nobody can tell.
    fn is_own(&self, address: IpAddr, now: Instant) -> bool {
        let mut own = self.own.lock();
        if own.read.is_none_or(|at| now.saturating_duration_since(at) >= OWN_LIFE) {
            own.read = Some(now);
            own.addresses = webrtc_util::ifaces::ifaces().ok().map(|all| {
                all.into_iter().filter_map(|i| i.addr).map(|addr| addr.ip().to_canonical()).collect()
            });
        }
        own.addresses.as_ref().is_none_or(|own| own.contains(&address))
    }
}

/// Whether it is an address of a single host on the Internet (IANA's special-purpose registries, RFC 6890).
pub(crate) fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => is_public_v4(v4),
        IpAddr::V6(v6) => is_public_v6(v6),
    }
}

fn is_public_v4(v4: Ipv4Addr) -> bool {
    let within = |net: [u8; 4], prefix: u32| {
        (v4.to_bits() ^ Ipv4Addr::from(net).to_bits()).checked_shr(32 - prefix).is_none_or(|rest| rest == 0)
    };
    let special = [
        ([0, 0, 0, 0], 8),
        ([10, 0, 0, 0], 8),
        ([100, 64, 0, 0], 10),
        ([127, 0, 0, 0], 8),
        ([169, 254, 0, 0], 16),
        ([172, 16, 0, 0], 12),
        ([192, 0, 0, 0], 24),
        ([192, 0, 2, 0], 24),
        ([192, 31, 196, 0], 24),
        ([192, 52, 193, 0], 24),
        ([192, 88, 99, 0], 24),
        ([192, 168, 0, 0], 16),
        ([192, 175, 48, 0], 24),
        ([198, 18, 0, 0], 15),
        ([198, 51, 100, 0], 24),
        ([203, 0, 113, 0], 24),
        // Multicast, reserved, broadcast.
        ([224, 0, 0, 0], 3),
    ];
    !special.into_iter().any(|(net, prefix)| within(net, prefix))
}

fn is_public_v6(v6: Ipv6Addr) -> bool {
    let s = v6.segments();
    // An IPv4 address inside counts as itself: NAT64 (RFC 6052), 6to4 (RFC 3056).
    if s[..6] == [0x64, 0xff9b, 0, 0, 0, 0] {
        return is_public_v4(v4_of(s[6], s[7]));
    }
    if s[0] == 0x2002 {
        return is_public_v4(v4_of(s[1], s[2]));
    }
    let special = s[0] & 0xe000 != 0x2000 // all but global unicast (RFC 4291 §2.4): loopback, mapped, ULA, link-local, multicast, …
        || (s[0] == 0x2001 && s[1] < 0x200) // protocol assignments, Teredo among them
        || (s[0] == 0x2001 && s[1] == 0xdb8)
        || (s[0] == 0x2620 && s[1] == 0x4f && s[2] == 0x8000)
        || (s[0] == 0x3fff && s[1] < 0x1000);
    !special
}

fn v4_of(high: u16, low: u16) -> Ipv4Addr {
    Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn public(address: &str) -> bool {
        is_public(address.parse().unwrap())
    }

    #[test]
    fn special_addresses_are_not_public() {
        for special in [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "10.255.255.255",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.0.1",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.8",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.7",
            "203.0.113.9",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:8.8.8.8",
            "::ffff:127.0.0.1",
            "::8.8.8.8",
            "64:ff9b::127.0.0.1",
            "64:ff9b::10.0.0.1",
            "64:ff9b:1::1",
            "64:ff9b::1:808:808",
            "100::1",
            "2001::1",
            "2001:0:4136:e378:8000:63bf:3fff:fdd2",
            "2001:db8::1",
            "2002:7f00:1::1",
            "2002:c0a8:101::1",
            "2002:a9fe:a9fe::",
            "3fff::1",
            "5f00::1",
            "fc00::1",
            "fd00::1",
            "fe80::1",
            "febf::1",
            "fec0::1",
            "ff02::1",
            "4000::1",
        ] {
            assert!(!public(special), "{special}");
        }
    }

    #[test]
    fn all_others_are() {
        for address in [
            "1.1.1.1",
            "8.8.8.8",
            "9.255.255.255",
            "11.0.0.1",
            "100.63.255.255",
            "100.128.0.1",
            "126.0.0.1",
            "128.0.0.1",
            "169.253.0.1",
            "172.15.255.255",
            "172.32.0.1",
            "192.0.1.1",
            "192.167.0.1",
            "198.17.0.1",
            "198.20.0.1",
            "223.255.255.255",
            "2001:4860:4860::8888",
            "2606:4700::1111",
            "2a00::1",
            "64:ff9b::8.8.8.8",
            "2002:808:808::1",
        ] {
            assert!(public(address), "{address}");
        }
    }

    #[test]
    fn the_operators_word_is_the_last() {
        let (public, now) = (vec!["198.20.0.1".parse().unwrap()], Instant::now());
        let peers = Peers::new(vec!["127.0.0.0/8".parse().unwrap(), "10.1.0.0/16".parse().unwrap()], public);
        let judge = |address: &str| peers.judge(address.parse().unwrap(), now);
        assert_eq!((judge("127.0.0.1"), judge("10.1.2.3")), (Verdict::Allowed, Verdict::Allowed));
        assert_eq!((judge("10.2.0.1"), judge("::1")), (Verdict::Denied, Verdict::Denied));
        assert_eq!((judge("::ffff:127.0.0.1"), judge("1.1.1.1")), (Verdict::Denied, Verdict::Allowed));
        assert_eq!(judge("198.20.0.1"), Verdict::Relay);
    }

    #[test]
    fn the_machines_own_addresses_are_known_or_all_are_taken_for_them() {
        let (peers, now) = (Peers::new(vec![], vec![]), Instant::now());
        assert!(peers.is_own("127.0.0.1".parse().unwrap(), now));
        assert!(!peers.is_own("1.1.1.1".parse().unwrap(), now));
        *peers.own.lock() = Own { read: Some(now), addresses: None };
        assert!(peers.is_own("1.1.1.1".parse().unwrap(), now));
    }
}
