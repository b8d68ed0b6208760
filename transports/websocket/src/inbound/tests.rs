use super::*;

const MAX: usize = 1000;
const MASK: [u8; 4] = [1, 2, 3, 250];

/// A masked frame; the first byte is FIN, reserved bits and opcode.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut out = vec![first];
    match payload.len() {
        n @ 0..=125 => out.push(0x80 | n as u8),
        n => {
            out.push(0x80 | 126);
            out.extend_from_slice(&(n as u16).to_be_bytes());
        }
    }
    out.extend_from_slice(&MASK);
    out.extend(payload.iter().enumerate().map(|(i, b)| b ^ MASK[i % 4]));
    out
}

/// What the bytes mean when they arrive in pieces of the given sizes (the last one repeated).
fn read(bytes: &[u8], sizes: &[usize]) -> (Vec<String>, Inbound) {
    let mut inbound = Inbound::new(MAX);
    let mut seen = Vec::new();
    let mut bytes = bytes.to_vec();
    let mut rest = &mut bytes[..];
    let mut sizes = sizes.iter().chain(std::iter::repeat(sizes.last().unwrap()));
    while !rest.is_empty() {
        let size = (*sizes.next().unwrap()).min(rest.len());
        let (mut piece, after) = mem::take(&mut rest).split_at_mut(size);
        rest = after;
        loop {
            match inbound.next(&mut piece) {
                Ok(Some(event)) => seen.push(format!("{event:?}")),
                Ok(None) => break,
                Err(violation) => {
                    seen.push(format!("{violation:?}"));
                    return (seen, inbound);
                }
            }
        }
        assert!(piece.is_empty(), "all bytes are taken");
    }
    (seen, inbound)
}

#[test]
fn the_same_however_the_bytes_are_cut() {
    let mut bytes = Vec::new();
    for payload in [&b"hello"[..], b"", &[b'x'; 125], &[b'y'; 126], &[b'z'; MAX]] {
        bytes.extend(frame(0x81, payload));
        bytes.extend(frame(0x82, payload));
    }
    bytes.extend(frame(0x01, "na\u{ef}".as_bytes().split_at(3).0));
    bytes.extend(frame(0x89, b"in between"));
    bytes.extend(frame(0x00, "na\u{ef}".as_bytes().split_at(3).1));
    bytes.extend(frame(0x8A, b""));
    bytes.extend(frame(0x80, b"ve"));
    bytes.extend(frame(0x88, b"\x03\xe8bye"));
    let (whole, inbound) = read(&bytes, &[bytes.len()]);
    assert_eq!(whole.len(), 14, "{whole:?}");
    assert_eq!(whole[12], format!("{:?}", Event::Message(Message::Text("na\u{ef}ve".into()))));
    assert_eq!(whole[13], "Close(Some(1000))");
    assert!(inbound.held.capacity() == 0 && inbound.fragments.is_none(), "an idle link owns no buffer");
    for size in 1..40 {
        assert_eq!(read(&bytes, &[size]).0, whole, "pieces of {size}");
    }
    for first in 1..bytes.len() {
        let (seen, inbound) = read(&bytes, &[first, bytes.len()]);
        assert_eq!(seen, whole, "cut at {first}");
        assert_eq!(inbound.held.capacity(), 0);
    }
}

#[test]
fn violations_have_their_code() {
    let protocol = |bytes: &[u8], reason: &'static str| {
        assert_eq!(read(bytes, &[bytes.len()]).0, [format!("{:?}", Protocol(reason))]);
    };
    protocol(&frame(0xC1, b"x"), "reserved bits are set");
    protocol(&frame(0xA1, b"x"), "reserved bits are set");
    protocol(&frame(0x91, b"x"), "reserved bits are set");
    protocol(&frame(0x83, b"x"), "unknown opcode");
    protocol(&frame(0x8F, b"x"), "unknown opcode");
    protocol(&[0x81, 1, b'x'], "frame without mask");
    protocol(&frame(0x09, b""), "fragmented control frame");
    protocol(&frame(0x89, &[0; 126]), "control frame too long");
    protocol(&frame(0x80, b"x"), "nothing to continue");
    protocol(&[frame(0x01, b"x"), frame(0x81, b"y")].concat(), "message inside a message");
    protocol(&frame(0x88, b"\x03"), "close code cut short");
    for code in [0u16, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000] {
        protocol(&frame(0x88, &code.to_be_bytes()), "close code not allowed");
    }
    assert_eq!(read(&frame(0x88, b"\x03\xe8\xff"), &[9]).0, ["Utf8"]);
}

#[test]
fn text_is_utf8_and_fails_with_the_fragment_that_breaks_it() {
    assert_eq!(read(&frame(0x81, b"\xff"), &[9]).0, ["Utf8"]);
    assert_eq!(read(&frame(0x01, b"\xc3\x28"), &[9]).0, ["Utf8"], "broken for good");
    assert_eq!(read(&frame(0x01, b"\xc3"), &[9]).0, [""; 0], "may go on");
    assert_eq!(read(&[frame(0x01, b"\xc3"), frame(0x80, b"")].concat(), &[99]).0, ["Utf8"], "ends too early");
    assert_eq!(read(&frame(0x82, b"\xff"), &[9]).0.len(), 1, "binary may hold anything");
}

#[test]
fn the_limit_holds_before_anything_is_kept() {
    let announced = [&[0x82, 0x80 | 126][..], &(MAX as u16 + 1).to_be_bytes(), &MASK].concat();
    assert_eq!(read(&announced, &[99]).0, ["TooLarge"]);
    let huge = [&[0x82, 0x80 | 127][..], &u64::MAX.to_be_bytes(), &MASK].concat();
    assert_eq!(read(&huge, &[99]).0, ["TooLarge"]);
    let half = vec![7; MAX / 2];
    let fits = [frame(0x02, &half), frame(0x80, &half)].concat();
    assert_eq!(read(&fits, &[64]).0.len(), 1);
    let beyond = [frame(0x02, &half), frame(0x00, &half), frame(0x80, b"x")].concat();
    assert_eq!(read(&beyond, &[64]).0, ["TooLarge"]);
}

#[test]
fn an_announced_length_reserves_nothing() {
    let mut inbound = Inbound::new(1 << 30);
    let mut start = [&[0x82, 0x80 | 127][..], &(1u64 << 29).to_be_bytes(), &MASK, b"some"].concat();
    assert!(inbound.next(&mut &mut start[..]).unwrap().is_none());
    assert!(inbound.held.capacity() < 100);
    for _ in 0..100 {
        inbound.next(&mut &mut [0; 1000][..]).unwrap();
    }
    assert!(inbound.held.capacity() <= 2 * inbound.held.len());
}
