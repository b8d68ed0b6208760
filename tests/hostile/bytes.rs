//! WebSocket frames and plain bytes that are wrong.

use crate::siege::siege;
use crate::wire::{Random, Ws, frame, head, within};
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Frames that end a WebSocket, with the code it ends with.
fn fatal() -> Vec<(Vec<u8>, u16)> {
    let mut fragments = head(0x01, 60_000);
    fragments.extend(vec![b'x'; 60_000]);
    fragments.extend(head(0x80, 60_000));
    fragments.extend(vec![b'x'; 60_000]);
    vec![
        // Too large: said, sent, in fragments.
        (head(0x81, 1 << 40), 1009),
        (head(0x82, (64 << 10) + 1), 1009),
        (frame(1, &vec![b'x'; (64 << 10) + 1]), 1009),
        (fragments, 1009),
        // Not UTF-8: at once, cut, overlong, a surrogate.
        (frame(1, b"\xff\xfe"), 1007),
        (frame(1, b"{\"type\":\"caf\xc3"), 1007),
        (frame(1, b"\xc0\xaf"), 1007),
        (frame(1, b"\xed\xa0\x80"), 1007),
        // Not RFC 6455.
        (vec![0x81, 0x02, b'{', b'}'], 1002),
        (frame(3, b""), 1002),
        (frame(0xb, b""), 1002),
        (head(0xc1, 0), 1002),
        (head(0x80, 0), 1002),
        (head(0x09, 0), 1002),
        (head(0x89, 126), 1002),
        ([head(0x01, 0), frame(1, b"x")].concat(), 1002),
        (frame(8, b"\x03"), 1002),
    ]
}

async fn bad_frames(addr: SocketAddr) {
    for round in 0..5 {
        for (bytes, code) in fatal() {
            let mut ws = if round % 2 == 0 { Ws::open(addr).await } else { Ws::user(addr, "eve").await };
            ws.send(&bytes).await;
            let (closed, last) = ws.closed().await;
            let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(16)]).into_owned();
            assert_eq!(closed, code, "{shown:?}");
            assert_eq!(code == 1009, last.contains("\"frame_too_large\""), "{last}");
        }
    }
}

#[tokio::test]
async fn frames_that_break_the_rules_get_their_code() {
    siege(&["limits.resume_ms=500"], bad_frames).await;
}

async fn noise(addr: SocketAddr) {
    let mut random = Random(7);
    for n in 0..300 {
        let len = random.below(3_000);
        let bytes = random.bytes(len);
        if n % 3 == 0 {
            let mut ws = Ws::open(addr).await;
            ws.send(&bytes).await;
            let _ = ws.0.shutdown().await;
            while ws.next().await.is_some() {}
            continue;
        }
        let mut socket = TcpStream::connect(addr).await.unwrap();
        let start: &[u8] = match n % 9 {
            1 => b"GET / HTTP/1.1\r\n",
            2 => b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            4 => b"POST /sse HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n",
            5 => b"\x16\x03\x01\x02\x00",
            _ => b"",
        };
        // However the hub ends it, it ends.
        let _ = socket.write_all(start).await;
        let _ = socket.write_all(&bytes).await;
        let _ = socket.shutdown().await;
        let mut rest = vec![];
        let _ = within(socket.read_to_end(&mut rest)).await;
    }
}

#[tokio::test]
async fn noise_is_survived() {
    siege(&["limits.resume_ms=500"], noise).await;
}

async fn nonsense(addr: SocketAddr) {
    let mut random = Random(11);
    for user in 0..20 {
        let mut ws = Ws::user(addr, "eve").await;
        for n in 0..20 {
            let bytes = match (user + n) % 4 {
                0 => frame(1, b"no JSON"),
                1 => frame(2, &random.bytes(50)),
                2 => frame(1, format!("{{\"type\":\"hub:{n}\"}}").as_bytes()),
                _ => frame(1, format!("{}1{}", "[".repeat(20_000), "]".repeat(20_000)).as_bytes()),
            };
            ws.send(&bytes).await;
            // Each has its answer, and the link lives.
            loop {
                let (_, text) = ws.next().await.expect("it lives");
                let text = String::from_utf8(text).unwrap();
                if text.contains("hub:error") {
                    assert!(text.contains("bad_frame") || text.contains("unknown_type"), "{text}");
                    break;
                }
            }
        }
        ws.send(&frame(1, b"{\"type\":\"hub:bye\"}")).await;
        assert_eq!(ws.closed().await.0, 1000);
    }
}

#[tokio::test]
async fn nonsense_is_answered() {
    siege(&[], nonsense).await;
}
