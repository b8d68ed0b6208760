//! One connection: two sockets, two lanes, the engine between them, and how each socket ends.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot, watch};

use super::engine::{self, Outcome};
use super::lane::{self, Direction, LaneEnd, LaneMeter, LaneRules};
use super::log::Event;
use super::peer::{Peer, Socket};
use super::registry::{Cut, Registered, Shared};
use super::rules::End;
use super::running::Running;

const BETWEEN_BYTES: usize = 16 * 1024;

/// What the engine knows of its connection.
pub(super) struct Connection {
    pub(super) id: u64,
    pub(super) shared: Arc<Shared>,
    pub(super) running: watch::Receiver<Arc<Running>>,
    /// The newest socket to the hub, for whoever ends the connection.
    pub(super) upstream: Mutex<Option<Socket>>,
}

impl Connection {
    pub(super) fn log(&self, event: Event) {
        self.shared.log.add(self.id, event);
    }
}

/// Takes the connection off the list even when its task is aborted.
struct Listing {
    shared: Arc<Shared>,
    id: u64,
}

impl Drop for Listing {
    fn drop(&mut self) {
        self.shared.remove(self.id);
    }
}

/// Serves a client until both sockets have ended.
pub(super) async fn serve(shared: Arc<Shared>, client: Socket, registered: Registered) {
    let Registered { id, running, mut cuts } = registered;
    let _listing = Listing { shared: Arc::clone(&shared), id };
    let connection = Arc::new(Connection { id, shared, running, upstream: Mutex::new(None) });
    connection.log(Event::Opened);

    let (mut outcome, mut done) = carry(&connection, &client, &mut cuts).await;
    let mut client = Some(client);
    let mut upstream = connection.upstream.lock().take();
    loop {
        connection.log(Event::Ended { client: outcome.client, upstream: outcome.upstream });
        if outcome.client != End::Keep && outcome.upstream != End::Keep {
            connection.shared.remove(id);
        }
        tokio::join!(settle(&mut client, outcome.client), settle(&mut upstream, outcome.upstream));
        if let Some(done) = done.take() {
            // Whoever ordered the cut may have stopped waiting.
            let _ = done.send(());
        }
        if client.is_none() && upstream.is_none() {
            return;
        }
        let Some(cut) = cuts.recv().await else { return };
        (outcome, done) = (Outcome { client: cut.client, upstream: cut.upstream }, Some(cut.done));
    }
}

async fn settle(socket: &mut Option<Socket>, how: End) {
    if how != End::Keep
        && let Some(socket) = socket.take()
    {
        socket.end(how).await;
    }
}

async fn carry(
    connection: &Arc<Connection>,
    client: &Socket,
    cuts: &mut mpsc::Receiver<Cut>,
) -> (Outcome, Option<oneshot::Sender<()>>) {
    let meter = &connection.shared.meter;
    let (near, far) = tokio::io::duplex(BETWEEN_BYTES);
    let (near_read, near_write) = tokio::io::split(near);
    let rules = |direction| LaneRules { direction, running: connection.running.clone() };
    let seen_end = |closed| connection.log(if closed { Event::ClientClosed } else { Event::ClientReset });
    let up_meter = LaneMeter { passed: &meter.up_bytes, swallowed: &meter.up_swallowed_bytes };
    let down_meter = LaneMeter { passed: &meter.down_bytes, swallowed: &meter.down_swallowed_bytes };
    let up = lane::run(client.clone(), near_write, rules(Direction::Up), up_meter, seen_end);
    let down = lane::run(near_read, client.clone(), rules(Direction::Down), down_meter, |_| {});
    let engine = engine::run(Peer::new(far), Arc::clone(connection));
    tokio::pin!(up, down, engine);

    let (mut up_open, mut down_open, mut outcome) = (true, true, None);
    loop {
        let ended = tokio::select! {
            biased;
            Some(cut) = cuts.recv() => {
                return (Outcome { client: cut.client, upstream: cut.upstream }, Some(cut.done));
            }
            end = &mut up, if up_open => {
                up_open = false;
                match end {
                    LaneEnd::Rule(how) => Some(Outcome::both(how)),
                    LaneEnd::SourceFailed => Some(Outcome::both(End::Reset)),
                    LaneEnd::Closed | LaneEnd::SinkFailed => None,
                }
            }
            end = &mut down, if down_open => {
                down_open = false;
                match end {
                    LaneEnd::Rule(how) => Some(Outcome::both(how)),
                    LaneEnd::SourceFailed | LaneEnd::SinkFailed => Some(Outcome::both(End::Reset)),
                    LaneEnd::Closed => {
                        if outcome.is_none() {
                            client.shut();
                        }
                        outcome
                    }
                }
            }
            ended = &mut engine, if outcome.is_none() => {
                outcome = Some(ended);
                outcome.filter(|_| !down_open)
            }
        };
        if let Some(ended) = ended {
            return (ended, None);
        }
    }
}
