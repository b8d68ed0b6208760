//! The loop that accepts connections.

use super::app::App;
use super::conn::{Phase, Server};
use super::serve::Peer;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

/// The wait after the system had no descriptor or memory for a connection.
const PAUSE: Duration = Duration::from_millis(100);
/// Complaints about that come so often at most.
const COMPLAINT_EVERY: u32 = 100;
/// How long sent bytes may stay unacknowledged (RFC 5482).
#[cfg(target_os = "linux")]
const UNACKNOWLEDGED_MAX: Duration = Duration::from_secs(30);

/// Accepts until told to stop. Each connection holds one of `slots`.
pub(crate) async fn run(
    listener: TcpListener,
    server: Arc<Server>,
    app: Arc<App>,
    slots: Arc<Semaphore>,
    mut phase: watch::Receiver<Phase>,
) {
    let mut failures = 0;
    loop {
        let next = async {
            let slot = slots.clone().acquire_owned().await.map_err(io::Error::other)?;
            let (stream, peer) = listener.accept().await?;
            Ok((stream, Peer(peer.ip()), slot))
        };
        let accepted: io::Result<(TcpStream, Peer, OwnedSemaphorePermit)> = tokio::select! {
            accepted = next => accepted,
            _ = phase.wait_for(|p| *p > Phase::Open) => return,
        };
        match accepted {
            Ok((stream, peer, slot)) => {
                failures = 0;
                prepare(&stream);
                app.counters.accepted.fetch_add(1, Ordering::Relaxed);
                app.counters.connections.fetch_add(1, Ordering::Relaxed);
                let (app, serving) = (app.clone(), server.clone().serve(stream, peer, phase.clone()));
                tokio::spawn(async move {
                    serving.await;
                    app.counters.connections.fetch_sub(1, Ordering::Relaxed);
                    drop(slot);
                });
            }
            Err(e) if is_of_one_connection(&e) => {}
            Err(e) => {
                // Out of descriptors or memory: connections in the queue wait, those that end make room.
                if failures % COMPLAINT_EVERY == 0 {
                    tracing::error!(error = %e, "cannot accept connections");
                }
                failures = failures.wrapping_add(1);
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

/// Small writes leave at once, and a peer that acknowledges nothing is given up by the system. Either fails only on a connection that is
/// gone already, which the first read finds out.
fn prepare(stream: &TcpStream) {
    let _ = stream.set_nodelay(true);
    #[cfg(target_os = "linux")]
    let _ = socket2::SockRef::from(stream).set_tcp_user_timeout(Some(UNACKNOWLEDGED_MAX));
}

/// The client gave up while it waited: the next one may be fine (accept(2)).
fn is_of_one_connection(e: &io::Error) -> bool {
    matches!(
        e.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::Interrupted
    )
}
