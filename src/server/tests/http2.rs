//! HTTP/2 by hand: what the hub promises, and clients that abuse it. Beginnings that never end, with and without TLS.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{PATIENCE, dev, get, start};
use crosspoint::Running;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
/// `GET / HTTP/2` of localhost (RFC 7541).
const GET_ROOT: &[u8] = b"\x82\x86\x84\x41\x09localhost";
/// The status of RFC 6585 §5 in Huffman's code.
const STATUS_431: [u8; 5] = [0x48, 0x83, 0x69, 0x90, 0xff];
const CANCEL: [u8; 4] = [0, 0, 0, 8];
const ENHANCE_YOUR_CALM: u32 = 11;

/// A frame (RFC 9113 §4.1).
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// A connection that has begun.
async fn begun(hub: &Running) -> TcpStream {
    let mut stream = TcpStream::connect(hub.addr()).await.unwrap();
    stream.write_all(&[PREFACE, &frame(SETTINGS, 0, 0, &[])].concat()).await.unwrap();
    stream
}

/// The next frame of this type; `None` when the connection ends without one.
async fn next(stream: &mut TcpStream, kind: u8) -> Option<Vec<u8>> {
    let reading = async {
        loop {
            let mut head = [0; 9];
            stream.read_exact(&mut head).await.ok()?;
            let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
            let mut payload = vec![0; length];
            stream.read_exact(&mut payload).await.ok()?;
            if head[3] == kind {
                return Some(payload);
            }
        }
    };
    tokio::time::timeout(PATIENCE, reading).await.expect("a frame or the end in time")
}

fn number(bytes: &[u8]) -> u32 {
    u32::from_be_bytes(bytes[..4].try_into().unwrap())
}

#[tokio::test]
async fn what_a_connection_may_cost_is_said_at_its_beginning() {
    let hub = dev().await;
    let settings = next(&mut begun(&hub).await, SETTINGS).await.unwrap();
    let value = |id: u16| {
        let mut pairs =
            settings.chunks(6).map(|pair| (u16::from_be_bytes([pair[0], pair[1]]), number(&pair[2..])));
        pairs.find(|(of, _)| *of == id).map(|(_, value)| value)
    };
    assert_eq!(value(3), Some(256), "streams at once");
    assert_eq!(value(6), Some(16_384), "bytes of headers");
}

#[tokio::test]
async fn requests_that_are_taken_back_at_once_end_their_connection() {
    let hub = dev().await;
    let mut stream = begun(&hub).await;
    let mut burst = vec![];
    for n in 0..2_000 {
        burst.extend(frame(HEADERS, END_STREAM | END_HEADERS, 2 * n + 1, GET_ROOT));
        burst.extend(frame(RST_STREAM, 0, 2 * n + 1, &CANCEL));
    }
    // The hub may have ended the connection already.
    let _ = stream.write_all(&burst).await;
    let last = next(&mut stream, GOAWAY).await.expect("it says why");
    assert_eq!(number(&last[4..]), ENHANCE_YOUR_CALM);
    assert_eq!(get(&hub, "/healthz").await.status, 200);
}

#[tokio::test]
async fn headers_without_an_end_end_their_connection() {
    let hub = dev().await;
    let mut stream = begun(&hub).await;
    let _ = stream.write_all(&frame(HEADERS, END_STREAM, 1, GET_ROOT)).await;
    // A literal that nobody indexes, over and over.
    let more = frame(CONTINUATION, 0, 1, &b"\0\x01x\x04yyyy".repeat(1_000));
    let flood = async {
        while stream.write_all(&more).await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, flood).await.expect("an end in time");
    assert_eq!(get(&hub, "/healthz").await.status, 200);
}

#[tokio::test]
async fn large_headers_are_refused_and_the_connection_goes_on() {
    let hub = dev().await;
    let mut stream = begun(&hub).await;
    stream.write_all(&frame(HEADERS, END_STREAM, 1, GET_ROOT)).await.unwrap();
    let field = [&b"\0\x01x\x7f\x51"[..], &[b'y'; 127 + 0x51]].concat();
    let fields = field.repeat(100);
    for part in fields.chunks(16_000) {
        stream.write_all(&frame(CONTINUATION, 0, 1, part)).await.unwrap();
    }
    stream.write_all(&frame(CONTINUATION, END_HEADERS, 1, &[])).await.unwrap();
    let refused = next(&mut stream, HEADERS).await.expect("an answer");
    assert_eq!(refused[..5], STATUS_431);
    stream.write_all(&frame(HEADERS, END_STREAM | END_HEADERS, 3, GET_ROOT)).await.unwrap();
    let answered = next(&mut stream, HEADERS).await.expect("another answer");
    assert_eq!(answered[0], 0x88, "200");
}

#[tokio::test]
async fn beginnings_that_never_end_are_not_waited_for() {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["localhost".to_string()]).unwrap();
    let file = |end: &str, text: String| {
        let path = std::env::temp_dir().join(format!("crosspoint-slow-{}.{end}", std::process::id()));
        std::fs::write(&path, text).unwrap();
        path
    };
    let pair = (file("crt", cert.pem()), file("key", signing_key.serialize_pem()));
    let plain = start(|c| c.http.header_ms = 100).await;
    let tls = start(|c| {
        c.http.header_ms = 100;
        (c.listen.tls_cert, c.listen.tls_key) = (Some(pair.0.clone()), Some(pair.1.clone()));
    })
    .await;
    let _ = (std::fs::remove_file(&pair.0), std::fs::remove_file(&pair.1));
    // The record of a ClientHello that has 512 bytes, and the first of them.
    let hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03";
    for (hub, beginning) in [
        (&plain, &b""[..]),
        (&plain, b"GET / HT"),
        (&plain, &PREFACE[..10]),
        (&plain, PREFACE),
        (&tls, b""),
        (&tls, hello),
        (&tls, &hello[..3]),
    ] {
        let mut stream = TcpStream::connect(hub.addr()).await.unwrap();
        stream.write_all(beginning).await.unwrap();
        let mut rest = vec![];
        let ended = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut rest)).await;
        let _ = ended.unwrap_or_else(|_| panic!("no end after {beginning:?}"));
    }
}
