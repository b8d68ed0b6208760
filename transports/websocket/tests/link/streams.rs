//! Links over streams that are no sockets: in memory, counted, and TLS.

use super::support::client::{Raw, masked};
use super::support::peer::{Hub, Manners, Peer, Seen, fill, text};
use super::support::server::{FRAME_BYTES_MAX, Front, http};
use super::support::within;
use bytes::Bytes;
use crosspoint_core::{Code, Fault, LinkInfo, SharedFrame};
use crosspoint_websocket::{Config, serve_io};
use futures_util::{SinkExt, StreamExt};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf, duplex};
use tokio::task::JoinHandle;
use tokio_rustls::rustls::pki_types::{PrivatePkcs8KeyDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio_rustls::{TlsAcceptor, TlsConnector};
use tokio_tungstenite::client_async;
use tokio_tungstenite::tungstenite::Message;

const ECHO: Manners = Manners { echo: true, wait_every: None };
const QUIET: Manners = Manners { echo: false, wait_every: None };

async fn link<T>(io: T, leftover: Bytes, manners: Manners) -> (Arc<Peer>, JoinHandle<()>)
where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (hub, mut peers) = Hub::open(manners);
    let task = serve_io(io, leftover, LinkInfo::default(), &hub, Config::new(FRAME_BYTES_MAX));
    (peers.recv().await.unwrap(), task)
}

/// Counts writes.
struct Counted(DuplexStream, Arc<AtomicUsize>);

impl AsyncRead for Counted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for Counted {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.1.fetch_add(1, Ordering::Relaxed);
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

#[tokio::test]
async fn frames_of_one_turn_are_joined_into_one_write() {
    let writes = Arc::new(AtomicUsize::new(0));
    let (mut client, server) = duplex(1 << 20);
    let (peer, _) = link(Counted(server, writes.clone()), Bytes::new(), QUIET).await;
    for (frames, size, expected) in [(1, 100, 1), (10, 256, 1), (64, 10, 1), (65, 10, 2), (10, 10_000, 2)] {
        writes.store(0, Ordering::Relaxed);
        let payload = "j".repeat(size);
        let batch: Vec<SharedFrame> = (0..frames).map(|_| text(&payload)).collect();
        assert_eq!(peer.send(batch), 0);
        assert_eq!(writes.load(Ordering::Relaxed), expected, "{frames} frames of {size} bytes");
        let one = crosspoint_websocket::message(false, payload.as_bytes());
        let mut bytes = vec![0; frames * one.len()];
        within(client.read_exact(&mut bytes)).await.unwrap();
        assert!(bytes == one.repeat(frames));
    }
}

#[tokio::test]
async fn messages_that_arrive_together_share_a_turn() {
    let (mut client, server) = duplex(1 << 20);
    let (peer, _) = link(server, masked(0x81, b"early").into(), ECHO).await;
    assert_eq!(peer.seen().await, Seen::Text("early".into()));
    assert_eq!(peer.seen().await, Seen::Turn);
    client.write_all(&masked(0x81, b"same").repeat(50)).await.unwrap();
    for _ in 0..50 {
        assert_eq!(peer.seen().await, Seen::Text("same".into()));
    }
    assert_eq!(peer.seen().await, Seen::Turn);
}

#[tokio::test]
async fn a_stream_that_takes_seven_bytes_at_a_time() {
    let (mut client, server) = duplex(7);
    let (peer, _) = link(server, Bytes::new(), QUIET).await;
    let mut expected = Vec::new();
    for n in 0..300usize {
        let payload = n.to_string().repeat(n % 9);
        expected.extend_from_slice(&crosspoint_websocket::message(false, payload.as_bytes()));
        peer.send([text(&payload)]);
    }
    let mut bytes = vec![0; expected.len()];
    within(client.read_exact(&mut bytes)).await.unwrap();
    assert!(bytes == expected);
    peer.until(Seen::Writable).await;
}

#[tokio::test]
async fn of_the_pongs_that_wait_the_newest_wins() {
    let (client, server) = duplex(100_000);
    let (peer, _) = link(server, Bytes::new(), QUIET).await;
    let mut raw = Raw { stream: client };
    fill(&peer);
    for ping in [masked(0x89, b"old"), [masked(0x89, b"newer"), masked(0x89, b"newest")].concat()] {
        raw.write(&ping).await;
        peer.until(Seen::Alive).await;
    }
    peer.sender.probe();
    peer.sender.probe();
    peer.send([text("end")]);
    let mut control = Vec::new();
    loop {
        let (first, payload) = raw.frame().await.unwrap();
        match first {
            0x81 if payload == b"end" => break,
            0x81 => assert_eq!(payload.len(), 10_000, "frames are whole"),
            _ => control.push((first, payload)),
        }
    }
    assert_eq!(control, [(0x8A, b"newest".to_vec()), (0x89, vec![])]);
}

#[tokio::test]
async fn an_aborted_task_says_down_once_and_frees_the_connection() {
    let (mut client, server) = duplex(100);
    let (peer, task) = link(server, Bytes::new(), QUIET).await;
    task.abort();
    assert_eq!(within(client.read(&mut [0; 10])).await.unwrap(), 0, "though the hub still holds the sender");
    peer.until(Seen::Down).await;
    assert!(within(task).await.unwrap_err().is_cancelled());
    assert_eq!(peer.send([text("x")]), 1);
    peer.sender.close(&Fault::from(Code::Internal), None);
    assert_eq!(peer.unread().await, []);
}

#[tokio::test]
async fn tls_carries_links_too() {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["localhost".into()]).unwrap();
    let key = PrivatePkcs8KeyDer::from(signing_key.serialize_der());
    let server = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key.into())
        .unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(cert.der().clone()).unwrap();
    let client = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();

    // Small enough that TLS records don't fit at once.
    let (near, far) = duplex(3000);
    let (hub, mut peers) = Hub::open(ECHO);
    let serving = tokio::spawn(async move {
        let tls = TlsAcceptor::from(Arc::new(server)).accept(far).await.unwrap();
        http(tls, Front::Auto, hub, Duration::from_secs(2)).await;
    });
    let name = ServerName::try_from("localhost").unwrap();
    let tls = within(TlsConnector::from(Arc::new(client)).connect(name, near)).await.unwrap();
    let (client, _) = within(client_async("wss://localhost/ws", tls)).await.unwrap();
    let peer = within(peers.recv()).await.unwrap();
    within(serving).await.unwrap();

    let (mut sink, mut stream) = client.split();
    let messages: Vec<Message> =
        (0..200).map(|n: usize| Message::binary(vec![n as u8; n * 997 % 40_000])).collect();
    let sent = messages.clone();
    let sender = tokio::spawn(async move {
        for message in sent {
            sink.send(message).await.unwrap();
        }
        sink
    });
    for (n, message) in messages.iter().enumerate() {
        assert!(within(stream.next()).await.unwrap().unwrap() == *message, "message {n}");
    }
    let mut sink = within(sender).await.unwrap();
    within(sink.close()).await.unwrap();
    assert!(matches!(within(stream.next()).await, Some(Ok(Message::Close(None)))));
    assert!(within(stream.next()).await.is_none(), "ended in order, by close_notify");
    peer.until(Seen::Down).await;
    assert_eq!(peer.unread().await, []);
}
