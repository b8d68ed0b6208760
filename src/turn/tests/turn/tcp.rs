use crate::support::{DEADLINE, client_on, issue, receive, receive_relayed, server, soon, turn};
use async_trait::async_trait;
use crosspoint_turn::{Quotas, Turn};
use std::any::Any;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpStream, UdpSocket};
use tokio::sync::Mutex;
use webrtc_util::Conn;

/// TURN over TCP for the crate's client, which knows datagrams only.
struct Framed {
    read: Mutex<OwnedReadHalf>,
    write: Mutex<OwnedWriteHalf>,
    local: SocketAddr,
    server: SocketAddr,
}

impl Framed {
    async fn connect(server: SocketAddr) -> Arc<Framed> {
        let stream = TcpStream::connect(server).await.unwrap();
        let local = stream.local_addr().unwrap();
        let (read, write) = stream.into_split();
        Arc::new(Framed { read: Mutex::new(read), write: Mutex::new(write), local, server })
    }
}

#[async_trait]
impl Conn for Framed {
    async fn connect(&self, _: SocketAddr) -> webrtc_util::Result<()> {
        Ok(())
    }

    async fn recv(&self, buf: &mut [u8]) -> webrtc_util::Result<usize> {
        Ok(self.recv_from(buf).await?.0)
    }

    async fn recv_from(&self, buf: &mut [u8]) -> webrtc_util::Result<(usize, SocketAddr)> {
        let mut read = self.read.lock().await;
        read.read_exact(&mut buf[..4]).await?;
        let length = usize::from(u16::from_be_bytes([buf[2], buf[3]]));
        let rest = if buf[0] < 0x40 { length + 16 } else { length.next_multiple_of(4) };
        read.read_exact(&mut buf[4..4 + rest]).await?;
        Ok((4 + rest, self.server))
    }

    async fn send(&self, buf: &[u8]) -> webrtc_util::Result<usize> {
        self.send_to(buf, self.server).await
    }

    async fn send_to(&self, buf: &[u8], _: SocketAddr) -> webrtc_util::Result<usize> {
        self.write.lock().await.write_all(buf).await?;
        Ok(buf.len())
    }

    fn local_addr(&self) -> webrtc_util::Result<SocketAddr> {
        Ok(self.local)
    }

    fn remote_addr(&self) -> Option<SocketAddr> {
        None
    }

    async fn close(&self) -> webrtc_util::Result<()> {
        Ok(self.write.lock().await.shutdown().await?)
    }

    fn as_any(&self) -> &(dyn Any + Send + Sync) {
        self
    }
}

async fn until(mut done: impl FnMut() -> bool) {
    let deadline = tokio::time::Instant::now() + DEADLINE;
    while !done() {
        assert!(tokio::time::Instant::now() < deadline);
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_client_on_tcp_relays_as_one_on_udp_and_ends_with_its_connection() {
    let server = server(Some(turn()));
    let way = Framed::connect(server.addr()).await;
    let client = client_on(server.addr(), way.clone(), &issue("alice")).await;
    let relay = soon(client.allocate()).await.unwrap();
    let friend = UdpSocket::bind("127.0.0.2:0").await.unwrap();
    for n in 0..200u32 {
        // Odd lengths: ChannelData is padded on TCP.
        let data = vec![n as u8; n as usize + 1];
        soon(relay.send_to(&data, friend.local_addr().unwrap())).await.unwrap();
        let (there, from) = receive(&friend).await;
        friend.send_to(&there, from).await.unwrap();
        assert_eq!((receive_relayed(&relay).await.0, there), (data.clone(), data));
    }
    assert!(soon(relay.send_to(b"x", "127.0.0.3:9".parse().unwrap())).await.is_err());
    let counters = server.counters();
    assert_eq!((counters.allocations.load(Relaxed), counters.connections.load(Relaxed)), (1, 1));
    way.close().await.unwrap();
    until(|| counters.allocations.load(Relaxed) == 0 && counters.connections.load(Relaxed) == 0).await;
}

#[tokio::test]
async fn connections_are_bounded_and_nonsense_ends_them() {
    let quotas = Quotas { address_connections_max: 2, ..Quotas::default() };
    let server = server(Some(Turn { quotas, ..turn() }));
    let connect = async || TcpStream::connect(server.addr()).await.unwrap();
    let (mut a, _b, mut c) = (connect().await, connect().await, connect().await);
    assert_eq!(soon(c.read(&mut [0; 8])).await.unwrap_or(0), 0);
    assert_eq!(server.counters().connections_refused.load(Relaxed), 1);
    for nonsense in [&b"GET / HTTP/1.1\r\n\r\n"[..], &[0x00, 0x01, 0xff, 0xff], &[0xff; 64]] {
        a.write_all(nonsense).await.unwrap();
        assert_eq!(soon(a.read(&mut [0; 8])).await.unwrap_or(0), 0);
        until(|| server.counters().connections.load(Relaxed) == 1).await;
        a = connect().await;
        until(|| server.counters().connections.load(Relaxed) == 2).await;
    }
    soon(server.close()).await;
    assert_eq!(soon(a.read(&mut [0; 8])).await.unwrap_or(0), 0);
}
