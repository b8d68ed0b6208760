//! WebTransport: frames behind their lengths on one stream, volatile ones as datagrams (docs/protocol.md, WebTransport).

use super::{Context, LinkEvent, Outbox, Outgoing};
use crate::net::{Address, Tls};
use bytes::Bytes;
use crosspoint_core::{Code, Fault, Frame, Retry};
use serde_json::json;
use socket2::SockRef;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;
use tokio::time::timeout;
use wtransport::config::{DnsLookupFuture, DnsResolver};
use wtransport::endpoint::endpoint_side::Client;
use wtransport::error::{ConnectingError, ConnectionError};
use wtransport::tls::{Sha256Digest, WEBTRANSPORT_ALPN};
use wtransport::{ClientConfig, Connection, Endpoint, RecvStream, SendStream, VarInt};

/// The largest message that is read, in bytes.
const MESSAGE_BYTES_MAX: usize = 16 << 20;
const READ_BYTES: usize = 64 << 10;
/// What the system may hold of what nobody has read yet, bytes; it may allow less.
const SOCKET_BYTES: usize = 2 << 20;
/// Frames that go into one write, in bytes.
const BATCH_BYTES: usize = 16 << 10;
/// The length's top bit: the message is binary.
const BINARY: u32 = 1 << 31;
/// Silence after which QUIC gives up by itself; the session notices long before.
const IDLE: Duration = Duration::from_secs(30);
/// Below that of all other streams.
const BULK_PRIORITY: i32 = -1;
/// How long the other end's close is waited for.
const GOODBYE_WITHIN: Duration = Duration::from_secs(1);

pub(super) async fn run(context: &Context, outbox: Outbox) -> Result<(), Fault> {
    if context.bulk {
        return beside(context, outbox).await;
    }
    let Context { address, certificate_hashes, tls, .. } = context;
    let connecting = connect(address, certificate_hashes, tls);
    let (_endpoint, connection) = match timeout(context.within, connecting).await {
        Ok(connected) => connected?,
        Err(_) => return Err(Fault::new(Code::Timeout, "WebTransport was not answered in time")),
    };
    let (send, receive) = open(&connection).await?;
    // The code of `bye` would say goodbye for the session.
    let said = AtomicU16::new(0);
    let goodbye = || {
        let mut beside = context.beside.lock();
        beside.take_if(|c| c.stable_id() == connection.stable_id());
        connection.close(VarInt::from_u32(said.load(Ordering::Relaxed).into()), b"");
    };
    // Both go on whatever the other waits for, or two full directions would block each other.
    let mut reading = pin!(read(context, &connection, receive, &said));
    let sent = tokio::select! {
        fault = &mut reading => {
            goodbye();
            return Err(fault);
        }
        sent = write(context, &connection, send, outbox) => sent,
    };
    // What was sent arrives before the end does; why a write failed is often said by what can still be read.
    let last = timeout(GOODBYE_WITHIN, reading).await;
    goodbye();
    match (sent, last) {
        (Ok(()), _) => Ok(()),
        (Err(_), Ok(fault)) | (Err(fault), Err(_)) => Err(fault),
    }
}

/// A bulk link: a further stream of the session's connection, which outlives it.
async fn beside(context: &Context, outbox: Outbox) -> Result<(), Fault> {
    let gone = || Fault::new(Code::Unavailable, "the session has no WebTransport link");
    let connection = context.beside.lock().clone().ok_or_else(gone)?;
    let (send, receive) = open(&connection).await?;
    // The session's own link goes first.
    send.set_priority(BULK_PRIORITY);
    let said = AtomicU16::new(0);
    let mut reading = pin!(read(context, &connection, receive, &said));
    tokio::select! {
        fault = &mut reading => return Err(fault),
        sent = write(context, &connection, send, outbox) => sent?,
    }
    let _ = timeout(GOODBYE_WITHIN, reading).await;
    Ok(())
}

pub(crate) async fn connect(
    address: &Address,
    certificate_hashes: &[[u8; 32]],
    tls: &Tls,
) -> Result<(Endpoint<Client>, Connection), Fault> {
    let Address { host, port, path, .. } = address;
    let failed = |e: &dyn std::fmt::Display| {
        Fault::new(Code::Unavailable, format!("WebTransport to {}: {e}", address.authority()))
    };
    let mut found = tokio::net::lookup_host((host.as_str(), *port)).await.map_err(|e| failed(&e))?;
    let there = found.next().ok_or_else(|| failed(&"no such host"))?;
    let here: SocketAddr = match there {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let config = ClientConfig::builder().with_bind_socket(bind(here).map_err(|e| failed(&e))?);
    let config = if certificate_hashes.is_empty() {
        let mut tls = (**tls.connector().await?.config()).clone();
        tls.alpn_protocols = vec![WEBTRANSPORT_ALPN.to_vec()];
        config.with_custom_tls(tls)
    } else {
        config.with_server_certificate_hashes(certificate_hashes.iter().copied().map(Sha256Digest::new))
    };
    let config = config.max_idle_timeout(Some(IDLE)).map_err(|e| failed(&e))?;
    let endpoint = Endpoint::client(config.dns_resolver(Found(there)).build()).map_err(|e| failed(&e))?;
    let url = format!("https://{}:{port}{path}", bracketed(host));
    match endpoint.connect(url).await {
        Ok(connection) => Ok((endpoint, connection)),
        // Browsers don't tell pages why, so the hub says little: what it has against the client, other ways in tell better.
        Err(ConnectingError::SessionRejected) => Err(failed(&"the session was refused")),
        Err(error) => Err(failed(&error)),
    }
}

fn bind(here: SocketAddr) -> io::Result<UdpSocket> {
    let socket = UdpSocket::bind(here)?;
    socket.set_nonblocking(true)?;
    // A smaller one does; what doesn't fit is sent again, and holds up what is behind it.
    let _ = SockRef::from(&socket).set_recv_buffer_size(SOCKET_BYTES);
    Ok(socket)
}

fn bracketed(host: &str) -> String {
    if host.contains(':') { format!("[{host}]") } else { host.into() }
}

/// An address that was looked up before.
#[derive(Debug)]
struct Found(SocketAddr);

impl DnsResolver for Found {
    fn resolve(&self, _: &str) -> Pin<Box<dyn DnsLookupFuture>> {
        let found = self.0;
        Box::pin(async move { Ok(Some(found)) })
    }
}

pub(crate) async fn open(connection: &Connection) -> Result<(SendStream, RecvStream), Fault> {
    let lost = |e: &dyn std::fmt::Display| Fault::new(Code::Unavailable, format!("WebTransport: {e}"));
    let opening = connection.open_bi().await.map_err(|e| lost(&e))?;
    opening.await.map_err(|e| lost(&e))
}

/// Reads frames until the stream or the session ends; `said` is the code of the hub's `hub:close`.
async fn read(context: &Context, connection: &Connection, mut stream: RecvStream, said: &AtomicU16) -> Fault {
    let mut held = Vec::new();
    let mut piece = vec![0; READ_BYTES];
    // The hub may have said something on the way before the welcome; datagrams don't keep that order.
    let mut welcomed = false;
    loop {
        let read = tokio::select! {
            biased;
            read = stream.read(&mut piece) => read,
            datagram = connection.receive_datagram(), if welcomed && !context.bulk => {
                let Ok(datagram) = datagram else { return ended(connection).await };
                let text = datagram.payload();
                if let Ok(frame) = Frame::decode_text(&text)
                    && frame.volatile.is_some()
                {
                    context.tell(LinkEvent::Frame(Box::new(frame), text.len())).await;
                }
                continue;
            }
        };
        match read {
            Ok(Some(n)) => held.extend_from_slice(&piece[..n]),
            Ok(None) => return Fault::new(Code::Unavailable, "the WebTransport stream ended"),
            Err(_) => return ended(connection).await,
        }
        let mut rest = &held[..];
        loop {
            let (binary, body) = match split(&mut rest) {
                Ok(Some(message)) => message,
                Ok(None) => break,
                Err(fault) => return fault,
            };
            if body == Frame::BEAT {
                context.tell(LinkEvent::Beat).await;
                continue;
            }
            let frame = match binary {
                true => Frame::decode_binary(&Bytes::copy_from_slice(body)),
                false => Frame::decode_text(body),
            };
            match frame {
                Ok(frame) => {
                    match frame.kind.as_str() {
                        "hub:welcome" => {
                            welcomed = true;
                            if !context.bulk {
                                *context.beside.lock() = Some(connection.clone());
                            }
                        }
                        "hub:close" => remember(&frame, said),
                        _ => {}
                    }
                    context.tell(LinkEvent::Frame(Box::new(frame), body.len())).await;
                }
                // Its place in the count is lost with it; the next link repeats it.
                Err(error) => {
                    return Fault { retry: Retry::Backoff, ..Fault::new(Code::BadFrame, error.to_string()) };
                }
            }
        }
        let taken = held.len() - rest.len();
        held.drain(..taken);
    }
}

/// The next whole message, taken off.
pub(crate) fn split<'a>(rest: &mut &'a [u8]) -> Result<Option<(bool, &'a [u8])>, Fault> {
    let Some((head, behind)) = rest.split_first_chunk::<4>() else { return Ok(None) };
    let head = u32::from_be_bytes(*head);
    let len = (head & !BINARY) as usize;
    if len > MESSAGE_BYTES_MAX {
        return Err(Fault::new(Code::LimitExceeded, "a message is larger than 16 MiB"));
    }
    let Some((body, after)) = behind.split_at_checked(len) else { return Ok(None) };
    *rest = after;
    Ok(Some((head & BINARY != 0, body)))
}

fn remember(close: &Frame, said: &AtomicU16) {
    if let Ok(fault) = close.parse::<Fault>() {
        said.store(fault.code.close(), Ordering::Relaxed);
    }
}

/// What the end of a session means, where no `hub:close` said it better.
async fn ended(connection: &Connection) -> Fault {
    let error = connection.closed().await;
    let code = match &error {
        ConnectionError::ApplicationClosed(close) => {
            u16::try_from(close.code().into_inner()).ok().and_then(Code::from_close)
        }
        _ => None,
    };
    match code {
        // A plain goodbye that we didn't ask for is a loss.
        Some(Code::Bye) | None => Fault::new(Code::Unavailable, format!("WebTransport: {error}")),
        Some(code) => code.into(),
    }
}

/// Returns when the outbox is closed and all that was in it is sent.
async fn write(
    context: &Context,
    connection: &Connection,
    mut stream: SendStream,
    mut outbox: Outbox,
) -> Result<(), Fault> {
    let lost = |e: &dyn std::fmt::Display| Fault::new(Code::Unavailable, format!("WebTransport: {e}"));
    let mut batch = Vec::new();
    if context.probe {
        put(&Frame::with("hub:ping", &json!({"received": 0})), &mut batch);
        stream.write_all(&batch).await.map_err(|e| lost(&e))?;
    }
    while let Some(next) = outbox.recv().await {
        batch.clear();
        outgoing(&next, connection, &mut batch);
        while batch.len() < BATCH_BYTES
            && let Ok(next) = outbox.try_recv()
        {
            outgoing(&next, connection, &mut batch);
        }
        stream.write_all(&batch).await.map_err(|e| lost(&e))?;
    }
    stream.finish().await.map_err(|e| lost(&e))
}

/// Appends it, or sends it as a datagram if it may be lost and fits into one.
fn outgoing(next: &Outgoing, connection: &Connection, batch: &mut Vec<u8>) {
    match next {
        Outgoing::Beat(_) => message(false, Frame::BEAT, batch),
        Outgoing::Frame(next) if next.frame.volatile.is_some() => {
            if connection.send_datagram(next.frame.encode_text()).is_err() {
                put(&next.frame, batch);
            }
        }
        Outgoing::Frame(next) => put(&next.frame, batch),
    }
}

pub(crate) fn put(frame: &Frame, batch: &mut Vec<u8>) {
    match frame.encode_binary() {
        Some(bytes) => message(true, &bytes, batch),
        None => message(false, frame.encode_text().as_bytes(), batch),
    }
}

pub(crate) fn message(binary: bool, body: &[u8], batch: &mut Vec<u8>) {
    // No frame comes near 2 GiB: the hub's limits bound them long before.
    let len = u32::try_from(body.len()).unwrap_or(0) & !BINARY;
    batch.extend_from_slice(&(if binary { BINARY | len } else { len }).to_be_bytes());
    batch.extend_from_slice(body);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_split_where_they_end() {
        let mut wire = Vec::new();
        message(false, b"{}", &mut wire);
        message(true, b"", &mut wire);
        message(false, b"cut", &mut wire);
        let mut rest = &wire[..wire.len() - 1];
        assert_eq!(split(&mut rest).unwrap(), Some((false, &b"{}"[..])));
        assert_eq!(split(&mut rest).unwrap(), Some((true, &b""[..])));
        assert_eq!(split(&mut rest).unwrap(), None);
        assert_eq!(rest.len(), 6);
        assert_eq!(split(&mut &[0x7f, 0, 0, 0][..]).unwrap_err().code, Code::LimitExceeded);
    }
}
