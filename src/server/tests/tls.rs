//! TLS with a given certificate, HTTP/2 over it and in clear.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use bytes::Bytes;
use common::{PATIENCE, dev, start};
use crosspoint::{Running, Server, StartError};
use http::{Request, Version};
use http_body_util::{BodyExt as _, Full};
use hyper::rt::{Read, Write};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use std::path::PathBuf;
use std::sync::Arc;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto::ring::default_provider};
use tokio_rustls::{TlsConnector, client::TlsStream};

/// Certificate and key in files that go with it.
struct Pems {
    cert: PathBuf,
    key: PathBuf,
    der: CertificateDer<'static>,
}

impl Drop for Pems {
    fn drop(&mut self) {
        let _ = (std::fs::remove_file(&self.cert), std::fs::remove_file(&self.key));
    }
}

fn pems(name: &str) -> Pems {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["localhost".to_string()]).unwrap();
    let path =
        |end: &str| std::env::temp_dir().join(format!("crosspoint-{}-{name}.{end}", std::process::id()));
    let pems = Pems { cert: path("crt"), key: path("key"), der: cert.der().clone() };
    std::fs::write(&pems.cert, cert.pem()).unwrap();
    std::fs::write(&pems.key, signing_key.serialize_pem()).unwrap();
    pems
}

async fn secure(pems: &Pems) -> Running {
    start(|c| {
        c.listen.tls_cert = Some(pems.cert.clone());
        c.listen.tls_key = Some(pems.key.clone());
    })
    .await
}

async fn connect(hub: &Running, pems: &Pems, alpn: &[&[u8]]) -> TlsStream<TcpStream> {
    let mut roots = RootCertStore::empty();
    roots.add(pems.der.clone()).unwrap();
    let mut config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|p| p.to_vec()).collect();
    let stream = TcpStream::connect(hub.addr()).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap()
}

async fn over_h1<I>(io: I) -> (Version, Bytes)
where
    I: Read + Write + Send + Unpin + 'static,
{
    let (mut sender, conn) = hyper::client::conn::http1::handshake(io).await.unwrap();
    tokio::spawn(conn);
    let request = Request::get("/healthz").header("host", "localhost").body(Full::<Bytes>::default());
    let answer = sender.send_request(request.unwrap()).await.unwrap();
    (answer.version(), answer.into_body().collect().await.unwrap().to_bytes())
}

async fn over_h2<I>(io: I) -> (Version, Bytes)
where
    I: Read + Write + Send + Unpin + 'static,
{
    let (mut sender, conn) = hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await.unwrap();
    tokio::spawn(conn);
    let body = Full::new(Bytes::from_static(b"{\"version\":1,\"transports\":[\"sse\"]}"));
    let request = Request::post("https://localhost/negotiate").body(body).unwrap();
    let answer = sender.send_request(request).await.unwrap();
    (answer.version(), answer.into_body().collect().await.unwrap().to_bytes())
}

#[tokio::test]
async fn the_protocol_is_what_both_ends_want() {
    let pems = pems("alpn");
    let hub = secure(&pems).await;
    assert!(hub.url().starts_with("https://127.0.0.1:"));
    let (h2, h1) = (b"h2".as_slice(), b"http/1.1".as_slice());
    let offers = [(vec![h2, h1], Some(h2)), (vec![h2], Some(h2)), (vec![h1], Some(h1)), (vec![], None)];
    for (offer, chosen) in offers {
        let stream = connect(&hub, &pems, &offer).await;
        assert_eq!(stream.get_ref().1.alpn_protocol(), chosen);
        let io = TokioIo::new(stream);
        let (version, body) = if chosen == Some(b"h2") { over_h2(io).await } else { over_h1(io).await };
        assert_eq!(version, if chosen == Some(b"h2") { Version::HTTP_2 } else { Version::HTTP_11 });
        assert!(body.starts_with(b"ok") || body.starts_with(b"{\"version\":1,\"ticket\""));
    }
}

#[tokio::test]
async fn websockets_run_over_tls() {
    let pems = pems("ws");
    let hub = secure(&pems).await;
    let stream = connect(&hub, &pems, &[b"http/1.1"]).await;
    let (ws, _) = tokio_tungstenite::client_async("wss://localhost/ws", stream).await.unwrap();
    let (mut sink, mut stream) = futures_util::StreamExt::split(ws);
    let hello = r#"{"type":"hub:hello","data":{"version":1,"user":"alice"}}"#;
    futures_util::SinkExt::send(&mut sink, tokio_tungstenite::tungstenite::Message::text(hello))
        .await
        .unwrap();
    let welcome = futures_util::StreamExt::next(&mut stream).await.unwrap().unwrap().into_text().unwrap();
    assert!(welcome.contains("hub:welcome"), "{welcome}");
}

#[tokio::test]
async fn http2_works_in_clear_too() {
    let hub = dev().await;
    let stream = TcpStream::connect(hub.addr()).await.unwrap();
    let (mut sender, conn) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(conn);
    let own = format!("http://{}", hub.addr());
    let request = Request::get(format!("{own}/rooms/chat:1/events")).header("origin", &own);
    let answer = sender.send_request(request.body(Full::<Bytes>::default()).unwrap()).await.unwrap();
    assert_eq!((answer.version(), answer.status().as_u16()), (Version::HTTP_2, 200));
    assert_eq!(answer.headers()["content-type"], "text/event-stream");
    let mut body = answer.into_body();
    let first = body.frame().await.unwrap().unwrap().into_data().unwrap();
    assert!(first.starts_with(b"retry:"), "{first:?}");
    let head = Request::head(format!("{own}/")).body(Full::<Bytes>::default()).unwrap();
    let head = sender.send_request(head).await.unwrap();
    assert!(head.headers()["content-length"].to_str().unwrap().parse::<usize>().unwrap() > 1000);
    assert!(head.into_body().collect().await.unwrap().to_bytes().is_empty());
}

#[tokio::test]
async fn what_is_no_tls_hurts_nobody() {
    let pems = pems("none");
    let hub = secure(&pems).await;
    let mut plain = TcpStream::connect(hub.addr()).await.unwrap();
    plain.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    let mut answer = vec![];
    let ended = tokio::io::AsyncReadExt::read_to_end(&mut plain, &mut answer);
    let _ = tokio::time::timeout(PATIENCE, ended).await.expect("the connection ends");
    assert!(!answer.starts_with(b"HTTP/"));
    let (_, body) = over_h1(TokioIo::new(connect(&hub, &pems, &[]).await)).await;
    assert_eq!(body, "ok\n");
}

#[tokio::test]
async fn unusable_files_are_named() {
    let (good, other) = (pems("good"), pems("other"));
    let try_start = async |cert: &PathBuf, key: &PathBuf| {
        let mut config = crosspoint::config::Config::default();
        config.listen.addr.set_port(0);
        (config.listen.tls_cert, config.listen.tls_key) = (Some(cert.clone()), Some(key.clone()));
        match Server::start(config).await {
            Err(StartError::Tls(e)) => e.to_string(),
            other => panic!("{:?}", other.map(|r| r.addr())),
        }
    };
    let missing = PathBuf::from("/nowhere.pem");
    assert!(
        try_start(&missing, &good.key).await.starts_with("`listen.tls_cert`: /nowhere.pem cannot be used")
    );
    assert!(try_start(&good.cert, &good.cert).await.starts_with("`listen.tls_key`: "));
    assert!(try_start(&good.key, &good.key).await.contains("no certificate"));
    assert!(try_start(&good.cert, &other.key).await.contains("do not go together"));
}

/// A pair that this one replaces, the key first, as tools for certificates do it.
fn replace(pems: &mut Pems) {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["localhost".to_string()]).unwrap();
    std::fs::write(&pems.key, signing_key.serialize_pem()).unwrap();
    std::fs::write(&pems.cert, cert.pem()).unwrap();
    pems.der = cert.der().clone();
}

/// Whether the hub shows new connections this certificate.
async fn shows(hub: &Running, pems: &Pems) -> bool {
    let mut roots = RootCertStore::empty();
    roots.add(pems.der.clone()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let stream = TcpStream::connect(hub.addr()).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, stream).await.is_ok()
}

async fn will_show(hub: &Running, pems: &Pems) {
    let shown = async { while !shows(hub, pems).await {} };
    tokio::time::timeout(PATIENCE, shown).await.expect("the new certificate");
}

#[tokio::test]
async fn new_files_are_for_new_connections_and_running_ones_go_on() {
    let mut pems = pems("reload");
    let hub = secure(&pems).await;
    let (mut old, conn) =
        hyper::client::conn::http1::handshake(TokioIo::new(connect(&hub, &pems, &[]).await)).await.unwrap();
    tokio::spawn(conn);
    let mut ask = async || {
        let request = Request::get("/healthz").header("host", "localhost").body(Full::<Bytes>::default());
        let answer = old.send_request(request.unwrap()).await.unwrap();
        answer.into_body().collect().await.unwrap().to_bytes()
    };
    assert_eq!(ask().await, "ok\n");
    replace(&mut pems);
    will_show(&hub, &pems).await;
    assert_eq!(ask().await, "ok\n");
}

#[tokio::test]
async fn files_that_cannot_be_used_change_nothing() {
    let mut pems = pems("broken");
    let hub = secure(&pems).await;
    let good = Pems { cert: PathBuf::new(), key: PathBuf::new(), der: pems.der.clone() };
    let stranger = self::pems("stranger");
    for broken in [b"nonsense".to_vec(), vec![], std::fs::read(&stranger.key).unwrap()] {
        std::fs::write(&pems.key, broken).unwrap();
        hub.reload();
        assert!(shows(&hub, &good).await);
    }
    std::fs::remove_file(&pems.cert).unwrap();
    hub.reload();
    assert!(shows(&hub, &good).await);
    replace(&mut pems);
    hub.reload();
    will_show(&hub, &pems).await;
    assert!(!shows(&hub, &good).await);
}

#[tokio::test]
async fn handshakes_of_an_address_have_a_number() {
    let pems = pems("handshakes");
    let hub = start(|c| {
        c.listen.tls_cert = Some(pems.cert.clone());
        c.listen.tls_key = Some(pems.key.clone());
        c.rates.address.handshakes_max = 1;
    })
    .await;
    let ended = async |mut stream: TcpStream| stream.read(&mut [0; 64]).await.unwrap_or(0);
    let silent = TcpStream::connect(hub.addr()).await.unwrap();
    let other = TcpStream::connect(hub.addr()).await.unwrap();
    // Whichever the hub came to first stays.
    let (end, silent) = tokio::time::timeout(PATIENCE, async {
        let (first, second) = (silent.readable(), other.readable());
        tokio::select! {
            _ = first => (silent, other),
            _ = second => (other, silent),
        }
    })
    .await
    .expect("one is closed");
    assert_eq!(ended(end).await, 0, "without a word that no TLS client would read");
    assert_eq!(hub.hub().refused()[0].kind, "handshakes");
    drop(silent);
    let room = async {
        loop {
            let mut stream = TcpStream::connect(hub.addr()).await.unwrap();
            // What is no handshake is answered by an alert, if at all.
            let _ = stream.write_all(b"GET / HTTP/1.1\r\n\r\n").await;
            if stream.read(&mut [0; 64]).await.unwrap_or(0) > 0 {
                return;
            }
        }
    };
    tokio::time::timeout(PATIENCE, room).await.expect("there is room again");
}
