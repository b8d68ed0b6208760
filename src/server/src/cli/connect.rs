//! What the commands need that are clients of a hub.

use super::Failure;
use clap::Args;
use crosspoint_client::{Client, Options, Token, Transport};
use std::path::PathBuf;

/// Which hub, as whom, and how.
#[derive(Debug, Args)]
pub(super) struct ConnectOptions {
    /// The hub's address.
    #[arg(long, env = "CROSSPOINT_URL", default_value = "http://127.0.0.1:3001")]
    url: String,
    /// The user's token; better left to the environment, as others see command lines.
    #[arg(long, env = "CROSSPOINT_TOKEN", hide_env_values = true)]
    token: Option<String>,
    /// Who to be, on an open hub.
    #[arg(long)]
    user: Option<String>,
    /// Use only this: websocket, sse or sse-poll.
    #[arg(long, value_parser = transport)]
    transport: Option<Transport>,
    /// PEM file of certificates to trust beside the system's.
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
}

fn transport(name: &str) -> Result<Transport, String> {
    Transport::from_name(name).ok_or_else(|| Transport::ALL.map(Transport::name).join(", "))
}

impl ConnectOptions {
    /// A client that has its first link. To be called inside a runtime.
    pub(super) async fn connect(&self) -> Result<Client, Failure> {
        let client = Client::connect(Options {
            token: self.token.clone().map_or(Token::None, Token::Fixed),
            user: self.user.clone(),
            transports: self.transport.map_or_else(|| Transport::ALL.to_vec(), |t| vec![t]),
            roots_pem: self.ca_file.as_ref().map(std::fs::read).transpose()?.unwrap_or_default(),
            name: "crosspoint-cli".into(),
            ..Options::new(&self.url)
        });
        client.ready().await?;
        Ok(client)
    }
}

/// Runs a command that is a client.
pub(super) fn run(command: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(command)
}
