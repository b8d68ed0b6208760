//! As much of STUN (RFC 8489) as it takes to know whose a packet is.

const HEAD: usize = 20;
const COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];
const BINDING_REQUEST: [u8; 2] = [0, 1];
const USERNAME: u16 = 6;
/// Ours are 16 bytes; what follows the colon is the client's.
const USERNAME_BYTES_MAX: usize = 513;

/// What a packet is (RFC 7983), with what tells whose it is.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Packet<'a> {
    /// A connectivity check for the peer with this user name fragment.
    Check(&'a str),
    /// Another STUN message, of the address it came from.
    Stun,
    /// DTLS, of the address it came from.
    Dtls,
    /// None of it.
    Other,
}

/// Tells what a packet is.
pub(crate) fn kind(packet: &[u8]) -> Packet<'_> {
    match packet.first() {
        Some(0..=3) if packet.get(4..8) == Some(&COOKIE[..]) && packet.len() >= HEAD => match local(packet) {
            Some(name) if packet.starts_with(&BINDING_REQUEST) => Packet::Check(name),
            _ if packet.starts_with(&BINDING_REQUEST) => Packet::Other,
            _ => Packet::Stun,
        },
        Some(20..=63) => Packet::Dtls,
        _ => Packet::Other,
    }
}

/// The hub's part of the user name: what stands before the colon (RFC 8445 §7.2.2).
fn local(packet: &[u8]) -> Option<&str> {
    let mut rest = packet.get(HEAD..)?;
    while let Some((head, after)) = rest.split_first_chunk::<4>() {
        let (kind, len) = (u16::from_be_bytes([head[0], head[1]]), u16::from_be_bytes([head[2], head[3]]));
        let len = usize::from(len);
        let value = after.get(..len)?;
        if kind == USERNAME {
            let name = std::str::from_utf8(value).ok().filter(|name| name.len() <= USERNAME_BYTES_MAX)?;
            return name.split_once(':').map(|(local, _)| local);
        }
        rest = after.get(len.next_multiple_of(4)..)?;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(attributes: &[(u16, &[u8])]) -> Vec<u8> {
        let mut packet = vec![0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42];
        packet.extend([9; 12]);
        for (kind, value) in attributes {
            packet.extend(kind.to_be_bytes());
            packet.extend((value.len() as u16).to_be_bytes());
            packet.extend(*value);
            packet.resize(packet.len().next_multiple_of(4), 0);
        }
        packet
    }

    #[test]
    fn checks_name_their_peer() {
        assert_eq!(kind(&check(&[(0x24, &[1, 2, 3, 4]), (6, b"ours:theirs")])), Packet::Check("ours"));
        assert_eq!(kind(&check(&[(0x8022, b"odd"), (6, b"a:b:c")])), Packet::Check("a"));
        assert_eq!(kind(&check(&[])), Packet::Other);
        for name in [&b"none"[..], &[0xff, b':', b'a'], &[b':'; 600]] {
            assert_eq!(kind(&check(&[(6, name)])), Packet::Other);
        }
        let mut response = check(&[(6, b"a:b")]);
        response[0] = 1;
        assert_eq!(kind(&response), Packet::Stun);
    }

    #[test]
    fn any_bytes_are_something() {
        assert_eq!(
            (kind(&[]), kind(&[22, 254, 253]), kind(&[128])),
            (Packet::Other, Packet::Dtls, Packet::Other)
        );
        let whole = check(&[(6, b"ours:theirs")]);
        for len in 0..whole.len() - 1 {
            assert_ne!(kind(&whole[..len]), Packet::Check("ours"), "{len}");
        }
        let mut lies = whole.clone();
        lies[22..24].copy_from_slice(&[255, 255]);
        assert_eq!(kind(&lies), Packet::Other);
    }
}
