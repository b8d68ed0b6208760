//! `crosspoint publish`

use super::connect::{ConnectOptions, run};
use super::{Failure, say};
use clap::Args;
use crosspoint_client::{Client, Code, Fault, JoinOptions, PublishOptions};
use crosspoint_core::Raw;
use serde_json::json;
use serde_json::value::{RawValue, to_raw_value};
use std::io::BufRead as _;

/// Publishes to a room and prints what the hub says, one JSON object per event.
#[derive(Debug, Args)]
pub(super) struct PublishArgs {
    /// The room.
    room: String,
    /// JSON, or any other text, which is sent as a string; `-` publishes each line of standard input.
    data: String,
    /// The event's type.
    #[arg(long = "type", value_name = "TYPE", default_value = "message")]
    kind: String,
    /// The event's id: publishing it again stores nothing.
    #[arg(long)]
    id: Option<String>,
    #[command(flatten)]
    connect: ConnectOptions,
}

pub(super) fn publish(args: &PublishArgs) -> Result<(), Failure> {
    run(async {
        let client = args.connect.connect().await?;
        let done = publish_all(&client, args).await;
        client.close().await;
        done
    })
}

async fn publish_all(client: &Client, args: &PublishArgs) -> Result<(), Failure> {
    if args.data != "-" {
        return one(client, args, &args.data).await;
    }
    if args.id.is_some() {
        return Err("--id names one event; it does not go with `-`".into());
    }
    // A thread of its own: the client answers pings while standard input is silent.
    let (lines, mut read) = tokio::sync::mpsc::channel(1);
    std::thread::spawn(move || {
        std::io::stdin().lock().lines().try_for_each(|line| lines.blocking_send(line).map_err(drop))
    });
    while let Some(line) = read.recv().await {
        one(client, args, &line?).await?;
    }
    Ok(())
}

async fn one(client: &Client, args: &PublishArgs, text: &str) -> Result<(), Failure> {
    let data: Raw = match RawValue::from_string(text.into()) {
        Ok(json) => json,
        Err(_) => to_raw_value(text)?,
    };
    let options = PublishOptions { id: args.id.clone(), ..PublishOptions::default() };
    let publish = || client.publish(&args.room, &args.kind, &*data, options.clone());
    let published = match publish().await {
        // Most grants want the room joined; those that don't spare its members a visitor.
        Err(Fault { code: Code::NotJoined, .. }) => {
            client.room(&args.room, JoinOptions::default()).await?;
            publish().await?
        }
        done => done?,
    };
    let mut line = json!({"id": published.id, "ts": published.ts});
    if let (Some(offset), Some(position)) = (published.offset, published.position) {
        (line["offset"], line["position"]) = (offset.into(), position.into());
    }
    if published.duplicate {
        line["duplicate"] = true.into();
    }
    say(&line.to_string())
}
