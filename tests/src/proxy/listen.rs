//! The door: accepts, refuses, or holds the port without listening.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::connection;
use super::log::Event;
use super::peer::Socket;
use super::registry::Shared;
use super::rules::{Accept, End};

const BACKLOG: u32 = 1024;

enum Door {
    Open(TcpListener),
    /// Bound, so that nobody takes the port, but not listening.
    Shut(TcpSocket),
}

/// Binds at once; the returned future serves until it is dropped.
pub(super) fn start(
    listen: SocketAddr,
    shared: Arc<Shared>,
) -> io::Result<(SocketAddr, impl Future<Output = ()>)> {
    let listener = bind(listen)?.listen(BACKLOG)?;
    let address = listener.local_addr()?;
    let orders = shared.door.subscribe();
    Ok((address, serve(listener, address, shared, orders)))
}

async fn serve(
    listener: TcpListener,
    address: SocketAddr,
    shared: Arc<Shared>,
    mut orders: watch::Receiver<(u64, Accept)>,
) {
    let mut door = Door::Open(listener);
    let mut connections = JoinSet::new();
    loop {
        let (number, accept) = *orders.borrow_and_update();
        door = match turn(door, address, accept == Accept::Refuse) {
            Ok(door) => door,
            // The port is lost: whoever waits for the order is told by `orders` being dropped.
            Err(_) => return,
        };
        shared.door_done.send_replace(number);
        tokio::select! {
            biased;
            changed = orders.changed() => if changed.is_err() { return },
            stream = knock(&door) => if let Ok(stream) = stream {
                admit(stream, accept, &shared, &mut connections);
            },
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
        }
    }
}

fn bind(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    Ok(socket)
}

fn turn(door: Door, address: SocketAddr, shut: bool) -> io::Result<Door> {
    match door {
        Door::Open(listener) if shut => {
            drop(listener);
            bind(address).map(Door::Shut)
        }
        Door::Shut(socket) if !shut => socket.listen(BACKLOG).map(Door::Open),
        door => Ok(door),
    }
}

async fn knock(door: &Door) -> io::Result<TcpStream> {
    match door {
        Door::Open(listener) => listener.accept().await.map(|(stream, _)| stream),
        Door::Shut(_) => std::future::pending().await,
    }
}

fn admit(stream: TcpStream, accept: Accept, shared: &Arc<Shared>, connections: &mut JoinSet<()>) {
    let Ok(socket) = Socket::new(stream) else { return };
    if accept == Accept::Serve
        && let Some(registered) = shared.register()
    {
        connections.spawn(connection::serve(Arc::clone(shared), socket, registered));
        return;
    }
    shared.log.add(shared.next_id(), Event::TurnedAway);
    if accept == Accept::Ignore {
        connections.spawn(async move {
            let _open = socket;
            std::future::pending::<()>().await;
        });
    } else {
        connections.spawn(socket.end(End::Reset));
    }
}
