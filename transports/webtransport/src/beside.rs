//! Streams beside the first one: one may carry a bulk link, all others are rejected.

use crate::address::Place;
use crate::codes;
use crate::counters::Gauge;
use crate::endpoint::Shared;
use crate::link::Link;
use crate::session::{Read, read, write};
use crosspoint_core::{Code, Fault, LinkInfo, LinkPeer, OutFrame};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use tokio::task::JoinSet;
use tokio::time::sleep;
use wtransport::{Connection, RecvStream, SendStream};

/// Takes them until their address has opened too many; `None` if the connection ends before. The bulk link ends with it.
pub(crate) async fn streams(
    connection: &Connection,
    info: &LinkInfo,
    place: &Place,
    shared: &Arc<Shared>,
) -> Option<Code> {
    let code = codes::stream(Code::LimitExceeded);
    // In a task of its own, so that its reading and writing don't hold up the first link's.
    let mut bulk = JoinSet::new();
    let mut first = true;
    loop {
        tokio::select! {
            opened = connection.accept_bi() => match opened {
                // Opening it again and again counts.
                Ok((send, receive)) if bulk.is_empty() && (std::mem::take(&mut first) || place.stream()) => {
                    let info = LinkInfo { bulk: true, ..info.clone() };
                    bulk.spawn(run(send, receive, info, connection.clone(), shared.clone()));
                    continue;
                }
                Ok((mut send, receive)) => {
                    // Fails only on a stream that is gone already.
                    let _ = send.reset(code);
                    receive.stop(code);
                }
                Err(_) => return None,
            },
            opened = connection.accept_uni() => match opened {
                Ok(receive) => receive.stop(code),
                Err(_) => return None,
            },
            Some(_) = bulk.join_next() => continue,
        }
        shared.counters.strays.fetch_add(1, Relaxed);
        if !place.stream() {
            return Some(Code::RateLimited);
        }
    }
}

/// However it ends, the hub hears of it.
struct Ending {
    link: Arc<Link>,
    peer: Arc<dyn LinkPeer>,
    _gauges: [Gauge; 2],
}

impl Drop for Ending {
    fn drop(&mut self) {
        self.link.end();
        self.peer.down();
    }
}

/// Runs a bulk link until it is over.
async fn run(
    mut send: SendStream,
    mut receive: RecvStream,
    info: LinkInfo,
    connection: Connection,
    shared: Arc<Shared>,
) {
    let Shared { config, counters, acceptor, .. } = &*shared;
    let link = Arc::new(Link::new(connection.clone(), counters.clone()));
    let peer = acceptor.link_up(info, link.clone());
    let gauges = [Gauge::new(counters, |c| &c.links), Gauge::new(counters, |c| &c.bulk_links)];
    let ending = Ending { link, peer, _gauges: gauges };
    let Ending { link, peer, .. } = &ending;
    let reading = async {
        match read(&mut receive, &**peer, config).await {
            Read::Over => return,
            Read::Stop => {}
            Read::TooLarge => {
                let fault = Fault::from(Code::FrameTooLarge);
                link.say_close(fault.code, Some(&OutFrame::with("hub:close", &fault)));
            }
        }
        std::future::pending().await
    };
    let writing = async {
        if write(&mut send, link, &**peer, &connection).await {
            // The client has it, or the stream is gone.
            let _ = send.finish().await;
        }
    };
    let closing = async {
        link.told_to_close().await;
        // What was begun may still leave.
        sleep(config.close_wait).await;
    };
    tokio::select! {
        () = reading => {}
        () = writing => {}
        () = closing => {}
    }
    receive.stop(codes::stream(link.code()));
}
