//! What a ticket is bound to: whoever steals one is elsewhere.

use crosspoint_core::LinkInfo;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use std::sync::Arc;

/// How closely a ticket is bound to where it was given out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TicketBinding {
    /// To the page's origin and the client's address.
    Address,
    /// To the page's origin and the network of the client's address, its /24 or (IPv6) /48. An address of the other family fits: one client
    /// may have both, and take one for TCP and the other for UDP.
    #[default]
    Network,
    /// To nothing.
    None,
}

/// Where a ticket was given out; what isn't known binds nothing.
#[derive(Debug, Clone, Default)]
pub(crate) struct Place {
    origin: Option<Arc<str>>,
    remote: Option<IpAddr>,
}

impl Place {
    pub(crate) fn of(info: &LinkInfo) -> Place {
        Place { origin: info.origin.clone(), remote: info.remote }
    }
}

impl TicketBinding {
    /// Whether a ticket that was given out there may be shown on this link.
    pub(crate) fn fits(self, place: &Place, link: &LinkInfo) -> bool {
        let same_origin = || match (&place.origin, &link.origin) {
            (Some(then), Some(now)) => then.eq_ignore_ascii_case(now),
            // Pages always have one.
            (Some(_), None) => false,
            (None, _) => true,
        };
        let same_network = || match place.remote.zip(link.remote) {
            Some((then, now)) => self.near(then.to_canonical(), now.to_canonical()),
            None => true,
        };
        self == TicketBinding::None || (same_origin() && same_network())
    }

    fn near(self, then: IpAddr, now: IpAddr) -> bool {
        match (self, then, now) {
            (TicketBinding::Address, then, now) => then == now,
            (_, IpAddr::V4(then), IpAddr::V4(now)) => then.octets()[..3] == now.octets()[..3],
            (_, IpAddr::V6(then), IpAddr::V6(now)) => then.octets()[..6] == now.octets()[..6],
            _ => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(origin: &str, remote: &str) -> LinkInfo {
        let origin = (!origin.is_empty()).then(|| origin.into());
        LinkInfo { origin, remote: remote.parse().ok(), ..LinkInfo::default() }
    }

    #[test]
    fn a_ticket_fits_where_it_was_given_out_and_nowhere_else() {
        use TicketBinding::{Address, Network, None};
        let page = "https://app.example.com";
        for (then, now, address, network) in [
            ((page, "192.0.2.7"), (page, "192.0.2.7"), true, true),
            ((page, "192.0.2.7"), ("HTTPS://app.example.com", "::ffff:192.0.2.7"), true, true),
            ((page, "192.0.2.7"), (page, "192.0.2.200"), false, true),
            ((page, "192.0.2.7"), (page, "192.0.3.7"), false, false),
            ((page, "2001:db8:1::1"), (page, "2001:db8:1:ffff::2"), false, true),
            ((page, "2001:db8:1::1"), (page, "2001:db8:2::1"), false, false),
            // TCP by one family, UDP by the other.
            ((page, "2001:db8:1::1"), (page, "192.0.2.7"), false, true),
            ((page, "192.0.2.7"), ("https://evil.example", "192.0.2.7"), false, false),
            ((page, "192.0.2.7"), ("", "192.0.2.7"), false, false),
            // No page, but an application: what it says of origins binds nobody.
            (("", "192.0.2.7"), (page, "192.0.2.7"), true, true),
            (("", ""), (page, "192.0.2.7"), true, true),
        ] {
            let (place, link) = (Place::of(&at(then.0, then.1)), at(now.0, now.1));
            assert_eq!(Address.fits(&place, &link), address, "{then:?} {now:?}");
            assert_eq!(Network.fits(&place, &link), network, "{then:?} {now:?}");
            assert!(None.fits(&place, &link));
        }
    }
}
