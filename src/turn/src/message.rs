//! Reading STUN messages (RFC 8489 §5), strictly: what isn't well-formed to the last byte is nothing.

use ring::hmac;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use stun::message::MAGIC_COOKIE;

pub(crate) const HEADER_BYTES: usize = 20;
/// More attributes than any method has.
const ATTRIBUTES_MAX: usize = 64;

pub(crate) const USERNAME: u16 = 0x0006;
pub(crate) const INTEGRITY: u16 = 0x0008;
pub(crate) const CHANNEL_NUMBER: u16 = 0x000C;
pub(crate) const LIFETIME: u16 = 0x000D;
pub(crate) const PEER_ADDRESS: u16 = 0x0012;
pub(crate) const DATA: u16 = 0x0013;
pub(crate) const REALM: u16 = 0x0014;
pub(crate) const NONCE: u16 = 0x0015;
pub(crate) const ADDRESS_FAMILY: u16 = 0x0017;
pub(crate) const EVEN_PORT: u16 = 0x0018;
pub(crate) const TRANSPORT: u16 = 0x0019;
pub(crate) const RESERVATION: u16 = 0x0022;
const FINGERPRINT: u16 = 0x8028;
const INTEGRITY_BYTES: usize = 20;

/// Attributes that a receiver must understand and that mean something here, or nothing that hurts.
const KNOWN: [u16; 16] = [
    USERNAME,
    INTEGRITY,
    CHANNEL_NUMBER,
    LIFETIME,
    PEER_ADDRESS,
    DATA,
    REALM,
    NONCE,
    ADDRESS_FAMILY,
    EVEN_PORT,
    TRANSPORT,
    RESERVATION,
    0x0024,
    0x0025, // PRIORITY and USE-CANDIDATE of ICE
    0x0009,
    0x0020,
];

/// What a message is (RFC 8489 §5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    Request,
    Indication,
    Response,
}

/// A well-formed message.
#[derive(Debug)]
pub(crate) struct Message<'a> {
    /// The first two bytes.
    pub(crate) kind: u16,
    pub(crate) class: Class,
    pub(crate) method: u16,
    pub(crate) transaction: [u8; 12],
    pub(crate) has_fingerprint: bool,
    raw: &'a [u8],
    /// Those before and with MESSAGE-INTEGRITY: type and value.
    attributes: Vec<(u16, &'a [u8])>,
    /// Where MESSAGE-INTEGRITY begins.
    integrity_at: Option<usize>,
}

impl<'a> Message<'a> {
    /// Reads one that fills `raw`.
    pub(crate) fn read(raw: &'a [u8]) -> Option<Message<'a>> {
        let (head, mut rest) = raw.split_first_chunk::<HEADER_BYTES>()?;
        let [t0, t1, l0, l1, c0, c1, c2, c3, transaction @ ..] = *head;
        let (kind, length) = (u16::from_be_bytes([t0, t1]), usize::from(u16::from_be_bytes([l0, l1])));
        let cookie = u32::from_be_bytes([c0, c1, c2, c3]);
        if kind & 0xc000 != 0 || length != rest.len() || cookie != MAGIC_COOKIE {
            return None;
        }
        let class = match (kind >> 7 & 2) | (kind >> 4 & 1) {
            0 => Class::Request,
            1 => Class::Indication,
            _ => Class::Response,
        };
        let method = (kind & 0x3e00) >> 2 | (kind & 0x00e0) >> 1 | kind & 0x000f;
        let (mut attributes, mut integrity_at, mut has_fingerprint, mut count) = (vec![], None, false, 0);
        while !rest.is_empty() {
            let at = raw.len() - rest.len();
            let (head, tail) = rest.split_first_chunk::<4>()?;
            let [t0, t1, l0, l1] = *head;
            let (kind, length) = (u16::from_be_bytes([t0, t1]), usize::from(u16::from_be_bytes([l0, l1])));
            let (value, tail) = (tail.get(..length)?, tail.get(length.next_multiple_of(4)..)?);
            count += 1;
            if count > ATTRIBUTES_MAX || (kind == INTEGRITY && length != INTEGRITY_BYTES) {
                return None;
            }
            has_fingerprint |= kind == FINGERPRINT;
            // What stands behind MESSAGE-INTEGRITY is vouched for by nobody (RFC 8489 §14.5).
            if integrity_at.is_none() {
                attributes.push((kind, value));
                integrity_at = (kind == INTEGRITY).then_some(at);
            }
            rest = tail;
        }
        Some(Message { kind, class, method, transaction, has_fingerprint, raw, attributes, integrity_at })
    }

    /// The first attribute of this type.
    pub(crate) fn get(&self, kind: u16) -> Option<&'a [u8]> {
        self.all(kind).next()
    }

    /// The same as text.
    pub(crate) fn text(&self, kind: u16) -> Option<&'a str> {
        std::str::from_utf8(self.get(kind)?).ok()
    }

    /// The same as a number of 32 bits.
    pub(crate) fn number(&self, kind: u16) -> Option<u32> {
        Some(u32::from_be_bytes(self.get(kind)?.try_into().ok()?))
    }

    fn all(&self, kind: u16) -> impl Iterator<Item = &'a [u8]> {
        self.attributes.iter().filter(move |(k, _)| *k == kind).map(|(_, value)| *value)
    }

    pub(crate) fn has_integrity(&self) -> bool {
        self.integrity_at.is_some()
    }

    /// Whether MESSAGE-INTEGRITY was made with this key (RFC 8489 §14.5).
    pub(crate) fn is_signed(&self, key: &hmac::Key) -> bool {
        let (Some(at), Some(tag)) = (self.integrity_at, self.get(INTEGRITY)) else { return false };
        let mut signed = self.raw[..at].to_vec();
        let length = at - HEADER_BYTES + 4 + INTEGRITY_BYTES;
        signed[2..4].copy_from_slice(&u16::try_from(length).unwrap_or(u16::MAX).to_be_bytes());
        hmac::verify(key, &signed, tag).is_ok()
    }

    /// Attributes that must be understood and aren't.
    pub(crate) fn unknown(&self) -> Vec<u16> {
        let unknown =
            self.attributes.iter().map(|(kind, _)| *kind).filter(|k| *k < 0x8000 && !KNOWN.contains(k));
        unknown.take(8).collect()
    }

    /// All XOR-PEER-ADDRESSes; `None` if one is malformed.
    pub(crate) fn peers(&self) -> Option<Vec<SocketAddr>> {
        self.all(PEER_ADDRESS).map(|value| self.address(value)).collect()
    }

    /// RFC 8489 §14.2.
    fn address(&self, value: &[u8]) -> Option<SocketAddr> {
        let (head, ip) = value.split_first_chunk::<4>()?;
        let port = u16::from_be_bytes([head[2], head[3]]) ^ (MAGIC_COOKIE >> 16) as u16;
        let ip = match head[1] {
            1 => Ipv4Addr::from_bits(u32::from_be_bytes(ip.try_into().ok()?) ^ MAGIC_COOKIE).into(),
            2 => {
                let mut mask = [0; 16];
                mask[..4].copy_from_slice(&MAGIC_COOKIE.to_be_bytes());
                mask[4..].copy_from_slice(&self.transaction);
                let ip: [u8; 16] = ip.try_into().ok()?;
                IpAddr::from(Ipv6Addr::from_bits(u128::from_be_bytes(ip) ^ u128::from_be_bytes(mask)))
            }
            _ => return None,
        };
        Some(SocketAddr::new(ip, port))
    }
}

/// ChannelData (RFC 8656 §12.4): the channel and the data.
pub(crate) fn channel_data(raw: &[u8]) -> Option<(u16, &[u8])> {
    let (head, rest) = raw.split_first_chunk::<4>()?;
    let (channel, length) = (u16::from_be_bytes([head[0], head[1]]), u16::from_be_bytes([head[2], head[3]]));
    let data = rest.get(..usize::from(length))?;
    is_channel(channel).then_some((channel, data))
}

/// RFC 8656 §12 ends at 0x4fff; clients of RFC 5766 go on to 0x7fff.
pub(crate) fn is_channel(number: u16) -> bool {
    (0x4000..0x8000).contains(&number)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 5769 §2.4: a request with long-term credentials.
    const SAMPLE: &str = "000100602112a44278ad3433c6ad72c029da412e00060012e3839ee38388e383aae38383e382af\
        e382b900000015001c662f2f3439396b3935346436\
        4f4c33346f4c394653547679363473410014000b6578616d706c652e6f72670000080014f67024656dd64a3e02b8e0712e85c9a28ca89666";

    fn bytes(hex: &str) -> Vec<u8> {
        (0..hex.len()).step_by(2).map(|i| u8::from_str_radix(&hex[i..i + 2], 16).unwrap()).collect()
    }

    fn key(password: &str) -> hmac::Key {
        let key = turn::auth::generate_auth_key("マトリックス", "example.org", password);
        hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &key)
    }

    #[test]
    fn the_sample_of_rfc_5769_is_read_and_verified() {
        let raw = bytes(SAMPLE);
        let m = Message::read(&raw).unwrap();
        assert_eq!((m.class, m.method, m.text(REALM)), (Class::Request, 1, Some("example.org")));
        assert_eq!(
            (m.text(USERNAME), m.text(NONCE)),
            (Some("マトリックス"), Some("f//499k954d6OL34oL9FSTvy64sA"))
        );
        assert!(m.has_integrity() && m.is_signed(&key("TheMatrIX")) && !m.is_signed(&key("thematrix")));
    }

    #[test]
    fn what_is_cut_or_changed_is_nothing_or_not_signed() {
        let raw = bytes(SAMPLE);
        assert!((0..raw.len()).all(|n| Message::read(&raw[..n]).is_none()));
        for i in 0..raw.len() {
            let mut changed = raw.clone();
            changed[i] ^= 1;
            // The padding of USERNAME and REALM is covered, too.
            assert!(Message::read(&changed).is_none_or(|m| !m.is_signed(&key("TheMatrIX"))), "byte {i}");
        }
        let mut longer = raw.clone();
        longer.extend([0x80, 0x22, 0, 0]);
        assert!(Message::read(&longer).is_none(), "the length in the head counts");
        longer[3] += 4;
        assert!(Message::read(&longer).unwrap().is_signed(&key("TheMatrIX")), "what follows is not signed");
    }

    #[test]
    fn channel_data_fits_its_length_and_range() {
        assert_eq!(channel_data(&[0x40, 0, 0, 1, 9, 0, 0, 0]), Some((0x4000, &[9][..])));
        for bad in [&[0x40, 0, 0][..], &[0x40, 0, 0, 2, 1], &[0x80, 0, 0, 0], &[0x3f, 0xff, 0, 0], &[]] {
            assert_eq!(channel_data(bad), None);
        }
    }
}
