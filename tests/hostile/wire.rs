//! Bytes on a socket, as bad as one wants them.

use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

pub(crate) async fn within<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(40), what).await.expect("it never happened")
}

/// An answer, read to the end of its connection.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) async fn of(
        addr: SocketAddr,
        method: &str,
        path: &str,
        headers: &[&str],
        body: &[u8],
    ) -> Answer {
        let mut socket = TcpStream::connect(addr).await.unwrap();
        let mut head = format!("{method} {path} HTTP/1.1\r\nhost: {addr}\r\nconnection: close\r\n");
        head += &format!("content-length: {}\r\n", body.len());
        headers.iter().for_each(|h| head += &format!("{h}\r\n"));
        socket.write_all((head + "\r\n").as_bytes()).await.unwrap();
        // A hub that refuses what is too large may have stopped reading.
        let _ = socket.write_all(body).await;
        Answer::read(&mut socket).await
    }

    /// What comes until the connection ends.
    pub(crate) async fn read(socket: &mut TcpStream) -> Answer {
        let mut all = vec![];
        // A reset after the answer leaves what came before.
        let _ = within(socket.read_to_end(&mut all)).await;
        let text = String::from_utf8_lossy(&all);
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        let status = head.split(' ').nth(1).and_then(|s| s.parse().ok()).unwrap_or(0);
        Answer { status, body: body.into() }
    }

    /// The code of an error.
    pub(crate) fn code(&self) -> String {
        let json: serde_json::Value = serde_json::from_str(&self.body).unwrap_or_default();
        json["error"]["code"].as_str().unwrap_or_default().into()
    }
}

/// A connection with a receive buffer that is soon full.
pub(crate) async fn narrow(addr: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    socket.connect(addr).await.unwrap()
}

/// A WebSocket whose frames are written by hand.
pub(crate) struct Ws(pub(crate) TcpStream);

impl Ws {
    pub(crate) async fn open(addr: SocketAddr) -> Ws {
        Ws::over(TcpStream::connect(addr).await.unwrap(), addr).await
    }

    pub(crate) async fn over(mut socket: TcpStream, addr: SocketAddr) -> Ws {
        let head = format!(
            "GET /ws HTTP/1.1\r\nhost: {addr}\r\nupgrade: websocket\r\nconnection: upgrade\r\n\
             sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        socket.write_all(head.as_bytes()).await.unwrap();
        let mut seen = vec![];
        while !seen.ends_with(b"\r\n\r\n") {
            seen.push(within(socket.read_u8()).await.unwrap());
        }
        assert!(seen.starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&seen));
        Ws(socket)
    }

    /// One that has said hello.
    pub(crate) async fn user(addr: SocketAddr, user: &str) -> Ws {
        Ws::open(addr).await.hello(user).await
    }

    /// One that has said hello, and whose receive buffer is soon full.
    pub(crate) async fn narrow(addr: SocketAddr, user: &str) -> Ws {
        Ws::over(narrow(addr).await, addr).await.hello(user).await
    }

    pub(crate) async fn hello(self, user: &str) -> Ws {
        let mut ws = self;
        let hello = format!(r#"{{"type":"hub:hello","data":{{"version":1,"user":"{user}"}}}}"#);
        ws.send(&frame(1, hello.as_bytes())).await;
        assert!(ws.next().await.unwrap().1.starts_with(b"{\"type\":\"hub:welcome\""));
        ws
    }

    /// Writes bytes; a connection that is gone shows in reading.
    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        let _ = self.0.write_all(bytes).await;
    }

    /// The next frame's opcode and payload; `None` at the end.
    pub(crate) async fn next(&mut self) -> Option<(u8, Vec<u8>)> {
        within(read_frame(&mut self.0)).await
    }

    /// Reads up to the close frame; its code, and the last text before it.
    pub(crate) async fn closed(&mut self) -> (u16, String) {
        let mut text = String::new();
        while let Some((opcode, payload)) = self.next().await {
            match opcode {
                1 => text = String::from_utf8(payload).unwrap(),
                8 => return (u16::from_be_bytes([payload[0], payload[1]]), text),
                _ => {}
            }
        }
        (0, text)
    }
}

async fn read_frame(socket: &mut (impl tokio::io::AsyncRead + Unpin)) -> Option<(u8, Vec<u8>)> {
    let opcode = socket.read_u8().await.ok()? & 15;
    let len = match socket.read_u8().await.ok()? {
        126 => u64::from(socket.read_u16().await.ok()?),
        127 => socket.read_u64().await.ok()?,
        short => u64::from(short),
    };
    let mut payload = vec![0; usize::try_from(len).unwrap()];
    socket.read_exact(&mut payload).await.ok()?;
    Some((opcode, payload))
}

/// A whole frame from a client; the mask of zeros is a mask like any other.
pub(crate) fn frame(opcode: u8, payload: &[u8]) -> Vec<u8> {
    [&head(0x80 | opcode, payload.len() as u64)[..], payload].concat()
}

/// A frame's head: first byte, length, mask.
pub(crate) fn head(first: u8, len: u64) -> Vec<u8> {
    let mut out = vec![first];
    match len {
        0..126 => out.push(0x80 | len as u8),
        126..65_536 => {
            out.push(0x80 | 126);
            out.extend((len as u16).to_be_bytes());
        }
        _ => {
            out.push(0x80 | 127);
            out.extend(len.to_be_bytes());
        }
    }
    out.extend([0; 4]);
    out
}

/// Numbers without a pattern (Steele, Lea and Flood 2014), the same in each run.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    pub(crate) fn bytes(&mut self, len: u64) -> Vec<u8> {
        (0..len).map(|_| self.next() as u8).collect()
    }
}
