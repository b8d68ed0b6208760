//! The life of one link.

use crate::address::Place;
use crate::beside;
use crate::codes;
use crate::config::Config;
use crate::counters::{Counters, Gauge};
use crate::decode::Decoder;
use crate::door::Opened;
use crate::endpoint::Shared;
use crate::link::{Link, Next};
use crosspoint_core::{Code, Fault, Flow, LinkPeer, OutFrame, Transport};
use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use tokio::time::{sleep, timeout};
use wtransport::error::ConnectionError;
use wtransport::{Connection, RecvStream, SendStream};

/// Bytes read at once.
const READ_BYTES: usize = 64 << 10;
/// Of a connection's streams the first link's goes first.
const PRIORITY: i32 = 1;

/// After a stream ended, the session's own end tells why, if it comes so soon.
const END_SEEN: Duration = Duration::from_millis(250);

/// However a link ends, all that hangs on it ends with it.
struct Ending {
    link: Arc<Link>,
    peer: Arc<dyn LinkPeer>,
    connection: Connection,
    /// The client closed with the code of `bye`: what a page that closes has time for.
    bye: AtomicBool,
    _gauge: Gauge,
}

impl Drop for Ending {
    fn drop(&mut self) {
        let code = self.link.code();
        self.link.end();
        self.connection.close(codes::close(code), code.name().as_bytes());
        self.peer.down();
        if self.bye.load(Relaxed) {
            self.peer.bye();
        }
    }
}

/// Runs a link until it is over.
pub(crate) async fn run(opened: Opened, shared: &Arc<Shared>) {
    let Opened { connection, mut send, mut receive, mut info, place } = opened;
    let Shared { config, counters, .. } = &**shared;
    info.transport = Some(Transport::WebTransport);
    send.set_priority(PRIORITY);
    let link = Arc::new(Link::new(connection.clone(), counters.clone()));
    let peer = shared.acceptor.link_up(info.clone(), link.clone());
    let bye = AtomicBool::new(false);
    let ending = Ending { link, peer, connection, bye, _gauge: Gauge::new(counters, |c| &c.links) };
    let Ending { link, peer, connection, .. } = &ending;
    let fail = |code: Code| link.say_close(code, Some(&OutFrame::with("hub:close", &Fault::from(code))));
    let reading = async {
        match read(&mut receive, &**peer, config).await {
            Read::Over => return,
            Read::Stop => {}
            Read::TooLarge => fail(Code::FrameTooLarge),
        }
        pending().await
    };
    let others = async {
        if let Some(code) = beside::streams(connection, &info, &place, shared).await {
            fail(code);
        }
        pending::<()>().await
    };
    let writing = async {
        if write(&mut send, link, &**peer, connection).await {
            // Fails only on a stream that is gone already.
            let _ = send.quic_stream_mut().finish();
            pending::<()>().await;
        }
    };
    let closing = async {
        link.told_to_close().await;
        // What was begun may still leave, and the client may close with the code it is told.
        sleep(config.close_wait).await;
    };
    tokio::select! {
        () = reading => {}
        () = writing => {}
        () = listen(connection, &**peer, &place, counters) => {}
        () = others => {}
        () = closing => {}
        _ = connection.closed() => {}
    }
    if let Ok(end) = timeout(END_SEEN, end_of(connection)).await {
        ending.bye.store(codes::is_bye(&end), Relaxed);
    }
}

/// Why the session is over. `closed` tells only of the QUIC connection, which the library closes itself after the session.
async fn end_of(connection: &Connection) -> ConnectionError {
    loop {
        if let Err(end) = connection.accept_uni().await {
            return end;
        }
    }
}

/// How reading ends.
pub(crate) enum Read {
    /// The stream is over, and with it the link.
    Over,
    /// The hub has closed the link.
    Stop,
    /// The client sends what is too large.
    TooLarge,
}

pub(crate) async fn read(stream: &mut RecvStream, peer: &dyn LinkPeer, config: &Config) -> Read {
    let mut decoder = Decoder::new(config.frame_bytes_max);
    loop {
        let Ok(Some(chunk)) = stream.quic_stream_mut().read_chunk(READ_BYTES, true).await else {
            return Read::Over;
        };
        let mut bytes = chunk.bytes;
        loop {
            let flow = match decoder.next(&mut bytes) {
                Ok(Some(message)) => peer.receive(None, message),
                Ok(None) => break peer.turn(),
                Err(_) => {
                    peer.turn();
                    return Read::TooLarge;
                }
            };
            match flow {
                Flow::Continue => {}
                Flow::Wait => {
                    peer.turn();
                    peer.ready().await;
                }
                Flow::Stop => {
                    peer.turn();
                    return Read::Stop;
                }
            }
        }
    }
}

/// Writes what the hub sends. `true`: all of it, `hub:close` last; `false`: the stream takes no more.
pub(crate) async fn write(
    stream: &mut SendStream,
    link: &Link,
    peer: &dyn LinkPeer,
    connection: &Connection,
) -> bool {
    let stream = stream.quic_stream_mut();
    let mut heard = 0;
    loop {
        match link.next().await {
            Next::Write(bytes) => {
                if stream.write_chunk(bytes).await.is_err() {
                    return false;
                }
            }
            Next::Room => peer.writable(),
            Next::Probe => {
                // QUIC has asked for it by itself meanwhile.
                let packets = connection.quic_connection().stats().udp_rx.datagrams;
                if std::mem::replace(&mut heard, packets) != packets {
                    peer.alive();
                }
            }
            Next::Close => return true,
        }
    }
}

/// Takes datagrams until the connection ends.
async fn listen(connection: &Connection, peer: &dyn LinkPeer, place: &Place, counters: &Counters) {
    while let Ok(datagram) = connection.receive_datagram().await {
        counters.datagrams_in.fetch_add(1, Relaxed);
        if place.datagram() {
            peer.datagram(datagram.payload());
            peer.turn();
        } else {
            counters.datagrams_dropped.fetch_add(1, Relaxed);
        }
    }
}
