//! A client that writes bytes by hand and sees how its socket ends.

use std::io::ErrorKind;
use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::DEADLINE;

pub(crate) const UPGRADE: &str = "GET /ws HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                                  Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    Closed,
    Reset,
}

pub(crate) struct Client {
    stream: TcpStream,
    seen: Vec<u8>,
}

impl Client {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        let stream = timeout(DEADLINE, TcpStream::connect(address)).await.unwrap().unwrap();
        Self { stream, seen: Vec::new() }
    }

    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        timeout(DEADLINE, self.stream.write_all(bytes.as_ref())).await.unwrap().unwrap();
    }

    pub(crate) async fn get(&mut self, path: &str) {
        self.send(format!("GET {path} HTTP/1.1\r\nHost: h\r\n\r\n")).await;
    }

    pub(crate) async fn post(&mut self, path: &str, body: &str) {
        let length = body.len();
        self.send(format!("POST {path} HTTP/1.1\r\nHost: h\r\nContent-Length: {length}\r\n\r\n{body}")).await;
    }

    /// Reads up to and with `marker`; returns everything since the last one.
    pub(crate) async fn until(&mut self, marker: &str) -> String {
        loop {
            let marker = marker.as_bytes();
            if let Some(at) = self.seen.windows(marker.len()).position(|window| window == marker) {
                let rest = self.seen.split_off(at + marker.len());
                return String::from_utf8(std::mem::replace(&mut self.seen, rest)).unwrap();
            }
            let read = timeout(DEADLINE, self.stream.read_buf(&mut self.seen)).await;
            let read =
                read.unwrap_or_else(|_| panic!("only {:?}", String::from_utf8_lossy(&self.seen))).unwrap();
            assert_ne!(read, 0, "ended after {:?}", String::from_utf8_lossy(&self.seen));
        }
    }

    /// A whole answer with `Content-Length`; returns status and body.
    pub(crate) async fn answer(&mut self) -> (u16, String) {
        let head = self.until("\r\n\r\n").await;
        let status = head[9..12].parse().unwrap();
        let length =
            head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
        let length: usize = length.unwrap();
        while self.seen.len() < length {
            assert_ne!(timeout(DEADLINE, self.stream.read_buf(&mut self.seen)).await.unwrap().unwrap(), 0);
        }
        let rest = self.seen.split_off(length);
        (status, String::from_utf8(std::mem::replace(&mut self.seen, rest)).unwrap())
    }

    /// Reads on until the socket ends.
    pub(crate) async fn end(&mut self) -> (String, Ended) {
        loop {
            match timeout(DEADLINE, self.stream.read_buf(&mut self.seen)).await.expect("the socket ends") {
                Ok(0) => return (self.take(), Ended::Closed),
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::ConnectionReset => {
                    return (self.take(), Ended::Reset);
                }
                Err(error) => panic!("{error}"),
            }
        }
    }

    /// Whether nothing has arrived that wasn't taken yet. Means something only behind another event.
    pub(crate) fn is_silent(&mut self) -> bool {
        let mut byte = [0];
        let read = self.stream.try_read(&mut byte);
        self.seen.is_empty() && matches!(read, Err(error) if error.kind() == ErrorKind::WouldBlock)
    }

    pub(crate) async fn close_write(&mut self) {
        self.stream.shutdown().await.unwrap();
    }

    fn take(&mut self) -> String {
        String::from_utf8(std::mem::take(&mut self.seen)).unwrap()
    }
}
