//! Streams that are none of the link's.

use crate::address::Place;
use crate::codes;
use crate::counters::Counters;
use crosspoint_core::Code;
use std::sync::atomic::Ordering::Relaxed;
use wtransport::Connection;

/// Rejects them until their address has opened too many; `None` if the connection ends before.
pub(crate) async fn reject(connection: &Connection, place: &Place, counters: &Counters) -> Option<Code> {
    let code = codes::stream(Code::LimitExceeded);
    loop {
        tokio::select! {
            opened = connection.accept_bi() => match opened {
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
        }
        counters.strays.fetch_add(1, Relaxed);
        if !place.stream() {
            return Some(Code::RateLimited);
        }
    }
}
