//! `crosspoint subscribe`

use super::connect::{ConnectOptions, run};
use super::{Failure, say};
use clap::Args;
use crosspoint_client::{ClientEvent, JoinOptions};
use std::io::Write as _;

/// Joins a room and prints its events, one JSON object per line, until interrupted. What happens to the connection is told on
/// standard error.
#[derive(Debug, Args)]
pub(super) struct SubscribeArgs {
    /// The room.
    room: String,
    /// Begin after this position.
    #[arg(long, value_name = "POSITION", conflicts_with = "history")]
    since: Option<String>,
    /// Begin with the last N events.
    #[arg(long, value_name = "N")]
    history: Option<usize>,
    /// Print who comes and goes, too.
    #[arg(long)]
    presence: bool,
    /// End after N lines.
    #[arg(long, value_name = "N")]
    count: Option<usize>,
    #[command(flatten)]
    connect: ConnectOptions,
}

pub(super) fn subscribe(args: &SubscribeArgs) -> Result<(), Failure> {
    run(async {
        let client = args.connect.connect().await?;
        let mut events = client.events();
        let join = JoinOptions {
            since: args.since.clone(),
            history: args.history,
            presence: args.presence,
            ..JoinOptions::default()
        };
        let joined = client.room(&args.room, join);
        let mut joined = std::pin::pin!(joined);
        let mut is_joined = false;
        let mut left = args.count;
        while left != Some(0) {
            tokio::select! {
                done = &mut joined, if !is_joined => {
                    done?;
                    is_joined = true;
                    tell(&format!("joined {}", args.room));
                }
                interrupted = tokio::signal::ctrl_c() => {
                    interrupted?;
                    break;
                }
                event = events.next() => match event {
                    Some(ClientEvent::Frame(frame)) if frame.room.as_deref() == Some(&args.room) => {
                        say(&frame.encode_text())?;
                        left = left.map(|n| n - 1);
                    }
                    Some(ClientEvent::Closed(fault)) => return Err(fault.into()),
                    Some(event) => told(&event),
                    None => break,
                },
            }
        }
        client.close().await;
        Ok(())
    })
}

fn told(event: &ClientEvent) {
    match event {
        ClientEvent::State { state, fault: Some(fault), .. } => tell(&format!("{state:?}: {fault}")),
        ClientEvent::State { state, .. } => tell(&format!("{state:?}")),
        ClientEvent::Transport { transport, cause, .. } => tell(&format!("on {transport} ({cause})")),
        ClientEvent::RejoinFailed { code, .. } => {
            tell(&format!("the room could not be joined again: {code}"))
        }
        _ => {}
    }
}

fn tell(text: &str) {
    // A closed standard error leaves nowhere to say so.
    let _ = writeln!(std::io::stderr(), "crosspoint: {text}");
}
