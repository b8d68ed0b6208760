//! Clients that come by TCP (RFC 8656 §3.1): the same messages, one after the other.

use crate::addresses::network;
use crate::config::Quotas;
use crate::counters::count;
use crate::message::HEADER_BYTES;
use crate::request::Way;
use crate::shared::Shared;
use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;
use std::any::Any;
use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use turn::allocation::five_tuple::FiveTuple;
use turn::proto::PROTO_TCP;
use webrtc_util::Conn;

/// The longest message.
const MESSAGE_BYTES_MAX: usize = 2048;
/// Messages that wait to be written; further ones are dropped, as on any way of UDP.
const QUEUE_MESSAGES: usize = 128;
/// How long a connection may have neither an allocation nor anything to say.
const IDLE: Duration = Duration::from_secs(30);

/// Takes connections until told to stop.
pub(crate) async fn run(
    shared: Arc<Shared>,
    listener: TcpListener,
    local: SocketAddr,
    quotas: Quotas,
    mut stop: watch::Receiver<bool>,
) {
    let guests = Arc::new(Guests { quotas, by_address: Mutex::default() });
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            _ = stop.wait_for(|stop| *stop) => break,
            Some(_) = connections.join_next(), if !connections.is_empty() => continue,
            accepted = listener.accept() => accepted,
        };
        let Ok((stream, from)) = accepted else {
            // Out of descriptors, mostly: others have to end first.
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        match Guest::enter(&guests, &shared, from.ip()) {
            Some(guest) => {
                let (shared, stop) = (shared.clone(), stop.clone());
                connections.spawn(serve(shared, stream, from, local, guest, stop));
            }
            None => count(&shared.counters.connections_refused),
        }
    }
    while connections.join_next().await.is_some() {}
}

async fn serve(
    shared: Arc<Shared>,
    stream: TcpStream,
    from: SocketAddr,
    local: SocketAddr,
    _guest: Guest,
    mut stop: watch::Receiver<bool>,
) {
    // Without it voice would wait for acknowledgements.
    let _ = stream.set_nodelay(true);
    let (read, write) = stream.into_split();
    let (queue, queued) = mpsc::channel(QUEUE_MESSAGES);
    let five_tuple = FiveTuple { protocol: PROTO_TCP, src_addr: from, dst_addr: local };
    let way = Way { shared: shared.clone(), conn: Arc::new(Line { queue, local }), five_tuple };
    tokio::select! {
        _ = stop.wait_for(|stop| *stop) => {}
        () = read_all(&way, BufReader::new(read)) => {}
        () = write_all(write, queued) => {}
    }
    shared.end_client(&five_tuple).await;
}

async fn read_all(way: &Way, mut read: BufReader<OwnedReadHalf>) {
    let mut buf = vec![0; MESSAGE_BYTES_MAX];
    while let Some(n) = message(way, &mut read, &mut buf).await {
        way.receive(&buf[..n]).await;
    }
}

/// Reads one message, however long it takes while there is an allocation.
async fn message(way: &Way, read: &mut BufReader<OwnedReadHalf>, buf: &mut [u8]) -> Option<usize> {
    let message = next(read, buf);
    tokio::pin!(message);
    loop {
        match tokio::time::timeout(IDLE, &mut message).await {
            Ok(message) => return message.ok(),
            Err(_) if way.shared.client(&way.five_tuple).is_some() => {}
            Err(_) => return None,
        }
    }
}

/// Reads one message; its first bytes say what it is and how long.
async fn next(read: &mut BufReader<OwnedReadHalf>, buf: &mut [u8]) -> io::Result<usize> {
    let (head, rest) = buf.split_at_mut(4);
    read.read_exact(head).await?;
    let length = usize::from(u16::from_be_bytes([head[2], head[3]]));
    let (rest_bytes, message_bytes) = match head[0] {
        0x00..0x40 => (length + HEADER_BYTES - 4, length + HEADER_BYTES),
        0x40..0x80 => (length.next_multiple_of(4), length + 4),
        _ => return Err(io::ErrorKind::InvalidData.into()),
    };
    let rest = rest.get_mut(..rest_bytes).ok_or(io::ErrorKind::InvalidData)?;
    read.read_exact(rest).await?;
    Ok(message_bytes)
}

async fn write_all(mut write: OwnedWriteHalf, mut queued: mpsc::Receiver<Bytes>) {
    while let Some(message) = queued.recv().await {
        if write.write_all(&message).await.is_err() {
            return;
        }
    }
}

/// The way back to a client, for the crate.
struct Line {
    queue: mpsc::Sender<Bytes>,
    local: SocketAddr,
}

#[async_trait]
impl Conn for Line {
    async fn connect(&self, _: SocketAddr) -> webrtc_util::Result<()> {
        Err(io::Error::from(io::ErrorKind::Unsupported).into())
    }

    async fn recv(&self, _: &mut [u8]) -> webrtc_util::Result<usize> {
        Err(io::Error::from(io::ErrorKind::Unsupported).into())
    }

    async fn recv_from(&self, _: &mut [u8]) -> webrtc_util::Result<(usize, SocketAddr)> {
        Err(io::Error::from(io::ErrorKind::Unsupported).into())
    }

    async fn send(&self, _: &[u8]) -> webrtc_util::Result<usize> {
        Err(io::Error::from(io::ErrorKind::Unsupported).into())
    }

    async fn send_to(&self, buf: &[u8], _: SocketAddr) -> webrtc_util::Result<usize> {
        let sent = self.queue.try_send(Bytes::copy_from_slice(buf));
        sent.map(|()| buf.len()).map_err(|_| io::Error::from(io::ErrorKind::WouldBlock).into())
    }

    fn local_addr(&self) -> webrtc_util::Result<SocketAddr> {
        Ok(self.local)
    }

    fn remote_addr(&self) -> Option<SocketAddr> {
        None
    }

    async fn close(&self) -> webrtc_util::Result<()> {
        Ok(())
    }

    fn as_any(&self) -> &(dyn Any + Send + Sync) {
        self
    }
}

/// The connections of all addresses.
struct Guests {
    quotas: Quotas,
    by_address: Mutex<HashMap<IpAddr, usize>>,
}

/// One connection's place; given back when it is dropped.
struct Guest {
    all: Arc<Guests>,
    shared: Arc<Shared>,
    address: IpAddr,
}

impl Guest {
    fn enter(all: &Arc<Guests>, shared: &Arc<Shared>, address: IpAddr) -> Option<Guest> {
        let address = network(address);
        let mut by_address = all.by_address.lock();
        let total: usize = usize::try_from(shared.counters.connections.load(Relaxed)).unwrap_or(usize::MAX);
        let here = by_address.get(&address).copied().unwrap_or(0);
        if total >= all.quotas.connections_max || here >= all.quotas.address_connections_max {
            return None;
        }
        by_address.insert(address, here + 1);
        count(&shared.counters.connections);
        Some(Guest { all: all.clone(), shared: shared.clone(), address })
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        self.shared.counters.connections.fetch_sub(1, Relaxed);
        let mut by_address = self.all.by_address.lock();
        if let Some(here) = by_address.get_mut(&self.address) {
            *here -= 1;
            if *here == 0 {
                by_address.remove(&self.address);
            }
        }
    }
}
