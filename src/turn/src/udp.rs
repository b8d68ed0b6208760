//! Clients that come by UDP.

use crate::request::Way;
use crate::shared::Shared;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::UdpSocket;
use tokio::sync::watch;
use turn::allocation::five_tuple::FiveTuple;
use turn::proto::PROTO_UDP;

/// Larger than what a client may send.
const BUFFER_BYTES: usize = 2048;

/// Takes datagrams until told to stop.
pub(crate) async fn run(
    shared: Arc<Shared>,
    socket: UdpSocket,
    local: SocketAddr,
    mut stop: watch::Receiver<bool>,
) {
    let socket = Arc::new(socket);
    let mut buf = vec![0; BUFFER_BYTES];
    loop {
        let received = tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return,
            received = socket.recv_from(&mut buf) => received,
        };
        match received {
            // One that fills the buffer may have been longer.
            Ok((n, from)) if n < buf.len() => {
                let five_tuple = FiveTuple { protocol: PROTO_UDP, src_addr: from, dst_addr: local };
                let way = Way { shared: shared.clone(), conn: socket.clone(), five_tuple };
                way.receive(&buf[..n]).await;
            }
            Ok(_) => {}
            Err(e) => {
                tracing::debug!(error = %e, "the STUN socket did not receive");
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
    }
}
