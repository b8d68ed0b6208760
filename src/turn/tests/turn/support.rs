//! A server, the crate's client, and peers.

use crosspoint_turn::{Config, Credentials, Issued, Quotas, Server, Turn};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::UdpSocket;
use turn::client::{Client, ClientConfig};
use webrtc_util::Conn;

pub(crate) const SECRET: &[u8] = b"a secret of the tests";
/// Far longer than anything takes; only a failure waits for it.
pub(crate) const DEADLINE: Duration = Duration::from_secs(10);

/// What a server is told unless a test says otherwise: of all loopback addresses only 127.0.0.2 is a peer.
pub(crate) fn turn() -> Turn {
    Turn {
        secret: SECRET.to_vec(),
        public: vec!["127.0.0.1".parse().unwrap()],
        ports: 20_000..=60_000,
        allow_peers: vec!["127.0.0.2/32".parse().unwrap()],
        quotas: Quotas::default(),
    }
}

pub(crate) fn server(turn: Option<Turn>) -> Server {
    start("127.0.0.1:0", turn, 10_000)
}

pub(crate) fn start(addr: &str, turn: Option<Turn>, address_requests_per_s: u32) -> Server {
    // Somebody else may have the TCP port of this number.
    let both = || {
        let udp = std::net::UdpSocket::bind(addr).unwrap();
        std::net::TcpListener::bind(udp.local_addr().unwrap()).ok().map(|tcp| (udp, tcp))
    };
    let (udp, tcp) = std::iter::repeat_with(both).take(100).flatten().next().unwrap();
    Server::start(udp, Some(tcp), Config { address_requests_per_s, turn }).unwrap()
}

pub(crate) fn now() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs()
}

/// Good credentials of this user.
pub(crate) fn issue(user: &str) -> Issued {
    Credentials::new(SECRET).issue(user, now() + 3600)
}

/// The crate's client of this server, on this way to it.
pub(crate) async fn client_on(server: SocketAddr, conn: Arc<dyn Conn + Send + Sync>, who: &Issued) -> Client {
    let config = ClientConfig {
        stun_serv_addr: server.to_string(),
        turn_serv_addr: server.to_string(),
        username: who.username.clone(),
        password: who.credential.clone(),
        realm: String::new(),
        software: String::new(),
        rto_in_ms: 0,
        conn,
        vnet: None,
    };
    let client = Client::new(config).await.unwrap();
    client.listen().await.unwrap();
    client
}

/// The same, by UDP.
pub(crate) async fn client(server: &Server, who: &Issued) -> Client {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    client_on(server.addr(), Arc::new(socket), who).await
}

/// Waits for it, but not for ever.
pub(crate) async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(DEADLINE, future).await.expect("in time")
}

/// The next datagram: its bytes and where from.
pub(crate) async fn receive(socket: &UdpSocket) -> (Vec<u8>, SocketAddr) {
    let mut buf = vec![0; 2048];
    let (n, from) = soon(socket.recv_from(&mut buf)).await.unwrap();
    buf.truncate(n);
    (buf, from)
}

/// The same of a relayed address.
pub(crate) async fn receive_relayed(conn: &impl Conn) -> (Vec<u8>, SocketAddr) {
    let mut buf = vec![0; 2048];
    let (n, from) = soon(conn.recv_from(&mut buf)).await.unwrap();
    buf.truncate(n);
    (buf, from)
}

/// Nothing has come to this socket.
pub(crate) fn is_quiet(socket: &UdpSocket) -> bool {
    socket.try_recv_from(&mut [0; 1]).is_err_and(|e| e.kind() == std::io::ErrorKind::WouldBlock)
}
