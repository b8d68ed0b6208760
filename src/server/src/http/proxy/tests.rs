use super::*;

/// The bytes of a header of version 2.
fn v2(command: u8, family: u8, body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(body.len()).unwrap().to_be_bytes();
    [&V2_SIGNATURE[..], &[command, family], &length, body].concat()
}

/// What is read, and what is left for who comes after.
async fn read(mut bytes: &[u8]) -> (Result<Option<String>, io::ErrorKind>, usize) {
    let source = source(&mut bytes).await;
    (source.map(|ip| ip.map(|ip| ip.to_string())).map_err(|e| e.kind()), bytes.len())
}

async fn whole(header: &[u8]) -> Option<String> {
    let (source, left) = read(&[header, b"GET / HTTP/1.1\r\n"].concat()).await;
    assert_eq!(left, 16, "nothing but the header is taken: {header:?}");
    source.unwrap_or_else(|e| panic!("{e}: {header:?}"))
}

#[tokio::test]
async fn lines_of_version_1_name_the_client() {
    for (line, source) in [
        ("PROXY TCP4 198.51.100.7 10.0.0.1 56324 443\r\n", Some("198.51.100.7")),
        ("PROXY TCP4 1.1.1.1 1.1.1.1 0 65535\r\n", Some("1.1.1.1")),
        ("PROXY TCP6 2001:db8::7 2001:db8::1 56324 443\r\n", Some("2001:db8::7")),
        ("PROXY TCP6 ::ffff:198.51.100.7 ::1 1 2\r\n", Some("198.51.100.7")),
        ("PROXY UNKNOWN\r\n", None),
        ("PROXY UNKNOWN ffff::1 ffff::2 65535 65535\r\n", None),
    ] {
        assert_eq!(whole(line.as_bytes()).await.as_deref(), source, "{line:?}");
    }
}

#[tokio::test]
async fn lines_of_another_form_are_refused() {
    let long = format!("PROXY UNKNOWN {}\r\n", "f".repeat(V1_BYTES_MAX));
    for line in [
        "GET / HTTP/1.1\r\n\r\n",
        "PROXYxTCP4 1.1.1.1 1.1.1.1 1 1\r\n",
        "PROXY TCP4 1.1.1.1 1.1.1.1 1\r\n",
        "PROXY TCP4 1.1.1.1 1.1.1.1 1 1 1\r\n",
        "PROXY TCP4 1.1.1.1  1.1.1.1 1 1\r\n",
        "PROXY TCP4 1.1.1.1 1.1.1.1 +1 1\r\n",
        "PROXY TCP4 1.1.1.1 1.1.1.1 01 1\r\n",
        "PROXY TCP4 1.1.1.1 1.1.1.1 65536 1\r\n",
        "PROXY TCP4 ::1 ::1 1 1\r\n",
        "PROXY TCP6 1.1.1.1 1.1.1.1 1 1\r\n",
        "PROXY TCP5 1.1.1.1 1.1.1.1 1 1\r\n",
        "PROXY TCP4 1.1.1.1 1.1.1.1 1 1\n                         ",
        "proxy TCP4 1.1.1.1 1.1.1.1 1 1\r\n",
        &long,
    ] {
        assert_eq!(read(line.as_bytes()).await.0, Err(io::ErrorKind::InvalidData), "{line:?}");
    }
}

#[tokio::test]
async fn headers_of_version_2_name_the_client_and_may_have_more() {
    let v4 = [198, 51, 100, 7, 10, 0, 0, 1, 0, 80, 1, 187];
    let v6 = [&[0x20, 1, 0xd, 0xb8][..], &[0; 11], &[7], &[0; 16], &[0, 80, 1, 187]].concat();
    let tlv = [4, 0, 3, 1, 2, 3];
    for (header, source) in [
        (v2(0x21, 0x11, &v4), Some("198.51.100.7")),
        (v2(0x21, 0x11, &[&v4[..], &tlv].concat()), Some("198.51.100.7")),
        (v2(0x21, 0x11, &[&v4[..], &[0xff; 4000]].concat()), Some("198.51.100.7")),
        (v2(0x21, 0x21, &v6), Some("2001:db8::7")),
        (v2(0x21, 0x21, &[&v6[..], &tlv].concat()), Some("2001:db8::7")),
        // The proxy's own connection, such as its health check.
        (v2(0x20, 0x00, &[]), None),
        (v2(0x20, 0x11, &v4), None),
        // Families that are no addresses of TCP: none, datagrams, Unix, unknown ones.
        (v2(0x21, 0x00, &[]), None),
        (v2(0x21, 0x12, &v4), None),
        (v2(0x21, 0x31, &[0; 216]), None),
        (v2(0x21, 0xf7, &tlv), None),
    ] {
        assert_eq!(whole(&header).await.as_deref(), source, "{header:?}");
    }
    for header in [
        v2(0x11, 0x11, &v4),
        v2(0x22, 0x11, &v4),
        v2(0x21, 0x11, &v4[..11]),
        v2(0x21, 0x21, &v4),
        v2(0x21, 0x11, &[0; V2_BYTES_MAX]),
    ] {
        assert_eq!(read(&header).await.0, Err(io::ErrorKind::InvalidData), "{header:?}");
    }
}

#[tokio::test]
async fn a_header_may_come_in_any_pieces_and_must_come_whole() {
    let line = b"PROXY TCP4 198.51.100.7 10.0.0.1 56324 443\r\n".to_vec();
    let binary = v2(0x21, 0x11, &[198, 51, 100, 7, 10, 0, 0, 1, 0, 80, 1, 187, 4, 0, 0]);
    for header in [line, binary] {
        for at in 0..header.len() {
            assert_eq!(read(&header[..at]).await.0, Err(io::ErrorKind::UnexpectedEof), "{at}");
            let mut pieces = (&header[..at]).chain(&header[at..]);
            let source = source(&mut pieces).await.unwrap();
            assert_eq!(source, Some("198.51.100.7".parse().unwrap()));
        }
    }
}

/// xorshift64*, so that a failure can be repeated.
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % n
    }
}

#[tokio::test]
async fn nothing_that_comes_makes_it_panic_or_take_too_much() {
    let seeds = [
        b"PROXY TCP4 198.51.100.7 10.0.0.1 56324 443\r\n".to_vec(),
        b"PROXY TCP6 2001:db8::7 2001:db8::1 56324 443\r\n".to_vec(),
        v2(0x21, 0x11, &[0; 40]),
        v2(0x21, 0x21, &[0; 80]),
        v2(0x20, 0x00, &[0; 5]),
    ];
    for seed in 1..=20_000 {
        let mut random = Random(seed);
        let mut bytes = seeds[random.below(seeds.len())].clone();
        for _ in 0..random.below(6) {
            let at = random.below(bytes.len());
            match random.below(4) {
                0 => bytes[at] = random.below(256) as u8,
                1 => bytes.truncate(at + 1),
                2 => bytes.insert(at, b" \r\n\0P1"[random.below(6)]),
                _ => bytes[at] ^= 1 << random.below(8),
            }
        }
        bytes.extend(std::iter::repeat_n(b'x', V2_BYTES_MAX));
        let (source, left) = read(&bytes).await;
        assert!(bytes.len() - left <= V2_BYTES_MAX, "seed {seed}");
        if source.is_ok() {
            let taken = &bytes[..bytes.len() - left];
            assert!(taken.starts_with(b"PROXY ") || taken.starts_with(&V2_SIGNATURE), "seed {seed}");
        }
    }
}
