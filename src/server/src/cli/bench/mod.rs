//! `crosspoint bench`: loads on a running hub. Counts every delivery; measures latencies from when a message was due, so that
//! a stalled hub can't hide its queue; and the hub's CPU time and memory where it runs on this machine.

mod link;
mod loads;
mod procfs;
mod report;
mod transfer;

use super::Failure;
use clap::{Args, ValueEnum};
use report::Report;
use serde::Serialize;
use std::fmt::Display;

/// A load on a running hub.
#[derive(Debug, Args)]
pub(super) struct BenchArgs {
    /// Which load.
    #[arg(value_enum, default_value_t = Load::All)]
    load: Load,
    /// The hub.
    #[arg(long, default_value = "http://127.0.0.1:3001")]
    url: String,
    /// A token that may join, publish and send direct messages; an open hub needs none.
    #[arg(long, env = "CROSSPOINT_TOKEN", hide_env_values = true)]
    token: Option<String>,
    /// Connections (members of the room or rooms).
    #[arg(long, default_value_t = 1000)]
    connections: usize,
    /// Connections under way at a time while connecting.
    #[arg(long, default_value_t = 64)]
    parallel: usize,
    /// Bytes of payload.
    #[arg(long, default_value_t = 256)]
    size: usize,
    /// Publishes a second (fan-out: 50, rooms: 2,000 unless given); in `transfer` MB a second (as many as it gets through).
    #[arg(long)]
    rate: Option<f64>,
    /// Publishes that are due at the same moment (fan-out).
    #[arg(long, default_value_t = 1)]
    burst: usize,
    /// Members of a room (rooms).
    #[arg(long, default_value_t = 10)]
    room_size: usize,
    /// Milliseconds between two beats of an idle connection; 0: none (idle).
    #[arg(long, default_value_t = 2_500)]
    beat_ms: u64,
    /// What carries the connections: `websocket` or `webtransport`; in `transfer` also `sse` and `sse-poll`, and all of them unless given.
    #[arg(long)]
    transport: Option<BenchTransport>,
    /// Where WebTransport is.
    #[arg(skip)]
    offer: Option<link::Offer>,
    /// How long to measure, seconds.
    #[arg(long, default_value_t = 5.0)]
    secs: f64,
    /// The hub's process, for its CPU time and memory; found by its port on this machine otherwise.
    #[arg(long)]
    pid: Option<u32>,
    /// One JSON object per load instead of text.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Load {
    /// One publisher, all connections in one room.
    Fanout,
    /// Rooms of `room-size`, everybody publishes in turn.
    Rooms,
    /// Each of 100 connections has one message to itself under way.
    Echo,
    /// Connections that do nothing but beat: memory per session, and what all of them cost.
    Idle,
    /// How fast and at what cost connections are taken, hello and join included.
    Connect,
    /// A pair chats, at rest and while one of them sends the other 20 MB of bytes by bulk: what that does to the chat's latency.
    Transfer,
    /// All of them.
    All,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum BenchTransport {
    Websocket,
    Webtransport,
    Sse,
    SsePoll,
}

impl BenchTransport {
    const ALL: [BenchTransport; 3] =
        [BenchTransport::Websocket, BenchTransport::Webtransport, BenchTransport::Sse];
}

pub(super) fn bench(mut args: BenchArgs) -> Result<(), Failure> {
    // The load's own ends are sockets too.
    let _ = rlimit::increase_nofile_limit(u64::MAX);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    match (args.load, args.transport) {
        (Load::Transfer, _) | (_, None | Some(BenchTransport::Websocket)) => {}
        (_, Some(BenchTransport::Webtransport)) => {
            args.offer = Some(runtime.block_on(link::Offer::ask(&args))?);
        }
        _ => return Err("this load goes by websocket or webtransport".into()),
    }
    let args = &args;
    let pid = args.pid.or_else(|| procfs::listener(&args.url));
    let loads = match args.load {
        Load::All => vec![Load::Connect, Load::Idle, Load::Fanout, Load::Rooms, Load::Echo, Load::Transfer],
        one => vec![one],
    };
    if pid.is_none() {
        super::say_error(&*Failure::from(
            "the hub's process is not on this machine: no CPU time and no memory",
        ));
    }
    for load in loads {
        if load == Load::Transfer {
            for by in args.transport.map_or(BenchTransport::ALL.to_vec(), |one| vec![one]) {
                say(args, &runtime.block_on(transfer::transfer(args, by, pid))?)?;
            }
            continue;
        }
        let report: Report = runtime.block_on(async {
            match load {
                Load::Fanout => loads::fan_out(args, pid).await,
                Load::Rooms => loads::rooms(args, pid).await,
                Load::Echo => loads::echo(args, pid).await,
                Load::Idle => loads::idle(args, pid).await,
                _ => loads::connect(args, pid).await,
            }
        })?;
        say(args, &report)?;
    }
    Ok(())
}

fn say(args: &BenchArgs, report: &(impl Serialize + Display)) -> Result<(), Failure> {
    super::say(&if args.json { serde_json::to_string(report)? } else { report.to_string() })
}
