//! Certificates by ACME, from pebble, the authority that ACME clients are tested with. Where it isn't installed (Debian: `pebble`) these tests say
//! "skipped", except in CI.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

mod common;

use common::PATIENCE;
use crosspoint::config::Config;
use crosspoint::{Running, Server};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use serde_json::json;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::crypto::{WebPkiSupportedAlgorithms, ring::default_provider};
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::{ClientConfig, DigitallySignedStruct, Error, SignatureScheme};

const NAME: &str = "hub.example.com";
const YEAR_S: u64 = 31_536_000;

/// pebble, and a name server that sends it to this machine for every name.
struct Authority {
    processes: Vec<Child>,
    dir: PathBuf,
    hub: SocketAddr,
    directory: String,
}

/// Nobody else on this machine takes ports of this address.
fn free() -> SocketAddr {
    TcpListener::bind("127.77.0.7:0").unwrap().local_addr().unwrap()
}

impl Authority {
    async fn start(test: &str, validity_s: u64) -> Option<Authority> {
        let there =
            Command::new("pebble").arg("-h").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok();
        assert!(there || std::env::var_os("CI").is_none(), "CI needs pebble");
        if !there {
            println!("skipped: pebble is not installed");
            return None;
        }
        let dir = std::env::temp_dir().join(format!("crosspoint-acme-{}-{test}", std::process::id()));
        std::fs::create_dir(&dir).unwrap();
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed(["127.77.0.7".to_string()]).unwrap();
        std::fs::write(dir.join("pebble.crt"), cert.pem()).unwrap();
        std::fs::write(dir.join("pebble.key"), signing_key.serialize_pem()).unwrap();
        let (hub, pebble) = (free(), free());
        let names = UdpSocket::bind("127.77.0.7:0").unwrap().local_addr().unwrap();
        let config = json!({"pebble": {
            "listenAddress": pebble.to_string(),
            "certificate": dir.join("pebble.crt"),
            "privateKey": dir.join("pebble.key"),
            "httpPort": 1,
            "tlsPort": hub.port(),
            "certificateValidityPeriod": validity_s,
        }});
        std::fs::write(dir.join("pebble.json"), config.to_string()).unwrap();
        let run = |command: &mut Command| {
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
        };
        let processes = vec![
            run(Command::new("pebble-challtestsrv")
                .args(["-dns01", &names.to_string(), "-defaultIPv4", "127.77.0.7", "-defaultIPv6", ""])
                .args(["-management", &free().to_string(), "-http01", "", "-https01", "", "-tlsalpn01", ""])),
            run(Command::new("pebble")
                .args(["-strict=true", "-dnsserver", &names.to_string(), "-config"])
                .arg(dir.join("pebble.json"))
                .env("PEBBLE_VA_NOSLEEP", "1")),
        ];
        let authority = Authority { processes, dir, hub, directory: format!("https://{pebble}/dir") };
        let up = async { while TcpStream::connect(pebble).await.is_err() {} };
        tokio::time::timeout(PATIENCE, up).await.expect("pebble starts");
        Some(authority)
    }

    fn cache(&self) -> PathBuf {
        self.dir.join("cache")
    }

    async fn hub(&self, edit: impl FnOnce(&mut Config)) -> Running {
        let mut config = Config::default();
        config.listen.addr = self.hub;
        config.shutdown.drain_ms = 50;
        let acme = &mut config.listen.acme;
        acme.domains = vec![NAME.into()];
        acme.contact = vec!["mailto:hostmaster@example.com".into()];
        acme.directory = self.directory.clone();
        acme.ca_file = Some(self.dir.join("pebble.crt"));
        acme.cache_dir = self.cache();
        edit(&mut config);
        Server::start(config).await.unwrap()
    }

    fn stop(&mut self) {
        for mut process in self.processes.drain(..) {
            // It may have ended by itself.
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

impl Drop for Authority {
    fn drop(&mut self) {
        self.stop();
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

/// Takes any certificate whose key the other side has.
#[derive(Debug)]
struct Anything(WebPkiSupportedAlgorithms);

impl ServerCertVerifier for Anything {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        tokio_rustls::rustls::crypto::verify_tls12_signature(message, cert, dss, &self.0)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        tokio_rustls::rustls::crypto::verify_tls13_signature(message, cert, dss, &self.0)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_schemes()
    }
}

/// The chain that the hub shows to who offers these protocols; `None` if there is none.
async fn shown(hub: SocketAddr, alpn: &[&[u8]]) -> Option<Vec<CertificateDer<'static>>> {
    let provider = Arc::new(default_provider());
    let verifier = Anything(provider.signature_verification_algorithms);
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|p| p.to_vec()).collect();
    let stream = TcpStream::connect(hub).await.unwrap();
    let connecting = TlsConnector::from(Arc::new(config)).connect(NAME.try_into().unwrap(), stream);
    let stream = tokio::time::timeout(PATIENCE, connecting).await.expect("an answer in time").ok()?;
    stream.get_ref().1.peer_certificates().map(<[_]>::to_vec)
}

async fn obtained(hub: SocketAddr) -> Vec<CertificateDer<'static>> {
    let waiting = async {
        loop {
            if let Some(chain) = shown(hub, &[b"h2", b"http/1.1"]).await {
                return chain;
            }
        }
    };
    tokio::time::timeout(3 * PATIENCE, waiting).await.expect("a certificate")
}

fn modes(dir: &Path) -> Vec<u32> {
    let files = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().metadata().unwrap());
    files.map(|about| about.permissions().mode() & 0o777).collect()
}

#[tokio::test]
async fn a_certificate_is_obtained_served_and_kept_over_a_restart() {
    let Some(mut authority) = Authority::start("obtain", YEAR_S).await else { return };
    let hub = authority.hub(|_| {}).await;
    assert!(hub.url().starts_with("https://"));
    let chain = obtained(hub.addr()).await;
    assert_eq!(chain.len(), 2, "the authority's own certificate goes with it");
    let (_, leaf) = x509_parser::parse_x509_certificate(&chain[0]).unwrap();
    let names = leaf.subject_alternative_name().unwrap().unwrap();
    assert!(format!("{:?}", names.value.general_names).contains(NAME));
    assert!(leaf.issuer().to_string().contains("Pebble"), "{}", leaf.issuer());
    assert_eq!(shown(hub.addr(), &[b"acme-tls/1"]).await, None, "proofs are gone");
    let kept = async { while modes(&authority.cache()).len() < 2 {} };
    tokio::time::timeout(PATIENCE, kept).await.expect("account and certificate are kept");
    assert_eq!(modes(&authority.cache()), [0o600, 0o600]);
    let of_dir = std::fs::metadata(authority.cache()).unwrap().permissions().mode() & 0o777;
    assert_eq!(of_dir, 0o700);
    hub.shutdown().await;
    authority.stop();
    let hub = authority.hub(|_| {}).await;
    assert_eq!(shown(hub.addr(), &[b"h2"]).await, Some(chain), "without asking anybody");
}

#[tokio::test]
async fn a_certificate_is_renewed_before_it_ends() {
    let Some(authority) = Authority::start("renew", 6).await else { return };
    let hub = authority.hub(|_| {}).await;
    let first = obtained(hub.addr()).await;
    let renewed = async { while obtained(hub.addr()).await == first {} };
    tokio::time::timeout(3 * PATIENCE, renewed).await.expect("another certificate");
    hub.shutdown().await;
}

#[tokio::test]
async fn an_authority_that_is_not_there_stops_nobody() {
    let Some(mut authority) = Authority::start("absent", YEAR_S).await else { return };
    authority.stop();
    let hub = authority.hub(|_| {}).await;
    assert_eq!(shown(hub.addr(), &[b"h2"]).await, None);
    assert_eq!(shown(hub.addr(), &[b"acme-tls/1"]).await, None);
    hub.shutdown().await;
}
