use super::*;
use crate::encode;

/// Numbers without a pattern (Steele, Lea and Flood 2014), the same in each run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }

    fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.next() as u8).collect()
    }
}

/// What a message is, to compare.
fn parts(message: Message) -> (bool, Vec<u8>) {
    match message {
        Message::Text(text) => (false, text.to_vec()),
        Message::Binary(bytes) => (true, bytes.to_vec()),
    }
}

/// Feeds all in pieces of random sizes; the messages, and whether the rest was refused.
fn decode(random: &mut Random, max: usize, wire: &[u8], piece_max: usize) -> (Vec<(bool, Vec<u8>)>, bool) {
    let mut decoder = Decoder::new(max);
    let (mut out, mut rest) = (vec![], wire);
    while !rest.is_empty() {
        let n = 1 + random.below(piece_max.min(rest.len()));
        let mut chunk = Bytes::copy_from_slice(&rest[..n]);
        rest = &rest[n..];
        loop {
            match decoder.next(&mut chunk) {
                Ok(Some(message)) => out.push(parts(message)),
                Ok(None) => break,
                Err(TooLarge) => return (out, true),
            }
            assert!(decoder.held.capacity() <= max + HEAD + piece_max);
        }
        assert!(chunk.is_empty(), "an incomplete message takes all there is");
        assert!(decoder.held.len() < max + HEAD && decoder.held.capacity() <= 2 * (max + HEAD));
    }
    (out, false)
}

/// The same by the book, on the whole.
fn model(max: usize, mut wire: &[u8]) -> (Vec<(bool, Vec<u8>)>, bool) {
    let mut out = vec![];
    while let Some((head, rest)) = wire.split_first_chunk::<4>() {
        let head = u32::from_be_bytes(*head);
        let len = (head & 0x7fff_ffff) as usize;
        if len > max {
            return (out, true);
        }
        if rest.len() < len {
            break;
        }
        out.push((head >> 31 == 1, rest[..len].to_vec()));
        wire = &rest[len..];
    }
    (out, false)
}

#[test]
fn any_split_gives_the_same_messages() {
    let mut random = Random(4);
    for round in 0..4_000 {
        let max = 1 + random.below(300);
        let mut wire = vec![];
        for _ in 0..random.below(12) {
            let len = random.below(max + 1);
            let body = random.bytes(len);
            wire.extend_from_slice(&encode::message(random.below(2) == 1, &body));
        }
        // Some end in the middle, some go wrong.
        match random.below(3) {
            0 => wire.truncate(random.below(wire.len() + 1)),
            1 => wire.extend(random.bytes(8)),
            _ => {}
        }
        let piece_max = 1 + random.below(64);
        assert_eq!(decode(&mut random, max, &wire, piece_max), model(max, &wire), "round {round}");
    }
}

#[test]
fn nothing_that_comes_breaks_it() {
    let mut random = Random(5);
    for round in 0..20_000 {
        let max = random.below(5_000);
        let len = random.below(64);
        let mut wire = random.bytes(len);
        // Most random lengths are far too large: small ones get further.
        if random.below(4) > 0 {
            wire.iter_mut().step_by(4).for_each(|byte| *byte &= 0x80);
        }
        let piece_max = 1 + random.below(16);
        assert_eq!(decode(&mut random, max, &wire, piece_max), model(max, &wire), "round {round}");
    }
}

#[test]
fn a_length_alone_reserves_nothing_and_a_huge_one_ends_it() {
    let mut decoder = Decoder::new(1 << 20);
    let mut chunk = Bytes::from_static(&[0, 0x10, 0, 0, 7]);
    assert!(matches!(decoder.next(&mut chunk), Ok(None)));
    assert!(decoder.held.capacity() < 64);
    for head in [[0, 0x10, 0, 1], [0x7f, 255, 255, 255], [255; 4]] {
        let mut chunk = Bytes::copy_from_slice(&head);
        assert_eq!(Decoder::new(1 << 20).next(&mut chunk).err(), Some(TooLarge));
    }
}

#[test]
fn an_empty_message_is_one() {
    let mut chunk = Bytes::from_static(&[0, 0, 0, 0, 0x80, 0, 0, 0]);
    let mut decoder = Decoder::new(0);
    assert!(matches!(decoder.next(&mut chunk), Ok(Some(Message::Text(t))) if t.is_empty()));
    assert!(matches!(decoder.next(&mut chunk), Ok(Some(Message::Binary(b))) if b.is_empty()));
    assert!(matches!(decoder.next(&mut chunk), Ok(None)));
}
