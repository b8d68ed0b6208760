//! The commands of the binary. Each ends with an exit code: 0 done, 1 failed, 2 misused (clap's).

mod bench;
mod check;
mod connect;
mod key;
mod options;
mod publish;
mod serve;
mod subscribe;
mod token;
mod token_look;

use clap::{Parser, Subcommand};
use std::io::Write as _;
use std::process::ExitCode;

/// Realtime hub: rooms, presence and history over whatever transport gets through.
#[derive(Debug, Parser)]
#[command(name = "crosspoint", version)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the hub.
    Serve(options::ConfigOptions),
    /// Make a token for a user, or look at one.
    Token(Box<token::TokenCommand>),
    /// Make keys of the API for backends.
    #[command(subcommand)]
    Key(key::KeyCommand),
    /// Publish to a room.
    Publish(publish::PublishArgs),
    /// Print a room's events.
    Subscribe(subscribe::SubscribeArgs),
    /// Put a load on a running hub, and measure.
    Bench(bench::BenchArgs),
    /// Look at the configuration.
    #[command(subcommand)]
    Config(ConfigCommand),
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// Check it, and print what is in force, without secrets.
    Check(options::ConfigOptions),
}

impl Cli {
    /// Runs the command.
    pub fn run(self) -> ExitCode {
        let done = match self.command {
            Command::Serve(options) => serve::serve(&options),
            Command::Token(options) => token::token(&options),
            Command::Key(command) => key::key(&command),
            Command::Publish(args) => publish::publish(&args),
            Command::Subscribe(args) => subscribe::subscribe(&args),
            Command::Bench(args) => bench::bench(args),
            Command::Config(ConfigCommand::Check(options)) => check::check(&options),
        };
        match done {
            Ok(()) => ExitCode::SUCCESS,
            Err(e) => {
                say_error(&*e);
                ExitCode::FAILURE
            }
        }
    }
}

type Failure = Box<dyn std::error::Error + Send + Sync>;

fn say_error(e: &(dyn std::error::Error + 'static)) {
    // A closed standard error leaves nowhere to say so.
    let _ = writeln!(std::io::stderr(), "crosspoint: {e}");
}

/// Writes to standard output.
fn say(text: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout();
    writeln!(out, "{text}")?;
    Ok(out.flush()?)
}
