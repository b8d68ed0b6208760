//! The `crosspoint` binary.

use clap::Parser as _;
use crosspoint::cli::Cli;
use std::process::ExitCode;

fn main() -> ExitCode {
    Cli::parse().run()
}
